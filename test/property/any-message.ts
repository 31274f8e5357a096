/** Arbitrary messages of the replication protocol. */
import fc from 'fast-check';
import { concatBytes } from '../../src/base/bytes.ts';
import { generation } from '../../src/base/units.ts';
import { needOf } from '../../src/replication/need.ts';
import type { Message } from '../../src/replication/messages.ts';

const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const uint53 = fc.maxSafeNat();
const digest = fc.uint8Array({ minLength: 32, maxLength: 32 });
const bytes = fc.uint8Array({ maxLength: 300 });
const text = (maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: 'grapheme-ascii', maxLength });
const generations = uint53.map(generation);

const version = { generation: generations, manifestDigest: digest };
const scheme = text(16);
const holding = fc.record({
  pool: text(16),
  ...version,
  knowsOurs: fc.boolean(),
  mounted: fc.boolean(),
  damaged: fc.boolean(),
});

/** Any message, of any kind. */
export const message: fc.Arbitrary<Message> = fc.oneof(
  fc.record({
    kind: fc.constant('offer' as const),
    tape: text(6),
    pool: text(16),
    labelType: fc.constant('ansi' as const),
    capacityBytes: uint53,
    generation: generations,
    manifestBytes: uint32,
    manifestDigest: digest,
    keyId: fc.constant('KEY-7'),
    replaces: fc.record(version),
  }),
  fc.record({
    kind: fc.constant('inquiry' as const),
    scheme,
    thorough: fc.boolean(),
    tapes: fc.array(fc.record({ tape: text(6), pool: text(16), ...version }), { maxLength: 5 }),
  }),
  fc.record({
    kind: fc.constant('holdings' as const),
    holdings: fc.array(fc.option(holding, { nil: undefined }), { maxLength: 5 }),
  }),
  fc.record({
    kind: fc.constant('remove' as const),
    scheme,
    tape: text(6),
    pool: text(16),
    ...version,
  }),
  fc.record({
    kind: fc.constant('take-over' as const),
    scheme,
    pools: fc.array(fc.record({ pool: text(16), targetPool: text(16) }), { maxLength: 5 }),
  }),
  fc.constant({ kind: 'done' as const }),
  fc.record({ kind: fc.constant('place' as const), vault: text(32), fileSystem: text(128) }),
  fc.record({
    kind: fc.constant('hello' as const),
    version: fc.integer({ min: 0, max: 0xffff }),
    features: uint32,
    serverName: text(15),
  }),
  fc.record({
    kind: fc.constant('offer' as const),
    tape: text(6),
    pool: text(16),
    labelType: fc.constantFrom('ansi' as const, 'backup' as const, 'unlabelled' as const),
    capacityBytes: uint53,
    generation: generations,
    manifestBytes: uint32,
    manifestDigest: digest,
  }),
  fc.record({ kind: fc.constant('manifest' as const), offset: uint32, page: bytes }),
  fc.uint8Array({ maxLength: 100, max: 1 }).map(needOf),
  fc.record({
    kind: fc.constant('parcels' as const),
    chunksBefore: uint32,
    chunkCount: uint32,
    parcels: bytes,
  }),
  fc.record({
    kind: fc.constant('bases' as const),
    digests: fc.array(digest, { maxLength: 8 }).map((each) => concatBytes(each)),
  }),
  fc.record({ kind: fc.constant('progress' as const), chunksStored: uint32 }),
  fc.record({
    kind: fc.constant('commit' as const),
    generation: generations,
    chunkCount: uint32,
    manifestDigest: digest,
  }),
  fc.record({
    kind: fc.constant('ack' as const),
    outcome: fc.constantFrom('present' as const, 'copied' as const, 'stale' as const),
    generation: generations,
    manifestDigest: digest,
  }),
  fc.record({ kind: fc.constant('refuse' as const), reason: text(200) }),
  fc.record({
    kind: fc.constant('need-manifest' as const),
    wants: fc.constantFrom('whole' as const, 'outline' as const),
  }),
  fc.record({
    kind: fc.constant('outline' as const),
    pieces: fc
      .array(fc.uint8Array({ minLength: 18, maxLength: 18 }), { maxLength: 8 })
      .map((each) => concatBytes(each)),
  }),
  fc.record({
    kind: fc.constantFrom('lanes' as const, 'join' as const),
    token: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  }),
  fc.record({ kind: fc.constant('lane-copy' as const), offer: uint32 }),
  fc.constant({ kind: 'ping' as const }),
);
