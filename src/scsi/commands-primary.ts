/** CDBs of the primary commands. @source SPC-5 (RESERVE(6) and RELEASE(6): SPC-2) */
import { bitField, bytesField, flag } from './cdb.ts';
import type { CdbFormat } from './cdb.ts';

export const TEST_UNIT_READY = {
  name: 'TEST UNIT READY',
  opcode: 0x00,
  length: 6,
  fields: {},
} as const satisfies CdbFormat;

export const REQUEST_SENSE = {
  name: 'REQUEST SENSE',
  opcode: 0x03,
  length: 6,
  fields: { desc: flag(1, 0), allocationLength: bytesField(4, 1) },
} as const satisfies CdbFormat;

export const INQUIRY = {
  name: 'INQUIRY',
  opcode: 0x12,
  length: 6,
  fields: {
    evpd: flag(1, 0),
    pageCode: bytesField(2, 1),
    allocationLength: bytesField(3, 2),
  },
} as const satisfies CdbFormat;

export const MODE_SELECT_6 = {
  name: 'MODE SELECT(6)',
  opcode: 0x15,
  length: 6,
  fields: { pf: flag(1, 4), sp: flag(1, 0), parameterListLength: bytesField(4, 1) },
} as const satisfies CdbFormat;

export const RESERVE_6 = {
  name: 'RESERVE(6)',
  opcode: 0x16,
  length: 6,
  fields: {},
} as const satisfies CdbFormat;

export const RELEASE_6 = {
  name: 'RELEASE(6)',
  opcode: 0x17,
  length: 6,
  fields: {},
} as const satisfies CdbFormat;

export const MODE_SENSE_6 = {
  name: 'MODE SENSE(6)',
  opcode: 0x1a,
  length: 6,
  fields: {
    dbd: flag(1, 3),
    pageControl: bitField(2, 7, 2),
    pageCode: bitField(2, 5, 6),
    subpageCode: bytesField(3, 1),
    allocationLength: bytesField(4, 1),
  },
} as const satisfies CdbFormat;

export const PREVENT_ALLOW_MEDIUM_REMOVAL = {
  name: 'PREVENT ALLOW MEDIUM REMOVAL',
  opcode: 0x1e,
  length: 6,
  fields: { prevent: bitField(4, 1, 2) },
} as const satisfies CdbFormat;

export const MODE_SELECT_10 = {
  name: 'MODE SELECT(10)',
  opcode: 0x55,
  length: 10,
  fields: { pf: flag(1, 4), sp: flag(1, 0), parameterListLength: bytesField(7, 2) },
} as const satisfies CdbFormat;

export const MODE_SENSE_10 = {
  name: 'MODE SENSE(10)',
  opcode: 0x5a,
  length: 10,
  fields: {
    llbaa: flag(1, 4),
    dbd: flag(1, 3),
    pageControl: bitField(2, 7, 2),
    pageCode: bitField(2, 5, 6),
    subpageCode: bytesField(3, 1),
    allocationLength: bytesField(7, 2),
  },
} as const satisfies CdbFormat;

export const REPORT_LUNS = {
  name: 'REPORT LUNS',
  opcode: 0xa0,
  length: 12,
  fields: { selectReport: bytesField(2, 1), allocationLength: bytesField(6, 4) },
} as const satisfies CdbFormat;
