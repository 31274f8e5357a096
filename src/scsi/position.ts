/** Parameter data of READ POSITION and READ BLOCK LIMITS. @source SSC-5 7.4, 7.3 */
import { readUint, writeUint } from '../base/bytes.ts';

export const POSITION_SHORT_LENGTH = 20;
export const POSITION_LONG_LENGTH = 32;
export const BLOCK_LIMITS_LENGTH = 6;

const BOP_BIT = 0x80;
/** Between early warning and the end of the partition. */
const EOP_BIT = 0x40;
/** LOLU, LONU: the logical object's location is not known. */
const LOCATION_UNKNOWN_BIT = 0x04;
/** In the short form: a number does not fit into its 32 bits. */
const PERR_BIT = 0x02;

const SHORT_LOCATION_MAX = 0xffffffff;

export interface PositionData {
  readonly beginningOfPartition: boolean;
  /** Early warning has been passed. */
  readonly endOfPartition: boolean;
  readonly partition: number;
  /** The object that the next command reads or writes. */
  readonly logicalObjectNumber: number;
  /** As far as the medium has got: what lies between the two is in the drive's buffer. */
  readonly lastObjectNumber: number;
  readonly bufferedBytes: number;
  /** Filemarks between the beginning of the partition and the position. */
  readonly logicalFileIdentifier: number;
}

function flagsOf(position: PositionData): number {
  return (position.beginningOfPartition ? BOP_BIT : 0) | (position.endOfPartition ? EOP_BIT : 0);
}

/** The short form, 20 bytes. */
export function buildShortPosition(position: PositionData): Uint8Array {
  const bytes = new Uint8Array(POSITION_SHORT_LENGTH);
  bytes[0] = flagsOf(position);
  bytes[1] = position.partition;
  if (position.logicalObjectNumber > SHORT_LOCATION_MAX) {
    bytes[0] |= PERR_BIT;
    return bytes;
  }
  writeUint(bytes, 4, 4, position.logicalObjectNumber);
  writeUint(bytes, 8, 4, position.lastObjectNumber);
  writeUint(bytes, 13, 3, position.logicalObjectNumber - position.lastObjectNumber);
  writeUint(bytes, 16, 4, position.bufferedBytes);
  return bytes;
}

/** The long form, 32 bytes. */
export function buildLongPosition(position: PositionData): Uint8Array {
  const bytes = new Uint8Array(POSITION_LONG_LENGTH);
  bytes[0] = flagsOf(position);
  writeUint(bytes, 4, 4, position.partition);
  writeUint(bytes, 8, 8, position.logicalObjectNumber);
  writeUint(bytes, 16, 8, position.logicalFileIdentifier);
  return bytes;
}

/** What the long form tells: everything but the buffer. Undefined where the drive does not know. */
export type LongPosition = Omit<PositionData, 'lastObjectNumber' | 'bufferedBytes'>;

export function parseLongPosition(bytes: Uint8Array): LongPosition | undefined {
  const flags = bytes[0] ?? 0;
  if (bytes.length < POSITION_LONG_LENGTH || (flags & LOCATION_UNKNOWN_BIT) !== 0) return undefined;
  return {
    beginningOfPartition: (flags & BOP_BIT) !== 0,
    endOfPartition: (flags & EOP_BIT) !== 0,
    partition: readUint(bytes, 4, 4),
    logicalObjectNumber: readUint(bytes, 8, 8),
    logicalFileIdentifier: readUint(bytes, 16, 8),
  };
}

/** What the short form tells. */
export type ShortPosition = Omit<PositionData, 'logicalFileIdentifier'>;

export function parseShortPosition(bytes: Uint8Array): ShortPosition | undefined {
  const flags = bytes[0] ?? 0;
  const unknown = LOCATION_UNKNOWN_BIT | PERR_BIT;
  if (bytes.length < POSITION_SHORT_LENGTH || (flags & unknown) !== 0) return undefined;
  return {
    beginningOfPartition: (flags & BOP_BIT) !== 0,
    endOfPartition: (flags & EOP_BIT) !== 0,
    partition: bytes[1] ?? 0,
    logicalObjectNumber: readUint(bytes, 4, 4),
    lastObjectNumber: readUint(bytes, 8, 4),
    bufferedBytes: readUint(bytes, 16, 4),
  };
}

/** Block lengths in bytes; with a granularity of 2^granularity. */
export interface BlockLimits {
  readonly granularity: number;
  readonly blockLengthMax: number;
  readonly blockLengthMin: number;
}

export function buildBlockLimits(limits: BlockLimits): Uint8Array {
  const bytes = new Uint8Array(BLOCK_LIMITS_LENGTH);
  bytes[0] = limits.granularity;
  writeUint(bytes, 1, 3, limits.blockLengthMax);
  writeUint(bytes, 4, 2, limits.blockLengthMin);
  return bytes;
}

export function parseBlockLimits(bytes: Uint8Array): BlockLimits | undefined {
  if (bytes.length < BLOCK_LIMITS_LENGTH) return undefined;
  return {
    granularity: (bytes[0] ?? 0) & 0x1f,
    blockLengthMax: readUint(bytes, 1, 3),
    blockLengthMin: readUint(bytes, 4, 2),
  };
}
