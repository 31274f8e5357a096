import { describe, expect, it } from 'vitest';
import {
  formatCount,
  formatDuration,
  formatRate,
  formatSize,
  formatTable,
  parseSize,
} from '../../../src/cli/text.ts';

describe('sizes', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.00 kB'],
    [9996, '10.0 kB'],
    [999_499, '999 kB'],
    [999_500, '1.00 MB'],
    [200_000_000, '200 MB'],
    [1_234_000_000, '1.23 GB'],
  ])('%i bytes are told as %s', (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  });

  it.each([
    ['200M', 200_000_000],
    ['2G', 2_000_000_000],
    ['1.5GB', 1_500_000_000],
    ['64KiB', 65_536],
    ['1MiB', 1_048_576],
    ['17', 17],
    ['17B', 17],
  ])('%s is read as %i bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(['', 'M', '-1', '1X', '1iB', '1e3', '99999999999T', '1 000'])('%j is no size', (text) => {
    expect(parseSize(text)).toBeUndefined();
  });
});

describe('times, rates and counts', () => {
  it('tells a time in the unit that fits', () => {
    expect([350, 12_400, 200_000].map(formatDuration)).toEqual(['0.35 s', '12.4 s', '3 min 20 s']);
  });

  it('tells no rate where no time has passed', () => {
    expect([formatRate(1, 0), formatRate(143_000_000, 1000)]).toEqual(['', '143 MB/s']);
  });

  it('parts thousands by commas', () => {
    expect([0, 999, 1000, 1_234_567].map(formatCount)).toEqual(['0', '999', '1,000', '1,234,567']);
  });
});

describe('tables', () => {
  it('are aligned, with no blanks at the ends of lines', () => {
    const columns = [
      { title: 'NAME', value: (row: readonly string[]) => row[0] ?? '' },
      { title: 'SIZE', align: 'right', value: (row: readonly string[]) => row[1] ?? '' },
      { title: 'NOTE', value: (row: readonly string[]) => row[2] ?? '' },
    ] as const;
    const rows = [
      ['A', '1', 'x'],
      ['LONGER', '12345', ''],
    ];
    expect(formatTable(columns, rows)).toBe(
      ['NAME     SIZE  NOTE', 'A           1  x', 'LONGER  12345'].join('\n'),
    );
  });
});
