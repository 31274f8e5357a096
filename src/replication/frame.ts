/**
 * Frames of the replication protocol: their table, how one is written, and the decoder.
 *
 * ```
 * byte   0      1      2 3        4..7             8..11      12..
 *      ┌──────┬───────┬──────────┬────────────────┬──────────┬─────────┐
 *      │ type │ flags │ reserved │ payload length │ checksum │ payload │
 *      └──────┴───────┴──────────┴────────────────┴──────────┴─────────┘
 * ```
 * Big-endian. Flags and reserved are zero. The checksum is the CRC-32 of bytes 0 to 7
 * and of the payload's first `checkedBytesMax` bytes: of all that decides; chunks' content has
 * digests. A length is compared with its type's limit before memory is taken for it.
 * docs/formats/replication.md has the whole.
 */
import { readUint, writeUint } from '../base/bytes.ts';
import { crc32 } from '../base/crc32.ts';
import { CapstanError } from '../base/errors.ts';
import { KIB, MIB } from '../base/units.ts';
import { DIGEST_BYTES, OUTLINE_PIECE_BYTES, PARCEL_BYTES_MAX } from '../ports/engine.ts';

/** What each side sends first: not ASCII, and changed by whatever changes line ends. */
export const PREAMBLE = Uint8Array.of(0x89, 0x43, 0x50, 0x53, 0x54, 0x4e, 0x0d, 0x0a);
export const FRAME_HEADER_BYTES = 12;

/** Bit of a HELLO: who sends it understands PLACE. */
export const FEATURE_PLACE = 1;
/** Bit of a receiver's HELLO: it takes lanes; from version 3. */
export const FEATURE_LANES = 2;
/** PLACE frames one behind another. */
export const PLACE_COUNT_MAX = 256;

/** Pieces of the manifest in one OUTLINE frame. */
export const PIECE_COUNT_MAX = 32 * KIB;
/** Bytes of the manifest in one MANIFEST frame. */
export const MANIFEST_PAGE_BYTES_MAX = 256 * KIB;
/** Digests in one BASES frame. */
export const BASE_COUNT_MAX = 32 * KIB;
/** Characters of the reason in a REFUSE frame. */
export const REASON_LENGTH_MAX = 1000;
/** Chunks of one tape: a manifest has more than 32 bytes for each, and has at most 256 MiB. */
export const CHUNK_COUNT_MAX = 8 * MIB;
/** Tapes in one INQUIRY or HOLDINGS frame. */
export const INQUIRY_COUNT_MAX = 2048;
/** A scheme's name, and for each tape its own, a pool's, a generation and a digest. */
const INQUIRY_BYTES_MAX = 32 + INQUIRY_COUNT_MAX * (8 + 17 + 9 + DIGEST_BYTES);
/** Pools of a scheme in a TAKE-OVER frame. */
export const SCHEME_POOL_COUNT_MAX = 256;
const TAKE_OVER_BYTES_MAX = 32 + SCHEME_POOL_COUNT_MAX * 2 * 17;
/** Bytes by which lanes show whose they are. */
export const LANE_TOKEN_BYTES = 16;
/** Fields of a PARCELS payload ahead of the parcels. */
export const PARCELS_FIELDS_BYTES = 8;

export const FRAMES = {
  hello: { type: 0x01, payloadBytesMax: 64, checkedBytesMax: 64 },
  offer: { type: 0x02, payloadBytesMax: 192, checkedBytesMax: 192 },
  'need-manifest': { type: 0x03, payloadBytesMax: 1, checkedBytesMax: 1 },
  manifest: {
    type: 0x04,
    payloadBytesMax: 4 + MANIFEST_PAGE_BYTES_MAX,
    checkedBytesMax: 4 + MANIFEST_PAGE_BYTES_MAX,
  },
  need: {
    type: 0x05,
    payloadBytesMax: 4 + CHUNK_COUNT_MAX / 8,
    checkedBytesMax: 4 + CHUNK_COUNT_MAX / 8,
  },
  parcels: {
    type: 0x06,
    payloadBytesMax: PARCELS_FIELDS_BYTES + PARCEL_BYTES_MAX,
    checkedBytesMax: PARCELS_FIELDS_BYTES,
  },
  progress: { type: 0x07, payloadBytesMax: 4, checkedBytesMax: 4 },
  commit: { type: 0x08, payloadBytesMax: 44, checkedBytesMax: 44 },
  ack: { type: 0x09, payloadBytesMax: 41, checkedBytesMax: 41 },
  refuse: { type: 0x0a, payloadBytesMax: REASON_LENGTH_MAX, checkedBytesMax: REASON_LENGTH_MAX },
  ping: { type: 0x0b, payloadBytesMax: 0, checkedBytesMax: 0 },
  bases: {
    type: 0x0c,
    payloadBytesMax: BASE_COUNT_MAX * DIGEST_BYTES,
    checkedBytesMax: BASE_COUNT_MAX * DIGEST_BYTES,
  },
  inquiry: {
    type: 0x0d,
    payloadBytesMax: INQUIRY_BYTES_MAX,
    checkedBytesMax: INQUIRY_BYTES_MAX,
  },
  holdings: {
    type: 0x0e,
    payloadBytesMax: INQUIRY_BYTES_MAX,
    checkedBytesMax: INQUIRY_BYTES_MAX,
  },
  remove: { type: 0x0f, payloadBytesMax: 128, checkedBytesMax: 128 },
  'take-over': {
    type: 0x10,
    payloadBytesMax: TAKE_OVER_BYTES_MAX,
    checkedBytesMax: TAKE_OVER_BYTES_MAX,
  },
  done: { type: 0x11, payloadBytesMax: 0, checkedBytesMax: 0 },
  outline: {
    type: 0x12,
    payloadBytesMax: PIECE_COUNT_MAX * OUTLINE_PIECE_BYTES,
    checkedBytesMax: PIECE_COUNT_MAX * OUTLINE_PIECE_BYTES,
  },
  place: { type: 0x13, payloadBytesMax: 256, checkedBytesMax: 256 },
  lanes: { type: 0x14, payloadBytesMax: LANE_TOKEN_BYTES, checkedBytesMax: LANE_TOKEN_BYTES },
  join: { type: 0x15, payloadBytesMax: LANE_TOKEN_BYTES, checkedBytesMax: LANE_TOKEN_BYTES },
  'lane-copy': { type: 0x16, payloadBytesMax: 4, checkedBytesMax: 4 },
} as const satisfies Record<
  string,
  {
    readonly type: number;
    readonly payloadBytesMax: number;
    /** How many of the payload's first bytes are under the checksum. */
    readonly checkedBytesMax: number;
  }
>;

export type FrameKind = keyof typeof FRAMES;

export interface Frame {
  readonly kind: FrameKind;
  readonly payload: Uint8Array;
}

/** Frames' memory that is kept for the next ones, of any connection: as many as may wait for their turn, and one of each lane. */
const SPARE_COUNT_MAX = 24;
const SPARE_BYTES = FRAME_HEADER_BYTES + FRAMES.parcels.payloadBytesMax;
/** A frame shorter than this gets memory of its own. */
const SPARE_USED_BYTES_MIN = 64 * KIB;

/** What is left of a frame is read to its place if it is so long; less may come with the next frame. */
const ROOM_BYTES_MIN = 64 * KIB;

/** Characters of a stream's strange beginning that a message shows. */
const SHOWN_LENGTH_MAX = 80;

/**
 * To take memory anew costs more than to fill it, and V8, which sees that much of it come and live for a while, would
 * go through its whole heap every 64 MiB.
 */
const spares: Uint8Array[] = [];

/** Of an earlier frame where there is some: what lies in it may be anything. */
export function memoryFor(bytes: number): Uint8Array {
  if (bytes < SPARE_USED_BYTES_MIN || bytes > SPARE_BYTES) return new Uint8Array(bytes);
  return (spares.pop() ?? new Uint8Array(SPARE_BYTES)).subarray(0, bytes);
}

/** Nobody looks at this memory, or part of it, any more: the next frame may lie there. Other memory is let go of. */
export function recycle(payload: Uint8Array): void {
  const { buffer } = payload;
  if (buffer.byteLength !== SPARE_BYTES || spares.length >= SPARE_COUNT_MAX) return;
  spares.push(new Uint8Array(buffer));
}

const KINDS = Object.keys(FRAMES) as readonly FrameKind[];

/** The PROTOCOL_VIOLATION that `peer` is to be told of. */
export function violation(peer: string, what: string, cause?: unknown): CapstanError {
  return new CapstanError('PROTOCOL_VIOLATION', { peer, what }, { cause });
}

function checksum(frame: Uint8Array, kind: FrameKind): number {
  const end = FRAME_HEADER_BYTES + FRAMES[kind].checkedBytesMax;
  return crc32(frame.subarray(FRAME_HEADER_BYTES, end), crc32(frame.subarray(0, 8)));
}

/**
 * A frame's bytes, with room for a payload of `roomBytes`; {@link sealFrame} completes it once that has been
 * written behind FRAME_HEADER_BYTES. `moreBytes` of the payload, beyond what is checked, follow elsewhere.
 */
export function newFrame(kind: FrameKind, roomBytes: number, moreBytes = 0): Uint8Array {
  const { type, payloadBytesMax } = FRAMES[kind];
  const payloadBytes = roomBytes + moreBytes;
  if (payloadBytes > payloadBytesMax) {
    throw new CapstanError('LIMIT_EXCEEDED', {
      what: `The payload of a ${kind} frame`,
      value: payloadBytes,
      limit: payloadBytesMax,
    });
  }
  const frame = new Uint8Array(FRAME_HEADER_BYTES + roomBytes);
  frame[0] = type;
  writeUint(frame, 4, 4, payloadBytes);
  return frame;
}

/** Writes the checksum of a frame whose payload stands. */
export function sealFrame(kind: FrameKind, frame: Uint8Array): Uint8Array {
  writeUint(frame, 8, 4, checksum(frame, kind));
  return frame;
}

const isText = (byte: number): boolean =>
  (byte >= 0x20 && byte < 0x7f) || byte === 0x0a || byte === 0x0d || byte === 0x09 || byte === 0x1b;

/** Why a stream does not begin with the preamble, for whoever set the account up. */
function strangeBeginning(bytes: Uint8Array): string {
  const end = bytes.findIndex((byte) => !isText(byte));
  if (end === 0) return 'the stream does not begin with the protocol';
  const text = String.fromCharCode(...bytes.subarray(0, end < 0 ? bytes.length : end));
  const shown = JSON.stringify(text.replace(/[^ -~]/g, '.').slice(0, SHOWN_LENGTH_MAX));
  return `the account's shell printed text before the protocol: ${shown}`;
}

/**
 * Makes frames of bytes, however these are split. Keeps at most one frame, of its type's largest
 * size. Throws PROTOCOL_VIOLATION, after which it takes nothing more.
 */
export class FrameDecoder {
  readonly #peer: string;
  readonly #head = new Uint8Array(FRAME_HEADER_BYTES);
  #headBytes = 0;
  #preambleSeen = false;
  #kind: FrameKind = 'ping';
  #frame: Uint8Array | undefined;
  #frameBytes = 0;

  constructor(peer: string) {
    this.#peer = peer;
  }

  /** Whether the bytes so far end between two frames, behind the preamble. */
  get atBoundary(): boolean {
    return this.#preambleSeen && this.#headBytes === 0;
  }

  /** Bytes taken for the frame that is being received. */
  get bufferedBytes(): number {
    return this.#frame?.length ?? 0;
  }

  /** The memory of the current frame's bytes that have not come, where they are so many that it pays to read them there. */
  get room(): Uint8Array | undefined {
    const frame = this.#frame;
    if (frame === undefined || frame.length - this.#frameBytes < ROOM_BYTES_MIN) return undefined;
    return frame.subarray(this.#frameBytes);
  }

  /** The first `count` bytes of {@link room} have come; the frame that they complete. */
  fill(count: number): Frame[] {
    this.#frameBytes += count;
    const payload = this.#complete();
    return payload === undefined ? [] : [{ kind: this.#kind, payload }];
  }

  /** Takes `bytes`; the frames that they complete. */
  push(bytes: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    let offset = 0;
    while (offset < bytes.length) {
      offset +=
        this.#frame === undefined ? this.#takeHead(bytes, offset) : this.#take(bytes, offset);
      const payload = this.#complete();
      if (payload !== undefined) frames.push({ kind: this.#kind, payload });
    }
    return frames;
  }

  /** Takes bytes of the preamble or of a header; how many. */
  #takeHead(bytes: Uint8Array, offset: number): number {
    const wanted = this.#preambleSeen ? FRAME_HEADER_BYTES : PREAMBLE.length;
    const part = bytes.subarray(offset, offset + wanted - this.#headBytes);
    this.#head.set(part, this.#headBytes);
    this.#headBytes += part.length;
    if (!this.#preambleSeen) this.#checkPreamble(bytes.subarray(offset));
    else if (this.#headBytes === FRAME_HEADER_BYTES) this.#beginFrame();
    return part.length;
  }

  #checkPreamble(rest: Uint8Array): void {
    const got = this.#head.subarray(0, this.#headBytes);
    if (got.some((byte, index) => byte !== PREAMBLE[index])) {
      const beginning = rest.length > got.length ? rest.subarray(0, SHOWN_LENGTH_MAX) : got;
      throw violation(this.#peer, strangeBeginning(beginning));
    }
    if (this.#headBytes < PREAMBLE.length) return;
    this.#preambleSeen = true;
    this.#headBytes = 0;
  }

  #beginFrame(): void {
    const [type, flags] = this.#head;
    const kind = KINDS.find((each) => FRAMES[each].type === type);
    if (kind === undefined) throw violation(this.#peer, `a frame has the unknown type ${type}`);
    if (flags !== 0 || readUint(this.#head, 2, 2) !== 0) {
      throw violation(this.#peer, `a ${kind} frame has flags that version 3 does not know`);
    }
    const payloadBytes = readUint(this.#head, 4, 4);
    const { payloadBytesMax } = FRAMES[kind];
    if (payloadBytes > payloadBytesMax) {
      const what = `a ${kind} frame of ${payloadBytes} bytes is over the limit of ${payloadBytesMax}`;
      throw violation(this.#peer, what);
    }
    this.#kind = kind;
    this.#frame = memoryFor(FRAME_HEADER_BYTES + payloadBytes);
    this.#frame.set(this.#head);
    this.#frameBytes = FRAME_HEADER_BYTES;
  }

  #take(bytes: Uint8Array, offset: number): number {
    if (this.#frame === undefined) return 0;
    const part = bytes.subarray(offset, offset + this.#frame.length - this.#frameBytes);
    this.#frame.set(part, this.#frameBytes);
    this.#frameBytes += part.length;
    return part.length;
  }

  /** The payload of the frame, where that is complete and its checksum right. */
  #complete(): Uint8Array | undefined {
    const frame = this.#frame;
    if (frame === undefined || this.#frameBytes < frame.length) return undefined;
    if (readUint(frame, 8, 4) !== checksum(frame, this.#kind)) {
      throw violation(this.#peer, `the checksum of a ${this.#kind} frame is wrong`);
    }
    this.#frame = undefined;
    this.#headBytes = 0;
    return frame.subarray(FRAME_HEADER_BYTES);
  }
}
