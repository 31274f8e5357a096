/** Retention: how long a pool keeps what was written, as operators say it: `2 weeks`. */

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** By the largest that goes in whole; the letters are what may be typed. */
const UNITS = [
  { letter: 'w', name: 'week', ms: 7 * DAY_MS },
  { letter: 'd', name: 'day', ms: DAY_MS },
  { letter: 'h', name: 'hour', ms: HOUR_MS },
] as const;

/** Longest that can be said: what a tape's label can say as well, to the end of 2099. */
export const RETENTION_MS_MAX = 36_500 * DAY_MS;

/** `2 weeks`, `10 days`, `36 hours`; `for ever` where there is none. */
export function formatRetention(ms: number | undefined): string {
  if (ms === undefined) return 'for ever';
  const unit = UNITS.find((each) => ms % each.ms === 0) ?? { name: 'hour', ms: HOUR_MS };
  const count = Math.round((ms / unit.ms) * 100) / 100;
  return `${count} ${unit.name}${count === 1 ? '' : 's'}`;
}

/** Milliseconds of `2w`, `14d`, `36h`, `2 weeks`, `1 day`; undefined for what is none, or too long. */
export function parseRetention(text: string): number | undefined {
  const match = /^(\d{1,6}) ?(?:(w|d|h)|(week|day|hour)s?)$/i.exec(text.trim());
  if (match === null) return undefined;
  const letter = (match[2] ?? match[3]?.charAt(0) ?? '').toLowerCase();
  const unit = UNITS.find((each) => each.letter === letter);
  const ms = Number(match[1]) * (unit?.ms ?? 0);
  return ms > 0 && ms <= RETENTION_MS_MAX ? ms : undefined;
}
