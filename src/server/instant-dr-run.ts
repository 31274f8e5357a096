/**
 * One run of an Instant DR scheme, from asking the target to the last tape's result.
 *
 * 1. Plan: the tapes of the scheme's pools, less those that have a result in this run already.
 * 2. Ask: the target's versions, 2,048 tapes a round trip. What is in step is unchanged.
 * 3. Copy what descends from the target's version, COPIES_PER_RUN at a time, over connections that are
 *    kept; by chunks, so that only what the target lacks is sent.
 * 4. Delete there what was deleted here, where the scheme says so.
 *
 * Each result is recorded as it comes, so a run that a crash or a cut line broke off goes on behind it.
 * A tape that a host has is passed over; the next run takes it. Where both sides changed a tape, neither
 * is replaced. A lost line throws {@link LineLost}, and who started the run tries again.
 */
import { CapstanError, isCapstanError } from '../base/errors.ts';
import type { TapeRow } from '../ports/catalog.ts';
import type { IdrRunRow, IdrSchemeRow, IdrTapeRow } from '../ports/catalog-instant-dr.ts';
import type { Holding } from '../ports/copy-receiver.ts';
import { INQUIRY_COUNT_MAX } from '../replication/frame.ts';
import type { CopySender, SendResult } from '../replication/sender.ts';
import { placeOf } from './same-place.ts';
import type { ServerContext } from './context.ts';
import type { Copies, CopyInFlight } from './copies.ts';
import { bytesOf, recordOf, relate, versionOf } from './copy-lineage.ts';
import {
  BOTH_CHANGED,
  DAY_MS,
  EMPTY_RESULT,
  LINE_ERRORS,
  LineLost,
  MOUNTED_HERE,
  asLineLost,
  contentKept,
  failed,
  refused,
  skipped,
  verdict,
} from './instant-dr-outcomes.ts';
import type { Outcome, Planned } from './instant-dr-outcomes.ts';
import { Line } from './instant-dr-line.ts';
import type { Ending } from './instant-dr-line.ts';
import { poolsOf } from './instant-dr-schemes.ts';
import { awaitsRecall } from './tape-state.ts';
import type { Vaults } from './vaults.ts';

/** Copies of one run at once; the others are AutoCopy's. */
const COPIES_PER_RUN = 2;

export interface RunOptions {
  readonly context: ServerContext;
  readonly vaults: Vaults;
  readonly copies: Copies;
  readonly busyTapes: ReadonlySet<string>;
  readonly scheme: IdrSchemeRow;
  readonly run: IdrRunRow;
  readonly ending: Ending;
}

interface ToCopy {
  readonly planned: Planned;
  readonly held: Holding | undefined;
}

/** How far a run is. */
export interface RunProgress {
  readonly tapeCount: number;
  readonly doneCount: number;
  readonly copying: readonly string[];
}

export class InstantDrRun {
  readonly #options: RunOptions;
  readonly #copying = new Set<string>();
  #tapeCount = 0;
  #doneCount = 0;

  constructor(options: RunOptions) {
    this.#options = options;
  }

  get progress(): RunProgress {
    return {
      tapeCount: this.#tapeCount,
      doneCount: this.#doneCount,
      copying: [...this.#copying].toSorted(),
    };
  }

  /** Resolves when every tape has a result; throws {@link LineLost}, and as the catalog does. */
  async work(): Promise<void> {
    const planned = await this.#plan();
    if (this.#options.run.kind === 'verify') {
      await this.#withSender((sender) => this.#verify(sender, planned));
      return;
    }
    const toCopy: ToCopy[] = [];
    await this.#withSender((sender) => this.#ask(sender, planned, toCopy));
    await this.#copyAll(toCopy);
    await this.#deleteGone();
  }

  async #plan(): Promise<readonly Planned[]> {
    const { context, scheme, run, vaults } = this.#options;
    const { catalog } = context.ports;
    const done = new Set((await catalog.listIdrResults(run.id)).map((result) => result.tape));
    const planned: Planned[] = [];
    let doneCount = 0;
    for (const { pool, targetPool } of await poolsOf(context, scheme.sources)) {
      if (run.pool !== undefined && run.pool !== pool) continue;
      for (const tape of await catalog.listTapes(pool)) {
        if (done.has(tape.name)) {
          doneCount += 1;
          continue;
        }
        try {
          const version = await versionOf(catalog, vaults, tape);
          planned.push({
            tape,
            targetPool,
            inquiry: { tape: tape.name, pool: targetPool, ...version },
          });
        } catch (error) {
          if (!isCapstanError(error)) throw error;
          await this.#record(tape.name, { outcome: 'failed', reason: error.message });
        }
      }
    }
    this.#doneCount = doneCount;
    this.#tapeCount = doneCount + planned.length;
    return planned;
  }

  /** A connection for what is no copy; dropped when the run is to end. */
  async #withSender(work: (sender: CopySender) => Promise<void>): Promise<void> {
    const { copies, scheme, ending } = this.#options;
    try {
      const sender = await copies.connect(scheme.target, this.#limits());
      await ending.during(
        () => sender.destroy(),
        () => sender.during(work),
      );
    } catch (error) {
      throw asLineLost(error);
    }
  }

  #limits(): ReturnType<Copies['limits']> {
    const { copies, scheme } = this.#options;
    return copies.limits(`scheme ${scheme.name}`, scheme.bytesPerSecond);
  }

  /** Asks what the target has; what is to be copied is added to `toCopy`. */
  async #ask(sender: CopySender, planned: readonly Planned[], toCopy: ToCopy[]): Promise<void> {
    for (let first = 0; first < planned.length; first += INQUIRY_COUNT_MAX) {
      const batch = planned.slice(first, first + INQUIRY_COUNT_MAX);
      const holdings = await this.#inquire(sender, batch, false);
      const settled: (readonly [Planned, Outcome])[] = [];
      for (const [index, each] of batch.entries()) {
        const held = holdings[index];
        const outcome = await this.#judge(each, held);
        if (outcome === undefined) toCopy.push({ planned: each, held });
        else settled.push([each, outcome]);
      }
      await this.#recordAll(settled);
    }
  }

  async #inquire(
    sender: CopySender,
    batch: readonly Planned[],
    thorough: boolean,
  ): Promise<readonly (Holding | undefined)[]> {
    const { scheme, run, context } = this.#options;
    const vaults = new Set(batch.map(({ tape }) => tape.vault));
    const places = await Promise.all([...vaults].map((vault) => placeOf(context, vault)));
    return sender.inquire({
      places: places.filter((place) => place !== undefined),
      // Before roles are swapped, the target may be the source already.
      scheme: run.cause === 'swap' ? '' : scheme.name,
      thorough,
      tapes: batch.map(({ inquiry }) => inquiry),
    });
  }

  /** What there is to say of a tape without copying it; undefined where it is to be copied. */
  async #judge(
    { tape, targetPool, inquiry }: Planned,
    held: Holding | undefined,
  ): Promise<Outcome | undefined> {
    const { context, busyTapes } = this.#options;
    if (busyTapes.has(tape.name)) return MOUNTED_HERE;
    if (held !== undefined && held.pool !== targetPool) {
      return failed(`the target has it in pool ${held.pool}`);
    }
    const current = { name: tape.name, current: inquiry };
    const relation = await relate(context.ports.catalog, current, held);
    switch (relation) {
      case 'in-step':
        return { outcome: 'unchanged', generation: inquiry.generation } as const;
      case 'theirs-newer':
        return skipped(`the target has generation ${held?.generation}, which was written there`);
      case 'both-changed':
        return failed(BOTH_CHANGED);
      case 'absent':
      case 'ours-newer':
        return (
          this.#contentKept(tape, held) ??
          (held?.mounted === true ? skipped('it is mounted on the target') : undefined)
        );
    }
  }

  /** Why the target keeps what it has of a tape; an empty tape that it has not takes nothing from it. */
  #contentKept(tape: TapeRow, held: Holding | undefined): Outcome | undefined {
    const { context, scheme } = this.#options;
    const kept = contentKept(tape, scheme, context.ports.clock.nowMs());
    return held === undefined && !awaitsRecall(tape) ? undefined : kept;
  }

  /** COPIES_PER_RUN workers, each with a connection that it keeps from tape to tape. */
  async #copyAll(toCopy: readonly ToCopy[]): Promise<void> {
    const queue = [...toCopy];
    const worker = async (): Promise<void> => {
      const line = new Line(this.#options.copies, this.#limits());
      try {
        for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
          await this.#copyOne(line, next.planned, next.held);
        }
        await line.end();
      } catch (error) {
        // The other worker ends with its tape.
        queue.length = 0;
        throw asLineLost(error);
      } finally {
        line.destroy();
      }
    };
    const ended = await Promise.allSettled(Array.from({ length: COPIES_PER_RUN }, worker));
    const failure = ended.find((each) => each.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
  }

  async #copyOne(line: Line, planned: Planned, held: Holding | undefined): Promise<void> {
    const { name } = planned.tape;
    const flight = await this.#begin(name);
    if (flight === undefined) {
      await this.#record(name, MOUNTED_HERE);
      return;
    }
    this.#copying.add(name);
    try {
      const outcome = await this.#send(line, flight, planned, held);
      await this.#record(name, outcome, planned.targetPool);
    } finally {
      this.#copying.delete(name);
      this.#options.copies.release(flight);
    }
  }

  /** Waits while AutoCopy sends the tape, or too many go; undefined where a host has it. */
  async #begin(tape: string): Promise<CopyInFlight | undefined> {
    const { copies, scheme, ending } = this.#options;
    for (;;) {
      if (ending.hasCome) throw new LineLost('the run was ended');
      const { target, name } = scheme;
      const flight = copies.begin({ tape, target, owner: { scheme: name } });
      if (flight === 'mounted') return undefined;
      if (typeof flight !== 'string') return flight;
      await Promise.race([copies.nextRelease(), ending.come]);
    }
  }

  async #send(
    line: Line,
    flight: CopyInFlight,
    { tape: planned, targetPool }: Planned,
    held: Holding | undefined,
  ): Promise<Outcome> {
    const { context, copies, ending } = this.#options;
    // Read once more: from here on a mount ends the copy.
    const tape = await context.ports.catalog.findTape(planned.name);
    if (tape === undefined) return skipped('it was deleted meanwhile');
    const kept = this.#contentKept(tape, held);
    if (kept !== undefined) return kept;
    const replaces = held !== undefined && held.generation > 0 ? held : undefined;
    let result: SendResult;
    try {
      const sender = await line.sender(flight);
      result = await copies.send(flight, sender, { tape, targetPool, replaces });
    } catch (error) {
      if (ending.hasCome) throw new LineLost('the run was ended', { cause: error });
      if (flight.cancelled) {
        line.destroy();
        return skipped('a mount ended its copy');
      }
      if (isCapstanError(error, 'COPY_REFUSED')) return refused(String(error.fields['reason']));
      line.destroy();
      if (isCapstanError(error, ...LINE_ERRORS)) throw error;
      if (!(error instanceof CapstanError)) throw error;
      return failed(error.message);
    }
    const { generation } = tape;
    const { bytesSent, outcome } = result;
    if (outcome === 'stale') return { ...skipped('the target has a newer generation'), bytesSent };
    return { outcome: outcome === 'present' ? 'unchanged' : 'copied', generation, bytesSent };
  }

  /** Reads every tape on the target, one at a time: digests are compared, no data is sent. */
  async #verify(sender: CopySender, planned: readonly Planned[]): Promise<void> {
    const { busyTapes } = this.#options;
    for (const each of planned) {
      const { name } = each.tape;
      this.#copying.add(name);
      const [held] = await this.#inquire(sender, [each], true);
      this.#copying.delete(name);
      const outcome =
        busyTapes.has(name) || held?.mounted === true
          ? MOUNTED_HERE
          : verdict(each, held, this.#contentKept(each.tape, held));
      await this.#record(name, outcome);
    }
  }

  /** Copies whose tape is no longer here, once the scheme's time of grace is over. */
  async #deleteGone(): Promise<void> {
    const { context, scheme, run } = this.#options;
    if (run.pool !== undefined || run.cause === 'swap') return;
    const { catalog, clock } = context.ports;
    const nowMs = clock.nowMs();
    const due: IdrTapeRow[] = [];
    for (const known of await catalog.listIdrTapes(scheme.name)) {
      if ((await catalog.findTape(known.tape)) !== undefined) continue;
      const goneAtMs = known.goneAtMs ?? nowMs;
      const isOver = nowMs - goneAtMs >= scheme.deletionGraceDays * DAY_MS;
      if (scheme.deletions === 'delete' && isOver) due.push(known);
      else if (known.goneAtMs === undefined) {
        await catalog.recordIdrResults({ results: [], tapes: [{ ...known, goneAtMs }] });
      }
    }
    if (due.length === 0) return;
    await this.#withSender(async (sender) => {
      for (const known of due) await this.#deleteCopy(sender, known);
    });
  }

  async #deleteCopy(sender: CopySender, known: IdrTapeRow): Promise<void> {
    const { context, scheme, run } = this.#options;
    const { catalog, clock } = context.ports;
    const { tape, targetPool, generation } = known;
    let outcome: Outcome = { outcome: 'deleted', generation };
    try {
      const manifestDigest = bytesOf(known.manifestDigest);
      await sender.remove({
        scheme: scheme.name,
        tape,
        pool: targetPool,
        generation,
        manifestDigest,
      });
    } catch (error) {
      if (!isCapstanError(error, 'PEER_REFUSED')) throw error;
      outcome = refused(String(error.fields['reason']));
    }
    const result = { ...EMPTY_RESULT, ...outcome, runId: run.id, tape, atMs: clock.nowMs() };
    const forget = outcome.outcome === 'deleted' ? [{ scheme: scheme.name, tape }] : [];
    await catalog.recordIdrResults({ results: [result], forget });
    if (outcome.outcome === 'failed') this.#reportFailure(tape, outcome);
  }

  #record(tape: string, outcome: Outcome, targetPool?: string): Promise<void> {
    return this.#recordRows([{ tape, outcome, targetPool }]);
  }

  #recordAll(settled: readonly (readonly [Planned, Outcome])[]): Promise<void> {
    return this.#recordRows(
      settled.map(([{ tape, targetPool }, outcome]) => ({ tape: tape.name, outcome, targetPool })),
    );
  }

  async #recordRows(
    rows: readonly {
      readonly tape: string;
      readonly outcome: Outcome;
      readonly targetPool: string | undefined;
    }[],
  ): Promise<void> {
    const { context, scheme, run, vaults } = this.#options;
    const { catalog, clock } = context.ports;
    const atMs = clock.nowMs();
    const tapes: IdrTapeRow[] = [];
    for (const { tape, outcome, targetPool } of rows) {
      const { generation } = outcome;
      const inStep = outcome.outcome === 'copied' || outcome.outcome === 'unchanged';
      if (!inStep || targetPool === undefined || generation === undefined) continue;
      const row = await catalog.findTape(tape);
      if (row === undefined || row.generation !== generation) continue;
      const version = recordOf(await versionOf(catalog, vaults, row));
      tapes.push({ scheme: scheme.name, tape, targetPool, ...version, atMs, goneAtMs: undefined });
    }
    const results = rows.map(({ tape, outcome }) => ({
      ...EMPTY_RESULT,
      ...outcome,
      runId: run.id,
      tape,
      atMs,
    }));
    await catalog.recordIdrResults({ results, tapes });
    this.#doneCount += rows.length;
    for (const { tape, outcome } of rows) {
      context.emit({ kind: 'idr-tape', scheme: scheme.name, runId: run.id, tape, ...outcome });
      if (outcome.outcome === 'failed') this.#reportFailure(tape, outcome);
    }
  }

  #reportFailure(tape: string, { reason = '' }: Outcome): void {
    const { context, scheme, run } = this.#options;
    const target = scheme.target.server;
    context.eventLog.report('IDR_TAPE_FAILED', { tape, target, run: run.id, reason });
  }
}
