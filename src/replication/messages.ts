/**
 * Messages of the replication protocol: what the payloads of frames mean.
 *
 * Numbers are big-endian and unsigned; a text is a length byte and that many ASCII characters. Each
 * payload must be used up to its last byte. docs/formats/replication.md draws them.
 */
import { assertNever } from '../base/assert.ts';
import { decodeAscii, readUint, writeUint } from '../base/bytes.ts';
import { generation } from '../base/units.ts';
import type { Generation } from '../base/units.ts';
import type { LabelType } from '../ports/catalog.ts';
import { DIGEST_BYTES } from '../ports/engine.ts';
import { CHUNK_COUNT_MAX, PARCELS_FIELDS_BYTES, REASON_LENGTH_MAX } from './frame.ts';
import { FRAME_HEADER_BYTES, newFrame, sealFrame, violation } from './frame.ts';
import type { Frame, FrameKind } from './frame.ts';

/** The only version spoken: in version 1 chunks went one by one, under other digests. */
export const PROTOCOL_VERSION = 2;

/** Both sides' first message. Sides speak the lower of both versions; unknown features are ignored. */
export interface Hello {
  readonly kind: 'hello';
  readonly version: number;
  /** Bits; none is defined in version 2. */
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
}

/**
 * Receiver: a bit for each unique chunk of the manifest, or for each of BASES, in their order, first in the
 * highest bit; 1 where it lacks.
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
  | { readonly kind: 'need-manifest' }
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
  | { readonly kind: 'ping' };

export type MessageOf<Kind extends FrameKind> = Extract<Message, { kind: Kind }>;

/** A code is a label type's place. */
const LABEL_TYPES = ['ansi', 'backup', 'unlabelled', 'ibm'] as const satisfies readonly LabelType[];
/** A code is an outcome's place. */
const ACK_OUTCOMES = ['present', 'copied', 'stale'] as const;

/** Writes a payload's fields one behind another. */
class FieldWriter {
  readonly #frame: Uint8Array;
  #offset = FRAME_HEADER_BYTES;

  constructor(frame: Uint8Array) {
    this.#frame = frame;
  }

  uint(width: number, value: number): this {
    writeUint(this.#frame, this.#offset, width, value);
    this.#offset += width;
    return this;
  }

  bytes(bytes: Uint8Array): this {
    this.#frame.set(bytes, this.#offset);
    this.#offset += bytes.length;
    return this;
  }

  characters(text: string): this {
    for (let index = 0; index < text.length; index += 1) this.uint(1, text.charCodeAt(index));
    return this;
  }

  text(text: string): this {
    return this.uint(1, text.length).characters(text);
  }
}

/** What may be shown and logged: printable ASCII, cut to the limit. */
const printable = (text: string): string =>
  text.replace(/[^ -~]/g, '?').slice(0, REASON_LENGTH_MAX);

function payloadBytes(message: Message): number {
  switch (message.kind) {
    case 'hello':
      return 7 + message.serverName.length;
    case 'offer':
      return 55 + message.tape.length + message.pool.length;
    case 'manifest':
      return 4 + message.page.length;
    case 'need':
      return 4 + message.bitmap.length;
    case 'bases':
      return message.digests.length;
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
    case 'need-manifest':
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
    case 'need-manifest':
    case 'ping':
      break;
    default:
      assertNever(message);
  }
}

/** The frame that carries `message`. Throws LIMIT_EXCEEDED where it does not fit into its type's limit. */
export function encodeMessage(message: Message): Uint8Array {
  const frame = newFrame(message.kind, payloadBytes(message));
  writeFields(new FieldWriter(frame), message);
  return sealFrame(message.kind, frame);
}

/** Reads a payload's fields one behind another; PROTOCOL_VIOLATION where they do not fit it. */
class FieldReader {
  readonly #peer: string;
  readonly #kind: FrameKind;
  readonly #payload: Uint8Array;
  #offset = 0;

  constructor(peer: string, frame: Frame) {
    this.#peer = peer;
    this.#kind = frame.kind;
    this.#payload = frame.payload;
  }

  fail(what: string): never {
    throw violation(this.#peer, `a ${this.#kind} frame ${what}`);
  }

  bytes(count: number): Uint8Array {
    if (count > this.#payload.length - this.#offset) this.fail('is too short for its fields');
    this.#offset += count;
    return this.#payload.subarray(this.#offset - count, this.#offset);
  }

  rest(): Uint8Array {
    return this.bytes(this.#payload.length - this.#offset);
  }

  uint(width: number): number {
    const value = readUint(this.bytes(width), 0, width);
    return Number.isSafeInteger(value) ? value : this.fail('has a number above 2^53 - 1');
  }

  text(): string {
    return decodeAscii(this.bytes(this.uint(1)));
  }

  choice<Value>(values: readonly Value[]): Value {
    return values[this.uint(1)] ?? this.fail('has a code that version 2 does not know');
  }

  end(): void {
    if (this.#offset < this.#payload.length) this.fail('has bytes behind its fields');
  }
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
      const what = { tape, pool, labelType, capacityBytes };
      return { kind, ...what, generation: version, manifestBytes, manifestDigest };
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
    case 'need-manifest':
    case 'ping':
      return { kind };
    default:
      return assertNever(kind);
  }
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
