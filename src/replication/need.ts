/** What a NEED says: a bit for each chunk, piece or base. */
import { DIGEST_BYTES } from '../ports/engine.ts';
import type { Need } from './messages.ts';

/** The bitmap of a NEED: `lacking` has a byte for each chunk, 1 where it is needed. */
export function needOf(lacking: Uint8Array): Need {
  const bitmap = new Uint8Array(Math.ceil(lacking.length / 8));
  lacking.forEach((needed, ordinal) => {
    if (needed) bitmap[ordinal >> 3] = (bitmap[ordinal >> 3] ?? 0) | (0x80 >> (ordinal & 7));
  });
  return { kind: 'need', chunkCount: lacking.length, bitmap };
}

export const isNeeded = (need: Need, ordinal: number): boolean =>
  ((need.bitmap[ordinal >> 3] ?? 0) & (0x80 >> (ordinal & 7))) !== 0;

/** How many chunks `need` asks for. */
export function countOf(need: Need): number {
  let count = 0;
  for (let ordinal = 0; ordinal < need.chunkCount; ordinal += 1) {
    if (isNeeded(need, ordinal)) count += 1;
  }
  return count;
}

/** Those of `digests` (DIGEST_BYTES each) that `need` asks for, in their order. */
export function neededDigests(need: Need, digests: Uint8Array): Uint8Array {
  const needed = new Uint8Array(countOf(need) * DIGEST_BYTES);
  let offset = 0;
  for (let ordinal = 0; ordinal < need.chunkCount; ordinal += 1) {
    if (!isNeeded(need, ordinal)) continue;
    const at = ordinal * DIGEST_BYTES;
    needed.set(digests.subarray(at, at + DIGEST_BYTES), offset);
    offset += DIGEST_BYTES;
  }
  return needed;
}
