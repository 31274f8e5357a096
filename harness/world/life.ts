/**
 * The life of a simulated process: from its start to its crash or its end.
 *
 * JavaScript cannot be killed in the middle of an `await`. So a process is killed by its ports: once
 * its life has ended, no promise that a port gave it settles any more and none of its timers runs,
 * and the code that waits there has in effect ceased to be.
 */
import type { Cancel, Clock } from '../../src/ports/clock.ts';

/** Never settles: what a port answers to the dead. */
const never = <Value>(): Promise<Value> => new Promise<Value>(() => {});

export class Life {
  #ended = false;
  readonly #endings = new Set<() => void>();

  get ended(): boolean {
    return this.#ended;
  }

  /** Calls `ending` when the life ends, unless cancelled; at once where it has ended. */
  onEnd(ending: () => void): Cancel {
    if (this.#ended) ending();
    else this.#endings.add(ending);
    return () => {
      this.#endings.delete(ending);
    };
  }

  /** Ends the life; idempotent. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const ending of this.#endings) ending();
    this.#endings.clear();
  }

  /**
   * What `work` gives, as long as the life lasts; it is not even begun after. `succeeded` and `failed` come before that is
   * known, and may end the life.
   */
  call<Value>(
    work: () => Promise<Value>,
    { succeeded, failed }: { succeeded?: () => void; failed?: (error: unknown) => void } = {},
  ): Promise<Value> {
    if (this.#ended) return never();
    return new Promise((resolve, reject) => {
      work().then(
        (value) => {
          if (!this.#ended) succeeded?.();
          if (!this.#ended) resolve(value);
        },
        (error: unknown) => {
          if (!this.#ended) failed?.(error);
          if (!this.#ended) reject(error instanceof Error ? error : new Error(String(error)));
        },
      );
    });
  }

  /** The clock as this life sees it. */
  clock(clock: Clock): Clock {
    return {
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs(),
      after: (delayMs, callback) =>
        clock.after(delayMs, () => {
          if (!this.#ended) callback();
        }),
    };
  }
}
