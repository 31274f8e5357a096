/** A service that hears one host whose log a test writes; clock and network are the test's own. */
import { assert } from '../../../src/base/assert.ts';
import {
  type DistributorEvent,
  formatDistributorLines,
} from '../../../src/ems/printing-distributor.ts';
import { type HostEffect, TaclHostSession } from '../../../src/ems/tacl-host.ts';
import { type ZsvrEvent, formatZsvrEvent } from '../../../src/ems/zsvr-events.ts';
import type { EmsPositionRow } from '../../../src/ports/catalog-hosts.ts';
import { QUIET_MS } from '../../../src/server/ems-connection.ts';
import { type EmsHost, EmsService } from '../../../src/server/ems-service.ts';
import { FakeClock, FakeNetwork, type FakeStream } from './ems-fakes.ts';
import { requestOf } from './requests.ts';

const HOST = {
  host: '\\LAB',
  endpoint: { address: '10.0.0.1', port: 23 },
  user: 'SUPER.TAPE',
  password: 'geheim',
};
export const START_MS = Date.UTC(2006, 7, 28, 16, 25, 18);
export const REQUEST = requestOf('LAB001', 7);

export class EmsBench {
  readonly clock = new FakeClock();
  readonly network = new FakeNetwork();
  events: (readonly [string, ZsvrEvent])[] = [];
  readonly lines: string[] = [];
  readonly logged: string[] = [];
  /** What the host's log holds: events with their second. */
  readonly hostLog: DistributorEvent[] = [];
  readonly hosts: TaclHostSession[] = [];
  /** What outlives a service. */
  positions = new Map<string, EmsPositionRow>();
  positionGate: Promise<void> = Promise.resolve();
  service: EmsService;

  constructor() {
    this.network.answer = (stream) => {
      this.#serve(stream);
      return 'accept';
    };
    this.service = this.newService();
  }

  /** Stops the service, which leaves nothing behind. */
  async end(): Promise<void> {
    await this.service.stop();
    if (this.clock.timerCount > 0) throw new Error('a stopped service leaves timers behind');
    if (JSON.stringify(this.logged).includes('geheim')) throw new Error('a password was logged');
  }

  newService(host: Partial<EmsHost> = {}): EmsService {
    return new EmsService({
      clock: this.clock,
      network: this.network,
      hosts: [{ ...HOST, ...host }],
      eventLog: {
        report: (message, fields) => {
          this.logged.push(`${message} ${JSON.stringify(fields)}`);
        },
      },
      positions: {
        findEmsPosition: (from) => Promise.resolve(this.positions.get(from)),
        putEmsPosition: async (position) => {
          await this.positionGate;
          this.positions.set(position.host, position);
        },
      },
      onEvent: (from, event) => void this.events.push([from, event]),
      onLine: (_, line) => void this.lines.push(line.text),
    });
  }

  /** Puts the TACL of a host with a log behind the other end of `stream`. */
  #serve(stream: FakeStream): void {
    const host = new TaclHostSession({ node: '\\LAB', user: HOST.user, password: HOST.password });
    this.hosts.push(host);
    const apply = (effects: readonly HostEffect[]): void => {
      for (const effect of effects) {
        if (effect.kind === 'send') stream.deliver(effect.bytes);
        if (effect.kind === 'distributor-started' && effect.sinceLocalTimeMs !== undefined) {
          const since = effect.sinceLocalTimeMs;
          for (const event of this.hostLog.filter(({ localTimeMs }) => localTimeMs >= since)) {
            apply(host.emit(formatDistributorLines(event)));
          }
        }
      }
    };
    stream.onWrite = (bytes) => apply(host.receive(bytes));
    apply(host.start());
  }

  /** Logs an event on the host, and prints it where a distributor runs. */
  hostSays(event: ZsvrEvent, seconds = 0, fields: Partial<DistributorEvent> = {}): void {
    const line: DistributorEvent = {
      localTimeMs: START_MS + seconds * 1000,
      node: '\\LAB',
      process: '$ZSVR',
      subsystem: 'TANDEM.ZSVR.H06',
      ...formatZsvrEvent(event),
      ...fields,
    };
    this.hostLog.push(line);
    for (const effect of this.hosts.at(-1)?.emit(formatDistributorLines(line)) ?? []) {
      if (effect.kind === 'send') this.network.connections.at(-1)?.deliver(effect.bytes);
    }
  }

  async establish(): Promise<void> {
    this.service.start();
    await this.clock.advance(QUIET_MS);
    const [status] = this.service.status();
    const isUp = status?.state === 'established' && status.lastFailure === undefined;
    assert(isUp, 'the session is established');
  }

  /** The numbers of the requests that were heard. */
  requests(): readonly number[] {
    return this.events.map(([, event]) => ('requestNumber' in event ? event.requestNumber : -1));
  }
}
