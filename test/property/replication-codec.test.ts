/**
 * Goal: bytes from a peer become the messages that were sent, or PROTOCOL_VIOLATION, and nothing else.
 * Method: arbitrary messages through encoder and decoder, split at arbitrary places, damaged by
 * arbitrary edits; and arbitrary bytes.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../src/base/bytes.ts';
import { isCapstanError } from '../../src/base/errors.ts';
import { FRAMES, FrameDecoder, PREAMBLE } from '../../src/replication/frame.ts';
import type { FrameKind } from '../../src/replication/frame.ts';
import { decodeMessage, encodeMessage } from '../../src/replication/messages.ts';
import { needOf, neededDigests } from '../../src/replication/need.ts';
import type { Message } from '../../src/replication/messages.ts';
import { message } from './any-message.ts';
import { NeededChunks, chunksOfParcels } from '../../src/replication/parcels.ts';

const RUNS = { numRuns: 500, seed: 20_261 } as const;

const bytes = fc.uint8Array({ maxLength: 300 });
const messages = fc.array(message, { maxLength: 8 });

const stream = (sent: readonly Message[]): Uint8Array =>
  concatBytes([PREAMBLE, ...sent.map(encodeMessage)]);

/** What a receiver makes of `pieces`; undefined where the protocol was broken. */
function receive(pieces: readonly Uint8Array[]): Message[] | undefined {
  const decoder = new FrameDecoder('east');
  try {
    return pieces.flatMap((piece) =>
      decoder.push(piece).map((frame) => decodeMessage('east', frame)),
    );
  } catch (error) {
    if (isCapstanError(error, 'PROTOCOL_VIOLATION')) return undefined;
    throw error;
  }
}

/** `whole` cut at `places` (each a share of its length). */
function cut(whole: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = places.map((place) => Math.floor(place * whole.length)).sort((a, b) => a - b);
  return [...ends, whole.length].map((end, index) => whole.subarray(ends[index - 1] ?? 0, end));
}

const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 });

describe('messages through frames', () => {
  it('arrive as they were sent, however the bytes are split', () => {
    fc.assert(
      fc.property(messages, shares, (sent, places) => {
        expect(receive(cut(stream(sent), places))).toEqual(sent);
      }),
      RUNS,
    );
  });

  it('with one byte changed arrive right or not at all, but for the content of parcels', () => {
    const change = fc.record({ at: fc.nat(), bits: fc.integer({ min: 1, max: 255 }) });
    fc.assert(
      fc.property(messages, change, (sent, { at, bits }) => {
        const damaged = stream(sent);
        const place = at % damaged.length;
        damaged[place] = (damaged[place] ?? 0) ^ bits;
        const received = receive([damaged]) ?? [];
        const plain = (each: Message): unknown =>
          each.kind === 'parcels' ? { ...each, parcels: each.parcels.length } : each;
        expect(received.map(plain)).toEqual(sent.slice(0, received.length).map(plain));
      }),
      RUNS,
    );
  });

  it('never make the decoder throw anything but PROTOCOL_VIOLATION, whatever the bytes', () => {
    const edits = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 6 });
    const edited = fc.tuple(messages, edits).map(([sent, changes]) => {
      const whole = stream(sent);
      for (const [at, byte] of changes) whole[at % whole.length] = byte;
      return whole;
    });
    const anything = fc.oneof(
      bytes,
      bytes.map((tail) => concatBytes([PREAMBLE, tail])),
      edited,
    );
    fc.assert(
      fc.property(anything, shares, (whole, places) => {
        receive(cut(whole, places));
      }),
      RUNS,
    );
  });

  it('of any payload are read or refused', () => {
    const kinds = Object.keys(FRAMES) as FrameKind[];
    fc.assert(
      fc.property(fc.constantFrom(...kinds), bytes, (kind, payload) => {
        const lengthAgain = (): number => {
          try {
            return encodeMessage(decodeMessage('east', { kind, payload })).length;
          } catch (error) {
            if (!isCapstanError(error, 'PROTOCOL_VIOLATION', 'LIMIT_EXCEEDED')) throw error;
            return 12 + payload.length;
          }
        };
        expect(lengthAgain()).toBe(12 + payload.length);
      }),
      RUNS,
    );
  });
});

describe('the chunks that are needed', () => {
  it('are those that are lacking, in their order', () => {
    fc.assert(
      fc.property(fc.uint8Array({ max: 1, maxLength: 60 }), (lacking) => {
        const digests = new Uint8Array(lacking.length * 32);
        lacking.forEach((_, ordinal) => digests.fill(ordinal, ordinal * 32, ordinal * 32 + 32));
        const needed = neededDigests(needOf(lacking), digests);
        const ordinals = [...needed].filter((_, index) => index % 32 === 0);
        expect(ordinals).toEqual([...lacking.keys()].filter((ordinal) => lacking[ordinal] === 1));
      }),
      RUNS,
    );
  });

  it('are told from others, each once', () => {
    const numbers = fc.uniqueArray(fc.nat(40), { maxLength: 30 });
    // Alike in all but their last byte: they want the same slot.
    const digestOf = (number: number): Uint8Array => new Uint8Array(32).with(31, number);
    fc.assert(
      fc.property(numbers, fc.array(fc.nat(40)), (needed, arriving) => {
        const chunks = new NeededChunks(concatBytes(needed.map(digestOf)));
        const left = new Set(needed);
        for (const number of arriving) {
          expect(chunks.take(digestOf(number), 0)).toBe(left.delete(number));
        }
      }),
      RUNS,
    );
  });

  it('stand within what arrived, whatever that is', () => {
    fc.assert(
      fc.property(bytes, (parcels) => {
        const places = chunksOfParcels(parcels) ?? [];
        for (const place of places.flat()) expect(place + 36).toBeLessThanOrEqual(parcels.length);
      }),
      RUNS,
    );
  });
});
