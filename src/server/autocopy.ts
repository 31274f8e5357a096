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
import { CapstanError } from '../base/errors.ts';
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
  cancelled = false;
  stream: DuplexStream | undefined;
  progress: CopyProgress;

  constructor(tape: string, target: string) {
    this.tape = tape;
    this.progress = { tape, target, bytesSent: 0, chunksSent: 0, chunksNeeded: 0 };
  }

  cancel(): void {
    this.cancelled = true;
    this.stream?.destroy();
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
  endCopies(tape: string): void {
    for (const attempt of this.#attempts.values()) {
      if (attempt.tape !== tape || attempt.cancelled) continue;
      attempt.cancel();
      this.#context.eventLog.report('COPY_PREEMPTED', { tape, target: attempt.progress.target });
    }
  }

  /** Ends all copies; they are due again at the next start. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer();
    for (const attempt of this.#attempts.values()) attempt.cancel();
    await Promise.all(this.#running);
  }

  async #scan(): Promise<void> {
    const { catalog, clock } = this.#context.ports;
    this.#timer();
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
    let nextMs = Infinity;
    for (const job of [...jobs].sort((a, b) => a.nextAttemptAtMs - b.nextAttemptAtMs)) {
      const rule = rules.get(job.ruleId);
      if (rule === undefined) continue;
      if (job.nextAttemptAtMs > now) {
        nextMs = Math.min(nextMs, job.nextAttemptAtMs - now);
        continue;
      }
      // A tape in use, a full house: the dismount, or the end of a copy, wakes us.
      const key = `${job.tape} ${rule.target.server}`;
      if (this.#busyTapes.has(job.tape) || this.#attempts.has(key)) continue;
      if (this.#attempts.size >= COPIES_MAX) break;
      this.#begin(key, job, rule);
    }
    if (nextMs < Infinity) this.#wakeIn(nextMs);
  }

  #wakeIn(delayMs: number): void {
    if (this.#stopped) return;
    this.#timer();
    this.#timer = this.#context.ports.clock.after(delayMs, () => this.wake());
  }

  #begin(key: string, job: CopyJobRow, rule: CopyRuleRow): void {
    const attempt = new Attempt(job.tape, rule.target.server);
    this.#attempts.set(key, attempt);
    const running = this.#attempt(attempt, job, rule).then(
      () => true,
      (error: unknown) => {
        // Its outcome could not be recorded: the job is as it was, and is tried again.
        this.#context.emit({
          kind: 'fault',
          what: `record the copy of ${job.tape}`,
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

  async #attempt(attempt: Attempt, job: CopyJobRow, rule: CopyRuleRow): Promise<void> {
    const startedAtMs = this.#context.ports.clock.nowMs();
    const tape = await this.#context.ports.catalog.findTape(job.tape);
    // Deleted meanwhile, and its jobs with it.
    if (tape === undefined || attempt.cancelled) return;
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
      if (!attempt.cancelled) await this.#recordFailure(job, rule, startedAtMs, reasonOf(error));
      return;
    }
    if (attempt.cancelled) return;
    await this.#recordSuccess({ ...job, generation }, rule, result);
  }

  async #send(attempt: Attempt, tape: TapeRow, rule: CopyRuleRow): Promise<SendResult> {
    const { ports, settings, copyPolicy } = this.#context;
    const stream = await ports.link.connect(rule.target);
    attempt.stream = stream;
    if (attempt.cancelled) {
      stream.destroy();
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
    startedAtMs: number,
    reason: string,
  ): Promise<void> {
    const { ports, eventLog, copyPolicy } = this.#context;
    const { attemptsMax, retryIntervalMs } = copyPolicy;
    const { tape } = job;
    const target = rule.target.server;
    const attempts = job.attempts + 1;
    const failed = attempts >= attemptsMax;
    const elapsedMs = Math.max(0, ports.clock.nowMs() - startedAtMs);
    const intervals = Math.max(1, Math.ceil(elapsedMs / retryIntervalMs));
    const row = await ports.catalog.putCopyJob(
      {
        ...job,
        state: failed ? 'failed' : 'due',
        attempts,
        nextAttemptAtMs: startedAtMs + intervals * retryIntervalMs,
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
