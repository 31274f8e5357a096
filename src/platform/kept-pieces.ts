/** What has come over a stream and nobody has read yet, in one of two ways. */
import { KIB } from '../base/units.ts';
import { noteBuffers } from './buffer-memory.ts';

export interface KeptPieces {
  /** In all. */
  readonly bytes: number;
  add(piece: Uint8Array): void;
  /** The next bytes, until the next call; undefined where there are none. */
  take(): Uint8Array | undefined;
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
    if (this.#lent !== undefined) this.#recycle?.(this.#lent);
    this.#lent = this.#pieces.shift();
    const count = this.#lent?.length ?? 0;
    this.bytes -= count;
    if (this.#recycle === undefined) noteBuffers(count);
    return this.#lent;
  }
}

const BLOCK_BYTES = 256 * KIB;

interface Block {
  readonly memory: Uint8Array;
  filledBytes: number;
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
    noteBuffers(piece.length);
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
    const block = { memory, filledBytes: 0 };
    this.#blocks.push(block);
    return block;
  }

  take(): Uint8Array | undefined {
    if (this.#lent !== undefined) this.#spares.push(this.#lent);
    const block = this.#blocks.shift();
    this.#lent = block?.memory;
    if (block === undefined) return undefined;
    this.bytes -= block.filledBytes;
    return block.memory.subarray(0, block.filledBytes);
  }
}
