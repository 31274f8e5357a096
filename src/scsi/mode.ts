/**
 * Mode parameter lists: header, block descriptor, pages. @source SPC-5 7.5, SSC-5 8.5
 *
 *   header(6):  mode data length, medium type, device-specific, block descriptor length
 *   header(10): mode data length (2), medium type, device-specific, 0, 0, block descriptor
 *     length (2)
 *   block descriptor: density code, number of blocks (3), 0, block length (3)
 *   page: PS and page code, page length, then the page
 */
import { concatBytes, readUint, writeUint } from '../base/bytes.ts';

export const BLOCK_DESCRIPTOR_LENGTH = 8;
const HEADER_LENGTH = { 6: 4, 10: 8 } as const;

/** Which of the two commands' headers: MODE SENSE/SELECT(6) or (10). */
export type ModeForm = 6 | 10;

export const MODE_PAGE = {
  DATA_COMPRESSION: 0x0f,
  DEVICE_CONFIGURATION: 0x10,
  ALL: 0x3f,
} as const satisfies Record<string, number>;

/** What PAGE CONTROL asks for. */
export const PAGE_CONTROL = {
  CURRENT: 0,
  CHANGEABLE: 1,
  DEFAULT: 2,
  SAVED: 3,
} as const satisfies Record<string, number>;

export interface BlockDescriptor {
  readonly densityCode: number;
  /** Bytes of a block of a fixed-block transfer; 0 for variable blocks only. */
  readonly blockLength: number;
}

export interface ModeParameters {
  readonly writeProtected: boolean;
  /** 0: WRITE has GOOD once the data are on the medium; 1: once they are in the buffer. */
  readonly bufferedMode: number;
  readonly speed: number;
  readonly blockDescriptor?: BlockDescriptor;
  /** Whole pages, each with its two bytes of head. */
  readonly pages: readonly Uint8Array[];
}

export function buildModeParameters(form: ModeForm, parameters: ModeParameters): Uint8Array {
  const header = new Uint8Array(HEADER_LENGTH[form]);
  const descriptor = new Uint8Array(parameters.blockDescriptor ? BLOCK_DESCRIPTOR_LENGTH : 0);
  if (parameters.blockDescriptor !== undefined) {
    descriptor[0] = parameters.blockDescriptor.densityCode;
    writeUint(descriptor, 5, 3, parameters.blockDescriptor.blockLength);
  }
  const list = concatBytes([header, descriptor, ...parameters.pages]);
  const deviceSpecific =
    (parameters.writeProtected ? 0x80 : 0) | (parameters.bufferedMode << 4) | parameters.speed;
  if (form === 6) {
    list[0] = list.length - 1;
    list[2] = deviceSpecific;
    list[3] = descriptor.length;
  } else {
    writeUint(list, 0, 2, list.length - 2);
    list[3] = deviceSpecific;
    writeUint(list, 6, 2, descriptor.length);
  }
  return list;
}

/** Where a mode parameter list does not hold together. */
export interface ModeListFault {
  /** `length`: it ends within a header, descriptor or page; `field`: byte `byte` cannot be. */
  readonly fault: 'length' | 'field';
  readonly byte: number;
}

/** A page of a parsed list and where it began. */
export interface ParsedPage {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export interface ParsedModeParameters extends Omit<ModeParameters, 'pages'> {
  readonly pages: readonly ParsedPage[];
  readonly descriptorOffset: number;
}

/** Parses what MODE SELECT sends or MODE SENSE returned. Pages in subpage format are faults. */
export function parseModeParameters(
  form: ModeForm,
  list: Uint8Array,
): ParsedModeParameters | ModeListFault {
  const headerLength = HEADER_LENGTH[form];
  if (list.length < headerLength) return { fault: 'length', byte: list.length };
  const deviceSpecific = list[form === 6 ? 2 : 3] ?? 0;
  const descriptorLengthByte = form === 6 ? 3 : 6;
  const descriptorLength = readUint(list, descriptorLengthByte, form === 6 ? 1 : 2);
  if (descriptorLength !== 0 && descriptorLength !== BLOCK_DESCRIPTOR_LENGTH) {
    return { fault: 'field', byte: descriptorLengthByte };
  }
  const pagesOffset = headerLength + descriptorLength;
  if (list.length < pagesOffset) return { fault: 'length', byte: list.length };
  const pages: ParsedPage[] = [];
  for (let offset = pagesOffset; offset < list.length;) {
    if (((list[offset] ?? 0) & 0x40) !== 0) return { fault: 'field', byte: offset };
    const end = offset + 2 + (list[offset + 1] ?? 0);
    if (offset + 2 > list.length || end > list.length) return { fault: 'length', byte: offset };
    pages.push({ offset, bytes: list.subarray(offset, end) });
    offset = end;
  }
  return {
    writeProtected: (deviceSpecific & 0x80) !== 0,
    bufferedMode: (deviceSpecific >> 4) & 0x07,
    speed: deviceSpecific & 0x0f,
    descriptorOffset: headerLength,
    ...(descriptorLength > 0 && {
      blockDescriptor: {
        densityCode: list[headerLength] ?? 0,
        blockLength: readUint(list, headerLength + 5, 3),
      },
    }),
    pages,
  };
}
