/**
 * Scan/Cleanup: looks which tapes need not keep their data here any more, and erases them.
 *
 * A scan judges every tape by the rules of cleanup-rules.ts and keeps what it found; a user looks at the
 * table, authorizes or forbids, and has what is scheduled erased; or the schedule does both. An erase
 * looks again: it takes what the last scan scheduled, or a user authorized, and of that only what
 * nothing forbids at that moment and whose content is the one that was looked at.
 *
 * Against crashes: what is about to be erased is noted first; the erase itself is whole or not at all; its
 * line in the list follows, and then the note goes. A note that is there at the start says which of
 * this has still to be done.
 *
 * @source VTS 6.04.02 Operations Guide p. 100 (list); 8.3 Configuration Guide p. 132, 137 (table, buttons).
 */
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { MINUTE_MS } from '../base/units.ts';
import { formatMediaPath } from '../ems/vtspolicy.ts';
import type { TapeRow } from '../ports/catalog.ts';
import type { CleanupPlanRow, CleanupScanRow, ErasureRow } from '../ports/catalog-policy.ts';
import type { Cancel } from '../ports/clock.ts';
import type { EraseTape } from './bma.ts';
import { PAST_RETENTION, judge, scheduleByUsage } from './cleanup-rules.ts';
import type { CleanupLimits, CleanupSubject, JudgedTape, Verdict } from './cleanup-rules.ts';
import { lineOf } from './cleanup-table.ts';
import type { CleanupTable } from './cleanup-table.ts';
import { Sequence, reasonOf } from './context.ts';
import type { ServerContext } from './context.ts';
import { EraseList } from './erase-list.ts';
import { parseSchedule } from './schedule.ts';
import type { Schedule } from './schedule.ts';

const HOUR_MS = 60 * MINUTE_MS;
const DAY_HOURS = 24;
/** The wall clock may step: it is looked at this often. */
const LOOK_INTERVAL_MS = HOUR_MS;
/** Who the schedule is in the table and in the list. */
const SCHEDULE_USER = 'schedule';

/** The names in capstan.json; the manual's are `cleanup_enable` and so on, the last three ours. */
export interface CleanupSettings extends CleanupLimits {
  readonly enable: boolean;
  readonly autoerase: boolean;
  /** `02:00` */
  readonly scanAt: string;
  readonly intervalHours: number;
  /** IANA name; `scanAt` is in its time. */
  readonly timeZone: string;
}

export const CLEANUP_DEFAULTS: CleanupSettings = {
  enable: false,
  autoerase: false,
  scanAt: '02:00',
  intervalHours: DAY_HOURS,
  timeZone: 'UTC',
  minSizeBytes: 0,
  usagePercentMax: undefined,
};

export interface CleanupReport {
  /** The list's file; missing where nothing was erased. */
  readonly list: string | undefined;
  readonly erased: readonly string[];
  readonly failed: readonly { readonly tape: string; readonly reason: string }[];
}

export interface ScanCleanupOptions {
  readonly context: ServerContext;
  /** Tapes that are mounted, or about to be. */
  readonly busyTapes: ReadonlySet<string>;
  readonly erase: EraseTape;
}

/** What the verdicts rest on, read at once. */
interface View {
  readonly subjects: readonly CleanupSubject[];
  readonly plan: ReadonlyMap<string, CleanupPlanRow>;
  readonly scan: CleanupScanRow | undefined;
}

export class ScanCleanup {
  readonly #options: ScanCleanupOptions;
  readonly #context: ServerContext;
  readonly #settings: CleanupSettings;
  readonly #schedule: Schedule;
  readonly #list: EraseList;
  /** Scans and erases one after another. */
  readonly #work = new Sequence();
  #cancel: Cancel = () => {};
  #stopping = false;
  /** Where no scan was ever made: from when on the schedule counts. */
  readonly #sinceMs: number;

  /** Throws INVALID_ARGUMENT for a time or a zone that is none. */
  constructor(options: ScanCleanupOptions) {
    this.#options = options;
    this.#context = options.context;
    const settings = { ...CLEANUP_DEFAULTS, ...options.context.settings.cleanup };
    const isAlwaysOn = !options.context.profile.cleanupCanBeDisabled;
    this.#settings = { ...settings, enable: settings.enable || isAlwaysOn };
    this.#schedule = parseSchedule(`daily at ${this.#settings.scanAt}`, this.#settings.timeZone);
    this.#list = new EraseList(options.context.ports);
    this.#sinceMs = options.context.ports.clock.nowMs();
  }

  /** Ends the erases that a crash broke off; before anything is mounted. */
  async recover(): Promise<void> {
    await this.#work.run(() => this.#tryAtStart(() => this.#endErasures()));
  }

  /** Goes on with a scheduled erase that the server's end broke off, and follows the schedule. */
  async start(): Promise<void> {
    if (!this.#settings.enable) return;
    await this.#work.run(() => this.#tryAtStart(() => this.#goOn()));
    this.#look();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#cancel();
    await this.#work.run(async () => {});
  }

  /** Judges every tape, keeps what was found, and shows it. Rejects INVALID_ARGUMENT where it is off. */
  scan(context: ServerContext, user: string): Promise<CleanupTable> {
    this.#refuseDisabled();
    return this.#work.run(async () => {
      await this.#scan(context, user, (await this.#catalog.findCleanupScan())?.scheduledThroughMs);
      return this.#table();
    });
  }

  /** The table as of the last scan, with what users decided and what forbids an erase now. */
  show(): Promise<CleanupTable> {
    return this.#table();
  }

  /** A user's decision about tapes; Submit. Rejects NOT_FOUND, all of them or none. */
  async decide(
    context: ServerContext,
    tapes: readonly string[],
    decision: { readonly decision: 'erase' | 'keep'; readonly user: string },
  ): Promise<CleanupTable> {
    const atMs = context.ports.clock.nowMs();
    await this.#catalog.putCleanupMarks(tapes.map((tape) => ({ tape, ...decision, atMs })));
    const said = decision.decision === 'erase' ? 'authorized' : 'forbidden';
    for (const tape of tapes) {
      const fields = { tape, decision: said, user: decision.user };
      await context.eventLog.log('CLEANUP_AUTHORIZED', fields);
    }
    return this.#table();
  }

  /** Takes decisions back: of the tapes named, or all; Reset. */
  async reset(context: ServerContext, tapes: readonly string[] | undefined): Promise<CleanupTable> {
    const count = await this.#catalog.deleteCleanupMarks(tapes);
    await context.eventLog.log('CLEANUP_RESET', { count });
    return this.#table();
  }

  /** Erases what is scheduled or authorized; Erase Now! Rejects INVALID_ARGUMENT where it is off. */
  eraseNow(context: ServerContext, user: string): Promise<CleanupReport> {
    this.#refuseDisabled();
    return this.#work.run(() => this.#eraseScheduled(context, user));
  }

  get #catalog(): ServerContext['ports']['catalog'] {
    return this.#context.ports.catalog;
  }

  #refuseDisabled(): void {
    if (this.#settings.enable) return;
    throw new CapstanError('INVALID_ARGUMENT', {
      what: 'Scan/Cleanup',
      reason: 'cleanup.enable is off in the configuration',
    });
  }

  async #scan(
    context: ServerContext,
    user: string,
    scheduledThroughMs: number | undefined,
  ): Promise<void> {
    const { subjects } = await this.#view();
    const atMs = context.ports.clock.nowMs();
    const judged = subjects.map((subject) => ({
      subject,
      verdict: judge(subject, this.#settings, atMs),
    }));
    const plan = (await this.#withUsage(judged)).map(({ subject: { tape }, verdict }) => ({
      tape: tape.name,
      generation: tape.generation,
      erase: verdict.erase,
      reason: verdict.reason,
    }));
    await this.#catalog.putCleanupScan({ atMs, user, scheduledThroughMs }, plan);
    const count = plan.filter((row) => row.erase).length;
    await context.eventLog.log('CLEANUP_SCANNED', { count, total: plan.length });
  }

  /** Rule 7, vault by vault. */
  async #withUsage(judged: readonly JudgedTape[]): Promise<readonly JudgedTape[]> {
    const { usagePercentMax } = this.#settings;
    const { fileSystems } = this.#context.ports;
    if (usagePercentMax === undefined || fileSystems === undefined) return judged;
    const results: JudgedTape[] = [];
    for (const vault of await this.#catalog.listVaults()) {
      const here = judged.filter(({ subject }) => subject.tape.vault === vault.name);
      const usage = await fileSystems.usage(vault.path);
      results.push(...scheduleByUsage(here, usage, usagePercentMax));
    }
    return results;
  }

  async #view(): Promise<View> {
    const catalog = this.#catalog;
    const [pools, migrations, marks, locks, plan] = [
      new Map((await catalog.listPools()).map((row) => [row.name, row])),
      new Map((await catalog.listMigrations()).map((row) => [row.tape, row])),
      new Map((await catalog.listCleanupMarks()).map((row) => [row.tape, row])),
      await catalog.listLocks(),
      new Map((await catalog.listCleanupPlan()).map((row) => [row.tape, row])),
    ];
    // Who keeps a shared vault cleans it up.
    const { keeping } = this.#context;
    const tapes = (await catalog.listTapes()).filter(({ vault }) => !keeping.isElsewhere(vault));
    const subjects = tapes.map((tape) => ({
      tape,
      pool: pools.get(tape.pool),
      migration: migrations.get(tape.name),
      mark: marks.get(tape.name),
      mounted: this.#options.busyTapes.has(tape.name),
      processLocked: locks.some((lock) => lock.tape === tape.name || lock.pool === tape.pool),
    }));
    return { subjects, plan, scan: await catalog.findCleanupScan() };
  }

  /** What holds of a tape now: what forbids, a user's decision, else what the last scan found. */
  #verdict(subject: CleanupSubject, planned: CleanupPlanRow | undefined): Verdict {
    const nowMs = this.#context.ports.clock.nowMs();
    const now = judge(subject, this.#settings, nowMs);
    if (!now.business) return now;
    if (planned === undefined || planned.generation !== subject.tape.generation) {
      return { erase: false, reason: 'not scanned', business: true };
    }
    // A retention may have been made longer, or the minimum size, since the scan.
    if (planned.erase && planned.reason === PAST_RETENTION && !now.erase) return now;
    return { erase: planned.erase, reason: planned.reason, business: true };
  }

  async #table(): Promise<CleanupTable> {
    const { subjects, plan, scan } = await this.#view();
    return {
      enable: this.#settings.enable,
      autoerase: this.#settings.autoerase,
      scannedAtMs: scan?.atMs,
      scannedBy: scan?.user,
      nextScanAtMs: this.#settings.enable ? this.#nextMs(scan) : undefined,
      tapes: subjects.map((subject) =>
        lineOf(subject, this.#verdict(subject, plan.get(subject.tape.name))),
      ),
    };
  }

  async #eraseScheduled(context: ServerContext, user: string): Promise<CleanupReport> {
    await this.#endErasures();
    const { subjects, plan } = await this.#view();
    const wanted = subjects.filter(
      (subject) => this.#verdict(subject, plan.get(subject.tape.name)).erase,
    );
    if (wanted.length === 0) return { list: undefined, erased: [], failed: [] };
    const list = await this.#list.begin(user);
    const erased: string[] = [];
    const failed: { tape: string; reason: string }[] = [];
    for (const { tape } of wanted) {
      if (this.#stopping) break;
      const line = `${formatMediaPath({ vault: tape.vault, pool: tape.pool, tape: tape.name })} erased`;
      try {
        await this.#eraseTape(context, tape, { list, line });
      } catch (error) {
        if (!isCapstanError(error)) throw error;
        const reason = error.message;
        failed.push({ tape: tape.name, reason });
        await context.eventLog.log('CLEANUP_NOT_ERASED', { tape: tape.name, reason });
        continue;
      }
      // Trouble with the list ends the run: nothing is erased that it does not tell of.
      await this.#list.add(list, line);
      await this.#catalog.deleteErasure(tape.name, true);
      erased.push(tape.name);
    }
    const counts = { count: erased.length, failed: failed.length, list };
    await context.eventLog.log('CLEANUP_ERASED', counts);
    return { list, erased, failed };
  }

  /** Rejects with what stands in the way now; then the tape is as it was. */
  async #eraseTape(
    context: ServerContext,
    { name, generation }: TapeRow,
    where: Pick<ErasureRow, 'list' | 'line'>,
  ): Promise<void> {
    const startedAtMs = context.ports.clock.nowMs();
    await this.#catalog.putErasure({ tape: name, generation, startedAtMs, ...where });
    try {
      await this.#options.erase(context, name, async (row) => {
        const { subjects, plan } = await this.#view();
        const subject = subjects.find((each) => each.tape.name === name);
        const verdict = subject && this.#verdict(subject, plan.get(name));
        const isSame = row.generation === generation;
        if (verdict?.erase === true && isSame) return;
        const by = isSame ? `now it is "no, ${verdict?.reason ?? ''}"` : 'it was written meanwhile';
        throw new CapstanError('IN_USE', { kind: 'tape', name, by });
      });
    } catch (error) {
      await this.#catalog.deleteErasure(name, false);
      throw error;
    }
  }

  /** What a crash left: a tape that was erased gets its line, of one that was not the note goes. */
  async #endErasures(): Promise<void> {
    const catalog = this.#catalog;
    for (const erasure of await catalog.listErasures()) {
      const { tape, generation, startedAtMs, list, line } = erasure;
      const row = await catalog.findTape(tape);
      const done = row !== undefined && row.payloadBytes === 0 && row.generation > generation;
      if (done) {
        // The content went, and the row had no time to say so.
        if (row.erasedAtMs === undefined) {
          await catalog.updateTape(tape, { erasedAtMs: startedAtMs });
          await this.#context.eventLog.log('CARTRIDGE_ERASED', { tape, pool: row.pool });
        }
        await this.#list.addMissing(list, line);
      }
      await catalog.deleteErasure(tape, done);
    }
  }

  /** Waits for the schedule; a scan that the server missed is made at its start. */
  #look(): void {
    if (this.#stopping) return;
    const { clock } = this.#context.ports;
    this.#context.background('follow the schedule of Scan/Cleanup', async () => {
      const waitMs = this.#nextMs(await this.#catalog.findCleanupScan()) - clock.nowMs();
      const delayMs =
        waitMs > 0 || (await this.#runSchedule()) ? Math.max(0, waitMs) : LOOK_INTERVAL_MS;
      if (this.#stopping) return;
      this.#cancel = clock.after(Math.min(delayMs, LOOK_INTERVAL_MS), () => this.#look());
    });
  }

  /**
   * The first occurrence that was not answered yet. Whole days go by the time of day, whatever the clocks
   * do; other intervals go on from a time of day by elapsed time.
   */
  #nextMs(scan: CleanupScanRow | undefined): number {
    const { intervalHours } = this.#settings;
    const intervalMs = intervalHours * HOUR_MS;
    const afterMs = scan?.scheduledThroughMs;
    if (intervalHours % DAY_HOURS === 0) {
      // Half a day before an occurrence is behind the one before it.
      const fromMs =
        afterMs === undefined ? this.#sinceMs : afterMs + intervalMs - (DAY_HOURS / 2) * HOUR_MS;
      return this.#schedule.nextMs(fromMs) ?? Infinity;
    }
    if (afterMs !== undefined) return afterMs + intervalMs;
    let nextMs = this.#schedule.nextMs(this.#sinceMs - DAY_HOURS * HOUR_MS) ?? Infinity;
    while (nextMs <= this.#sinceMs) nextMs += intervalMs;
    return nextMs;
  }

  /** Whether the occurrence was answered; a failure stands in the event log. */
  async #runSchedule(): Promise<boolean> {
    try {
      await this.#work.run(async () => {
        if (this.#stopping) return;
        await this.#scan(this.#context, SCHEDULE_USER, await this.#latestDueMs());
        if (this.#settings.autoerase) await this.#eraseScheduled(this.#context, SCHEDULE_USER);
      });
      return true;
    } catch (error) {
      if (!isCapstanError(error)) throw error;
      await this.#context.eventLog.log('CLEANUP_FAILED', { reason: reasonOf(error) });
      return false;
    }
  }

  /** The latest occurrence that is due: however many were missed, one scan answers them. */
  async #latestDueMs(): Promise<number> {
    const nowMs = this.#context.ports.clock.nowMs();
    let dueMs = this.#nextMs(await this.#catalog.findCleanupScan());
    for (;;) {
      const laterMs = this.#nextMs({ atMs: 0, user: '', scheduledThroughMs: dueMs });
      if (laterMs > nowMs) return dueMs;
      dueMs = laterMs;
    }
  }

  /** The server starts all the same: what is left is done before the next erase. */
  async #tryAtStart(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!isCapstanError(error)) throw error;
      await this.#context.eventLog.log('CLEANUP_FAILED', { reason: reasonOf(error) });
    }
  }

  /** Erases what a scheduled scan had found when the server ended. */
  async #goOn(): Promise<void> {
    const scan = await this.#catalog.findCleanupScan();
    if (!this.#settings.autoerase || scan?.user !== SCHEDULE_USER) return;
    await this.#eraseScheduled(this.#context, SCHEDULE_USER);
  }
}
