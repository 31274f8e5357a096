/**
 * The runs of Instant DR that are under way in this process, one a scheme.
 *
 * A run that loses the target tries again every five minutes, and is given up after twelve attempts that
 * brought nothing; one that the server's end broke off goes on at the next start.
 */
import { isCapstanError } from '../base/errors.ts';
import type { IdrRunRow, IdrSchemeRow } from '../ports/catalog-instant-dr.ts';
import type { Cancel } from '../ports/clock.ts';
import { reasonOf } from './context.ts';
import type { ServerContext } from './context.ts';
import type { Copies } from './copies.ts';
import { LineLost } from './instant-dr-outcomes.ts';
import { Ending } from './instant-dr-line.ts';
import { InstantDrRun } from './instant-dr-run.ts';
import type { RunProgress } from './instant-dr-run.ts';
import { schemeOf } from './instant-dr-schemes.ts';
import type { Vaults } from './vaults.ts';

export interface InstantDrOptions {
  readonly context: ServerContext;
  readonly vaults: Vaults;
  readonly copies: Copies;
  readonly busyTapes: ReadonlySet<string>;
}

interface Active {
  readonly runId: number;
  readonly ending: Ending;
  readonly over: Promise<void>;
  progress: () => RunProgress;
}

export class InstantDrRuns {
  readonly #options: InstantDrOptions;
  readonly #context: ServerContext;
  /** By scheme. */
  readonly #active = new Map<string, Active>();
  #stopped = false;

  constructor(options: InstantDrOptions) {
    this.#options = options;
    this.#context = options.context;
  }

  /** Ends what is under way; the next start goes on with it. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const active = [...this.#active.entries()];
    for (const [scheme] of active) this.#end(scheme);
    await Promise.all(active.map(([, { over }]) => over));
  }

  /** The scheme's run that is under way. */
  idOf(scheme: string): number | undefined {
    return this.#active.get(scheme)?.runId;
  }

  progress(scheme: string): RunProgress | undefined {
    return this.#active.get(scheme)?.progress();
  }

  /** Resolves when the scheme's run is over, at once where none goes. */
  async over(scheme: string): Promise<void> {
    await this.#active.get(scheme)?.over;
  }

  /** Breaks the scheme's run off; resolves when nothing of it goes any more. */
  async end(scheme: string): Promise<void> {
    this.#end(scheme);
    await this.over(scheme);
  }

  #end(scheme: string): void {
    this.#active.get(scheme)?.ending.end();
    this.#options.copies.end(({ owner }) => 'scheme' in owner && owner.scheme === scheme);
  }

  /** Works on a run from now on. */
  begin(run: IdrRunRow): void {
    const ending = new Ending();
    const working = this.#work(run, ending, (progress) => {
      active.progress = progress;
    }).catch((error: unknown) => {
      // The scheme was deleted: nothing is owed any more.
      if (isCapstanError(error, 'NOT_FOUND')) return;
      // Its state could not be recorded: it is as it was, and is gone on with.
      const reason = reasonOf(error);
      this.#context.emit({ kind: 'fault', what: `run ${run.id} of ${run.scheme}`, reason });
      const { clock } = this.#context.ports;
      clock.after(this.#context.copyPolicy.retryIntervalMs, () => this.#resume(run.id));
    });
    const active: Active = {
      runId: run.id,
      ending,
      over: working.then(() => {
        this.#active.delete(run.scheme);
      }),
      progress: () => ({ tapeCount: 0, doneCount: 0, copying: [] }),
    };
    this.#active.set(run.scheme, active);
  }

  /** Goes on with a run that is not over and that nobody works on. */
  #resume(id: number): void {
    this.#context.background(`go on with run ${id}`, async () => {
      const run = await this.#context.ports.catalog.findIdrRun(id);
      if (run?.state !== 'running' || this.#stopped || this.#active.has(run.scheme)) return;
      this.begin(run);
    });
  }

  /** Works on a run until it is over, or is to end. */
  async #work(
    first: IdrRunRow,
    ending: Ending,
    onRun: (progress: () => RunProgress) => void,
  ): Promise<void> {
    const { catalog } = this.#context.ports;
    let run = first;
    while (!ending.hasCome) {
      await this.#waitUntil(run.nextAttemptAtMs, ending);
      if (ending.hasCome) return;
      const doneBefore = (await catalog.listIdrResults(run.id)).length;
      const scheme = await schemeOf(this.#context, run.scheme);
      const work = new InstantDrRun({ ...this.#options, scheme, run, ending });
      onRun(() => work.progress);
      try {
        await work.work();
        if (!ending.hasCome) await this.#finish(run, scheme);
        return;
      } catch (error) {
        if (ending.hasCome) return;
        const progressed = (await catalog.listIdrResults(run.id)).length > doneBefore;
        const next = await this.#afterFailure(run, scheme, progressed, error);
        if (next === undefined) return;
        run = next;
      }
    }
  }

  async #waitUntil(atMs: number, ending: Ending): Promise<void> {
    const { clock } = this.#context.ports;
    const delayMs = atMs - clock.nowMs();
    if (delayMs <= 0) return;
    let cancel: Cancel = () => undefined;
    const passed = new Promise<void>((resolve) => {
      cancel = clock.after(delayMs, resolve);
    });
    await Promise.race([passed, ending.come]);
    cancel();
  }

  async #finish(run: IdrRunRow, { name }: IdrSchemeRow): Promise<void> {
    const { ports, eventLog } = this.#context;
    const counts = await ports.catalog.countIdrResults(run.id);
    const fields = { ...counts, scheme: name, run: run.id };
    const ended = { ...run, state: 'done', endedAtMs: ports.clock.nowMs() } as const;
    await this.put({ ...ended, reason: undefined }, eventLog.entry('IDR_RUN_ENDED', fields));
  }

  /** The run as it is to be tried again; undefined where it is given up. */
  async #afterFailure(
    run: IdrRunRow,
    scheme: IdrSchemeRow,
    progressed: boolean,
    error: unknown,
  ): Promise<IdrRunRow | undefined> {
    const { ports, eventLog, copyPolicy } = this.#context;
    const { attemptsMax, retryIntervalMs } = copyPolicy;
    const lost = error instanceof LineLost;
    const reason = lost ? error.message : reasonOf(error);
    const nowMs = ports.clock.nowMs();
    const target = scheme.target.server;
    // An attempt that brought something is no failure of the line.
    const attempts = (progressed ? 0 : run.attempts) + 1;
    const fields = { scheme: scheme.name, run: run.id, reason };
    // Who swaps roles waits for it, and is told at once.
    if (lost && attempts < attemptsMax && run.cause !== 'swap') {
      const next = { ...run, attempts, nextAttemptAtMs: nowMs + retryIntervalMs, reason };
      const entry = eventLog.entry('IDR_LINE_LOST', {
        ...fields,
        target,
        attempt: attempts,
        attemptsMax,
      });
      await this.put(next, entry);
      return next;
    }
    const ended = { ...run, state: 'failed', endedAtMs: nowMs, attempts, reason } as const;
    await this.put(ended, eventLog.entry('IDR_RUN_FAILED', { ...fields, attempts }));
    return undefined;
  }

  /** Records a run as it stands, with what the event log is told of it. */
  async put(run: IdrRunRow, entry: ReturnType<ServerContext['eventLog']['entry']>): Promise<void> {
    const row = await this.#context.ports.catalog.putIdrRun(run, entry);
    if (row !== undefined) this.#context.emit({ kind: 'event-logged', row });
    this.#context.emit({ kind: 'idr-run', run });
  }
}
