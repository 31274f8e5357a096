import { describe, expect, it } from 'vitest';
import type { Sense } from '../../../src/scsi/sense.ts';
import {
  SENSE,
  buildDescriptorSense,
  buildSense,
  describeSense,
  isSense,
  parseSense,
} from '../../../src/scsi/sense.ts';

const SAMPLES: readonly Sense[] = [
  SENSE.MEDIUM_NOT_PRESENT,
  { ...SENSE.FILEMARK_DETECTED, information: 65536 },
  { ...SENSE.INCORRECT_LENGTH, information: -448 },
  { ...SENSE.END_OF_PARTITION_MEDIUM_DETECTED, information: 0 },
  { ...SENSE.WRITE_ERROR, deferred: true, information: 17 },
  { ...SENSE.INVALID_FIELD_IN_CDB, fieldPointer: { inCdb: true, byte: 1, bit: 5 } },
  { ...SENSE.INVALID_FIELD_IN_PARAMETER_LIST, fieldPointer: { inCdb: false, byte: 300 } },
];

describe('sense data', () => {
  it('in fixed format lie where SPC has them', () => {
    expect([...buildSense({ ...SENSE.FILEMARK_DETECTED, information: 0x0102 })]).toEqual([
      0xf0, 0, 0x80, 0, 0, 1, 2, 10, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0,
    ]);
    expect([...buildSense({ ...SENSE.INCORRECT_LENGTH, information: -1 })].slice(0, 7)).toEqual([
      0xf0, 0, 0x20, 0xff, 0xff, 0xff, 0xff,
    ]);
    const pointer = { inCdb: true, byte: 4, bit: 7 } as const;
    expect(
      [...buildSense({ ...SENSE.INVALID_FIELD_IN_CDB, fieldPointer: pointer })].slice(12),
    ).toEqual([0x24, 0, 0, 0xcf, 0, 4]);
    expect(buildSense({ ...SENSE.WRITE_ERROR, deferred: true })[0]).toBe(0x71);
  });

  it.each(SAMPLES)('read back from both formats as they were built: %o', (sense) => {
    expect(parseSense(buildSense(sense))).toEqual(sense);
    expect(parseSense(buildDescriptorSense(sense))).toEqual(sense);
  });

  it('that are cut short or of another kind are not misread', () => {
    const whole = buildSense({ ...SENSE.FILEMARK_DETECTED, information: 5 });
    expect(parseSense(new Uint8Array(0))).toBeUndefined();
    expect(parseSense(Uint8Array.of(0x7f, 1, 2, 3))).toBeUndefined();
    expect(parseSense(whole.subarray(0, 6))?.information).toBeUndefined();
    const descriptors = buildDescriptorSense({ ...SENSE.FILEMARK_DETECTED, information: 5 });
    for (let length = 8; length < descriptors.length; length += 1) {
      const cut = parseSense(descriptors.subarray(0, length));
      expect(cut?.information).toBe(length < 20 ? undefined : 5);
      expect(cut?.filemark).toBeUndefined();
    }
  });

  it('are recognised by name, whatever the residual', () => {
    expect(isSense({ ...SENSE.FILEMARK_DETECTED, information: 3 }, 'FILEMARK_DETECTED')).toBe(true);
    expect(isSense(SENSE.VOLUME_OVERFLOW, 'END_OF_PARTITION_MEDIUM_DETECTED')).toBe(false);
    expect(isSense(SENSE.NO_ADDITIONAL_SENSE_INFORMATION, 'INCORRECT_LENGTH')).toBe(false);
  });

  it('are told in words', () => {
    expect(describeSense({ ...SENSE.INCORRECT_LENGTH, information: -448 })).toBe(
      '0/00/00 INCORRECT LENGTH ILI residual -448',
    );
    expect(describeSense({ ...SENSE.WRITE_ERROR, deferred: true, information: 2 })).toBe(
      '3/0C/00 WRITE ERROR residual 2 deferred',
    );
    expect(describeSense({ key: 4, asc: 0x44, ascq: 0 })).toBe('4/44/00');
  });

  it('have each name for one sense only', () => {
    const texts = Object.values(SENSE).map((sense) => JSON.stringify(sense));
    expect(new Set(texts).size).toBe(texts.length);
  });
});
