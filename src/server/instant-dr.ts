/**
 * Instant DR: backup schemes that bring pools of another server into step, in batches.
 *
 * A run is started by a scheme's schedules, by an operator (dispatch) or by VTSPolicy IDR; a scheme has
 * one at a time, and an occurrence that comes while one goes is passed over. What was missed while no
 * server ran is made up by one run at the start. instant-dr-runs.ts works on the runs.
 *
 * Of a scheme's two servers one is the source. instant-dr-roles.ts exchanges the roles.
 */
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { MINUTE_MS } from '../base/units.ts';
import type {
  IdrRunCause,
  IdrRunCounts,
  IdrRunKind,
  IdrRunRow,
  IdrSchemeRow,
} from '../ports/catalog-instant-dr.ts';
import type { Cancel } from '../ports/clock.ts';
import { reasonOf } from './context.ts';
import type { ServerContext } from './context.ts';
import type { RunProgress } from './instant-dr-run.ts';
import { InstantDrRuns } from './instant-dr-runs.ts';
import type { InstantDrOptions } from './instant-dr-runs.ts';
import { checkScheme, nextOccurrenceMs, poolsOf, schemeOf } from './instant-dr-schemes.ts';
import type { SchemeParameters } from './instant-dr-schemes.ts';

/** Schedules are looked at no later than this: the wall clock may be set meanwhile. */
const LOOK_INTERVAL_MS = 60 * MINUTE_MS;

/** What is to run: a scheme, or every scheme of this server that synchronises a pool, for that pool alone. */
export type IdrDispatch = {
  readonly cause: Exclude<IdrRunCause, 'schedule'>;
  readonly kind?: IdrRunKind;
} & ({ readonly scheme: string; readonly pool?: string | undefined } | { readonly pool: string });

/** A scheme as it stands. */
export interface SchemeStatus {
  readonly scheme: IdrSchemeRow;
  /** By schedule; undefined where none comes. */
  readonly nextAtMs: number | undefined;
  readonly run: IdrRunRow | undefined;
  readonly counts: IdrRunCounts | undefined;
  /** Of a run that is under way in this process. */
  readonly progress: RunProgress | undefined;
}

export class InstantDr {
  readonly #context: ServerContext;
  readonly #runs: InstantDrRuns;
  #timer: Cancel = () => undefined;
  #looking = Promise.resolve();
  #stopped = false;

  constructor(options: InstantDrOptions) {
    this.#context = options.context;
    this.#runs = new InstantDrRuns(options);
  }

  /** Goes on with what was broken off, and heeds the schedules from now on. */
  async start(): Promise<void> {
    const { catalog } = this.#context.ports;
    const limit = (await catalog.listIdrSchemes()).length;
    if (limit === 0) return;
    for (const run of await catalog.listIdrRuns({ running: true, limit })) this.#runs.begin(run);
    this.look();
  }

  /** Ends what is under way; the next start goes on with it. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer();
    await Promise.all([this.#looking, this.#runs.stop()]);
  }

  /** Looks at the schedules now, and by itself when the next is due. */
  look(): void {
    if (this.#stopped || this.#context.settings.offline === true) return;
    this.#timer();
    // One look after another: each sees what the one before has started.
    this.#looking = this.#looking.then(async () => {
      try {
        await this.#look();
      } catch (error) {
        const reason = reasonOf(error);
        this.#context.emit({ kind: 'fault', what: "look at Instant DR's schedules", reason });
        this.#lookIn(this.#context.copyPolicy.retryIntervalMs);
      }
    });
  }

  /**
   * Starts runs; those that were started. Rejects NOT_FOUND where there is no such scheme, or none for the
   * pool; IN_USE where one's run is not over; LICENCE_MISSING; INVALID_ARGUMENT where this server is not
   * the source.
   */
  async dispatch(request: IdrDispatch): Promise<readonly IdrRunRow[]> {
    const { kind = 'synchronise', cause, pool } = request;
    await this.#context.licences.require('instant-dr');
    const schemes =
      'scheme' in request
        ? [await schemeOf(this.#context, request.scheme)]
        : await this.#schemesWith(request.pool);
    const runs: IdrRunRow[] = [];
    for (const scheme of schemes) {
      if (scheme.role !== 'source') throw notSource(scheme);
      const pools = (await poolsOf(this.#context, scheme.sources)).map((each) => each.pool);
      if (pool !== undefined && !pools.includes(pool)) {
        throw new CapstanError('NOT_FOUND', {
          kind: `pool in the scheme ${scheme.name}`,
          name: pool,
        });
      }
      runs.push(await this.launch(scheme, { kind, cause, pool }));
    }
    return runs;
  }

  /** Starts every scheme that has the pool as a source, for that pool; their names. For VTSPolicy IDR. */
  async dispatchPool(_: ServerContext, pool: string): Promise<readonly string[]> {
    const runs = await this.dispatch({ pool, cause: 'policy' });
    return runs.map((run) => run.scheme);
  }

  async #schemesWith(pool: string): Promise<readonly IdrSchemeRow[]> {
    const found: IdrSchemeRow[] = [];
    for (const scheme of await this.#context.ports.catalog.listIdrSchemes()) {
      if (scheme.role !== 'source') continue;
      const pools = await poolsOf(this.#context, scheme.sources);
      if (pools.some((each) => each.pool === pool)) found.push(scheme);
    }
    if (found.length > 0) return found;
    throw new CapstanError('NOT_FOUND', { kind: 'pool with an Instant DR scheme', name: pool });
  }

  async createScheme(parameters: SchemeParameters): Promise<IdrSchemeRow> {
    const { catalog, clock } = this.#context.ports;
    await this.#context.licences.require('instant-dr');
    await checkScheme(this.#context, parameters);
    const nowMs = clock.nowMs();
    const row = { ...parameters, enabled: true, createdAtMs: nowMs, answeredAtMs: nowMs };
    await catalog.createIdrScheme(row);
    this.look();
    return row;
  }

  /** Rejects IN_USE while a run goes. */
  async changeScheme(
    name: string,
    change: Partial<Omit<SchemeParameters, 'name' | 'role'>> & { readonly enabled?: boolean },
  ): Promise<IdrSchemeRow> {
    const { catalog, clock } = this.#context.ports;
    const scheme = await schemeOf(this.#context, name);
    const changed = { ...scheme, ...change };
    const role = scheme.role === 'standby' ? 'standby' : 'source';
    await checkScheme(this.#context, { ...changed, role });
    this.#refuseActive(name);
    // What the new schedules would have said before now is not made up.
    const row = { ...changed, answeredAtMs: clock.nowMs() };
    await catalog.putIdrScheme(row);
    this.look();
    return row;
  }

  /** Ends its run. The target keeps its copies. */
  async deleteScheme(name: string): Promise<void> {
    await schemeOf(this.#context, name);
    await this.#runs.end(name);
    await this.#context.ports.catalog.deleteIdrScheme(name);
    this.look();
  }

  /** Ends a scheme's run for good. Rejects NOT_FOUND where none goes. */
  async cancel(name: string): Promise<IdrRunRow> {
    const { catalog, clock } = this.#context.ports;
    await schemeOf(this.#context, name);
    await this.#runs.end(name);
    const [run] = await catalog.listIdrRuns({ scheme: name, running: true, limit: 1 });
    if (run === undefined) {
      throw new CapstanError('NOT_FOUND', { kind: 'run that goes of the scheme', name });
    }
    const ended = { ...run, state: 'cancelled', endedAtMs: clock.nowMs() } as const;
    const fields = { scheme: name, run: run.id };
    await this.#runs.put(ended, this.#context.eventLog.entry('IDR_RUN_CANCELLED', fields));
    return ended;
  }

  async status(name?: string): Promise<readonly SchemeStatus[]> {
    const { catalog } = this.#context.ports;
    const schemes =
      name === undefined ? await catalog.listIdrSchemes() : [await schemeOf(this.#context, name)];
    return Promise.all(
      schemes.map(async (scheme) => {
        const [run] = await catalog.listIdrRuns({ scheme: scheme.name, limit: 1 });
        const heeded = scheme.enabled && scheme.role === 'source';
        return {
          scheme,
          nextAtMs: heeded ? nextOccurrenceMs(scheme, scheme.answeredAtMs) : undefined,
          run,
          counts: run && (await catalog.countIdrResults(run.id)),
          progress: this.#runs.progress(scheme.name),
        };
      }),
    );
  }

  /** Starts a run of the scheme; rejects IN_USE where one is not over. */
  async launch(
    scheme: IdrSchemeRow,
    what: {
      readonly kind: IdrRunKind;
      readonly cause: IdrRunCause;
      readonly pool: string | undefined;
      readonly answeredAtMs?: number;
    },
  ): Promise<IdrRunRow> {
    const { ports, eventLog } = this.#context;
    const { kind, cause, pool, answeredAtMs } = what;
    const nowMs = ports.clock.nowMs();
    const { run, event } = await ports.catalog.createIdrRun(
      {
        scheme: scheme.name,
        kind,
        cause,
        pool,
        state: 'running',
        startedAtMs: nowMs,
        endedAtMs: undefined,
        attempts: 0,
        nextAttemptAtMs: nowMs,
        reason: undefined,
      },
      eventLog.entry('IDR_RUN_STARTED', {
        scheme: scheme.name,
        target: scheme.target.server,
        kind,
        cause,
      }),
      answeredAtMs,
    );
    this.#context.emit({ kind: 'event-logged', row: event });
    this.#context.emit({ kind: 'idr-run', run });
    if (this.#context.settings.offline !== true && !this.#stopped) this.#runs.begin(run);
    return run;
  }

  /** Resolves when the scheme's run is over, as far as this process has it. */
  runOver(name: string): Promise<void> {
    return this.#runs.over(name);
  }

  #refuseActive(name: string): void {
    const runId = this.#runs.idOf(name);
    if (runId === undefined) return;
    const by = `its run ${runId} is not over`;
    throw new CapstanError('IN_USE', { kind: 'scheme', name, by });
  }

  async #look(): Promise<void> {
    const { catalog, clock } = this.#context.ports;
    const nowMs = clock.nowMs();
    let nextMs = Infinity;
    for (const scheme of await catalog.listIdrSchemes()) {
      if (this.#stopped) return;
      if (!scheme.enabled || scheme.role !== 'source') continue;
      const dueMs = nextOccurrenceMs(scheme, scheme.answeredAtMs);
      if (dueMs !== undefined && dueMs <= nowMs) await this.#answerSchedule(scheme, nowMs);
      nextMs = Math.min(nextMs, nextOccurrenceMs(scheme, nowMs) ?? Infinity);
    }
    if (nextMs < Infinity) this.#lookIn(nextMs - nowMs);
  }

  #lookIn(delayMs: number): void {
    if (this.#stopped) return;
    this.#timer();
    this.#timer = this.#context.ports.clock.after(Math.min(delayMs, LOOK_INTERVAL_MS), () =>
      this.look(),
    );
  }

  /** Starts the run that is due, or says why not; either way that occurrence is answered. */
  async #answerSchedule(scheme: IdrSchemeRow, nowMs: number): Promise<void> {
    const { eventLog, licences, ports } = this.#context;
    const answered = { ...scheme, answeredAtMs: nowMs };
    const { name } = scheme;
    try {
      await licences.require('instant-dr');
      await this.launch(scheme, {
        kind: 'synchronise',
        cause: 'schedule',
        pool: undefined,
        answeredAtMs: nowMs,
      });
    } catch (error) {
      if (!isCapstanError(error, 'IN_USE', 'LICENCE_MISSING')) throw error;
      const reason = error.message;
      const entry = isCapstanError(error, 'IN_USE')
        ? eventLog.entry('IDR_PASSED_OVER', { scheme: name, reason })
        : eventLog.entry('IDR_NOT_STARTED', { scheme: name, reason });
      const row = await ports.catalog.putIdrScheme(answered, entry);
      if (row !== undefined) this.#context.emit({ kind: 'event-logged', row });
    }
  }
}

function notSource({ name, role, target }: IdrSchemeRow): CapstanError {
  const reason =
    role === 'standby'
      ? `this server is its standby; its source is ${target.server}`
      : `its role is being handed over to ${target.server}; \`capstan idr swap ${name}\` goes on with that`;
  return new CapstanError('INVALID_ARGUMENT', { what: `A run of the scheme ${name}`, reason });
}
