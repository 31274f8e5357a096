/** What has come over a stream and nobody has read yet, in one of two ways. */
import { KIB } from '../base/units.ts';
import { noteBuffers } from './buffer-memory.ts';

export interface KeptPieces {
  /** In all. */
  readonly bytes: number;
  add(piece: Uint8Array): void;
  /** The next bytes, until the next call; undefined where there are none. */
  take(): Uint8Array | undefined;
  /** The next bytes, moved to the beginning of `into`; how many. */
  takeInto(into: Uint8Array): number;
  /** A piece that came and needs not be kept. */
  letGo(piece: Uint8Array): void;
}

/** In the pieces in which it comes. */
export class PiecesAsTheyCome implements KeptPieces {
  readonly #pieces: Uint8Array[] = [];
  readonly #recycle: ((piece: Uint8Array) => void) | undefined;
  #lent: Uint8Array | undefined;
  bytes = 0;

  /** `recycle` takes each piece's memory back; without it the collector does. */
  constructor(recycle?: (piece: Uint8Array) => void) {
    this.#recycle = recycle;
  }

  add(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.bytes += piece.length;
  }

  take(): Uint8Array | undefined {
    this.#takeBack();
    this.#lent = this.#pieces.shift();
    this.bytes -= this.#lent?.length ?? 0;
    return this.#lent;
  }

  takeInto(into: Uint8Array): number {
    this.#takeBack();
    let filled = 0;
    for (let [piece] = this.#pieces; piece !== undefined; [piece] = this.#pieces) {
      const part = piece.subarray(0, into.length - filled);
      into.set(part, filled);
      filled += part.length;
      if (part.length < piece.length) {
        this.#pieces[0] = piece.subarray(part.length);
        break;
      }
      this.#pieces.shift();
      this.letGo(piece);
    }
    this.bytes -= filled;
    return filled;
  }

  letGo(piece: Uint8Array): void {
    if (this.#recycle === undefined) noteBuffers(piece.length);
    else this.#recycle(piece);
  }

  #takeBack(): void {
    if (this.#lent !== undefined) this.letGo(this.#lent);
    this.#lent = undefined;
  }
}

const BLOCK_BYTES = 256 * KIB;

interface Block {
  readonly memory: Uint8Array;
  filledBytes: number;
  /** Of the filled bytes, those that have been taken already. */
  takenBytes: number;
}

/**
 * Copied into blocks that are used again. Small buffers that wait for their reader outlive a collection or two, and V8
 * goes through its whole heap for them; the copy costs a tenth of that.
 */
export class GatheredPieces implements KeptPieces {
  readonly #blocks: Block[] = [];
  readonly #spares: Uint8Array[] = [];
  #lent: Uint8Array | undefined;
  bytes = 0;

  add(piece: Uint8Array): void {
    this.bytes += piece.length;
    for (let at = 0; at < piece.length;) {
      const block = this.#blockWithRoom();
      const part = piece.subarray(at, at + BLOCK_BYTES - block.filledBytes);
      block.memory.set(part, block.filledBytes);
      block.filledBytes += part.length;
      at += part.length;
    }
  }

  #blockWithRoom(): Block {
    const last = this.#blocks.at(-1);
    if (last !== undefined && last.filledBytes < BLOCK_BYTES) return last;
    const memory = this.#spares.pop() ?? new Uint8Array(BLOCK_BYTES);
    const block = { memory, filledBytes: 0, takenBytes: 0 };
    this.#blocks.push(block);
    return block;
  }

  take(): Uint8Array | undefined {
    if (this.#lent !== undefined) this.#spares.push(this.#lent);
    const block = this.#blocks.shift();
    this.#lent = block?.memory;
    if (block === undefined) return undefined;
    this.bytes -= block.filledBytes - block.takenBytes;
    return block.memory.subarray(block.takenBytes, block.filledBytes);
  }

  takeInto(into: Uint8Array): number {
    let filled = 0;
    for (let [block] = this.#blocks; block !== undefined; [block] = this.#blocks) {
      const { memory, takenBytes, filledBytes } = block;
      const part = memory.subarray(
        takenBytes,
        Math.min(filledBytes, takenBytes + into.length - filled),
      );
      into.set(part, filled);
      filled += part.length;
      block.takenBytes += part.length;
      if (block.takenBytes < filledBytes) break;
      this.#blocks.shift();
      this.#spares.push(memory);
    }
    this.bytes -= filled;
    return filled;
  }

  /** Its memory is the caller's. */
  letGo(): void {}
}
