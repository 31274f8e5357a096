/**
 * The host's EMS collector `$0`: every event that was logged, and the distributors that read them, each
 * through a filter if it has one.
 */
import { CapstanError } from '../../src/base/errors.ts';
import { compileEmfFilter } from '../../src/ems/emf-filter.ts';
import type { EmfEvent, EmfFilter } from '../../src/ems/emf-filter.ts';
import { formatDistributorLines } from '../../src/ems/printing-distributor.ts';
import type { DistributorEvent } from '../../src/ems/printing-distributor.ts';
import { formatZsvrEvent } from '../../src/ems/zsvr-events.ts';
import type { ZsvrEvent } from '../../src/ems/zsvr-events.ts';
import type { Cancel, Clock } from '../../src/ports/clock.ts';

const ZSVR_SUBSYSTEM = 'TANDEM.ZSVR.H06';
const EMS_SUBSYSTEM = 'TANDEM.EMS.H06';
/** ZEMS-EVT-WRITE-TO-0. @source EMS Manual (426909-005), p. 609 to 611 */
const WRITE_TO_0 = 512;
/** Characters of a line written to `$0` that its event has; the rest is cut. */
export const WRITE_TO_0_CHARS_MAX = 102;
/** Events that the collector keeps; the oldest make room. */
export const LOGGED_EVENTS_MAX = 100_000;

/** What a process hands to the collector. */
export interface NewEvent extends Omit<DistributorEvent, 'localTimeMs' | 'node'> {
  /** `\SYD`, where another node's collector forwards it. */
  readonly node?: string;
  /** Tokens beside those that every event has. */
  readonly tokens?: EmfEvent;
}

interface LoggedEvent {
  readonly localTimeMs: number;
  /** As a printing distributor prints it: whole lines. */
  readonly lines: string;
  readonly tokens: EmfEvent;
}

export class EmsCollector {
  readonly #node: string;
  readonly #clock: Clock;
  readonly #log: LoggedEvent[] = [];
  readonly #distributors = new Set<(event: LoggedEvent) => void>();
  readonly #filters = new Map<string, EmfFilter>();
  #distributingSinceMs = -Infinity;

  constructor(node: string, clock: Clock) {
    this.#node = node;
    this.#clock = clock;
  }

  /** Everything logged so far, a printed line each, without the lines' ends. */
  get lines(): readonly string[] {
    return this.#log.flatMap((event) => event.lines.trimEnd().split('\r\n'));
  }

  /** Events logged so far, or since a moment of the host's local time. */
  count(sinceLocalTimeMs = -Infinity): number {
    return this.#log.filter((event) => event.localTimeMs >= sinceLocalTimeMs).length;
  }

  /** When the newest distributor was started, in the host's local time. */
  get distributingSinceMs(): number {
    return this.#distributingSinceMs;
  }

  /** Logs an event of `$ZSVR`. */
  logZsvr(event: ZsvrEvent): void {
    const volume = 'volume' in event ? event.volume : undefined;
    const device = 'device' in event ? event.device : undefined;
    this.log({
      process: '$ZSVR',
      subsystem: ZSVR_SUBSYSTEM,
      ...formatZsvrEvent(event),
      tokens: {
        ...(volume !== undefined && { 'ZTAP^TKN^TAPE^VOLUME': volume }),
        ...(device !== undefined && { 'ZTAP^TKN^DEV^NAME': device }),
        ...('requestNumber' in event && {
          'ZEMS^TKN^ACTION^ID': event.requestNumber,
          'ZEMS^TKN^ACTION^NEEDED': event.kind.endsWith('request') || event.kind === 'unknown-tape',
        }),
      },
    });
  }

  /** A process writes a line to `$0`: event 512, cut; with emphasis where the line rings a bell. */
  write(process: string, text: string): void {
    this.log({
      process,
      subsystem: EMS_SUBSYSTEM,
      eventNumber: WRITE_TO_0,
      text: text.slice(0, WRITE_TO_0_CHARS_MAX),
      tokens: { 'ZEMS^TKN^EMPHASIS': text.includes('\u0007') },
    });
  }

  /** Logs an event at the host's local time, which is the clock's. */
  log({ tokens, ...event }: NewEvent): void {
    const localTimeMs = Math.floor(this.#clock.nowMs() / 1000) * 1000;
    const logged: LoggedEvent = {
      localTimeMs,
      lines: formatDistributorLines({ node: this.#node, ...event, localTimeMs }),
      tokens: {
        'ZSPI^TKN^SSID': event.subsystem.split('.').slice(0, 2).join('.'),
        'ZEMS^TKN^EVENTNUMBER': event.eventNumber,
        'ZEMS^TKN^EMPHASIS': event.critical === true,
        'ZEMS^TKN^GENTIME': localTimeMs,
        'ZEMS^TKN^PROC^DESC': event.process,
        'ZEMS^TKN^SYSTEM': event.node ?? this.#node,
        'ZEMS^TKN^TEXT': event.text,
        ...tokens,
      },
    };
    this.#log.push(logged);
    if (this.#log.length > LOGGED_EVENTS_MAX) this.#log.shift();
    for (const distributor of this.#distributors) distributor(logged);
  }

  /** Compiles a filter and keeps it under the name of its file. Throws as {@link compileEmfFilter}. */
  addFilter(file: string, source: string): void {
    this.#filters.set(file.toUpperCase(), compileEmfFilter(source));
  }

  /**
   * Starts a distributor: what was logged since `sinceLocalTimeMs`, then all that will be, as far as the
   * filter of that file passes it. Throws NOT_FOUND for a filter that there is none of.
   */
  distribute(
    print: (lines: string) => void,
    { sinceLocalTimeMs, filter: file }: { sinceLocalTimeMs?: number; filter?: string } = {},
  ): Cancel {
    const filter = file === undefined ? undefined : this.#filters.get(file.toUpperCase());
    if (file !== undefined && filter === undefined) {
      throw new CapstanError('NOT_FOUND', { kind: 'filter', name: file });
    }
    const give = ({ lines, tokens }: LoggedEvent): void => {
      if (filter?.passes(tokens) !== false) print(lines);
    };
    for (const event of this.#log) {
      if (sinceLocalTimeMs !== undefined && event.localTimeMs >= sinceLocalTimeMs) give(event);
    }
    this.#distributors.add(give);
    this.#distributingSinceMs = this.#clock.nowMs();
    return () => {
      this.#distributors.delete(give);
    };
  }
}
