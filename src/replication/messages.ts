/**
 * Messages of the replication protocol: what the payloads of frames mean.
 *
 * Numbers are big-endian and unsigned; a text is a length byte and that many ASCII characters. Each
 * payload must be used up to its last byte. docs/formats/replication.md draws them.
 */
import { assertNever } from '../base/assert.ts';
import { decodeAscii } from '../base/bytes.ts';
import { generation } from '../base/units.ts';
import type { Generation } from '../base/units.ts';
import type { LabelType } from '../ports/catalog.ts';
import { DIGEST_BYTES, OUTLINE_PIECE_BYTES } from '../ports/engine.ts';
import type { Holding, TapePlace, TapeInquiry, TapeVersion } from '../ports/copy-receiver.ts';
import {
  CHUNK_COUNT_MAX,
  INQUIRY_COUNT_MAX,
  LANE_TOKEN_BYTES,
  PARCELS_FIELDS_BYTES,
  REASON_LENGTH_MAX,
  SCHEME_POOL_COUNT_MAX,
  newFrame,
  sealFrame,
} from './frame.ts';
import { FieldReader, FieldWriter } from './fields.ts';
import type { Frame, FrameKind } from './frame.ts';

/** Spoken highest: version 2 has no lanes. */
export const PROTOCOL_VERSION = 3;
/** Spoken, too; in version 1 chunks went one by one, under other digests. */
export const PROTOCOL_VERSION_MIN = 2;

/** Both sides' first message. Sides speak the lower of both versions; unknown features are ignored. */
export interface Hello {
  readonly kind: 'hello';
  readonly version: number;
  /** Bits: FEATURE_PLACE, FEATURE_LANES. */
  readonly features: number;
  readonly serverName: string;
}

/** Sender: this tape, in this version. Names are not yet checked. */
export interface Offer {
  readonly kind: 'offer';
  readonly tape: string;
  readonly pool: string;
  readonly labelType: LabelType;
  readonly capacityBytes: number;
  readonly generation: Generation;
  readonly manifestBytes: number;
  readonly manifestDigest: Uint8Array;
  /** Of an encrypted tape. */
  readonly keyId?: string;
  /** The receiver's version that the sender knows to be an earlier one of this. */
  readonly replaces?: TapeVersion;
}

/**
 * Receiver: a bit for each piece of the outline, for each unique chunk of the manifest, or for each of BASES, in
 * their order, first in the highest bit; 1 where it lacks.
 */
export interface Need {
  readonly kind: 'need';
  readonly chunkCount: number;
  readonly bitmap: Uint8Array;
}

/** Sender: chunks, among them some that are needed, as they lie in its packs. */
export interface Parcels {
  readonly kind: 'parcels';
  /** Chunks needed that came in the frames before. */
  readonly chunksBefore: number;
  /** Chunks needed that come with this one. */
  readonly chunkCount: number;
  readonly parcels: Uint8Array;
}

/** Receiver: how the offer ended; repeats the digest offered. */
export interface Ack {
  readonly kind: 'ack';
  readonly outcome: (typeof ACK_OUTCOMES)[number];
  /** The generation that the receiver has: with 'stale' a newer one than that offered. */
  readonly generation: Generation;
  readonly manifestDigest: Uint8Array;
}

/** Sender: what do you have of these tapes? The answer is one HOLDINGS frame, or REFUSE. */
export interface Inquiry {
  readonly kind: 'inquiry';
  /** The Instant DR scheme that asks; empty for AutoCopy. */
  readonly scheme: string;
  /** Whether the receiver reads all of each tape and compares digests, with PROGRESS meanwhile. */
  readonly thorough: boolean;
  readonly tapes: readonly TapeInquiry[];
}

/** Sender: delete this tape, if it still is this version. The answer is DONE or REFUSE. */
export interface Remove extends TapeVersion {
  readonly kind: 'remove';
  readonly scheme: string;
  readonly tape: string;
  readonly pool: string;
}

/** Sender: be the source of this scheme from now on. The answer is DONE or REFUSE. */
export interface TakeOver {
  readonly kind: 'take-over';
  readonly scheme: string;
  /** The sender's pools, and the receiver's pools that they are copied to. */
  readonly pools: readonly { readonly pool: string; readonly targetPool: string }[];
}

/** Sender: all chunks were sent; publish the tape. Repeats what was offered. */
export interface Commit {
  readonly kind: 'commit';
  readonly generation: Generation;
  readonly chunkCount: number;
  readonly manifestDigest: Uint8Array;
}

export type Message =
  | Hello
  | Offer
  /** Receiver: send the manifest, or its outline first, since much of it may be here. */
  | { readonly kind: 'need-manifest'; readonly wants: (typeof MANIFEST_FORMS)[number] }
  /** Sender: the manifest's pieces, OUTLINE_PIECE_BYTES each. */
  | { readonly kind: 'outline'; readonly pieces: Uint8Array }
  /** Sender: `offset` is in what travels of the manifest. */
  | { readonly kind: 'manifest'; readonly offset: number; readonly page: Uint8Array }
  | Need
  /** Sender: what do you lack of these chunks, which deltas rest on? */
  | { readonly kind: 'bases'; readonly digests: Uint8Array }
  | Parcels
  /** Receiver: so many of the chunks needed are stored. */
  | { readonly kind: 'progress'; readonly chunksStored: number }
  | Commit
  | Ack
  /** Receiver: this tape is not taken; printable ASCII. */
  | { readonly kind: 'refuse'; readonly reason: string }
  | Inquiry
  /** Receiver: a holding for each tape asked for, in their order; undefined where it has none. */
  | { readonly kind: 'holdings'; readonly holdings: readonly (Holding | undefined)[] }
  | Remove
  | TakeOver
  /** Sender, where the receiver understands it: what follows lies there, or where the frames before say. */
  | ({ readonly kind: 'place' } & TapePlace)
  /** Sender: the connections that show this token are lanes of this one. */
  | { readonly kind: 'lanes'; readonly token: Uint8Array }
  /** Sender, first on another connection: this is a lane. The answer is DONE or REFUSE. */
  | { readonly kind: 'join'; readonly token: Uint8Array }
  /** Sender, on a lane: the parcels that follow are of that OFFER of the connection, from 1. */
  | { readonly kind: 'lane-copy'; readonly offer: number }
  | { readonly kind: 'done' }
  | { readonly kind: 'ping' };

export type MessageOf<Kind extends FrameKind> = Extract<Message, { kind: Kind }>;

/** A code is a label type's place. */
const LABEL_TYPES = ['ansi', 'backup', 'unlabelled', 'ibm'] as const satisfies readonly LabelType[];
/** A code is an outcome's place. */
const ACK_OUTCOMES = ['present', 'copied', 'stale'] as const;
/** A code is a form's place. */
const MANIFEST_FORMS = ['whole', 'outline'] as const;

/** Bits of a holding's first byte; 0 where there is none. */
const HOLDING_BITS = { held: 1, knowsOurs: 2, mounted: 4, damaged: 8 } as const;

/** What may be shown and logged: printable ASCII, cut to the limit. */
const printable = (text: string): string =>
  text.replace(/[^ -~]/g, '?').slice(0, REASON_LENGTH_MAX);

function payloadBytes(message: Message): number {
  switch (message.kind) {
    case 'hello':
      return 7 + message.serverName.length;
    case 'offer':
      return (
        56 +
        message.tape.length +
        message.pool.length +
        (message.keyId?.length ?? 0) +
        (message.replaces === undefined ? 0 : 8 + DIGEST_BYTES)
      );
    case 'manifest':
      return 4 + message.page.length;
    case 'need':
      return 4 + message.bitmap.length;
    case 'bases':
      return message.digests.length;
    case 'outline':
      return message.pieces.length;
    case 'parcels':
      return PARCELS_FIELDS_BYTES + message.parcels.length;
    case 'progress':
      return 4;
    case 'commit':
      return 12 + DIGEST_BYTES;
    case 'ack':
      return 9 + DIGEST_BYTES;
    case 'refuse':
      return printable(message.reason).length;
    case 'inquiry':
      return message.tapes.reduce(
        (sum, { tape, pool }) => sum + 2 + tape.length + pool.length + 8 + DIGEST_BYTES,
        4 + message.scheme.length,
      );
    case 'holdings':
      return message.holdings.reduce(
        (sum, held) => sum + 1 + (held === undefined ? 0 : 1 + held.pool.length + 8 + DIGEST_BYTES),
        2,
      );
    case 'remove':
      return (
        3 + message.scheme.length + message.tape.length + message.pool.length + 8 + DIGEST_BYTES
      );
    case 'take-over':
      return message.pools.reduce(
        (sum, { pool, targetPool }) => sum + 2 + pool.length + targetPool.length,
        3 + message.scheme.length,
      );
    case 'need-manifest':
      return 1;
    case 'place':
      return 2 + message.vault.length + message.fileSystem.length;
    case 'lanes':
    case 'join':
      return LANE_TOKEN_BYTES;
    case 'lane-copy':
      return 4;
    case 'done':
    case 'ping':
      return 0;
    default:
      return assertNever(message);
  }
}

function writeFields(fields: FieldWriter, message: Message): void {
  switch (message.kind) {
    case 'hello':
      fields.uint(2, message.version).uint(4, message.features).text(message.serverName);
      break;
    case 'offer':
      fields.text(message.tape).text(message.pool).uint(1, LABEL_TYPES.indexOf(message.labelType));
      fields.uint(8, message.capacityBytes).uint(8, message.generation);
      fields.uint(4, message.manifestBytes).bytes(message.manifestDigest);
      fields.text(message.keyId ?? '');
      if (message.replaces !== undefined) fields.version(message.replaces);
      break;
    case 'manifest':
      fields.uint(4, message.offset).bytes(message.page);
      break;
    case 'need':
      fields.uint(4, message.chunkCount).bytes(message.bitmap);
      break;
    case 'bases':
      fields.bytes(message.digests);
      break;
    case 'parcels':
      fields.uint(4, message.chunksBefore).uint(4, message.chunkCount).bytes(message.parcels);
      break;
    case 'progress':
      fields.uint(4, message.chunksStored);
      break;
    case 'commit':
      fields.uint(8, message.generation).uint(4, message.chunkCount).bytes(message.manifestDigest);
      break;
    case 'ack':
      fields.uint(1, ACK_OUTCOMES.indexOf(message.outcome)).uint(8, message.generation);
      fields.bytes(message.manifestDigest);
      break;
    case 'refuse':
      fields.characters(printable(message.reason));
      break;
    case 'inquiry':
      fields
        .text(message.scheme)
        .uint(1, message.thorough ? 1 : 0)
        .uint(2, message.tapes.length);
      for (const each of message.tapes) fields.text(each.tape).text(each.pool).version(each);
      break;
    case 'holdings':
      fields.uint(2, message.holdings.length);
      for (const held of message.holdings) writeHolding(fields, held);
      break;
    case 'remove':
      fields.text(message.scheme).text(message.tape).text(message.pool).version(message);
      break;
    case 'take-over':
      fields.text(message.scheme).uint(2, message.pools.length);
      for (const { pool, targetPool } of message.pools) fields.text(pool).text(targetPool);
      break;
    case 'need-manifest':
      fields.uint(1, MANIFEST_FORMS.indexOf(message.wants));
      break;
    case 'outline':
      fields.bytes(message.pieces);
      break;
    case 'place':
      fields.text(message.vault).text(message.fileSystem);
      break;
    case 'lanes':
    case 'join':
      fields.bytes(message.token);
      break;
    case 'lane-copy':
      fields.uint(4, message.offer);
      break;
    case 'done':
    case 'ping':
      break;
    default:
      assertNever(message);
  }
}

function writeHolding(fields: FieldWriter, held: Holding | undefined): void {
  if (held === undefined) {
    fields.uint(1, 0);
    return;
  }
  const bits = (['knowsOurs', 'mounted', 'damaged'] as const)
    .filter((name) => held[name])
    .reduce<number>((sum, name) => sum | HOLDING_BITS[name], HOLDING_BITS.held);
  fields.uint(1, bits).text(held.pool).version(held);
}

/** The frame that carries `message`, in parts: parcels are not copied into it. Throws LIMIT_EXCEEDED. */
export function encodeParts(message: Message): readonly Uint8Array[] {
  if (message.kind !== 'parcels') return [encodeMessage(message)];
  const { parcels } = message;
  const head = newFrame(message.kind, PARCELS_FIELDS_BYTES, parcels.length);
  new FieldWriter(head).uint(4, message.chunksBefore).uint(4, message.chunkCount);
  return [sealFrame(message.kind, head), parcels];
}

/** The frame that carries `message`. Throws LIMIT_EXCEEDED where it does not fit into its type's limit. */
export function encodeMessage(message: Message): Uint8Array {
  const frame = newFrame(message.kind, payloadBytes(message));
  writeFields(new FieldWriter(frame), message);
  return sealFrame(message.kind, frame);
}

/** The message in `frame`; throws PROTOCOL_VIOLATION, with `peer` as the one who broke it. */
export function decodeMessage(peer: string, frame: Frame): Message {
  const fields = new FieldReader(peer, frame);
  const message = readFields(fields, frame.kind);
  fields.end();
  return message;
}

function readFields(fields: FieldReader, kind: FrameKind): Message {
  switch (kind) {
    case 'hello': {
      const version = fields.uint(2);
      return { kind, version, features: fields.uint(4), serverName: fields.text() };
    }
    case 'offer': {
      const tape = fields.text();
      const pool = fields.text();
      const labelType = fields.choice(LABEL_TYPES);
      const capacityBytes = fields.uint(8);
      const version = generation(fields.uint(8));
      const manifestBytes = fields.uint(4);
      const manifestDigest = fields.bytes(DIGEST_BYTES);
      const keyId = fields.text();
      const what = { tape, pool, labelType, capacityBytes, ...(keyId !== '' && { keyId }) };
      const offer = { kind, ...what, generation: version, manifestBytes, manifestDigest } as const;
      return fields.atEnd ? offer : { ...offer, replaces: fields.version() };
    }
    case 'manifest':
      return { kind, offset: fields.uint(4), page: fields.rest() };
    case 'need':
      return readNeed(fields);
    case 'bases': {
      const digests = fields.rest();
      if (digests.length % DIGEST_BYTES !== 0) fields.fail('ends in the middle of a digest');
      return { kind, digests };
    }
    case 'parcels': {
      const chunksBefore = fields.uint(4);
      return { kind, chunksBefore, chunkCount: fields.uint(4), parcels: fields.rest() };
    }
    case 'progress':
      return { kind, chunksStored: fields.uint(4) };
    case 'commit': {
      const version = generation(fields.uint(8));
      const chunkCount = fields.uint(4);
      const manifestDigest = fields.bytes(DIGEST_BYTES);
      return { kind, generation: version, chunkCount, manifestDigest };
    }
    case 'ack': {
      const outcome = fields.choice(ACK_OUTCOMES);
      const version = generation(fields.uint(8));
      return { kind, outcome, generation: version, manifestDigest: fields.bytes(DIGEST_BYTES) };
    }
    case 'refuse':
      return { kind, reason: printable(decodeAscii(fields.rest())) };
    case 'inquiry':
    case 'holdings':
    case 'remove':
    case 'take-over':
      return readInstantDrFields(fields, kind);
    case 'need-manifest':
      return { kind, wants: fields.choice(MANIFEST_FORMS) };
    case 'outline': {
      const pieces = fields.rest();
      if (pieces.length % OUTLINE_PIECE_BYTES !== 0) fields.fail('ends in the middle of a piece');
      return { kind, pieces };
    }
    case 'place': {
      const vault = fields.text();
      return { kind, vault, fileSystem: fields.text() };
    }
    case 'lanes':
    case 'join':
      return { kind, token: fields.bytes(LANE_TOKEN_BYTES) };
    case 'lane-copy':
      return { kind, offer: fields.uint(4) };
    case 'done':
    case 'ping':
      return { kind };
    default:
      return assertNever(kind);
  }
}

function readInstantDrFields(
  fields: FieldReader,
  kind: 'inquiry' | 'holdings' | 'remove' | 'take-over',
): Message {
  if (kind === 'holdings') {
    const count = fields.count(INQUIRY_COUNT_MAX);
    return { kind, holdings: Array.from({ length: count }, () => readHolding(fields)) };
  }
  const scheme = fields.text();
  if (kind === 'inquiry') {
    const thorough = fields.choice([false, true]);
    const count = fields.count(INQUIRY_COUNT_MAX);
    const tapes = Array.from({ length: count }, () => {
      const tape = fields.text();
      const pool = fields.text();
      return { tape, pool, ...fields.version() };
    });
    return { kind, scheme, thorough, tapes };
  }
  if (kind === 'remove') {
    const tape = fields.text();
    const pool = fields.text();
    return { kind, scheme, tape, pool, ...fields.version() };
  }
  const count = fields.count(SCHEME_POOL_COUNT_MAX);
  const pools = Array.from({ length: count }, () => {
    const pool = fields.text();
    return { pool, targetPool: fields.text() };
  });
  return { kind, scheme, pools };
}

function readHolding(fields: FieldReader): Holding | undefined {
  const bits = fields.uint(1);
  if (bits === 0) return undefined;
  const { held, knowsOurs, mounted, damaged } = HOLDING_BITS;
  if ((bits & held) === 0 || bits > (held | knowsOurs | mounted | damaged)) {
    fields.fail('has bits that version 3 does not know');
  }
  return {
    pool: fields.text(),
    ...fields.version(),
    knowsOurs: (bits & knowsOurs) !== 0,
    mounted: (bits & mounted) !== 0,
    damaged: (bits & damaged) !== 0,
  };
}

function readNeed(fields: FieldReader): Need {
  const chunkCount = fields.uint(4);
  const bitmap = fields.rest();
  if (chunkCount > CHUNK_COUNT_MAX || bitmap.length !== Math.ceil(chunkCount / 8)) {
    fields.fail('has a bitmap of another length than its count asks for');
  }
  const spareBits = bitmap.length * 8 - chunkCount;
  if (((bitmap.at(-1) ?? 0) & ((1 << spareBits) - 1)) !== 0) {
    fields.fail('asks for chunks behind the last');
  }
  return { kind: 'need', chunkCount, bitmap };
}
