/**
 * Blocks and filemarks that a drive has acknowledged and not yet given to the image, in one batch.
 */
import { assert } from '../base/assert.ts';
import { MIB } from '../base/units.ts';

/** Most bytes of a batch. */
export const WRITE_BATCH_BYTES_MAX = MIB;
/** What is taken with the first block. */
const FIRST_BYTES = 64 * 1024;
/** Most objects of a batch. */
export const WRITE_BATCH_OBJECTS_MAX = 256;

export class WriteBuffer {
  #data = new Uint8Array(0);
  readonly #lengths = new Uint32Array(WRITE_BATCH_OBJECTS_MAX);
  #objectCount = 0;
  #bytes = 0;
  #filemarkCount = 0;

  get objectCount(): number {
    return this.#objectCount;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get filemarkCount(): number {
    return this.#filemarkCount;
  }

  /** Whether `count` objects of `bytes` bytes together fit behind what is there. */
  hasRoom(count: number, bytes: number): boolean {
    return (
      this.#objectCount + count <= WRITE_BATCH_OBJECTS_MAX &&
      this.#bytes + bytes <= WRITE_BATCH_BYTES_MAX
    );
  }

  /**
   * Takes a copy of `count` blocks of `blockLength` bytes, or of `count` filemarks where it is 0.
   */
  push(count: number, blockLength: number, data: Uint8Array): void {
    assert(this.hasRoom(count, data.length), 'the buffer has room for what is pushed');
    assert(data.length === count * blockLength, 'the blocks are all of one length');
    this.#makeRoom(this.#bytes + data.length);
    this.#data.set(data, this.#bytes);
    this.#lengths.fill(blockLength, this.#objectCount, this.#objectCount + count);
    this.#objectCount += count;
    this.#bytes += data.length;
    if (blockLength === 0) this.#filemarkCount += count;
  }

  /** Memory is taken as it is needed: most drives of a server are idle, and some write little. */
  #makeRoom(bytes: number): void {
    if (bytes <= this.#data.length) return;
    const larger = Math.max(bytes, 4 * this.#data.length, FIRST_BYTES);
    const data = new Uint8Array(Math.min(larger, WRITE_BATCH_BYTES_MAX));
    data.set(this.#data.subarray(0, this.#bytes));
    this.#data = data;
  }

  /** What is there, in the image's form; views that hold until the next push. */
  contents(): { readonly lengths: Uint32Array; readonly data: Uint8Array } {
    return {
      lengths: this.#lengths.subarray(0, this.#objectCount),
      data: this.#data.subarray(0, this.#bytes),
    };
  }

  clear(): void {
    this.#objectCount = 0;
    this.#bytes = 0;
    this.#filemarkCount = 0;
  }
}
