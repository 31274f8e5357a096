import { describe, expect, it } from 'vitest';
import { decodeAscii, encodeAscii } from '../../../src/base/bytes.ts';
import { decodeEbcdic } from '../../../src/base/ebcdic.ts';
import { isCapstanError } from '../../../src/base/errors.ts';
import {
  detectLabelType,
  encodeLabel,
  initialLabel,
  parseLabel,
} from '../../../src/tape/labels.ts';
import type { FileLabel, Label } from '../../../src/tape/labels.ts';

const text = (label: Label): string => decodeAscii(encodeLabel(label));

const EOF1: FileLabel = {
  kind: 'EOF1',
  file: 'SALES.DAILY',
  fileSet: 'LAB001',
  section: 1,
  sequence: 2,
  generation: 3,
  version: 4,
  creation: { year: 2026, dayOfYear: 325 },
  expiration: { year: 1999, dayOfYear: 1 },
  blockCount: 4711,
  system: 'GUARDIAN',
};

describe('labels', () => {
  it('have each field in the columns that the standard gives it', () => {
    expect(text({ kind: 'VOL1', type: 'ANSI', volume: 'LAB001', owner: 'CAPSTAN' })).toBe(
      `VOL1LAB001${' '.repeat(27)}CAPSTAN${' '.repeat(7)}${' '.repeat(28)}3`,
    );
    expect(text(EOF1)).toBe(
      'EOF1SALES.DAILY      LAB00100010002000304026325 99001 004711GUARDIAN            ',
    );
    expect(text({ kind: 'HDR2', recordFormat: 'F', blockLength: 32768, recordLength: 512 })).toBe(
      `HDR2F3276800512${' '.repeat(35)}00${' '.repeat(28)}`,
    );
  });

  it('of BACKUP differ from ANSI ones in column 80 of VOL1 alone', () => {
    const ansi = text({ kind: 'VOL1', type: 'ANSI', volume: 'A', owner: 'B' });
    const backup = text({ kind: 'VOL1', type: 'BACKUP', volume: 'A', owner: 'B' });
    expect(backup.slice(0, 79)).toBe(ansi.slice(0, 79));
    expect([ansi[79], backup[79]]).toEqual(['3', 'B']);
  });

  it('read back as they were written', () => {
    const labels: Label[] = [
      { kind: 'VOL1', type: 'BACKUP', volume: 'X1', owner: 'SOMEBODY ELSE' },
      EOF1,
      { ...EOF1, kind: 'EOV1' },
      { kind: 'EOF2', recordFormat: 'U', blockLength: 0, recordLength: 99999 },
    ];
    for (const label of labels) expect(parseLabel(encodeLabel(label))).toEqual(label);
  });

  it('count blocks in six digits and go around beyond them', () => {
    expect(parseLabel(encodeLabel({ ...EOF1, blockCount: 1_000_007 }))).toMatchObject({
      blockCount: 7,
    });
  });

  it('without dates read back without dates', () => {
    const { creation: _, expiration: __, ...undated } = EOF1;
    expect(parseLabel(encodeLabel(undated))).toEqual(undated);
  });

  it.each([
    { volume: 'LAB0001', owner: '' },
    { volume: 'lab001', owner: '' },
    { volume: 'LAB001', owner: 'FIFTEEN LETTERS' },
    { volume: 'LAB001', owner: 'OWNÉR' },
  ])('refuse what no column can hold: $volume, $owner', (names) => {
    let error: unknown;
    try {
      encodeLabel({ kind: 'VOL1', type: 'ANSI', ...names });
    } catch (caught) {
      error = caught;
    }
    expect(isCapstanError(error, 'INVALID_ARGUMENT')).toBe(true);
  });

  it('are told from data, and EBCDIC ones from both', () => {
    const volume = encodeLabel({ kind: 'VOL1', type: 'BACKUP', volume: 'A', owner: '' });
    const ebcdic = new Uint8Array(80).fill(0x40);
    ebcdic.set([0xe5, 0xd6, 0xd3, 0xf1]);
    expect(detectLabelType(volume)).toBe('BACKUP');
    expect(detectLabelType(encodeLabel({ ...EOF1, kind: 'HDR1' }))).toBe('OMITTED');
    expect(detectLabelType(ebcdic)).toBe('IBM');
    expect(detectLabelType(volume.subarray(0, 79))).toBe('OMITTED');
    expect(parseLabel(encodeAscii('UHL1'.padEnd(80)))).toBeUndefined();
  });

  it('of a fresh tape make up an empty file: VOL1 HDR1 HDR2 TM TM EOF1 EOF2 TM TM', () => {
    const objects = initialLabel({ volume: 'LAB001', owner: 'CAPSTAN', type: 'BACKUP' });
    const kinds = objects.map((object) =>
      object.kind === 'block' ? decodeAscii(object.data.subarray(0, 4)) : 'TM',
    );
    expect(kinds.join(' ')).toBe('VOL1 HDR1 HDR2 TM TM EOF1 EOF2 TM TM');
    const first = objects[0];
    expect(first?.kind === 'block' && parseLabel(first.data)).toEqual({
      kind: 'VOL1',
      type: 'BACKUP',
      volume: 'LAB001',
      owner: 'CAPSTAN',
    });
  });

  it("of IBM's are EBCDIC, with the owner in columns 42 to 51 of VOL1", () => {
    const label = { kind: 'VOL1', type: 'IBM', volume: 'LAB001', owner: 'CAPSTAN' } as const;
    expect(decodeEbcdic(encodeLabel(label))).toBe(
      `VOL1LAB0010${' '.repeat(30)}CAPSTAN${' '.repeat(32)}`,
    );
    expect(parseLabel(encodeLabel(label))).toEqual(label);
    const header = encodeLabel({ ...EOF1, kind: 'HDR1' }, 'ebcdic');
    expect(decodeEbcdic(header).slice(0, 21)).toBe('HDR1SALES.DAILY      ');
    expect(parseLabel(header)).toEqual({ ...EOF1, kind: 'HDR1' });
  });

  it("of IBM's on a fresh tape are VOL1, a dummy HDR1 and a tape mark", () => {
    const objects = initialLabel({ volume: 'LAB001', owner: '', type: 'IBM' });
    const texts = objects.map((object) =>
      object.kind === 'block' ? decodeEbcdic(object.data).slice(0, 10) : 'TM',
    );
    expect(texts).toEqual(['VOL1LAB001', 'HDR1000000', 'TM']);
  });
});
