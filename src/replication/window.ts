/** What a sender may have under way: frames sent of which the receiver has not said that it stored them. */
import { violation } from './frame.ts';

interface Sent {
  /** Chunks needed that have been sent, with this frame. */
  readonly chunksSent: number;
  readonly bytes: number;
}

export class SendWindow {
  readonly #peer: string;
  #bytesMax: number;
  readonly #sent: Sent[] = [];
  #bytes = 0;
  #chunksSent = 0;
  #chunksStored = 0;
  #closed = false;
  #wake: (() => void) | undefined;

  constructor(peer: string, bytesMax: number) {
    this.#peer = peer;
    this.#bytesMax = bytesMax;
  }

  get chunksSent(): number {
    return this.#chunksSent;
  }

  /** From now on so many bytes may be under way. */
  widen(bytesMax: number): void {
    this.#bytesMax = bytesMax;
  }

  /** Resolves when `bytes` more may be under way (true), or the window was closed (false). */
  async room(bytes: number): Promise<boolean> {
    while (!this.#closed && this.#bytes > 0 && this.#bytes + bytes > this.#bytesMax) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return !this.#closed;
  }

  /** A frame of `count` chunks is about to be sent. */
  add(count: number, bytes: number): void {
    this.#chunksSent += count;
    this.#bytes += bytes;
    this.#sent.push({ chunksSent: this.#chunksSent, bytes });
  }

  /** The receiver has stored `chunksStored` chunks in all; how many bytes came by that. Throws PROTOCOL_VIOLATION. */
  acknowledge(chunksStored: number): number {
    if (chunksStored < this.#chunksStored || chunksStored > this.#chunksSent) {
      const what = `it says that it stored ${chunksStored} of ${this.#chunksSent} chunks sent`;
      throw violation(this.#peer, what);
    }
    this.#chunksStored = chunksStored;
    const bytesBefore = this.#bytes;
    while (this.#sent[0] !== undefined && this.#sent[0].chunksSent <= chunksStored) {
      this.#bytes -= this.#sent.shift()?.bytes ?? 0;
    }
    this.#wake?.();
    return bytesBefore - this.#bytes;
  }

  /** Nothing more is to be sent. */
  close(): void {
    this.#closed = true;
    this.#wake?.();
  }
}
