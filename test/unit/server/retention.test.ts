import { describe, expect, it } from 'vitest';
import { formatRetention, parseRetention } from '../../../src/server/retention.ts';

const DAY_MS = 86_400_000;

describe('A retention', () => {
  it.each([
    ['2w', 14 * DAY_MS, '2 weeks'],
    ['14d', 14 * DAY_MS, '2 weeks'],
    ['10 days', 10 * DAY_MS, '10 days'],
    ['1 Day', DAY_MS, '1 day'],
    ['36h', 1.5 * DAY_MS, '36 hours'],
    ['1 week', 7 * DAY_MS, '1 week'],
  ])('of %s is said so', (text, ms, said) => {
    expect(parseRetention(text)).toBe(ms);
    expect(formatRetention(ms)).toBe(said);
    expect(parseRetention(said)).toBe(ms);
  });

  it.each(['', '14', '-1d', '0d', '2 fortnights', '1.5d', '36501d', '9999999d', 'd', '2 w eeks'])(
    'of "%s" is none',
    (text) => {
      expect(parseRetention(text)).toBeUndefined();
    },
  );

  it('that is missing is for ever, and one of no whole hour is still said', () => {
    expect(formatRetention(undefined)).toBe('for ever');
    expect(formatRetention(5_400_000)).toBe('1.5 hours');
  });
});
