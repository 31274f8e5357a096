/**
 * The lists of what Scan/Cleanup erased, a file a day:
 *
 *   erasebylist.12Mar06.log
 *     12Mar06 14:41:operator:erase-by-list
 *     Sun Mar 12 14:41:07 UTC 2006
 *     /VAULT00/BILL/Q00001 erased
 *
 * Each run begins with the two lines that say when and who. The third field, `factory` in the manual, is
 * taken for the user; the date line's form is ours, since the manual has only that there is one. UTC.
 *
 * @source VTS 6.04.02 Operations Guide p. 100.
 */
import { civilTime } from '../base/civil-time.ts';
import type { Clock } from '../ports/clock.ts';
import type { LogFiles } from '../ports/log-files.ts';

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');
const DAYS = 'Sun Mon Tue Wed Thu Fri Sat'.split(' ');
const DAY_MS = 86_400_000;
/** 1 January 1970 was a Thursday. */
const EPOCH_DAY = 4;
const HEADER_END = ':erase-by-list';
const USER_CHARS_MAX = 32;

export class EraseList {
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #logFiles: LogFiles;

  constructor({ clock, logFiles }: { readonly clock: Clock; readonly logFiles: LogFiles }) {
    this.#clock = clock;
    this.#logFiles = logFiles;
  }

  /** Begins a run; the name of the file that its lines go into. */
  async begin(user: string): Promise<string> {
    const atMs = this.#clock.nowMs();
    const name = `erasebylist.${dayText(atMs)}.log`;
    await this.#logFiles.append(name, headerText(atMs, user));
    return name;
  }

  async add(name: string, line: string): Promise<void> {
    await this.#logFiles.append(name, `${line}\n`);
  }

  /** Adds a line unless the file's last run has it. */
  async addMissing(name: string, line: string): Promise<void> {
    const lines = ((await this.#logFiles.read(name)) ?? '').split('\n');
    const begin = lines.findLastIndex((each) => each.endsWith(HEADER_END));
    if (!lines.slice(begin + 1).includes(line)) await this.add(name, line);
  }
}

/** `12Mar06` */
function dayText(ms: number): string {
  const { year, month, day } = civilTime(ms);
  return `${two(day)}${MONTHS[month - 1] ?? ''}${two(year % 100)}`;
}

function headerText(ms: number, user: string): string {
  const { year, month, day, hour, minute, second } = civilTime(ms);
  const time = `${two(hour)}:${two(minute)}`;
  const weekday = DAYS[(Math.floor(ms / DAY_MS) + EPOCH_DAY) % DAYS.length] ?? '';
  const monthDay = `${MONTHS[month - 1] ?? ''} ${String(day).padStart(2)}`;
  const who = user.replaceAll(/[^!-9;-~]+/g, '_').slice(0, USER_CHARS_MAX);
  return (
    `${dayText(ms)} ${time}:${who}${HEADER_END}\n` +
    `${weekday} ${monthDay} ${time}:${two(second)} UTC ${year}\n`
  );
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
