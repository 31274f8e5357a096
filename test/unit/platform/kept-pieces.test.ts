/** What waits for its reader: all of it, in order, and in memory that nobody else writes meanwhile. */
import { describe, expect, it } from 'vitest';
import { GatheredPieces, PiecesAsTheyCome } from '../../../src/platform/kept-pieces.ts';
import type { KeptPieces } from '../../../src/platform/kept-pieces.ts';

/** Bytes of a pattern that shows where they are from. */
const patternAt = (start: number, length: number): Uint8Array =>
  new Uint8Array(length).map((_, index) => (start + index) % 251);

const KINDS: readonly [string, () => KeptPieces][] = [
  ['pieces as they come', () => new PiecesAsTheyCome()],
  ['gathered pieces', () => new GatheredPieces()],
];

describe.each(KINDS)('%s', (_, make) => {
  it('are taken whole and in order, whatever has been taken in between', () => {
    const pieces = make();
    let [added, taken] = [0, 0];
    for (const length of [1, 300_000, 32_768, 5, 700_000, 262_144, 99]) {
      for (let count = 0; count < 4; count += 1) {
        const piece = patternAt(added, length);
        pieces.add(piece);
        // Who brought it may use its memory again.
        if (pieces instanceof GatheredPieces) piece.fill(255);
        added += length;
        if (count % 2 === 0) taken += checked(pieces, taken);
      }
    }
    expect(pieces.bytes).toBe(added - taken);
    while (pieces.bytes > 0) taken += checked(pieces, taken);
    expect([taken, pieces.take()]).toEqual([added, undefined]);
  });

  it('are moved to where their reader wants them, however long the pieces are', () => {
    const pieces = make();
    let [added, taken] = [0, 0];
    for (const length of [70_000, 1, 300_000, 262_144, 5, 90_000]) {
      pieces.add(patternAt(added, length));
      added += length;
      const into = new Uint8Array(100_000);
      const moved = pieces.takeInto(into);
      expect(moved).toBe(Math.min(into.length, added - taken));
      expect(Buffer.from(into.subarray(0, moved)).equals(patternAt(taken, moved))).toBe(true);
      taken += moved;
      if (length === 5) taken += checked(pieces, taken);
      expect(pieces.bytes).toBe(added - taken);
    }
    while (pieces.bytes > 0) taken += checked(pieces, taken);
    expect([taken, pieces.takeInto(new Uint8Array(10))]).toEqual([added, 0]);
  });

  it('stay as they are until the next are taken', () => {
    const pieces = make();
    pieces.add(patternAt(0, 1000));
    const first = pieces.take();
    for (let count = 0; count < 10; count += 1) pieces.add(patternAt(7, 100_000));
    expect(first).toEqual(patternAt(0, 1000));
  });
});

function checked(pieces: KeptPieces, start: number): number {
  const bytes = pieces.take() ?? new Uint8Array();
  expect(bytes.length).toBeGreaterThan(0);
  expect(Buffer.from(bytes).equals(patternAt(start, bytes.length))).toBe(true);
  return bytes.length;
}

describe('gathered pieces', () => {
  it('use their memory again', () => {
    const pieces = new GatheredPieces();
    const memories = new Set<ArrayBufferLike>();
    for (let count = 0; count < 50; count += 1) {
      pieces.add(patternAt(0, 40_000));
      memories.add((pieces.take() ?? new Uint8Array()).buffer);
    }
    expect(memories.size).toBe(2);
  });
});

describe('pieces as they come', () => {
  it('are given back once the reader has come for the next one', () => {
    const given: number[] = [];
    const pieces = new PiecesAsTheyCome((piece) => given.push(piece.length));
    pieces.add(patternAt(0, 1));
    pieces.add(patternAt(0, 2));
    pieces.take();
    expect(given).toEqual([]);
    pieces.take();
    expect(given).toEqual([1]);
    pieces.take();
    expect(given).toEqual([1, 2]);
  });

  it('are given back as soon as they have been moved', () => {
    const given: number[] = [];
    const pieces = new PiecesAsTheyCome((piece) => given.push(piece.length));
    for (const length of [3, 4, 5]) pieces.add(patternAt(0, length));
    pieces.takeInto(new Uint8Array(8));
    expect(given).toEqual([3, 4]);
    pieces.takeInto(new Uint8Array(8));
    expect(given).toEqual([3, 4, 4]);
  });
});
