/** What the worker writes on its tapes, drawn by seed, and the digest by which a tape is known again. */
import { createHash } from 'node:crypto';
import { KIB, MIB } from '../../../src/base/units.ts';
import { SimulatedRandom } from '../../../harness/world/simulated-random.ts';

/** A block, or (empty) a filemark. */
export type TapeRecord = Uint8Array;
/** Per partition its records. */
export type TapeState = readonly (readonly TapeRecord[])[];

export const FILEMARK: TapeRecord = new Uint8Array(0);

export type Fill = 'noise' | 'text' | 'edited' | 'fresh' | 'framed';

const STOCK_BYTES = MIB;
const EDIT_INTERVAL_BYTES = 20 * KIB;
const FRAME_BYTES = 24;
const FRAME_MAGIC = 0x42423032;

/** Blocks' bytes as call.data, their lengths as call.lengths. */
export function packed(records: readonly TapeRecord[]): {
  readonly lengths: Uint32Array;
  readonly data: Uint8Array;
} {
  const lengths = Uint32Array.from(records, (record) => record.length);
  return { lengths, data: Buffer.concat(records) };
}

/** SHA-256 of a tape's records, hexadecimal. */
export function digestOf(state: TapeState): string {
  const hash = createHash('sha256');
  for (const partition of state) {
    const { lengths, data } = packed(partition);
    hash.update(`${partition.length};`);
    hash.update(new Uint8Array(lengths.buffer));
    hash.update(data);
  }
  return hash.digest('hex');
}

/** Draws records. Its stock is the same for the same seed, so that many tapes share content. */
export class ContentSource {
  readonly #random: SimulatedRandom;
  readonly #stock: { readonly noise: Uint8Array; readonly text: Uint8Array };
  #frameNumber = 0;

  constructor(stockSeed: number, random: SimulatedRandom) {
    this.#random = random;
    const stock = new SimulatedRandom(stockSeed);
    const noise = stock.bytes(STOCK_BYTES);
    // Words out of a small vocabulary: about half as long when compressed.
    const text = Uint8Array.from(noise, (byte, index) =>
      index % 3 === 0 ? byte : 97 + (byte % 8),
    );
    this.#stock = { noise, text };
  }

  /** `count` blocks of about `bytes` each, which follow one another in the stock. */
  records(fill: Fill, count: number, bytes: number): TapeRecord[] {
    const stock = fill === 'text' ? this.#stock.text : this.#stock.noise;
    const total = count * bytes;
    const from = this.#random.below(4) * Math.floor((STOCK_BYTES - total) / 4);
    const stream = fill === 'fresh' ? this.#random.bytes(total) : stock.slice(from, from + total);
    if (fill === 'edited') {
      for (let at = this.#random.below(EDIT_INTERVAL_BYTES); at < total; at += EDIT_INTERVAL_BYTES)
        stream[at] = this.#random.below(256);
    }
    return Array.from({ length: count }, (_, index) => {
      const block = stream.subarray(index * bytes, (index + 1) * bytes);
      return fill === 'framed' ? this.#framed(block) : block;
    });
  }

  /** As backup applications do it: a number, a length and a mark before each block's data. */
  #framed(content: Uint8Array): Uint8Array {
    const block = new Uint8Array(FRAME_BYTES + content.length);
    const view = new DataView(block.buffer);
    this.#frameNumber += 1;
    view.setUint32(0, this.#random.next());
    view.setUint32(4, block.length);
    view.setUint32(8, this.#frameNumber);
    view.setUint32(12, FRAME_MAGIC);
    view.setUint32(16, 1);
    view.setUint32(20, 1_700_000_000);
    block.set(content, FRAME_BYTES);
    return block;
  }
}
