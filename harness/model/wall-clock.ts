/**
 * When a time of day comes in a time zone, found by asking the zone's wall clock at one moment after another: the
 * slow and obvious oracle of schedules. Knows nothing of the program that it judges.
 *
 * A time that the clocks skip comes at the first moment behind the gap; one that they show twice, the first time.
 */

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** A wall clock as milliseconds since 1970 of a calendar without zones. */
export class WallClock {
  readonly #format: Intl.DateTimeFormat;

  constructor(timeZone: string) {
    this.#format = new Intl.DateTimeFormat('en-GB', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    });
  }

  /** What the clock shows at a moment. */
  shownMs(atMs: number): number {
    const [day = 0, month = 0, year = 0, hour = 0, minute = 0, second = 0] =
      this.#format.format(atMs).match(/\d+/g)?.map(Number) ?? [];
    // oxlint-disable-next-line no-restricted-globals -- a calendar, and no clock.
    return Date.UTC(year, month - 1, day, hour, minute, second);
  }

  /** The moment at which `shownMs` comes, or is passed over. */
  momentOf(shownMs: number): number {
    // No zone is further than a day from the calendar without zones. What is shown only falls at a change,
    // and by no more than the time that is shown twice.
    let early = shownMs - DAY_MS;
    for (let stepMs = 15 * MINUTE_MS; stepMs >= MINUTE_MS; stepMs /= 15) {
      while (this.shownMs(early + stepMs) < shownMs) early += stepMs;
    }
    return early + MINUTE_MS;
  }

  /** The moments at which the zone's offset changes. */
  changes(fromMs: number, untilMs: number): readonly number[] {
    const offset = (atMs: number): number => this.shownMs(atMs) - atMs;
    const changes: number[] = [];
    for (let atMs = fromMs; atMs < untilMs; atMs += DAY_MS) {
      let [before, after] = [atMs, atMs + DAY_MS];
      if (offset(before) === offset(after)) continue;
      while (after - before > MINUTE_MS) {
        const middle = before + Math.floor((after - before) / 2 / MINUTE_MS) * MINUTE_MS;
        if (offset(middle) === offset(before)) before = middle;
        else after = middle;
      }
      changes.push(after);
    }
    return changes;
  }

  /** The moments from `fromMs` to `untilMs` at which each day's times come, in their order, each once. */
  momentsOf(minutesOfDay: readonly number[], fromMs: number, untilMs: number): readonly number[] {
    const moments = new Set<number>();
    const firstDay = Math.floor(fromMs / DAY_MS) - 1;
    for (let day = firstDay; day * DAY_MS <= untilMs + DAY_MS; day += 1) {
      for (const minute of minutesOfDay) {
        const atMs = this.momentOf(day * DAY_MS + minute * MINUTE_MS);
        if (atMs >= fromMs && atMs < untilMs) moments.add(atMs);
      }
    }
    return [...moments].toSorted((left, right) => left - right);
  }
}
