import { describe, expect, it } from 'vitest';
import { AssertionError } from '../../../src/base/assert.ts';
import { buildCdb, parseCdb, pointerTo, undeclaredBit } from '../../../src/scsi/cdb.ts';
import type { CdbFormat } from '../../../src/scsi/cdb.ts';
import * as primary from '../../../src/scsi/commands-primary.ts';
import * as sequential from '../../../src/scsi/commands-sequential.ts';

const { LOCATE_10, READ_6, READ_POSITION, SPACE_6 } = sequential;

const FORMATS = [...Object.values(primary), ...Object.values(sequential)].flatMap(
  (exported): CdbFormat[] => ('opcode' in exported ? [exported] : []),
);

describe('command descriptor blocks', () => {
  it('are what Linux st sends, byte by byte', () => {
    expect([...buildCdb(READ_6, { sili: 1, transferLength: 0x010203 })]).toEqual([
      8, 2, 1, 2, 3, 0,
    ]);
    expect([...buildCdb(SPACE_6, { code: 1, count: -2 })]).toEqual([0x11, 1, 0xff, 0xff, 0xfe, 0]);
    expect([
      ...buildCdb(LOCATE_10, { bt: 1, cp: 1, logicalObjectIdentifier: 0x01020304, partition: 1 }),
    ]).toEqual([0x2b, 6, 0, 1, 2, 3, 4, 0, 1, 0]);
    expect([...buildCdb(READ_POSITION, { serviceAction: 6 })]).toEqual([
      0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0,
    ]);
    expect([
      ...buildCdb(primary.MODE_SENSE_6, { pageCode: 0x3f, pageControl: 1, allocationLength: 255 }),
    ]).toEqual([0x1a, 0, 0x7f, 0, 255, 0]);
  });

  it.each(FORMATS)('of $name keep every field apart from the others', (format) => {
    const names = Object.keys(format.fields);
    const zeros = Object.fromEntries(names.map((name) => [name, 0]));
    for (const [name, field] of Object.entries(format.fields)) {
      const value = field.signed ? -(2 ** (field.bits - 1)) : 2 ** field.bits - 1;
      const cdb = buildCdb(format, { [name]: value });
      expect(cdb).toHaveLength(format.length);
      expect(undeclaredBit(format, cdb)).toBeUndefined();
      expect(parseCdb(format, cdb)).toEqual({ ...zeros, [name]: value });
    }
  });

  it.each(FORMATS)('of $name are as long as their group code says', (format) => {
    const lengths = [6, 10, 10, undefined, 16, 12];
    expect(format.length).toBe(lengths[format.opcode >> 5]);
  });

  it('have the first undeclared bit named, or the end of one cut short', () => {
    expect(undeclaredBit(SPACE_6, Uint8Array.of(0x11, 0x30, 0, 0, 0, 0))).toEqual({
      inCdb: true,
      byte: 1,
      bit: 5,
    });
    expect(undeclaredBit(SPACE_6, Uint8Array.of(0x11, 0, 0, 0, 0, 0x04))).toEqual({
      inCdb: true,
      byte: 5,
      bit: 2,
    });
    expect(undeclaredBit(SPACE_6, Uint8Array.of(0x11, 0, 0))).toEqual({ inCdb: true, byte: 3 });
    expect(pointerTo(SPACE_6.fields.code)).toEqual({ inCdb: true, byte: 1, bit: 3 });
  });

  it('do not take a value that does not fit', () => {
    expect(() => buildCdb(READ_6, { transferLength: 2 ** 24 })).toThrow(AssertionError);
    expect(() => buildCdb(SPACE_6, { count: -(2 ** 23) - 1 })).toThrow(AssertionError);
    expect(() => buildCdb(READ_6, { fixed: 2 })).toThrow(AssertionError);
  });
});
