/** CDBs of the sequential-access commands. @source SSC-5 */
import { bitField, bytesField, flag, signedField } from './cdb.ts';
import type { CdbFormat } from './cdb.ts';

export const REWIND = {
  name: 'REWIND',
  opcode: 0x01,
  length: 6,
  fields: { immed: flag(1, 0) },
} as const satisfies CdbFormat;

export const READ_BLOCK_LIMITS = {
  name: 'READ BLOCK LIMITS',
  opcode: 0x05,
  length: 6,
  fields: {},
} as const satisfies CdbFormat;

export const READ_6 = {
  name: 'READ(6)',
  opcode: 0x08,
  length: 6,
  fields: { sili: flag(1, 1), fixed: flag(1, 0), transferLength: bytesField(2, 3) },
} as const satisfies CdbFormat;

export const WRITE_6 = {
  name: 'WRITE(6)',
  opcode: 0x0a,
  length: 6,
  fields: { fixed: flag(1, 0), transferLength: bytesField(2, 3) },
} as const satisfies CdbFormat;

export const WRITE_FILEMARKS_6 = {
  name: 'WRITE FILEMARKS(6)',
  opcode: 0x10,
  length: 6,
  fields: { immed: flag(1, 0), filemarkCount: bytesField(2, 3) },
} as const satisfies CdbFormat;

export const SPACE_6 = {
  name: 'SPACE(6)',
  opcode: 0x11,
  length: 6,
  fields: { code: bitField(1, 3, 4), count: signedField(2, 3) },
} as const satisfies CdbFormat;

export const ERASE_6 = {
  name: 'ERASE(6)',
  opcode: 0x19,
  length: 6,
  fields: { immed: flag(1, 1), long: flag(1, 0) },
} as const satisfies CdbFormat;

export const LOAD_UNLOAD = {
  name: 'LOAD UNLOAD',
  opcode: 0x1b,
  length: 6,
  fields: {
    immed: flag(1, 0),
    hold: flag(4, 3),
    eot: flag(4, 2),
    reten: flag(4, 1),
    load: flag(4, 0),
  },
} as const satisfies CdbFormat;

export const LOCATE_10 = {
  name: 'LOCATE(10)',
  opcode: 0x2b,
  length: 10,
  fields: {
    /**
     * Obsolete: a vendor's own block address. Linux sets it; our addresses are the logical ones.
     */
    bt: flag(1, 2),
    cp: flag(1, 1),
    immed: flag(1, 0),
    logicalObjectIdentifier: bytesField(3, 4),
    partition: bytesField(8, 1),
  },
} as const satisfies CdbFormat;

export const READ_POSITION = {
  name: 'READ POSITION',
  opcode: 0x34,
  length: 10,
  fields: { serviceAction: bitField(1, 4, 5), allocationLength: bytesField(7, 2) },
} as const satisfies CdbFormat;

/** What SPACE's CODE counts. */
export const SPACE_CODE = {
  BLOCKS: 0,
  FILEMARKS: 1,
  END_OF_DATA: 3,
} as const satisfies Record<string, number>;

/** READ POSITION's service actions. */
export const POSITION_FORM = {
  SHORT: 0x00,
  /** Block addresses of the vendor's own; the same as the short form's here. Linux asks for it. */
  SHORT_VENDOR: 0x01,
  LONG: 0x06,
} as const satisfies Record<string, number>;
