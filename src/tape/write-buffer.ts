/**
 * Blocks and filemarks that a drive has acknowledged and not yet given to the image, in one batch.
 */
import { assert } from '../base/assert.ts';
import { MIB } from '../base/units.ts';

/** Most bytes of a batch. */
export const WRITE_BATCH_BYTES_MAX = MIB;
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
    // The memory is taken with the first block: most drives of a server are idle.
    if (data.length > 0 && this.#data.length === 0) {
      this.#data = new Uint8Array(WRITE_BATCH_BYTES_MAX);
    }
    this.#data.set(data, this.#bytes);
    this.#lengths.fill(blockLength, this.#objectCount, this.#objectCount + count);
    this.#objectCount += count;
    this.#bytes += data.length;
    if (blockLength === 0) this.#filemarkCount += count;
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
