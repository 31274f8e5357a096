import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  civilTime,
  civilTimeMs,
  formatTimestamp,
  parseTimestamp,
} from '../../../src/base/civil-time.ts';

const YEAR_0_MS = Date.UTC(2000, 0, 1) - 5 * 146_097 * 86_400_000;
const YEAR_9999_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

describe('Civil time', () => {
  it('agrees with the calendar of the platform at any millisecond of the years 0 to 9999', () => {
    fc.assert(
      fc.property(fc.integer({ min: YEAR_0_MS, max: YEAR_9999_MS }), (ms) => {
        const date = new Date(ms);
        expect(civilTime(ms)).toEqual({
          year: date.getUTCFullYear(),
          month: date.getUTCMonth() + 1,
          day: date.getUTCDate(),
          hour: date.getUTCHours(),
          minute: date.getUTCMinutes(),
          second: date.getUTCSeconds(),
        });
        expect(civilTimeMs(civilTime(ms))).toBe(Math.floor(ms / 1000) * 1000);
      }),
      { numRuns: 2000, seed: 1 },
    );
  });

  it('agrees with it on every day of 1999 to 2004 and around centuries', () => {
    for (const [from, to] of [
      [1999, 2004],
      [1899, 1901],
      [2099, 2101],
    ] as const) {
      for (let ms = Date.UTC(from, 0, 1); ms < Date.UTC(to, 11, 31); ms += 86_400_000) {
        expect(formatTimestamp(ms)).toBe(new Date(ms).toISOString().slice(0, 19).replace('T', ' '));
      }
    }
  });

  it.each([
    '2006-02-29 00:00:00',
    '2006-13-01 00:00:00',
    '2006-00-01 00:00:00',
    '2006-01-00 00:00:00',
    '2006-04-31 00:00:00',
    '2006-01-01 24:00:00',
    '2006-01-01 00:60:00',
    '2006-01-01 00:00:60',
    '2006-1-1 00:00:00',
    '2006-01-01T00:00:00',
    '9999-12-31 23:59:59 ',
    '9999-99-99 99:99:99',
    '9999-12-99 00:00:00',
    '2100-02-29 00:00:00',
    '',
  ])('%j is no timestamp', (text) => {
    expect(parseTimestamp(text)).toBeUndefined();
  });

  it('reads what it wrote', () => {
    expect(formatTimestamp(parseTimestamp('2004-02-29 23:59:59') ?? 0)).toBe('2004-02-29 23:59:59');
    expect(formatTimestamp(0)).toBe('1970-01-01 00:00:00');
  });

  it('has no years after 9999', () => {
    expect(() => civilTime(YEAR_9999_MS + 1)).toThrow(/years 0 to 9999/);
  });
});
