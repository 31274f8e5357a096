/**
 * Node's streams as a {@link DuplexStream}: pulled, not pushed, so that nothing piles up.
 *
 * What comes is kept in the pieces that it comes in, up to a limit, and beyond that by the stream, up to its
 * high-water mark: `read()` of Node's own would put the pieces together, which costs more than all else here.
 * A write resolves once the stream has consumed the bytes. Where a stream is lost, its end is no end: reads reject.
 */
import type { Readable, Writable } from 'node:stream';
import { CapstanError } from '../base/errors.ts';
import { KIB } from '../base/units.ts';
import type { DuplexStream } from '../ports/network.ts';
import { noteBuffers } from './buffer-memory.ts';
import { PiecesAsTheyCome } from './kept-pieces.ts';
import type { KeptPieces } from './kept-pieces.ts';

/** What is kept here before the stream is paused, bytes. */
const KEPT_BYTES_MAX = 256 * KIB;
/** So long after its beginning a reader who wants much takes what there is. */
const FILL_TIME_MS = 20;

export interface NodeDuplexParts {
  readonly peer: string;
  readonly readable: Readable;
  /** May be the same object as `readable`. */
  readonly writable: Writable;
  /** Drops what lies under the streams. */
  readonly drop: () => void;
  /** How to write to `writable`, where there is a better way than its own. */
  readonly write?: (bytes: Uint8Array, done: () => void) => void;
  /** What takes the bytes that `writable` has consumed, where that is no limit by itself. */
  readonly carrier?: Writable;
  /** Where what has come waits for its reader; in the pieces in which it came, unless said otherwise. */
  readonly kept?: KeptPieces;
  /** Tells who sends how much he may, by what is kept: the readable is never paused then. */
  readonly onKept?: (keptBytes: number) => void;
  /** Why the readable's end is a loss, where it is one. */
  readonly confirmEnd?: Promise<string | undefined>;
}

/** Where a reader wants the next bytes, and how many are there. */
interface Target {
  readonly into: Uint8Array;
  readonly dueAtMs: number;
  filledBytes: number;
  isDue: boolean;
}

export class NodeDuplex implements DuplexStream {
  readonly peer: string;
  readonly #parts: NodeDuplexParts;
  readonly #kept: KeptPieces;
  #lost: CapstanError | undefined;
  #ended = false;
  #target: Target | undefined;
  #wakeReader: (() => void) | undefined;
  #rejectWriter: ((error: CapstanError) => void) | undefined;

  constructor(parts: NodeDuplexParts) {
    const { readable, writable } = parts;
    this.peer = parts.peer;
    this.#parts = parts;
    this.#kept = parts.kept ?? new PiecesAsTheyCome();
    readable.on('data', (bytes: Uint8Array) => this.take(bytes));
    readable.on('end', () => void this.#readableEnded());
    readable.on('error', (error) => this.lose(error.message));
    readable.on('close', () => {
      if (!readable.readableEnded) this.lose('the stream was closed');
    });
    if ((writable as unknown) === readable) return;
    writable.on('error', (error) => this.#failWrite(error.message));
    writable.on('close', () => this.#failWrite('the peer takes nothing more'));
  }

  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  /** The stream is of no use any more, for `reason`: pending and later calls reject. Idempotent. */
  lose(reason: string): void {
    if (this.#lost !== undefined) return;
    this.#lost = new CapstanError('CONNECTION_LOST', { peer: this.peer, reason });
    this.#wakeReader?.();
    this.#rejectWriter?.(this.#lost);
    this.#parts.drop();
  }

  async read(): Promise<Uint8Array | undefined> {
    for (;;) {
      if (this.#lost !== undefined) throw this.#lost;
      const bytes = this.#kept.take();
      if (bytes !== undefined) {
        this.#balance();
        return bytes;
      }
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
    }
  }

  async readInto(into: Uint8Array): Promise<number> {
    const dueAtMs = performance.now() + FILL_TIME_MS;
    const target = { into, dueAtMs, filledBytes: this.#kept.takeInto(into), isDue: false };
    this.#target = target;
    this.#balance();
    try {
      for (;;) {
        if (this.#lost !== undefined) throw this.#lost;
        if (target.filledBytes === into.length || target.isDue || this.#ended) {
          return target.filledBytes;
        }
        await new Promise<void>((resolve) => {
          this.#wakeReader = resolve;
        });
      }
    } finally {
      this.#target = undefined;
    }
  }

  /** What a reader wants and has not come: bytes that are put there need not be moved. */
  get room(): Uint8Array | undefined {
    const target = this.#target;
    if (target === undefined || target.filledBytes === target.into.length) return undefined;
    return target.into.subarray(target.filledBytes);
  }

  /** Takes what came; copies it within the call where `kept` does. */
  take(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const moved = this.#move(bytes);
    if (moved < bytes.length) this.#kept.add(moved === 0 ? bytes : bytes.subarray(moved));
    this.#balance();
    const target = this.#target;
    if (target === undefined || target.filledBytes === target.into.length || target.isDue) {
      this.#wakeReader?.();
    }
  }

  /** Brings what came to who waits for it, unless it lies there already; how much. */
  #move(bytes: Uint8Array): number {
    const { room } = this;
    if (this.#target === undefined || room === undefined) return 0;
    const isThere = bytes.buffer === room.buffer && bytes.byteOffset === room.byteOffset;
    const part = isThere ? bytes : bytes.subarray(0, room.length);
    if (!isThere) room.set(part);
    if (!isThere && part.length === bytes.length) this.#kept.letGo(bytes);
    this.#target.filledBytes += part.length;
    this.#target.isDue = performance.now() >= this.#target.dueAtMs;
    return part.length;
  }

  #balance(): void {
    const { readable, onKept } = this.#parts;
    const { bytes } = this.#kept;
    if (onKept !== undefined) onKept(bytes);
    else if (bytes >= KEPT_BYTES_MAX) readable.pause();
    else readable.resume();
  }

  async write(bytes: Uint8Array): Promise<void> {
    const { carrier, writable, write } = this.#parts;
    await this.#call((done) => {
      if (write !== undefined) {
        write(bytes, done);
        return;
      }
      noteBuffers(bytes.length);
      writable.write(bytes, done);
    });
    if (carrier?.writableNeedDrain === true)
      await this.#call((done) => carrier.once('drain', done));
  }

  end(): Promise<void> {
    return this.#call((done) => this.#parts.writable.end(() => done()));
  }

  destroy(): void {
    this.lose('it was dropped on this side');
  }

  async #readableEnded(): Promise<void> {
    const reason = await this.#parts.confirmEnd;
    if (reason === undefined) this.#ended = true;
    else this.lose(reason);
    this.#wakeReader?.();
  }

  #failWrite(reason: string): void {
    this.#rejectWriter?.(new CapstanError('CONNECTION_LOST', { peer: this.peer, reason }));
  }

  /** Settles with `done`, or rejects where the stream is lost before. */
  #call(start: (done: (error?: Error | null) => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#lost !== undefined) {
        reject(this.#lost);
        return;
      }
      this.#rejectWriter = reject;
      start((error) => {
        this.#rejectWriter = undefined;
        if (error)
          reject(new CapstanError('CONNECTION_LOST', { peer: this.peer, reason: error.message }));
        else resolve();
      });
    });
  }
}
