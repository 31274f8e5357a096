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
import { CapstanError, isCapstanError } from '../base/errors.ts';
import type { CopyJobRow, CopyRuleRow, TapeRow } from '../ports/catalog.ts';
import type { Cancel } from '../ports/clock.ts';
import type { DuplexStream } from '../ports/network.ts';
import { sendTape } from '../replication/sender.ts';
import type { SendResult } from '../replication/sender.ts';
import { reasonOf } from './context.ts';
import type { CopyProgress, ServerContext } from './context.ts';
import type { Vaults } from './vaults.ts';

/** Most copies under way at once. */
export const COPIES_MAX = 4;

export interface AutoCopyOptions {
  readonly context: ServerContext;
  readonly vaults: Vaults;
  /** Tapes that are mounted, or about to be. */
  readonly busyTapes: ReadonlySet<string>;
}

/** One attempt under way. */
class Attempt {
  readonly tape: string;
  readonly ruleId: number;
  progress: CopyProgress;
  readonly #cancelling: Promise<undefined>;
  #endWaiting: () => void = () => undefined;
  #cancelled = false;
  #stream: DuplexStream | undefined;

  constructor(tape: string, rule: CopyRuleRow) {
    this.tape = tape;
    this.ruleId = rule.id;
    const target = rule.target.server;
    this.progress = { tape, target, bytesSent: 0, chunksSent: 0, chunksNeeded: 0 };
    this.#cancelling = new Promise((resolve) => {
      this.#endWaiting = () => resolve(undefined);
    });
  }

  get cancelled(): boolean {
    return this.#cancelled;
  }

  cancel(): void {
    this.#cancelled = true;
    this.#endWaiting();
    this.#stream?.destroy();
  }

  /** The stream, unless the attempt is cancelled first: then it is dropped when it comes. */
  async connected(connecting: Promise<DuplexStream>): Promise<DuplexStream | undefined> {
    const stream = await Promise.race([connecting, this.#cancelling]);
    if (!this.#cancelled) {
      this.#stream = stream;
      return stream;
    }
    connecting.then(
      (late) => late.destroy(),
      () => {
        // Nobody waits for it any more.
      },
    );
    return undefined;
  }
}

export class AutoCopy {
  readonly #context: ServerContext;
  readonly #vaults: Vaults;
  readonly #busyTapes: ReadonlySet<string>;
  /** By tape and target server: one copy of a tape goes to a target at a time. */
  readonly #attempts = new Map<string, Attempt>();
  readonly #running = new Set<Promise<void>>();
  #timer: Cancel = () => undefined;
  #timerAtMs = Infinity;
  #scanning = false;
  #scanAgain = false;
  #stopped = false;

  constructor(options: AutoCopyOptions) {
    this.#context = options.context;
    this.#vaults = options.vaults;
    this.#busyTapes = options.busyTapes;
  }

  progress(): readonly CopyProgress[] {
    return [...this.#attempts.values()].map((attempt) => attempt.progress);
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

  /** Ends the copies of a tape that is being mounted. */
  preempt(tape: string): void {
    for (const { target } of this.endCopies((attempt) => attempt.tape === tape)) {
      this.#context.eventLog.report('COPY_PREEMPTED', { tape, target });
    }
  }

  /** Ends the copies that nobody owes any more, or just now; how far they were. */
  endCopies(
    which: (copy: { readonly tape: string; readonly ruleId: number }) => boolean,
  ): readonly CopyProgress[] {
    const ended = [...this.#attempts.values()].filter((each) => !each.cancelled && which(each));
    for (const attempt of ended) attempt.cancel();
    return ended.map((attempt) => attempt.progress);
  }

  /** Ends all copies; they are due again at the next start. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer();
    this.endCopies(() => true);
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
    if (this.#stopped) return;
    const now = clock.nowMs();
    for (const job of [...jobs].sort((a, b) => a.nextAttemptAtMs - b.nextAttemptAtMs)) {
      const rule = rules.get(job.ruleId);
      if (rule === undefined) continue;
      if (job.nextAttemptAtMs > now) {
        this.#wakeIn(job.nextAttemptAtMs - now);
        continue;
      }
      // A tape in use, a full house: the dismount, or the end of a copy, wakes us.
      const key = `${job.tape} ${rule.target.server}`;
      if (this.#busyTapes.has(job.tape) || this.#attempts.has(key)) continue;
      if (this.#attempts.size >= COPIES_MAX) continue;
      this.#begin(key, job.tape, rule);
    }
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

  #begin(key: string, tape: string, rule: CopyRuleRow): void {
    const attempt = new Attempt(tape, rule);
    this.#attempts.set(key, attempt);
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
      this.#attempts.delete(key);
      if (recorded) this.wake();
      else this.#wakeIn(this.#context.copyPolicy.retryIntervalMs);
    });
    this.#running.add(ended);
  }

  async #attempt(attempt: Attempt, rule: CopyRuleRow): Promise<void> {
    const { catalog, clock } = this.#context.ports;
    const started = { atMs: clock.nowMs(), monotonicMs: clock.monotonicMs() };
    // Read once more: only now nobody but this attempt changes the job, unless he ends it first.
    const job = (await catalog.listCopyJobs()).find(
      (each) => each.tape === attempt.tape && each.ruleId === rule.id,
    );
    const tape = await catalog.findTape(attempt.tape);
    if (tape === undefined || attempt.cancelled) return;
    if (job?.state !== 'due' || job.nextAttemptAtMs > started.atMs) return;
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

  async #send(attempt: Attempt, tape: TapeRow, rule: CopyRuleRow): Promise<SendResult> {
    const { ports, settings, copyPolicy, licences } = this.#context;
    await licences.require('autocopy');
    const stream = await attempt.connected(ports.link.connect(rule.target));
    if (stream === undefined) {
      throw new CapstanError('COPY_CANCELLED', { tape: tape.name, reason: 'the tape is mounted' });
    }
    return sendTape({
      stream,
      engine: this.#vaults.engine(tape.vault),
      clock: ports.clock,
      offer: {
        tape: tape.name,
        pool: rule.targetPool,
        labelType: tape.labelType,
        capacityBytes: tape.capacityBytes,
        generation: tape.generation,
        image: tape.name,
      },
      sourceServer: settings.serverName,
      stallTimeoutMs: copyPolicy.stallTimeoutMs,
      onProgress: (progress) => {
        attempt.progress = { ...attempt.progress, ...progress };
        this.#context.emit({ kind: 'copy-progress', ...attempt.progress });
      },
    });
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
