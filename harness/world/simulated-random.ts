/** Chance in the simulated world: a small generator, the same numbers for the same seed. */
import { assert } from '../../src/base/assert.ts';
import type { Random } from '../../src/ports/random.ts';

/** Splitmix32: one 32-bit state, passes what a simulation asks of it. Not for secrets. */
export class SimulatedRandom implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** The next 32 bits, unsigned. */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  }

  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    assert(limit >= 1, 'there is a number below the limit');
    return this.next() % limit;
  }

  bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    for (let index = 0; index < count; index += 4) {
      let word = this.next();
      for (let offset = index; offset < Math.min(index + 4, count); offset += 1) {
        bytes[offset] = word & 0xff;
        word >>>= 8;
      }
    }
    return bytes;
  }
}
