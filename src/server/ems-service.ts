/**
 * The EMS service: one TACL session to each host, kept up, and the host's events out of it.
 *
 * @source VTS 6.04.01 Operations and Administration Guide, p. 49 to 52 and 121.
 */
import { assert } from '../base/assert.ts';
import { CapstanError } from '../base/errors.ts';
import type { EmsHostParameters } from '../ems/parameters.ts';
import type { DistributorEvent } from '../ems/printing-distributor.ts';
import type { ZsvrEvent } from '../ems/zsvr-events.ts';
import type { HostCatalog } from '../ports/catalog-hosts.ts';
import type { Clock } from '../ports/clock.ts';
import type { Endpoint, Network } from '../ports/network.ts';
import { SessionKeeper } from './ems-keeper.ts';
import type { EventLog } from './event-log.ts';

export interface EmsHost {
  /** `\LAB` */
  readonly host: string;
  /** Where its TACL listens. */
  readonly endpoint: Endpoint;
  readonly user: string;
  readonly password: string;
  /** Default `$0`. */
  readonly collector?: string;
  /** File of a compiled EMS filter; all events where it is missing. */
  readonly filter?: string;
  /** Where they differ from the defaults. */
  readonly parameters?: Partial<EmsHostParameters>;
}

export interface EmsServiceOptions {
  readonly clock: Clock;
  readonly network: Network;
  readonly hosts: readonly EmsHost[];
  readonly eventLog: Pick<EventLog, 'report'>;
  /** Keeps how far a host was heard; nothing outlives the service without it. */
  readonly positions?: Pick<HostCatalog, 'findEmsPosition' | 'putEmsPosition'>;
  /** All that the host had logged before has been heard and dealt with; comes again with each session. */
  readonly onCaughtUp?: (host: string) => void;
  /** What the host had printed when its mark was asked for has been handed on. */
  readonly onMarkPassed?: (host: string) => void;
  /**
   * A tape event of the host's own $ZSVR. How far the host was heard is noted once this has settled; it
   * never rejects.
   */
  readonly onEvent: (host: string, event: ZsvrEvent) => Promise<void> | void;
  /** Every event that the distributor prints, before `onEvent`; likewise. */
  readonly onLine?: (host: string, line: DistributorEvent) => Promise<void> | void;
}

export interface EmsHostStatus {
  readonly host: string;
  readonly state: 'disabled' | 'stopped' | 'connecting' | 'logging-on' | 'established' | 'waiting';
  readonly stateSinceAtMs: number;
  /** Sessions that came about since the server started, and events heard in them. */
  readonly sessionCount: number;
  readonly eventCount: number;
  /** When the last event was generated, in the host's local time. */
  readonly lastEventHostTime: number | undefined;
  /** Why the last session ended. */
  readonly lastFailure: string | undefined;
}

export class EmsService {
  readonly #keepers: readonly SessionKeeper[];
  #running: Promise<unknown> | undefined;

  /** Throws INVALID_ARGUMENT where a host's user, password, collector or filter cannot be sent. */
  constructor(options: EmsServiceOptions) {
    this.#keepers = options.hosts.map((host) => new SessionKeeper(host, options));
  }

  /** Begins to connect to every host; returns at once. */
  start(): void {
    assert(this.#running === undefined, 'an EMS service is started once');
    this.#running = Promise.all(this.#keepers.map((keeper) => keeper.run()));
  }

  /** Ends all sessions; no event comes afterwards, and what came is dealt with. */
  async stop(): Promise<void> {
    for (const keeper of this.#keepers) keeper.stop();
    await this.#running;
  }

  /** Ends the session with a host, or with each, and builds it anew at once. NOT_FOUND. */
  restart(host?: string): readonly string[] {
    const chosen = this.#keepers.filter((keeper) => host === undefined || keeper.host === host);
    if (host !== undefined && chosen.length === 0) {
      throw new CapstanError('NOT_FOUND', { kind: 'host', name: host });
    }
    for (const keeper of chosen) keeper.restart();
    return chosen.map((keeper) => keeper.host);
  }

  /** Asks a host for a mark behind all that it has printed; false where it is not listened to. */
  mark(host: string): boolean {
    return this.#keepers.find((keeper) => keeper.host === host)?.mark() ?? false;
  }

  status(): readonly EmsHostStatus[] {
    return this.#keepers.map((keeper) => keeper.status());
  }
}
