import { describe, expect, it } from 'vitest';
import { checkTimeZone, parseSchedule } from '../../../src/server/schedule.ts';

const ms = (text: string): number => Date.parse(text);

/** The next `count` occurrences as ISO times. */
function occurrences(text: string, zone: string, from: string, count: number): string[] {
  const schedule = parseSchedule(text, zone);
  const found: string[] = [];
  for (let after = ms(from); found.length < count;) {
    const next = schedule.nextMs(after);
    if (next === undefined) break;
    found.push(new Date(next).toISOString().slice(0, 16));
    after = next;
  }
  return found;
}

describe('a schedule', () => {
  it.each([
    ['daily at 02:00, 14:30', ['2026-01-01T02:00', '2026-01-01T14:30', '2026-01-02T02:00']],
    ['Daily at 14:30,2:00', ['2026-01-01T02:00', '2026-01-01T14:30', '2026-01-02T02:00']],
    ['weekly on mon, Thu at 22:30', ['2026-01-01T22:30', '2026-01-05T22:30', '2026-01-08T22:30']],
    ['0 2 * * 1-5', ['2026-01-01T02:00', '2026-01-02T02:00', '2026-01-05T02:00']],
    ['cron */20 6 * * *', ['2026-01-01T06:00', '2026-01-01T06:20', '2026-01-01T06:40']],
    ['0 0 29 2 *', ['2028-02-29T00:00', '2032-02-29T00:00', '2036-02-29T00:00']],
  ])('%s comes when it says', (text, expected) => {
    expect(occurrences(text, 'UTC', '2026-01-01T00:00:00Z', 3)).toEqual(expected);
  });

  it('comes by the wall clock of its zone', () => {
    expect(occurrences('daily at 02:00', 'America/New_York', '2026-01-01T00:00:00Z', 1)).toEqual([
      '2026-01-01T07:00',
    ]);
    expect(occurrences('daily at 02:00', 'Asia/Kolkata', '2026-01-01T00:00:00Z', 1)).toEqual([
      '2026-01-01T20:30',
    ]);
  });

  it('02:30 comes once, at 03:00 summer time, on the day when the clocks skip it', () => {
    expect(occurrences('daily at 02:30', 'Europe/Berlin', '2026-03-27T12:00:00Z', 3)).toEqual([
      '2026-03-28T01:30',
      '2026-03-29T01:00',
      '2026-03-30T00:30',
    ]);
    expect(occurrences('30 2 * * *', 'America/New_York', '2026-03-07T12:00:00Z', 2)).toEqual([
      '2026-03-08T07:00',
      '2026-03-09T06:30',
    ]);
  });

  it('02:30 comes once, at the first of both, on the day when the clocks show it twice', () => {
    expect(occurrences('daily at 02:30', 'Europe/Berlin', '2026-10-24T12:00:00Z', 3)).toEqual([
      '2026-10-25T00:30',
      '2026-10-26T01:30',
      '2026-10-27T01:30',
    ]);
  });

  it('comes once where the clocks change by half an hour', () => {
    expect(occurrences('daily at 02:15', 'Australia/Lord_Howe', '2026-10-02T16:00:00Z', 2)).toEqual(
      ['2026-10-03T15:30', '2026-10-04T15:15'],
    );
    expect(occurrences('daily at 01:45', 'Australia/Lord_Howe', '2026-04-03T15:00:00Z', 2)).toEqual(
      ['2026-04-04T14:45', '2026-04-05T15:15'],
    );
  });

  it('every half hour goes on by elapsed time over both changes', () => {
    const spring = occurrences('0,30 * * * *', 'Europe/Berlin', '2026-03-28T23:59:00Z', 8);
    const autumn = occurrences('0,30 * * * *', 'Europe/Berlin', '2026-10-24T22:59:00Z', 8);
    for (const times of [spring, autumn]) {
      const gaps = times.slice(1).map((time, i) => ms(`${time}Z`) - ms(`${times[i]}Z`));
      expect(new Set(gaps)).toEqual(new Set([30 * 60_000]));
    }
  });

  it.each(['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'America/Santiago', 'UTC'])(
    'daily at 02:30 comes 365 times in a year in %s, never two on one day',
    (zone) => {
      const times = occurrences('daily at 02:30', zone, '2025-12-31T20:00:00Z', 365);
      const days = times.map((time) =>
        new Intl.DateTimeFormat('sv', { timeZone: zone }).format(ms(`${time}Z`)),
      );
      expect(new Set(days).size).toBe(365);
      const gaps = times.slice(1).map((time, i) => ms(`${time}Z`) - ms(`${times[i]}Z`));
      expect(Math.min(...gaps)).toBeGreaterThanOrEqual(22.5 * 3_600_000);
      expect(Math.max(...gaps)).toBeLessThanOrEqual(25.5 * 3_600_000);
    },
  );

  it.each([
    ['', 'it must be'],
    ['daily', 'it must be'],
    ['daily at 24:00', 'it must be'],
    ['daily at 12:60', 'it must be'],
    ['weekly on someday at 02:00', 'it must be'],
    ['* * * *', 'it must be'],
    ['0 0 2 * * *', 'it must be'],
    ['99 2 * * *', 'it must be'],
    ['@daily', 'it must be'],
    ['0 0 30 2 *', 'it never comes'],
    [`daily at ${'02:00,'.repeat(50)}02:00`, 'over 200 characters'],
    [`daily at ${Array.from({ length: 25 }, (_, i) => `${i % 24}:0${i % 9}`).join(',')}`, 'times'],
  ])('%j is refused: %s', (text, reason) => {
    expect(() => parseSchedule(text, 'UTC')).toThrow(reason);
  });

  it('refuses a zone that is none', () => {
    expect(() => parseSchedule('daily at 02:00', 'Mars/Olympus')).toThrow(
      'The time zone "Mars/Olympus" is refused: it is no name of the IANA\'s',
    );
    expect(checkTimeZone('Europe/Berlin')).toBe('Europe/Berlin');
  });
});
