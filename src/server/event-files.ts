/**
 * The event log as files: event.log with the product's lines, and event.jsonl with the same entries as
 * JSON, a line each, for log collectors.
 *
 * The catalog is first: an entry is in it before it is in a file. What is in the catalog and not yet in the
 * files is written batch by batch, event.log before event.jsonl; the number of the last entry stands in
 * event.jsonl. After a crash that file says where to go on, and the lines of event.log that were written of
 * the batch after it are recognised and not written again. (Two entries with the very same line are told
 * apart only by their order; of a run of such lines at a crash, one may be missing.)
 *
 * Both files are put by at 04:00 in the server's time zone, or at the next start where none ran then, or
 * where one has grown over FILE_BYTES_MAX.
 *
 * @source VTS 6.04.01 Installation Guide p. 132: event.log, rotated daily at 04:00 to event.log.N.gz, thirty kept.
 */
import { MIB, MINUTE_MS } from '../base/units.ts';
import type { EventRow } from '../ports/catalog.ts';
import type { Cancel } from '../ports/clock.ts';
import type { RotatingLogFiles } from '../ports/log-files.ts';
import { Sequence, reasonOf } from './context.ts';
import type { ServerContext } from './context.ts';
import { formatEventLine } from './event-line.ts';
import { parseSchedule } from './schedule.ts';
import type { Schedule } from './schedule.ts';

export const EVENT_FILE = 'event.log';
export const EVENT_JSON_FILE = 'event.jsonl';
/** Entries that are written at a time. */
export const BATCH_COUNT_MAX = 200;
/** A file that is larger is put by before its time. */
export const FILE_BYTES_MAX = 64 * MIB;
const RETRY_MS = MINUTE_MS;
const DAY_MS = 24 * 60 * MINUTE_MS;

export interface EventFilePolicy {
  /** `HH:MM` in the time zone. */
  readonly rotateAt: string;
  readonly timeZone: string;
  /** Files that were put by, of each kind. */
  readonly keptMax: number;
}

export const EVENT_FILE_POLICY: EventFilePolicy = {
  rotateAt: '04:00',
  timeZone: 'UTC',
  keptMax: 30,
};

export class EventFiles {
  readonly #context: ServerContext;
  readonly #files: RotatingLogFiles;
  readonly #policy: EventFilePolicy;
  readonly #schedule: Schedule;
  /** Writing and putting by, one after the other. */
  readonly #work = new Sequence();
  /** Undefined until the files were looked at. */
  #writtenId: number | undefined;
  #isWoken = false;
  #stopped = false;
  #rotationTimer: Cancel = () => {};
  #retryTimer: Cancel = () => {};

  constructor(context: ServerContext, files: RotatingLogFiles) {
    this.#context = context;
    this.#files = files;
    this.#policy = { ...EVENT_FILE_POLICY, ...context.settings.eventFiles };
    this.#schedule = parseSchedule(`daily at ${this.#policy.rotateAt}`, this.#policy.timeZone);
  }

  /** Looks where the files are, and catches up. A disk that fails is told and tried again; the server runs. */
  async start(): Promise<void> {
    this.#planRotation();
    await this.#run();
  }

  /** There are new entries in the catalog. */
  wake(): void {
    if (this.#isWoken || this.#stopped) return;
    this.#isWoken = true;
    this.#context.background('write the event log', () => this.#run());
  }

  /** Writes what is left. */
  async stop(): Promise<void> {
    this.#rotationTimer();
    this.#retryTimer();
    await this.#run();
    this.#stopped = true;
  }

  async #run(): Promise<void> {
    await this.#work.run(async () => {
      this.#isWoken = false;
      if (this.#stopped) return;
      try {
        this.#writtenId ??= await this.#recover();
        await this.#catchUp();
      } catch (error) {
        this.#lookAnew('write the event log to its files', error);
      }
    });
  }

  async #catchUp(): Promise<void> {
    for (;;) {
      const batch = await this.#next();
      if (batch.length === 0) return;
      await this.#files.append(EVENT_FILE, this.#lines(batch).join(''));
      await this.#finish(batch);
      if ((await this.#files.sizeBytes(EVENT_JSON_FILE)) > FILE_BYTES_MAX) await this.#rotate();
    }
  }

  /** The entries behind those that are written. */
  #next(): Promise<readonly EventRow[]> {
    const { catalog } = this.#context.ports;
    return catalog.listEvents({ afterId: this.#writtenId ?? 0, limit: BATCH_COUNT_MAX });
  }

  /** The second half of a batch, once its lines are in event.log. */
  async #finish(batch: readonly EventRow[]): Promise<void> {
    if (batch.length === 0) return;
    const text = batch.map((row) => `${JSON.stringify(row)}\n`).join('');
    await this.#files.append(EVENT_JSON_FILE, text);
    this.#writtenId = batch.at(-1)?.id;
  }

  /** After a start or a fault: what is in the files already; the last number of it. */
  async #recover(): Promise<number> {
    for (const name of [EVENT_FILE, EVENT_JSON_FILE]) await this.#files.mend(name);
    const last =
      lastEntry(await this.#files.read(EVENT_JSON_FILE)) ??
      lastEntry(await this.#files.read(`${EVENT_JSON_FILE}.1.gz`));
    this.#writtenId = last?.id ?? 0;
    // Of the batch under way at a crash, event.log may have some lines already, or all.
    const batch = await this.#next();
    const present = linesOf(await this.#files.read(EVENT_FILE));
    let count = Math.min(batch.length, present.length);
    const lines = this.#lines(batch);
    while (count > 0 && present.slice(-count).join('') !== lines.slice(0, count).join('')) {
      count -= 1;
    }
    await this.#finish(batch.slice(0, count));
    const now = this.#context.ports.clock.nowMs();
    const dueMs = last && this.#schedule.nextMs(last.atMs);
    if (dueMs !== undefined && dueMs <= now) await this.#rotate();
    return this.#writtenId;
  }

  async #rotate(): Promise<void> {
    for (const name of [EVENT_FILE, EVENT_JSON_FILE]) {
      await this.#files.rotate(name, this.#policy.keptMax);
    }
  }

  /** A timer is set for a day at most, so that a clock that is set does not put it off for long. */
  #planRotation(): void {
    const { clock } = this.#context.ports;
    const now = clock.nowMs();
    const dueMs = this.#schedule.nextMs(now) ?? now + DAY_MS;
    this.#rotationTimer = clock.after(Math.min(dueMs - now, DAY_MS), () => {
      this.#planRotation();
      if (clock.nowMs() >= dueMs)
        this.#context.background('put the event log by', () => this.#putBy());
    });
  }

  async #putBy(): Promise<void> {
    await this.#run();
    await this.#work.run(async () => {
      if (this.#stopped) return;
      try {
        await this.#rotate();
      } catch (error) {
        this.#lookAnew('put the event log by', error);
      }
    });
  }

  #lines(rows: readonly EventRow[]): readonly string[] {
    const { systemId, serverName } = this.#context.settings;
    const hasProgram = this.#context.profile.logHasProgram;
    return rows.map((row) => `${formatEventLine(row, { systemId, serverName, hasProgram })}\n`);
  }

  /** After a failure nobody knows what lies in the files: they are looked at anew, and what is due is done. */
  #lookAnew(what: string, error: unknown): void {
    this.#writtenId = undefined;
    this.#context.emit({ kind: 'fault', what, reason: reasonOf(error) });
    this.#retryTimer();
    this.#retryTimer = this.#context.ports.clock.after(RETRY_MS, () => this.wake());
  }
}

function linesOf(text: string | undefined): readonly string[] {
  return (text ?? '').split(/(?<=\n)/).filter((line) => line.endsWith('\n'));
}

/** The last entry of event.jsonl; what is no entry, because somebody else wrote it, is passed over. */
function lastEntry(text: string | undefined): { id: number; atMs: number } | undefined {
  for (const line of linesOf(text).toReversed()) {
    const match = /^\{"id":(\d{1,15}),"atMs":(\d{1,15}),.*\}\n$/.exec(line);
    if (match !== null) return { id: Number(match[1]), atMs: Number(match[2]) };
  }
  return undefined;
}
