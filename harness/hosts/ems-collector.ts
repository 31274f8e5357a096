/** The host's EMS collector `$0`: every event that was logged, and the distributors that read them. */
import { formatDistributorLines } from '../../src/ems/printing-distributor.ts';
import type { DistributorEvent } from '../../src/ems/printing-distributor.ts';
import { formatZsvrEvent } from '../../src/ems/zsvr-events.ts';
import type { ZsvrEvent } from '../../src/ems/zsvr-events.ts';
import type { Cancel, Clock } from '../../src/ports/clock.ts';

const ZSVR_SUBSYSTEM = 'TANDEM.ZSVR.H06';

interface LoggedEvent {
  readonly localTimeMs: number;
  /** As a printing distributor prints it: whole lines. */
  readonly lines: string;
}

export class EmsCollector {
  readonly #node: string;
  readonly #clock: Clock;
  readonly #log: LoggedEvent[] = [];
  readonly #distributors = new Set<(lines: string) => void>();

  constructor(node: string, clock: Clock) {
    this.#node = node;
    this.#clock = clock;
  }

  /** Everything logged so far, a printed line each, without the lines' ends. */
  get lines(): readonly string[] {
    return this.#log.flatMap((event) => event.lines.trimEnd().split('\r\n'));
  }

  /** Logs an event of `$ZSVR`. */
  logZsvr(event: ZsvrEvent): void {
    this.log({ process: '$ZSVR', subsystem: ZSVR_SUBSYSTEM, ...formatZsvrEvent(event) });
  }

  /** Logs an event at the host's local time, which is the clock's. */
  log(event: Omit<DistributorEvent, 'localTimeMs' | 'node'>): void {
    const localTimeMs = Math.floor(this.#clock.nowMs() / 1000) * 1000;
    const lines = formatDistributorLines({ ...event, localTimeMs, node: this.#node });
    this.#log.push({ localTimeMs, lines });
    for (const distributor of this.#distributors) distributor(lines);
  }

  /** Starts a distributor: what was logged since `sinceLocalTimeMs`, then all that will be. */
  distribute(print: (lines: string) => void, sinceLocalTimeMs?: number): Cancel {
    for (const event of this.#log) {
      if (sinceLocalTimeMs !== undefined && event.localTimeMs >= sinceLocalTimeMs) {
        print(event.lines);
      }
    }
    this.#distributors.add(print);
    return () => {
      this.#distributors.delete(print);
    };
  }
}
