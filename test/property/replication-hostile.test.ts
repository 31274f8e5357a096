/**
 * Goal: whatever a peer says, a receiver stores nothing but what was offered, and neither side fails with anything
 * but an operating error, waits beyond its limits, or leaves something behind.
 * Method: a conversation that follows the protocol, over the connection and a lane, edited at arbitrary places:
 * frames dropped, doubled, exchanged, put in or changed with a checksum that fits; bytes changed, or cut off.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, writeUint } from '../../src/base/bytes.ts';
import { crc32 } from '../../src/base/crc32.ts';
import { isCapstanError } from '../../src/base/errors.ts';
import { MIB } from '../../src/base/units.ts';
import { FRAMES, FRAME_HEADER_BYTES, PREAMBLE } from '../../src/replication/frame.ts';
import { encodeMessage } from '../../src/replication/messages.ts';
import type { Message } from '../../src/replication/messages.ts';
import { needOf } from '../../src/replication/need.ts';
import { OFFER, STALL_TIMEOUT_MS, TargetServer } from '../unit/replication/copies.ts';
import { helloOf, receiveSaid, sendToSaid, tapeToOffer } from '../unit/replication/hostile-peer.ts';
import { message } from './any-message.ts';

const RUNS = { numRuns: 2000, seed: 20_261_121 } as const;
const CHUNKS = 4;
/** A peer that sends nothing but keep-alives is given up after this. */
const ELAPSED_MS_MAX = 10 * STALL_TIMEOUT_MS;
/** What either side may keep of memory for one of these conversations, whatever they announce. */
const MEMORY_BYTES_MAX = 300 * MIB;

const { source, parcels, offer, page, commit } = await tapeToOffer(CHUNKS);
const { generation } = OFFER;

const token = new Uint8Array(16).fill(9);
const first = parcels.length / CHUNKS;
const bringing = (chunksBefore: number, chunkCount: number): Message => ({
  kind: 'parcels',
  chunksBefore,
  chunkCount,
  parcels: parcels.subarray(chunksBefore * first, (chunksBefore + chunkCount) * first),
});
const offered: readonly Message[] = [offer, page];

/** What a sender says, over the connection alone, or over it and a lane. */
const conversations: readonly (readonly (readonly Message[])[])[] = [
  [[helloOf('east'), ...offered, bringing(0, CHUNKS), commit]],
  [[helloOf('east', 3), ...offered, bringing(0, 1), bringing(1, 3), commit, ...offered]],
  [
    [helloOf('east', 3), { kind: 'lanes', token }, ...offered, bringing(0, 2), commit],
    [helloOf('east', 3), { kind: 'join', token }, { kind: 'lane-copy', offer: 1 }, bringing(2, 2)],
  ],
];

/** What a receiver says. */
const answers: readonly Message[] = [
  helloOf('west', 3),
  { kind: 'need-manifest', wants: 'whole' },
  needOf(new Uint8Array(CHUNKS).fill(1)),
  { kind: 'progress', chunksStored: CHUNKS },
  { kind: 'ack', outcome: 'copied', generation, manifestDigest: offer.manifestDigest },
];

/** Writes the checksum anew. */
function sealed(frame: Uint8Array): Uint8Array {
  const checked = Object.values(FRAMES).find(({ type }) => type === frame[0])?.checkedBytesMax ?? 0;
  const end = FRAME_HEADER_BYTES + checked;
  writeUint(
    frame,
    8,
    4,
    crc32(frame.subarray(FRAME_HEADER_BYTES, end), crc32(frame.subarray(0, 8))),
  );
  return frame;
}

type Edit = (frames: Uint8Array[]) => void;
const place = fc.nat({ max: 1000 });
const bits = fc.integer({ min: 1, max: 255 });

const edit: fc.Arbitrary<Edit> = fc.oneof(
  place.map(
    (at): Edit =>
      (frames) =>
        void frames.splice(at % frames.length, 1),
  ),
  fc.tuple(place, place).map(([from, to]): Edit => (frames) => {
    const frame = frames[from % frames.length];
    if (frame !== undefined) frames.splice(to % frames.length, 0, frame);
  }),
  fc.tuple(place, message).map(([at, each]): Edit => (frames) => {
    frames.splice(at % (frames.length + 1), 0, encodeMessage(each));
  }),
  fc.tuple(place, place, bits, fc.boolean()).map(([at, offset, flip, fits]): Edit => (frames) => {
    const frame = frames[at % frames.length]?.slice();
    if (frame === undefined || frame.length === 0) return;
    const index = offset % frame.length;
    frame[index] = (frame[index] ?? 0) ^ flip;
    frames[at % frames.length] = fits && frame.length > FRAME_HEADER_BYTES ? sealed(frame) : frame;
  }),
  // Mostly what a manifest says of its objects: of its chunks, parcels prove anything else.
  fc.tuple(fc.integer({ min: 16, max: 60 }), bits).map(([offset, flip]): Edit => (frames) => {
    const at = frames.findIndex(([type]) => type === FRAMES.manifest.type);
    const frame = frames[at]?.slice();
    if (frame === undefined || offset >= frame.length) return;
    frame[offset] = (frame[offset] ?? 0) ^ flip;
    frames[at] = sealed(frame);
  }),
  fc.tuple(place, place).map(([at, length]): Edit => (frames) => {
    const frame = frames[at % frames.length];
    if (frame !== undefined) frames[at % frames.length] = frame.subarray(0, length % frame.length);
  }),
  fc.tuple(place, fc.uint8Array({ maxLength: 40 })).map(([at, noise]): Edit => (frames) => {
    frames.splice(at % (frames.length + 1), 0, noise);
  }),
);

/** The messages as bytes, with the edits in them. */
function edited(messages: readonly Message[], edits: readonly Edit[]): Uint8Array {
  const frames = messages.map((each) => encodeMessage(each));
  for (const change of edits) if (frames.length > 0) change(frames);
  return concatBytes([PREAMBLE, ...frames]);
}

const edits = fc.array(edit, { minLength: 1, maxLength: 3 });
const ending = fc.constantFrom('end' as const, 'silence' as const);
const pieceBytes = fc.constantFrom(7, 60, 10_000);
const KNOWN = /broke the replication protocol|was lost|is refused/;

describe('a hostile peer', () => {
  it('can make a receiver store nothing but what it offered, and wait no longer than its limits', async () => {
    const before = process.memoryUsage().arrayBuffers;
    let committed = 0;
    const drawn = fc.tuple(fc.constantFrom(...conversations), edits, edits, ending, pieceBytes);
    await fc.assert(
      fc.asyncProperty(drawn, async ([streams, main, lane, how, size]) => {
        const bytes = streams.map((each, index) => edited(each, index === 0 ? main : lane));
        const target = new TargetServer();
        const options = { receiver: target, ending: how, pieceBytes: size };
        const { log, elapsedMs, waits } = await receiveSaid(bytes, options);
        for (const sentence of log) expect(sentence).toMatch(KNOWN);
        expect(elapsedMs).toBeLessThanOrEqual(ELAPSED_MS_MAX);
        expect(waits).toBe(false);
        const images = await target.engine.listImages();
        for (const { name } of images) {
          expect(name).not.toContain('.');
          expect(await target.engine.exportManifest(name)).toEqual(page.page);
        }
        committed += target.committed;
        expect(images.length <= target.committed).toBe(true);
        // Each copy that was begun has come to an end, on one way.
        expect(target.committed + target.abandoned).toBe(target.accepted);
        expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(MEMORY_BYTES_MAX);
      }),
      RUNS,
    );
    // Edits may leave a copy as it was: the conversations are right without them.
    expect(committed).toBeGreaterThan(10);
  });

  it('can make a sender believe nothing, and wait no longer than its limits', async () => {
    await fc.assert(
      fc.asyncProperty(edits, async (changes) => {
        const { outcome, elapsedMs, waits } = await sendToSaid(source, edited(answers, changes));
        const isKnown =
          isCapstanError(outcome, 'PROTOCOL_VIOLATION', 'CONNECTION_LOST', 'COPY_REFUSED') ||
          ['copied', 'stale', 'present'].includes((outcome as { outcome: string }).outcome);
        expect([isKnown, outcome]).toEqual([true, outcome]);
        expect(elapsedMs).toBeLessThanOrEqual(ELAPSED_MS_MAX);
        expect(waits).toBe(false);
      }),
      RUNS,
    );
  });
});
