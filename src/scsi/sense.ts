/**
 * Sense data: what a device says with CHECK CONDITION.
 *
 * Fixed format (18 bytes), @source SPC-5 4.4.3:
 *
 *      0       1  2                        3..6        7  8..11           12  13   14 15..17
 *   +--------+--+------------------------+-----------+--+---------------+---+----+--+------+
 *   |V| 70/71| 0|FM|EOM|ILI|0| sense key |INFORMATION|10|COMMAND-SPECIF.|ASC|ASCQ| 0| SKS  |
 *   +--------+--+------------------------+-----------+--+---------------+---+----+--+------+
 *
 * INFORMATION is signed here: residuals of an overlength block are negative.
 */
import { readInt, readUint, toUnsigned, writeUint } from '../base/bytes.ts';

/** @source SPC-5 4.4.8 */
export const SENSE_KEY = {
  NO_SENSE: 0x0,
  RECOVERED_ERROR: 0x1,
  NOT_READY: 0x2,
  MEDIUM_ERROR: 0x3,
  HARDWARE_ERROR: 0x4,
  ILLEGAL_REQUEST: 0x5,
  UNIT_ATTENTION: 0x6,
  DATA_PROTECT: 0x7,
  BLANK_CHECK: 0x8,
  ABORTED_COMMAND: 0xb,
  VOLUME_OVERFLOW: 0xd,
} as const satisfies Record<string, number>;

/** Which bit of a CDB (`inCdb`) or of a parameter list is at fault. */
export interface FieldPointer {
  readonly inCdb: boolean;
  readonly byte: number;
  /** The field's most significant bit, where it is known. */
  readonly bit?: number;
}

export interface Sense {
  readonly key: number;
  readonly asc: number;
  readonly ascq: number;
  /** 71h: it is about an earlier command that had GOOD; the command at hand was not performed. */
  readonly deferred?: boolean;
  readonly filemark?: boolean;
  readonly eom?: boolean;
  readonly ili?: boolean;
  /** Present where VALID is set; -2^31 to 2^31 - 1. */
  readonly information?: number;
  readonly fieldPointer?: FieldPointer;
}

const KEY = SENSE_KEY;

/**
 * Sense as T10 names it, with the flags that belong to it. END-OF-PARTITION/MEDIUM DETECTED is
 * early warning with NO SENSE, and the end itself with VOLUME OVERFLOW.
 * @source SPC-5 annex F, SSC-5 4.2.21
 */
export const SENSE = {
  NO_ADDITIONAL_SENSE_INFORMATION: { key: KEY.NO_SENSE, asc: 0x00, ascq: 0x00 },
  INCORRECT_LENGTH: { key: KEY.NO_SENSE, asc: 0x00, ascq: 0x00, ili: true },
  FILEMARK_DETECTED: { key: KEY.NO_SENSE, asc: 0x00, ascq: 0x01, filemark: true },
  END_OF_PARTITION_MEDIUM_DETECTED: { key: KEY.NO_SENSE, asc: 0x00, ascq: 0x02, eom: true },
  BEGINNING_OF_PARTITION_MEDIUM_DETECTED: { key: KEY.NO_SENSE, asc: 0x00, ascq: 0x04, eom: true },
  END_OF_DATA_DETECTED: { key: KEY.BLANK_CHECK, asc: 0x00, ascq: 0x05 },
  VOLUME_OVERFLOW: { key: KEY.VOLUME_OVERFLOW, asc: 0x00, ascq: 0x02, eom: true },
  MEDIUM_NOT_PRESENT: { key: KEY.NOT_READY, asc: 0x3a, ascq: 0x00 },
  WRITE_ERROR: { key: KEY.MEDIUM_ERROR, asc: 0x0c, ascq: 0x00 },
  UNRECOVERED_READ_ERROR: { key: KEY.MEDIUM_ERROR, asc: 0x11, ascq: 0x00 },
  PARAMETER_LIST_LENGTH_ERROR: { key: KEY.ILLEGAL_REQUEST, asc: 0x1a, ascq: 0x00 },
  INVALID_COMMAND_OPERATION_CODE: { key: KEY.ILLEGAL_REQUEST, asc: 0x20, ascq: 0x00 },
  INVALID_FIELD_IN_CDB: { key: KEY.ILLEGAL_REQUEST, asc: 0x24, ascq: 0x00 },
  INVALID_FIELD_IN_PARAMETER_LIST: { key: KEY.ILLEGAL_REQUEST, asc: 0x26, ascq: 0x00 },
  SAVING_PARAMETERS_NOT_SUPPORTED: { key: KEY.ILLEGAL_REQUEST, asc: 0x39, ascq: 0x00 },
  MEDIUM_REMOVAL_PREVENTED: { key: KEY.ILLEGAL_REQUEST, asc: 0x53, ascq: 0x02 },
  NOT_READY_TO_READY_CHANGE: { key: KEY.UNIT_ATTENTION, asc: 0x28, ascq: 0x00 },
  POWER_ON: { key: KEY.UNIT_ATTENTION, asc: 0x29, ascq: 0x00 },
  WRITE_PROTECTED: { key: KEY.DATA_PROTECT, asc: 0x27, ascq: 0x00 },
  MEDIA_LOAD_OR_EJECT_FAILED: { key: KEY.HARDWARE_ERROR, asc: 0x53, ascq: 0x00 },
  DATA_PHASE_ERROR: { key: KEY.ABORTED_COMMAND, asc: 0x4b, ascq: 0x00 },
} as const satisfies Record<string, Sense>;

export type SenseName = keyof typeof SENSE;

const FIXED_LENGTH = 18;
const FIXED_CURRENT = 0x70;
const FIXED_DEFERRED = 0x71;
const DESCRIPTOR_CURRENT = 0x72;
const DESCRIPTOR_DEFERRED = 0x73;
const DESCRIPTOR_INFORMATION = 0x00;
const DESCRIPTOR_SENSE_KEY_SPECIFIC = 0x02;
const DESCRIPTOR_STREAM_COMMANDS = 0x04;

const FILEMARK_BIT = 0x80;
const EOM_BIT = 0x40;
const ILI_BIT = 0x20;

function flagsOf(sense: Sense): number {
  return (
    (sense.filemark ? FILEMARK_BIT : 0) | (sense.eom ? EOM_BIT : 0) | (sense.ili ? ILI_BIT : 0)
  );
}

/** SENSE KEY SPECIFIC, three bytes: SKSV, C/D, BPV, bit pointer, field pointer. */
function writeFieldPointer(bytes: Uint8Array, offset: number, pointer: FieldPointer): void {
  const bitPointer = pointer.bit === undefined ? 0 : 0x08 | pointer.bit;
  bytes[offset] = 0x80 | (pointer.inCdb ? 0x40 : 0) | bitPointer;
  writeUint(bytes, offset + 1, 2, pointer.byte);
}

function parseFieldPointer(bytes: Uint8Array, offset: number): FieldPointer | undefined {
  const first = bytes[offset] ?? 0;
  if ((first & 0x80) === 0 || bytes.length < offset + 3) return undefined;
  return {
    inCdb: (first & 0x40) !== 0,
    byte: readUint(bytes, offset + 1, 2),
    ...((first & 0x08) !== 0 && { bit: first & 0x07 }),
  };
}

/** Fixed format sense data, 18 bytes. */
export function buildSense(sense: Sense): Uint8Array {
  const bytes = new Uint8Array(FIXED_LENGTH);
  bytes[0] = sense.deferred ? FIXED_DEFERRED : FIXED_CURRENT;
  bytes[2] = flagsOf(sense) | sense.key;
  if (sense.information !== undefined) {
    bytes[0] |= 0x80;
    writeUint(bytes, 3, 4, toUnsigned(sense.information, 32));
  }
  bytes[7] = FIXED_LENGTH - 8;
  bytes[12] = sense.asc;
  bytes[13] = sense.ascq;
  if (sense.fieldPointer !== undefined) writeFieldPointer(bytes, 15, sense.fieldPointer);
  return bytes;
}

/** Descriptor format sense data, as REQUEST SENSE with DESC set asks for. @source SPC-5 4.4.2 */
export function buildDescriptorSense(sense: Sense): Uint8Array {
  const bytes = new Uint8Array(8 + 12 + 8 + 4);
  let length = 8;
  bytes[0] = sense.deferred ? DESCRIPTOR_DEFERRED : DESCRIPTOR_CURRENT;
  bytes[1] = sense.key;
  bytes[2] = sense.asc;
  bytes[3] = sense.ascq;
  if (sense.information !== undefined) {
    bytes.set([DESCRIPTOR_INFORMATION, 0x0a, 0x80, 0], length);
    const negative = sense.information < 0;
    writeUint(bytes, length + 4, 4, negative ? 0xffffffff : 0);
    writeUint(bytes, length + 8, 4, toUnsigned(sense.information, 32));
    length += 12;
  }
  if (sense.fieldPointer !== undefined) {
    bytes.set([DESCRIPTOR_SENSE_KEY_SPECIFIC, 0x06], length);
    writeFieldPointer(bytes, length + 4, sense.fieldPointer);
    length += 8;
  }
  if (flagsOf(sense) !== 0) {
    bytes.set([DESCRIPTOR_STREAM_COMMANDS, 0x02, 0, flagsOf(sense)], length);
    length += 4;
  }
  bytes[7] = length - 8;
  return bytes.slice(0, length);
}

function flagsFrom(byte: number): Pick<Sense, 'filemark' | 'eom' | 'ili'> {
  return {
    ...((byte & FILEMARK_BIT) !== 0 && { filemark: true }),
    ...((byte & EOM_BIT) !== 0 && { eom: true }),
    ...((byte & ILI_BIT) !== 0 && { ili: true }),
  };
}

function parseFixed(bytes: Uint8Array): Sense {
  const fieldPointer = parseFieldPointer(bytes, 15);
  const valid = ((bytes[0] ?? 0) & 0x80) !== 0 && bytes.length >= 7;
  return {
    key: (bytes[2] ?? 0) & 0x0f,
    asc: bytes[12] ?? 0,
    ascq: bytes[13] ?? 0,
    ...(((bytes[0] ?? 0) & 0x7f) === FIXED_DEFERRED && { deferred: true }),
    ...flagsFrom(bytes[2] ?? 0),
    ...(valid && { information: readInt(bytes, 3, 4) }),
    ...(fieldPointer !== undefined && { fieldPointer }),
  };
}

function parseDescriptors(bytes: Uint8Array): Sense {
  let sense: Sense = {
    key: (bytes[1] ?? 0) & 0x0f,
    asc: bytes[2] ?? 0,
    ascq: bytes[3] ?? 0,
    ...(((bytes[0] ?? 0) & 0x7f) === DESCRIPTOR_DEFERRED && { deferred: true }),
  };
  const end = Math.min(bytes.length, 8 + (bytes[7] ?? 0));
  for (let offset = 8; offset + 2 <= end; offset += 2 + (bytes[offset + 1] ?? 0)) {
    const type = bytes[offset];
    if (type === DESCRIPTOR_INFORMATION && offset + 12 <= end) {
      // Tape residuals fit into 32 bits; the upper half repeats the sign.
      sense = { ...sense, information: readInt(bytes, offset + 8, 4) };
    } else if (type === DESCRIPTOR_SENSE_KEY_SPECIFIC && offset + 8 <= end) {
      const fieldPointer = parseFieldPointer(bytes, offset + 4);
      if (fieldPointer !== undefined) sense = { ...sense, fieldPointer };
    } else if (type === DESCRIPTOR_STREAM_COMMANDS && offset + 4 <= end) {
      sense = { ...sense, ...flagsFrom(bytes[offset + 3] ?? 0) };
    }
  }
  return sense;
}

/** Sense out of either format; undefined where the response code is none of 70h to 73h. */
export function parseSense(bytes: Uint8Array): Sense | undefined {
  switch ((bytes[0] ?? 0) & 0x7f) {
    case FIXED_CURRENT:
    case FIXED_DEFERRED:
      return parseFixed(bytes);
    case DESCRIPTOR_CURRENT:
    case DESCRIPTOR_DEFERRED:
      return parseDescriptors(bytes);
    default:
      return undefined;
  }
}

/** Whether `sense` is the one named, whatever its residual. INCORRECT_LENGTH needs ILI. */
export function isSense(sense: Sense, name: SenseName): boolean {
  const named: Sense = SENSE[name];
  return (
    sense.key === named.key &&
    sense.asc === named.asc &&
    sense.ascq === named.ascq &&
    (name !== 'INCORRECT_LENGTH' || sense.ili === true)
  );
}

const hex = (value: number, digits: number): string =>
  value.toString(16).toUpperCase().padStart(digits, '0');

/** For people: `8/00/05 END OF DATA DETECTED`, then flags, residual and whether it is deferred. */
export function describeSense(sense: Sense): string {
  const names = Object.keys(SENSE) as SenseName[];
  const name =
    (sense.ili ? names.find((each) => each === 'INCORRECT_LENGTH' && isSense(sense, each)) : '') ||
    names.find((each) => isSense(sense, each));
  const words = [
    `${hex(sense.key, 1)}/${hex(sense.asc, 2)}/${hex(sense.ascq, 2)}`,
    ...(name === undefined ? [] : [name.replaceAll('_', ' ')]),
    ...(sense.filemark ? ['FM'] : []),
    ...(sense.eom ? ['EOM'] : []),
    ...(sense.ili ? ['ILI'] : []),
    ...(sense.information === undefined ? [] : [`residual ${sense.information}`]),
    ...(sense.deferred ? ['deferred'] : []),
  ];
  return words.join(' ');
}
