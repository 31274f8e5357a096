/**
 * AutoCopy: by pool, each tape that was dismounted is copied to another server.
 *
 * The first attempt comes at once, the next ones start `retryIntervalMs` after the start of the one
 * before (an attempt that lasts longer moves the next to the following multiple); after `attemptsMax`
 * the copy has failed, with one message in the event log. The queue is the catalog's: what is due
 * survives a restart, and an attempt that the server's own end broke off does not count. A mount of the
 * tape ends its copy and keeps new attempts away; the dismount makes the copy due anew.
 *
 * @source VTS 8.2 Supplemental Installation Guide, p. 21; 6.02 Installation Guide, p. 50.
 */
import { isCapstanError } from '../base/errors.ts';
import type { CopyJobRow, CopyRuleRow, TapeRow } from '../ports/catalog.ts';
import type { Cancel } from '../ports/clock.ts';
import type { SendResult } from '../replication/sender.ts';
import { reasonOf } from './context.ts';
import type { CopyProgress, ServerContext } from './context.ts';
import type { Copies, CopyInFlight } from './copies.ts';
import { queueCopies } from './copy-queue.ts';
import { awaitsRecall } from './tape-state.ts';

export interface AutoCopyOptions {
  readonly context: ServerContext;
  readonly copies: Copies;
}

export class AutoCopy {
  readonly #context: ServerContext;
  readonly #copies: Copies;
  readonly #running = new Set<Promise<void>>();
  #timer: Cancel = () => undefined;
  #timerAtMs = Infinity;
  #scanning = false;
  #scanAgain = false;
  #stopped = false;

  constructor(options: AutoCopyOptions) {
    this.#context = options.context;
    this.#copies = options.copies;
  }

  /** Looks at the queue: now, and by itself whenever something becomes due. */
  wake(): void {
    if (this.#stopped) return;
    if (this.#scanning) {
      this.#scanAgain = true;
      return;
    }
    this.#scanning = true;
    this.#context.background('look at the AutoCopy queue', async () => {
      try {
        do {
          this.#scanAgain = false;
          await this.#scan();
        } while (this.#scanAgain);
      } finally {
        this.#scanning = false;
      }
    });
  }

  /**
   * Has all tapes of a pool copied that are not in step with a target of its rules. The tapes, each with
   * the targets that it goes to; undefined where the pool has no rule. Rejects LICENCE_MISSING.
   */
  async queuePool(
    pool: string,
  ): Promise<
    readonly { readonly tape: string; readonly targets: readonly string[] }[] | undefined
  > {
    const { catalog } = this.#context.ports;
    const rules = await catalog.listCopyRules(pool);
    if (rules.length === 0) return undefined;
    await this.#context.licences.require('autocopy');
    const jobs = await catalog.listCopyJobs();
    const queued: { tape: string; targets: readonly string[] }[] = [];
    for (const tape of await catalog.listTapes(pool)) {
      const behind = rules.filter(({ id }) => {
        if (awaitsRecall(tape)) return false;
        const job = jobs.find((each) => each.tape === tape.name && each.ruleId === id);
        return job?.state !== 'copied' || job.copiedGeneration !== tape.generation;
      });
      await queueCopies(this.#context, tape, behind);
      queued.push({ tape: tape.name, targets: behind.map(({ target }) => target.server) });
    }
    this.wake();
    return queued;
  }

  /** Ends the copies of a tape that is being mounted. */
  preempt(tape: string): void {
    for (const { owner, target } of this.#copies.end((flight) => flight.tape === tape)) {
      if (!('ruleId' in owner)) continue;
      this.#context.eventLog.report('COPY_PREEMPTED', { tape, target: target.server });
    }
  }

  /** Ends the copies that nobody owes any more, or just now; how far they were. */
  endCopies(
    which: (copy: { readonly tape: string; readonly ruleId?: number }) => boolean,
  ): readonly CopyProgress[] {
    return this.#copies
      .end(({ tape, owner }) => which({ tape, ...('ruleId' in owner && owner) }))
      .map((flight) => flight.progress);
  }

  /** Ends all copies; they are due again at the next start. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer();
    this.endCopies((copy) => copy.ruleId !== undefined);
    await Promise.all(this.#running);
  }

  async #scan(): Promise<void> {
    const { catalog, clock } = this.#context.ports;
    let rules: ReadonlyMap<number, CopyRuleRow>;
    let jobs: readonly CopyJobRow[];
    try {
      rules = new Map((await catalog.listCopyRules()).map((rule) => [rule.id, rule]));
      jobs = (await catalog.listCopyJobs()).filter((job) => job.state === 'due');
    } catch (error) {
      // The catalog may be well again later; nothing is forgotten.
      this.#wakeIn(this.#context.copyPolicy.retryIntervalMs);
      throw error;
    }
    const away = await this.#tapesElsewhere();
    if (this.#stopped) return;
    const now = clock.nowMs();
    for (const job of [...jobs].sort((a, b) => a.nextAttemptAtMs - b.nextAttemptAtMs)) {
      const rule = rules.get(job.ruleId);
      if (rule === undefined || away.has(job.tape)) continue;
      if (job.nextAttemptAtMs > now) {
        this.#wakeIn(job.nextAttemptAtMs - now);
        continue;
      }
      // A tape in use, a full house: the dismount, or the end of a copy, wakes us.
      const { target } = rule;
      const flight = this.#copies.begin({ tape: job.tape, target, owner: { ruleId: rule.id } });
      if (typeof flight !== 'string') this.#begin(flight, rule);
    }
  }

  /** Tapes of shared vaults that another server keeps, and copies; their copies stay due here. */
  async #tapesElsewhere(): Promise<ReadonlySet<string>> {
    const { keeping, ports } = this.#context;
    if (!keeping.hasElsewhere) return new Set();
    const tapes = await ports.catalog.listTapes();
    return new Set(tapes.filter((tape) => keeping.isElsewhere(tape.vault)).map(({ name }) => name));
  }

  /** A wake-up that is planned for earlier stays. */
  #wakeIn(delayMs: number): void {
    const { clock } = this.#context.ports;
    const atMs = clock.monotonicMs() + delayMs;
    if (this.#stopped || atMs >= this.#timerAtMs) return;
    this.#timer();
    this.#timerAtMs = atMs;
    this.#timer = clock.after(delayMs, () => {
      this.#timerAtMs = Infinity;
      this.wake();
    });
  }

  #begin(attempt: CopyInFlight, rule: CopyRuleRow): void {
    const { tape } = attempt;
    const running = this.#attempt(attempt, rule).then(
      () => true,
      (error: unknown) => {
        // The tape was deleted, or the rule: nothing is owed any more.
        if (isCapstanError(error, 'NOT_FOUND')) return true;
        // Its outcome could not be recorded: the job is as it was, and is tried again.
        this.#context.emit({
          kind: 'fault',
          what: `record the copy of ${tape}`,
          reason: reasonOf(error),
        });
        return false;
      },
    );
    const ended = running.then((recorded) => {
      this.#running.delete(ended);
      this.#copies.release(attempt, !recorded);
      if (!recorded) this.#wakeIn(this.#context.copyPolicy.retryIntervalMs);
    });
    this.#running.add(ended);
  }

  async #attempt(attempt: CopyInFlight, rule: CopyRuleRow): Promise<void> {
    const { catalog, clock } = this.#context.ports;
    const started = { atMs: clock.nowMs(), monotonicMs: clock.monotonicMs() };
    // Read once more: only now nobody but this attempt changes the job, unless he ends it first.
    const job = (await catalog.listCopyJobs()).find(
      (each) => each.tape === attempt.tape && each.ruleId === rule.id,
    );
    const tape = await catalog.findTape(attempt.tape);
    if (tape === undefined || attempt.cancelled) return;
    if (job?.state !== 'due' || job.nextAttemptAtMs > started.atMs) return;
    if (awaitsRecall(tape)) {
      // Space was freed here: that is no change of the tape, and the copy is not emptied for it.
      const lastError = 'it is migrated and erased here: nothing is sent';
      await catalog.putCopyJob({ ...job, state: 'cancelled', lastError });
      return;
    }
    const target = rule.target.server;
    const { generation } = tape;
    this.#context.emit({
      kind: 'copy-started',
      tape: tape.name,
      target,
      generation,
      attempt: job.attempts + 1,
    });
    let result: SendResult;
    try {
      result = await this.#send(attempt, tape, rule);
    } catch (error) {
      if (!attempt.cancelled) await this.#recordFailure(job, rule, started, reasonOf(error));
      return;
    }
    if (attempt.cancelled) return;
    await this.#recordSuccess({ ...job, generation }, rule, result);
  }

  async #send(attempt: CopyInFlight, tape: TapeRow, rule: CopyRuleRow): Promise<SendResult> {
    await this.#context.licences.require('autocopy');
    const limits = this.#copies.limits(`rule ${rule.id}`, rule.bytesPerSecond);
    const sender = await this.#copies.open(attempt, limits);
    const copy = { tape, targetPool: rule.targetPool };
    return sender.during(() => this.#copies.send(attempt, sender, copy));
  }

  async #recordSuccess(job: CopyJobRow, rule: CopyRuleRow, result: SendResult): Promise<void> {
    const { ports, eventLog } = this.#context;
    const { tape, generation } = job;
    const target = rule.target.server;
    const { outcome, bytesSent, chunkCount, chunksSent } = result;
    const entry =
      outcome === 'stale'
        ? eventLog.entry('COPY_STALE', { tape, target, generation: `above ${generation}` })
        : eventLog.entry('COPY_SUCCEEDED', { tape, target, generation, bytesSent });
    const row = await ports.catalog.putCopyJob(
      {
        ...job,
        state: 'copied',
        attempts: job.attempts + 1,
        copiedGeneration: generation,
        lastError: undefined,
        bytesSent,
      },
      entry,
    );
    if (row !== undefined) this.#context.emit({ kind: 'event-logged', row });
    this.#context.emit({
      kind: 'copy-finished',
      tape,
      target,
      generation,
      outcome,
      bytesSent,
      chunkCount,
      chunksSent,
    });
  }

  async #recordFailure(
    job: CopyJobRow,
    rule: CopyRuleRow,
    started: { readonly atMs: number; readonly monotonicMs: number },
    reason: string,
  ): Promise<void> {
    const { ports, eventLog, copyPolicy } = this.#context;
    const { attemptsMax, retryIntervalMs } = copyPolicy;
    const { tape } = job;
    const target = rule.target.server;
    const attempts = job.attempts + 1;
    const failed = attempts >= attemptsMax;
    const elapsedMs = ports.clock.monotonicMs() - started.monotonicMs;
    const intervals = Math.max(1, Math.ceil(elapsedMs / retryIntervalMs));
    const row = await ports.catalog.putCopyJob(
      {
        ...job,
        state: failed ? 'failed' : 'due',
        attempts,
        nextAttemptAtMs: started.atMs + intervals * retryIntervalMs,
        lastError: reason,
      },
      failed
        ? eventLog.entry('COPY_FAILED', { tape, target, attempts, reason })
        : eventLog.entry('COPY_ATTEMPT_FAILED', {
            tape,
            target,
            attempt: attempts,
            attemptsMax,
            reason,
          }),
    );
    if (row !== undefined) this.#context.emit({ kind: 'event-logged', row });
    this.#context.emit({
      kind: 'copy-attempt-failed',
      tape,
      target,
      attempt: attempts,
      attemptsMax,
      reason,
    });
  }
}
