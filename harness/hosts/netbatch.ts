/** NetBatch as far as backups need it: jobs at a time of the day, one after another, on the host's clock. */
import { civilTime, civilTimeMs } from '../../src/base/civil-time.ts';
import type { Cancel, Clock } from '../../src/ports/clock.ts';
import type { EmsCollector } from './ems-collector.ts';

const DAY_MS = 86_400_000;
const SUBSYSTEM = 'TANDEM.BATCH.H06';
/** Ours: the manuals that we have do not give NetBatch's events. */
const EVENTS = { started: 1, ended: 2, failed: 3 } as const;

export interface BatchJob {
  /** `NIGHTLY` */
  readonly name: string;
  /** When it runs each day, in the host's local time, which is the clock's. */
  readonly at: { readonly hour: number; readonly minute: number };
  /** Jobs of one class run one after another; default one class for all. */
  readonly class?: string;
  readonly run: () => Promise<void>;
}

/** What became of a job's run. */
export interface BatchRun {
  readonly job: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** Why it failed. */
  readonly failure: string | undefined;
}

export class NetBatch {
  readonly #clock: Clock;
  readonly #collector: EmsCollector;
  readonly #runs: BatchRun[] = [];
  /** The end of the last job of each class. */
  readonly #running = new Map<string, Promise<void>>();

  constructor(clock: Clock, collector: EmsCollector) {
    this.#clock = clock;
    this.#collector = collector;
  }

  /** The runs that have ended, oldest first. */
  get runs(): readonly BatchRun[] {
    return this.#runs;
  }

  /** Schedules a job every day until it is taken back. */
  submit(job: BatchJob): Cancel {
    let cancelled = false;
    let cancelTimer: Cancel = () => {};
    const schedule = (): void => {
      cancelTimer = this.#clock.after(this.#untilNext(job), () => {
        const { class: queue = '' } = job;
        const before = this.#running.get(queue) ?? Promise.resolve();
        this.#running.set(
          queue,
          before.then(() => this.#run(job)),
        );
        if (!cancelled) schedule();
      });
    };
    schedule();
    return () => {
      cancelled = true;
      cancelTimer();
    };
  }

  #untilNext({ at }: BatchJob): number {
    const nowMs = this.#clock.nowMs();
    const today = civilTimeMs({ ...civilTime(nowMs), ...at, second: 0 }) ?? nowMs;
    return today > nowMs ? today - nowMs : today + DAY_MS - nowMs;
  }

  async #run(job: BatchJob): Promise<void> {
    const startedAtMs = this.#clock.nowMs();
    this.#log('started', `JOB ${job.name} STARTED`);
    const failure = await job.run().then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    this.#runs.push({ job: job.name, startedAtMs, endedAtMs: this.#clock.nowMs(), failure });
    if (failure === undefined) this.#log('ended', `JOB ${job.name} ENDED`);
    else this.#log('failed', `JOB ${job.name} FAILED: ${failure}`);
  }

  #log(event: keyof typeof EVENTS, text: string): void {
    this.#collector.log({
      process: '$ZBAT',
      subsystem: SUBSYSTEM,
      eventNumber: EVENTS[event],
      critical: event === 'failed',
      text,
    });
  }
}
