/**
 * When something is due: schedules as an operator writes them, in a time zone.
 *
 * Forms, capitals or not:
 *   daily at 02:00, 14:00                 each day at these times
 *   weekly on mon, thu at 22:30           on these days of the week at these times
 *   0 2 * * 1-5                           cron: minute, hour, day of month, month, day of week
 *
 * Daylight saving: a time of day that the clocks skip comes at the first moment behind the gap (02:30
 * becomes 03:00), once; one that they show twice comes at the first of both. A cron form that names
 * every hour or minute (`*` or a step) goes by elapsed time over both changes.
 *
 * The only file that holds `Date` objects: croner takes and gives them. No clock is read here.
 */
import { Cron } from 'croner';
import { CapstanError } from '../base/errors.ts';

export const SCHEDULE_CHARS_MAX = 200;
export const SCHEDULE_TIMES_MAX = 24;
export const TIME_ZONE_CHARS_MAX = 64;

/** What {@link parseSchedule} understands, for a message. */
export const SCHEDULE_FORMS =
  "'daily at 02:00, 14:00', 'weekly on mon, thu at 22:30' or five cron fields as '0 2 * * 1-5'";

const TIME = String.raw`\d{1,2}:\d{2}`;
const TIMES = String.raw`${TIME}(?:\s*,\s*${TIME})*`;
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
const DAY = `(?:${DAYS.join('|')})`;
const DAILY = new RegExp(String.raw`^daily\s+at\s+(${TIMES})$`);
const WEEKLY = new RegExp(String.raw`^weekly\s+on\s+(${DAY}(?:\s*,\s*${DAY})*)\s+at\s+(${TIMES})$`);
const CRON = /^(?:cron\s+)?([0-9a-z*,/#l-]+(?:\s+[0-9a-z*,/#l-]+){4})$/;

/** Occurrences of a schedule; times are wall-clock milliseconds since 1970 UTC. */
export interface Schedule {
  /** The first occurrence later than `afterMs`; undefined where there is none any more. */
  nextMs(afterMs: number): number | undefined;
}

/** Zones that were found good: there are a few hundred, and looking one up takes a while. */
const KNOWN_ZONES = new Set<string>();

/** Throws INVALID_ARGUMENT where the zone is none of the IANA's. */
export function checkTimeZone(timeZone: string): string {
  if (KNOWN_ZONES.has(timeZone)) return timeZone;
  try {
    if (timeZone.length > TIME_ZONE_CHARS_MAX) throw new RangeError('too long');
    const { timeZone: found } = new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions();
    if (found !== '') KNOWN_ZONES.add(timeZone);
    return found && timeZone;
  } catch (cause) {
    throw new CapstanError(
      'INVALID_ARGUMENT',
      {
        what: `The time zone ${JSON.stringify(timeZone.slice(0, TIME_ZONE_CHARS_MAX))}`,
        reason: "it is no name of the IANA's, as Europe/Berlin or UTC",
      },
      { cause },
    );
  }
}

/** Schedules that were understood, by zone and text: services ask for them again at every look. */
const UNDERSTOOD = new Map<string, Schedule>();
const UNDERSTOOD_MAX = 200;

/** Throws INVALID_ARGUMENT where the text is no schedule, or one that never comes. */
export function parseSchedule(text: string, timeZone: string): Schedule {
  const key = `${timeZone} ${text}`;
  const known = UNDERSTOOD.get(key);
  if (known !== undefined) return known;
  const schedule = remembering(understand(text, timeZone));
  if (UNDERSTOOD.size >= UNDERSTOOD_MAX) UNDERSTOOD.clear();
  UNDERSTOOD.set(key, schedule);
  return schedule;
}

/** An occurrence is the next one for every moment since that for which it was found. */
function remembering(schedule: Schedule): Schedule {
  let found: { readonly afterMs: number; readonly nextMs: number } | undefined;
  return {
    nextMs: (afterMs) => {
      if (found !== undefined && found.afterMs <= afterMs && afterMs < found.nextMs) {
        return found.nextMs;
      }
      const nextMs = schedule.nextMs(afterMs);
      found = nextMs === undefined ? undefined : { afterMs, nextMs };
      return nextMs;
    },
  };
}

function understand(text: string, timeZone: string): Schedule {
  checkTimeZone(timeZone);
  const refuse = (reason: string, cause?: unknown): CapstanError =>
    new CapstanError(
      'INVALID_ARGUMENT',
      { what: `The schedule ${JSON.stringify(text.slice(0, SCHEDULE_CHARS_MAX))}`, reason },
      { cause },
    );
  if (text.length > SCHEDULE_CHARS_MAX) throw refuse(`it is over ${SCHEDULE_CHARS_MAX} characters`);
  const patterns = patternsOf(text.trim().toLowerCase());
  if (patterns === undefined) throw refuse(`it must be ${SCHEDULE_FORMS}`);
  if (patterns.length > SCHEDULE_TIMES_MAX) throw refuse(`it has over ${SCHEDULE_TIMES_MAX} times`);
  let crons: readonly Cron[];
  try {
    crons = patterns.map((pattern) => new Cron(pattern, { timezone: timeZone, paused: true }));
  } catch (error) {
    throw refuse(`it must be ${SCHEDULE_FORMS}`, error);
  }
  const schedule: Schedule = {
    nextMs: (afterMs) => {
      const times = crons.map((cron) => next(cron, afterMs)).filter((ms) => ms !== undefined);
      return times.length === 0 ? undefined : Math.min(...times);
    },
  };
  if (schedule.nextMs(0) === undefined) throw refuse('it never comes');
  return schedule;
}

function next(cron: Cron, afterMs: number): number | undefined {
  // oxlint-disable-next-line no-restricted-globals -- croner's own type for a time.
  return cron.nextRun(new Date(afterMs))?.getTime();
}

/** The cron patterns that a schedule in small letters stands for; undefined where it is none. */
function patternsOf(text: string): readonly string[] | undefined {
  const daily = DAILY.exec(text);
  if (daily !== null) return timesOf(daily[1] ?? '')?.map((time) => `${time} * * *`);
  const weekly = WEEKLY.exec(text);
  if (weekly !== null) {
    const days = (weekly[1] ?? '').split(/\s*,\s*/).map((day) => DAYS.indexOf(day as 'sun'));
    return timesOf(weekly[2] ?? '')?.map((time) => `${time} * * ${days.join(',')}`);
  }
  const cron = CRON.exec(text);
  return cron === null ? undefined : [(cron[1] ?? '').replaceAll(/\s+/g, ' ')];
}

/** Minute and hour of each `HH:MM`; undefined where one is no time of day. */
function timesOf(text: string): readonly string[] | undefined {
  const times = text.split(/\s*,\s*/).map((time) => time.split(':').map(Number));
  const isTime = ([hour = 24, minute = 60]: readonly number[]): boolean => hour < 24 && minute < 60;
  return times.every(isTime) ? times.map(([hour, minute]) => `${minute} ${hour}`) : undefined;
}
