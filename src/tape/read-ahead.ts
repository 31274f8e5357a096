/** Objects read from the image in one call and handed to the drive one by one. */
import { assert } from '../base/assert.ts';
import { MIB } from '../base/units.ts';
import type { ReadReply } from './image-call.ts';
import type { TapeObject } from './tape-object.ts';
import { FILEMARK } from './tape-object.ts';

/** Most objects and bytes that are read in one call (one block larger than that comes alone). */
export const READ_AHEAD_OBJECTS_MAX = 256;
export const READ_AHEAD_BYTES_MAX = MIB;

export class ReadAhead {
  #lengths = new Uint32Array(0);
  #data: Uint8Array = new Uint8Array(0);
  #next = 0;
  #offset = 0;

  fill(reply: ReadReply): void {
    this.#lengths = new Uint32Array(reply.lengths);
    this.#data = reply.data;
    this.#next = 0;
    this.#offset = 0;
  }

  /** The next object, or undefined where all have been handed out. A block is a view. */
  take(): TapeObject | undefined {
    const length = this.#lengths[this.#next];
    if (length === undefined) return undefined;
    this.#next += 1;
    if (length === 0) return FILEMARK;
    const end = this.#offset + length;
    assert(end <= this.#data.length, 'a batch has the bytes of every block in it');
    const data = this.#data.subarray(this.#offset, end);
    this.#offset = end;
    return { kind: 'block', data };
  }

  /** Forgets the batch: the position has left it, or it has been overwritten. */
  drop(): void {
    this.#lengths = new Uint32Array(0);
    this.#data = new Uint8Array(0);
    this.#next = 0;
    this.#offset = 0;
  }
}
