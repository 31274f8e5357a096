/**
 * Civil time: milliseconds since 1970 as year, month, day and time of day, by arithmetic alone.
 *
 * Knows no zones. For a wall clock that differs from UTC by an offset, add the offset first: both
 * directions then speak of that wall clock. Gregorian calendar, years 0 to 9999.
 */
import { assert } from './assert.ts';

export interface CivilTime {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  /** 1 to 31. */
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

const SECOND_MS = 1000;
const DAY_SECONDS = 86_400;
/** Days of 400 Gregorian years, of which 97 are leap years. */
const CYCLE_DAYS = 146_097;
/** Days from 1 March of year 0 to 1 January 1970. */
const EPOCH_DAYS = 719_468;
/** Days before the month in a year that begins with March, so that a leap day comes last. */
const DAYS_BEFORE_MONTH = [0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 306, 337] as const;

/** The civil time at `ms`; a part of a second is dropped. Asserts a year from 0 to 9999. */
export function civilTime(ms: number): CivilTime {
  const seconds = Math.floor(ms / SECOND_MS);
  const days = Math.floor(seconds / DAY_SECONDS) + EPOCH_DAYS;
  const ofDay = seconds - (days - EPOCH_DAYS) * DAY_SECONDS;

  const cycle = Math.floor(days / CYCLE_DAYS);
  const dayOfCycle = days - cycle * CYCLE_DAYS;
  // Each term takes out the leap days up to the day: one in 4 years, none in 100, one in 400.
  const yearOfCycle = Math.floor(
    (dayOfCycle -
      Math.floor(dayOfCycle / 1460) +
      Math.floor(dayOfCycle / 36_524) -
      Math.floor(dayOfCycle / (CYCLE_DAYS - 1))) /
      365,
  );
  const dayOfYear = dayOfCycle - daysBeforeYear(yearOfCycle);
  const monthFromMarch = DAYS_BEFORE_MONTH.findLastIndex((before) => before <= dayOfYear);
  const month = ((monthFromMarch + 2) % 12) + 1;
  const year = cycle * 400 + yearOfCycle + (month <= 2 ? 1 : 0);
  assert(year >= 0 && year <= 9999, 'a civil time lies in the years 0 to 9999');
  return {
    year,
    month,
    day: dayOfYear - (DAYS_BEFORE_MONTH[monthFromMarch] ?? 0) + 1,
    hour: Math.floor(ofDay / 3600),
    minute: Math.floor(ofDay / 60) % 60,
    second: ofDay % 60,
  };
}

/** Milliseconds since 1970 of a civil time; undefined where there is no such day or time of day. */
export function civilTimeMs(time: CivilTime): number | undefined {
  const { year, month, day, hour, minute, second } = time;
  const within = (value: number, min: number, max: number): boolean =>
    Number.isInteger(value) && value >= min && value <= max;
  if (!within(year, 0, 9999) || !within(month, 1, 12) || !within(day, 1, 31)) return undefined;
  if (!within(hour, 0, 23) || !within(minute, 0, 59) || !within(second, 0, 59)) return undefined;

  const before = DAYS_BEFORE_MONTH[(month + 9) % 12] ?? 0;
  const yearFromMarch = month <= 2 ? year - 1 : year;
  const cycle = Math.floor(yearFromMarch / 400);
  const days =
    cycle * CYCLE_DAYS +
    daysBeforeYear(yearFromMarch - cycle * 400) +
    before +
    day -
    1 -
    EPOCH_DAYS;
  const ms = (days * DAY_SECONDS + hour * 3600 + minute * 60 + second) * SECOND_MS;
  // A day that the month does not have was carried over into the next.
  return civilTime(ms).month === month ? ms : undefined;
}

/** Days from 1 March of the cycle's first year to 1 March of its year `yearOfCycle`, 0 to 399. */
function daysBeforeYear(yearOfCycle: number): number {
  return yearOfCycle * 365 + Math.floor(yearOfCycle / 4) - Math.floor(yearOfCycle / 100);
}

/** `YYYY-MM-DD HH:MM:SS`, 19 characters. */
export function formatTimestamp(ms: number): string {
  const { year, month, day, hour, minute, second } = civilTime(ms);
  const pad = (value: number, width = 2): string => String(value).padStart(width, '0');
  return `${pad(year, 4)}-${pad(month)}-${pad(day)} ${pad(hour)}:${pad(minute)}:${pad(second)}`;
}

const TIMESTAMP_PATTERN = /^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)$/;

/** Milliseconds of a `YYYY-MM-DD HH:MM:SS`; undefined where the text is none. */
export function parseTimestamp(text: string): number | undefined {
  const match = TIMESTAMP_PATTERN.exec(text);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1)
    .map(Number);
  return civilTimeMs({ year, month, day, hour, minute, second });
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `DDMonYY HH:MM`, as the Meta Data Control Panel and erase-by-list have it: `02Mar05 14:41`. */
export function formatPanelTime(ms: number): string {
  const { year, month, day, hour, minute } = civilTime(ms);
  const pad = (value: number): string => String(value).padStart(2, '0');
  return `${pad(day)}${MONTHS[month - 1]}${pad(year % 100)} ${pad(hour)}:${pad(minute)}`;
}

const PANEL_PATTERN = /^(\d\d)([A-Za-z]{3})(\d\d)(?: (\d\d):(\d\d))?$/;

/**
 * Milliseconds of `02Mar05 14:41`, or of `02Mar05` at 00:00; undefined where the text is none. Years are
 * those from 1970 to 2069.
 */
export function parsePanelTime(text: string): number | undefined {
  const match = PANEL_PATTERN.exec(text);
  if (match === null) return undefined;
  const [, day, name = '', years, hour = '0', minute = '0'] = match;
  const month = MONTHS.findIndex((each) => each.toLowerCase() === name.toLowerCase()) + 1;
  const year = Number(years) + (Number(years) < 70 ? 2000 : 1900);
  const [dayOfMonth, hours, minutes] = [Number(day), Number(hour), Number(minute)];
  return civilTimeMs({ year, month, day: dayOfMonth, hour: hours, minute: minutes, second: 0 });
}
