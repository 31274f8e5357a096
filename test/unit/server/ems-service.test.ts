import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeAscii } from '../../../src/base/bytes.ts';
import {
  type DistributorEvent,
  formatDistributorLines,
} from '../../../src/ems/printing-distributor.ts';
import { type HostEffect, TaclHostSession } from '../../../src/ems/tacl-host.ts';
import { type ZsvrEvent, formatZsvrEvent } from '../../../src/ems/zsvr-events.ts';
import { DEFAULT_EMS_HOST_PARAMETERS } from '../../../src/ems/parameters.ts';
import type { EmsPositionRow } from '../../../src/ports/catalog-hosts.ts';
import {
  KEEP_ALIVE_ANSWER_MS,
  OUTGOING_BYTES_MAX,
  QUIET_MS,
} from '../../../src/server/ems-connection.ts';
import {
  CATCH_UP_MS_MAX,
  RECONNECT_FIRST_MS,
  RECONNECT_MAX_MS,
  STABLE_SESSION_MS,
} from '../../../src/server/ems-keeper.ts';
import { type EmsHost, EmsService } from '../../../src/server/ems-service.ts';
import { FakeClock, FakeNetwork, type FakeStream, lost, settle } from './ems-fakes.ts';
import { requestOf } from './requests.ts';

const { keepAliveMs: KEEP_ALIVE_MS, responseTimeoutMs: RESPONSE_TIMEOUT_MS } =
  DEFAULT_EMS_HOST_PARAMETERS;

const HOST = {
  host: '\\LAB',
  endpoint: { address: '10.0.0.1', port: 23 },
  user: 'SUPER.TAPE',
  password: 'geheim',
};
const START_MS = Date.UTC(2006, 7, 28, 16, 25, 18);
const REQUEST = requestOf('LAB001', 7);

let clock: FakeClock;
let network: FakeNetwork;
let service: EmsService;
let events: (readonly [string, ZsvrEvent])[];
let lines: string[];
let logged: string[];
/** What the host's log holds: events with their second. */
let hostLog: DistributorEvent[];
let hosts: TaclHostSession[];
/** What outlives a service. */
let positions: Map<string, EmsPositionRow>;
let positionGate: Promise<void>;

beforeEach(() => {
  clock = new FakeClock();
  network = new FakeNetwork();
  network.answer = (stream) => {
    serve(stream);
    return 'accept';
  };
  events = [];
  lines = [];
  logged = [];
  hostLog = [];
  hosts = [];
  positions = new Map();
  positionGate = Promise.resolve();
  service = newService();
});
afterEach(async () => {
  await service.stop();
  if (clock.timerCount > 0) throw new Error('a stopped service leaves timers behind');
  if (JSON.stringify(logged).includes('geheim')) throw new Error('a password was logged');
});

function newService(host: Partial<EmsHost> = {}): EmsService {
  return new EmsService({
    clock,
    network,
    hosts: [{ ...HOST, ...host }],
    eventLog: {
      report: (message, fields) => {
        logged.push(`${message} ${JSON.stringify(fields)}`);
      },
    },
    positions: {
      findEmsPosition: (from) => Promise.resolve(positions.get(from)),
      putEmsPosition: async (position) => {
        await positionGate;
        positions.set(position.host, position);
      },
    },
    onEvent: (from, event) => void events.push([from, event]),
    onLine: (_, line) => void lines.push(line.text),
  });
}

/** Puts the TACL of a host with a log behind the other end of `stream`. */
function serve(stream: FakeStream): void {
  const host = new TaclHostSession({ node: '\\LAB', user: HOST.user, password: HOST.password });
  hosts.push(host);
  const apply = (effects: readonly HostEffect[]): void => {
    for (const effect of effects) {
      if (effect.kind === 'send') stream.deliver(effect.bytes);
      if (effect.kind === 'distributor-started' && effect.sinceLocalTimeMs !== undefined) {
        const since = effect.sinceLocalTimeMs;
        for (const event of hostLog.filter(({ localTimeMs }) => localTimeMs >= since)) {
          apply(host.emit(formatDistributorLines(event)));
        }
      }
    }
  };
  stream.onWrite = (bytes) => apply(host.receive(bytes));
  apply(host.start());
}

/** Logs an event on the host, and prints it where a distributor runs. */
function hostSays(event: ZsvrEvent, seconds = 0, fields: Partial<DistributorEvent> = {}): void {
  const line: DistributorEvent = {
    localTimeMs: START_MS + seconds * 1000,
    node: '\\LAB',
    process: '$ZSVR',
    subsystem: 'TANDEM.ZSVR.H06',
    ...formatZsvrEvent(event),
    ...fields,
  };
  hostLog.push(line);
  for (const effect of hosts.at(-1)?.emit(formatDistributorLines(line)) ?? []) {
    if (effect.kind === 'send') network.connections.at(-1)?.deliver(effect.bytes);
  }
}

async function establish(): Promise<void> {
  service.start();
  await clock.advance(QUIET_MS);
  expect(service.status()).toMatchObject([
    { host: '\\LAB', state: 'established', lastFailure: undefined },
  ]);
}

const requests = (): number[] =>
  events.map(([, event]) => ('requestNumber' in event ? event.requestNumber : -1));

describe('The EMS service', () => {
  it('logs on, and passes on a tape event once nothing came behind it for the quiet time', async () => {
    await establish();
    expect(logged).toEqual(['EMS_SESSION_ESTABLISHED {"host":"\\\\LAB"}']);
    hostSays(REQUEST);
    await clock.advance(QUIET_MS - 1);
    expect(events).toEqual([]);
    await clock.advance(1);
    expect(events).toEqual([['\\LAB', REQUEST]]);
  });

  it("passes on at once what the next event's header shows to be whole", async () => {
    await establish();
    hostSays(REQUEST);
    hostSays({ ...REQUEST, requestNumber: 8 });
    await settle();
    expect(requests()).toEqual([7]);
  });

  it('waits for the rest of a text that stalls in the middle', async () => {
    await establish();
    const bytes = encodeAscii(
      formatDistributorLines({
        localTimeMs: START_MS,
        node: '\\LAB',
        process: '$ZSVR',
        subsystem: 'TANDEM.ZSVR.H06',
        ...formatZsvrEvent(REQUEST),
      }),
    );
    const stream = network.connections[0];
    const header = bytes.indexOf(0x0a) + 1;
    stream?.deliver(bytes.subarray(0, header));
    await clock.advance(10 * QUIET_MS);
    expect(events).toEqual([]);
    stream?.deliver(bytes.subarray(header));
    await clock.advance(QUIET_MS);
    expect(events).toEqual([['\\LAB', REQUEST]]);
  });

  it('leaves alone what another process or another node says, but shows the line', async () => {
    await establish();
    hostSays(REQUEST, 0, { process: '$FTI1' });
    hostSays(REQUEST, 0, { node: '\\DR' });
    hostSays(REQUEST, 0, { eventNumber: 999 });
    await clock.advance(QUIET_MS);
    expect(events).toEqual([]);
    expect(lines.length).toBeGreaterThanOrEqual(2);
  });

  it('survives rubbish', async () => {
    await establish();
    network.connections[0]?.deliver(encodeAscii('x'.repeat(100_000)));
    network.connections[0]?.deliver(Uint8Array.of(0, 200, 255, 255, 255, 249, 13, 10));
    hostSays(REQUEST);
    await clock.advance(QUIET_MS);
    expect(requests()).toEqual([7]);
    expect(service.status()[0]?.state).toBe('established');
  });

  it('stops without a word or an event afterwards', async () => {
    await establish();
    hostSays(REQUEST);
    await service.stop();
    await clock.advance(RECONNECT_MAX_MS);
    expect(events).toEqual([]);
    expect(logged).toHaveLength(1);
    expect(network.connections.every(({ destroyed }) => destroyed)).toBe(true);
    expect(service.status()[0]?.state).toBe('stopped');
  });

  it.each(['refuse', 'hang'] as const)(
    'stops while a connection is not there: %s',
    async (answer) => {
      network.answer = () => answer;
      service.start();
      await settle();
      await service.stop();
      expect(network.attemptCount).toBe(1);
    },
  );

  it('refuses a host whose credentials cannot be sent', () => {
    expect(() => newService({ user: 'A\r\nB' })).toThrow(/is refused/);
  });
});

describe('A lost session', () => {
  it('is built anew, and what was said in between is heard, each thing once', async () => {
    await establish();
    hostSays(REQUEST, 0);
    hostSays({ ...REQUEST, requestNumber: 8 }, 1);
    hostSays({ ...REQUEST, requestNumber: 9 }, 1);
    await clock.advance(QUIET_MS);
    network.connections[0]?.deliver(lost('connection reset'));
    await settle();
    hostSays({ ...REQUEST, requestNumber: 10 }, 1);
    hostSays({ ...REQUEST, requestNumber: 11 }, 2);
    await clock.advance(RECONNECT_FIRST_MS + QUIET_MS);
    expect(requests()).toEqual([7, 8, 9, 10, 11]);
    expect(logged).toEqual([
      'EMS_SESSION_ESTABLISHED {"host":"\\\\LAB"}',
      'EMS_SESSION_LOST {"host":"\\\\LAB","reason":"connection reset"}',
      'EMS_SESSION_ESTABLISHED {"host":"\\\\LAB"}',
    ]);
  });

  it('gives nothing twice that was logged earlier than the last event but generated later', async () => {
    await establish();
    hostSays(REQUEST, 5);
    hostSays({ ...REQUEST, requestNumber: 8 }, 4);
    await clock.advance(QUIET_MS);
    network.connections[0]?.deliver(lost('connection reset'));
    await clock.advance(RECONNECT_FIRST_MS + QUIET_MS);
    hostSays({ ...REQUEST, requestNumber: 9 }, 5);
    await clock.advance(QUIET_MS);
    expect(requests()).toEqual([7, 8, 9]);
  });

  it('gives the twin of an event that was seen, even of the same second', async () => {
    await establish();
    hostSays(REQUEST, 1);
    await clock.advance(QUIET_MS);
    network.connections[0]?.deliver(lost('connection reset'));
    await settle();
    hostSays(REQUEST, 1);
    await clock.advance(RECONNECT_FIRST_MS + QUIET_MS);
    expect(requests()).toEqual([7, 7]);
  });

  it('loses no event that was not known to be whole when it came', async () => {
    await establish();
    hostSays(REQUEST, 0);
    await clock.advance(QUIET_MS);
    hostSays({ ...REQUEST, requestNumber: 8 }, 1);
    await settle();
    network.connections[0]?.deliver(undefined);
    await clock.advance(RECONNECT_FIRST_MS + QUIET_MS);
    expect(requests()).toEqual([7, 8]);
    expect(logged[1]).toContain('the host ended it');
  });

  it('is noticed where the distributor ends', async () => {
    await establish();
    for (const effect of hosts[0]?.stopDistributor() ?? []) {
      if (effect.kind === 'send') network.connections[0]?.deliver(effect.bytes);
    }
    await settle();
    expect(logged[1]).toContain('its distributor ended');
    await clock.advance(RECONNECT_FIRST_MS + QUIET_MS);
    expect(service.status()[0]?.state).toBe('established');
  });

  it('is noticed where the host is silent and gives no sign of life when asked', async () => {
    await establish();
    const [stream] = network.connections;
    if (stream !== undefined) stream.onWrite = () => {};
    await clock.advance(KEEP_ALIVE_MS - 1);
    const before = stream?.written.length ?? 0;
    await clock.advance(1);
    expect(stream?.written.slice(before)).toEqual([Uint8Array.of(255, 253, 6)]);
    await clock.advance(KEEP_ALIVE_ANSWER_MS);
    expect(logged[1]).toContain('no sign of life within 30 s');
  });

  it('is none where the host has nothing to say but answers when asked', async () => {
    await establish();
    await clock.advance(100 * (KEEP_ALIVE_MS + KEEP_ALIVE_ANSWER_MS));
    expect(network.attemptCount).toBe(1);
    expect(logged).toHaveLength(1);
  });

  it('is one where the host does not read what it provokes', async () => {
    await establish();
    const [stream] = network.connections;
    if (stream !== undefined) stream.stuck = true;
    const provocation = Uint8Array.from(
      { length: OUTGOING_BYTES_MAX + 3 },
      (_, i) => [255, 253, 1][i % 3] ?? 0,
    );
    stream?.deliver(provocation);
    await settle();
    expect(logged[1]).toContain('the host does not read');
    expect(stream?.destroyed).toBe(true);
  });
});

describe('A new service', () => {
  /** The server goes, and comes back later. */
  const startAgain = async (): Promise<void> => {
    service = newService();
    service.start();
    await clock.advance(2 * QUIET_MS);
  };

  it('hears what was said while no server ran, and nothing that was dealt with', async () => {
    await establish();
    hostSays(REQUEST, 0);
    hostSays({ ...REQUEST, requestNumber: 8 }, 0);
    await clock.advance(QUIET_MS);
    await service.stop();
    hostSays({ ...REQUEST, requestNumber: 9 }, 0);
    hostSays({ ...REQUEST, requestNumber: 10 }, 3);
    await startAgain();
    expect(requests()).toEqual([7, 8, 9, 10]);
  });

  it('does not answer a request that ended while no server ran, but is told of its end', async () => {
    await establish();
    hostSays(REQUEST, 0);
    await clock.advance(QUIET_MS);
    await service.stop();
    events = [];
    hostSays({ ...REQUEST, requestNumber: 8 }, 1);
    hostSays({ ...REQUEST, requestNumber: 9 }, 1);
    hostSays({ kind: 'request-cancelled', requestNumber: 8, volume: 'LAB001' }, 2);
    hostSays({ kind: 'mounted', requestNumber: 7, volume: 'LAB001' }, 2);
    // The number comes round again: another request.
    hostSays({ ...REQUEST, requestNumber: 8, volume: 'LAB002' }, 3);
    await startAgain();
    expect(events.map(([, event]) => event)).toEqual([
      { ...REQUEST, requestNumber: 9 },
      { kind: 'request-cancelled', requestNumber: 8, volume: 'LAB001' },
      { kind: 'mounted', requestNumber: 7, volume: 'LAB001' },
      { ...REQUEST, requestNumber: 8, volume: 'LAB002' },
    ]);
  });

  it('hears again what was not yet dealt with when the last one was killed', async () => {
    await establish();
    hostSays(REQUEST, 0);
    await clock.advance(QUIET_MS);
    const kept = new Map(positions);
    hostSays({ ...REQUEST, requestNumber: 8 }, 1);
    await clock.advance(QUIET_MS);
    await service.stop();
    positions = kept;
    await startAgain();
    expect(requests()).toEqual([7, 8, 8]);
  });

  it('of a host that never falls quiet hears what was replayed all the same', async () => {
    await establish();
    hostSays(REQUEST, 0);
    await clock.advance(QUIET_MS);
    await service.stop();
    hostSays({ ...REQUEST, requestNumber: 8 }, 1);
    await startAgain();
    expect(requests()).toEqual([7, 8]);
    network.connections.at(-1)?.deliver(lost('reset'));
    await settle();
    hostSays({ ...REQUEST, requestNumber: 9 }, 2);
    await clock.advance(RECONNECT_FIRST_MS);
    for (let elapsed = 0; elapsed < CATCH_UP_MS_MAX; elapsed += QUIET_MS / 2) {
      expect(requests()).toEqual([7, 8]);
      hostSays(REQUEST, 3, { process: '$NOISE' });
      await clock.advance(QUIET_MS / 2);
    }
    await clock.advance(QUIET_MS / 2);
    expect(requests()).toEqual([7, 8, 9]);
  });

  it('ends once what it was told has been noted', async () => {
    await establish();
    let release = (): void => {};
    positionGate = new Promise((resolve) => {
      release = resolve;
    });
    hostSays(REQUEST, 0);
    await clock.advance(QUIET_MS);
    let stopped = false;
    const stopping = service.stop().then(() => {
      stopped = true;
    });
    await settle();
    expect(stopped).toBe(false);
    release();
    await stopping;
    expect(positions.get('\\LAB')).toMatchObject({ localTimeMs: START_MS });
  });
});

describe('A restart by the operator', () => {
  it('ends the session, builds it anew at once, and loses nothing', async () => {
    await establish();
    hostSays(REQUEST, 0);
    await clock.advance(QUIET_MS);
    expect(service.restart('\\LAB')).toEqual(['\\LAB']);
    hostSays({ ...REQUEST, requestNumber: 8 }, 1);
    await clock.advance(2 * QUIET_MS);
    expect(service.status()[0]).toMatchObject({ state: 'established', sessionCount: 2 });
    expect(requests()).toEqual([7, 8]);
    expect(logged.filter((line) => line.startsWith('EMS_SESSION_LOST'))).toEqual([]);
  });

  it('does not wait for the end of a pause', async () => {
    network.answer = () => 'refuse';
    service.start();
    await clock.advance(20_000);
    const { attemptCount } = network;
    service.restart();
    await settle();
    expect(network.attemptCount).toBe(attemptCount + 1);
  });

  it('of an unknown host is refused', () => {
    expect(() => service.restart('\\NONE')).toThrow(/No host is named/);
  });
});

describe('A host that is not to be listened to', () => {
  it('is left alone', async () => {
    service = newService({ parameters: { enabled: false } });
    service.start();
    service.restart();
    await clock.advance(1000);
    expect(network.attemptCount).toBe(0);
    expect(service.status()[0]?.state).toBe('disabled');
  });
});

describe('The times of a host', () => {
  it('are what its parameters say', async () => {
    service = newService({ parameters: { responseTimeoutMs: 2000, keepAliveMs: 0 } });
    const { answer } = network;
    network.answer = () => 'hang';
    service.start();
    await clock.advance(2000);
    expect(logged[0]).toContain('no connection within 2 s');
    network.answer = answer;
    await clock.advance(RECONNECT_FIRST_MS + QUIET_MS);
    expect(service.status()[0]?.state).toBe('established');
    const [stream] = network.connections;
    const before = stream?.written.length;
    await clock.advance(3_600_000);
    expect(stream?.written.length).toBe(before);
  });
});

describe('A long session', () => {
  it('is not ended by all that a host provokes and reads', async () => {
    await establish();
    const some = Uint8Array.from({ length: 3000 }, (_, i) => [255, 253, 1][i % 3] ?? 0);
    for (let sent = 0; sent <= 2 * OUTGOING_BYTES_MAX; sent += some.length) {
      network.connections[0]?.deliver(some);
      await settle();
    }
    expect(service.status()[0]?.state).toBe('established');
  });
});

describe('A session that does not come about', () => {
  it('is tried again after pauses that double up to their limit, and logged once', async () => {
    const attemptsMs: number[] = [];
    network.answer = () => {
      attemptsMs.push(clock.monotonicMs());
      return 'refuse';
    };
    service.start();
    await clock.advance(183_000);
    const pauses = attemptsMs.slice(1).map((ms, index) => ms - (attemptsMs[index] ?? 0));
    expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 60, 60].map((seconds) => seconds * 1000));
    expect(logged).toEqual(['EMS_SESSION_FAILED {"host":"\\\\LAB","reason":"connection refused"}']);
    expect(service.status()[0]).toMatchObject({ lastFailure: 'connection refused' });
  });

  it('after a connection that hangs is given up, and one that comes too late is dropped', async () => {
    network.answer = () => 'hang';
    service.start();
    await clock.advance(RESPONSE_TIMEOUT_MS);
    expect(logged[0]).toContain('no connection within 5 s');
    network.late();
    await settle();
    expect(network.connections[0]?.destroyed).toBe(true);
  });

  it('after an answer of the log-on stays out is given up, babble or not', async () => {
    network.answer = (stream) => {
      stream.onWrite = () => {};
      stream.deliver(encodeAscii('TACL 1> '));
      return 'accept';
    };
    service.start();
    await settle();
    for (let second = 0; second < 4; second += 1) {
      await clock.advance(1000);
      network.connections[0]?.deliver(encodeAscii('please wait\r\n'));
    }
    expect(logged).toEqual([]);
    await clock.advance(1000);
    expect(logged[0]).toContain('no answer at log-on within 5 s');
    expect(network.connections[0]?.destroyed).toBe(true);
  });

  it('is not given up where every answer takes its time, but comes', async () => {
    const answers = ['TACL 1> ', 'Password: ', 'TACL 2> '];
    network.answer = () => 'accept';
    service.start();
    for (const answer of answers) {
      await clock.advance(RESPONSE_TIMEOUT_MS - 1);
      network.connections[0]?.deliver(encodeAscii(answer));
    }
    await clock.advance(QUIET_MS);
    expect(network.attemptCount).toBe(1);
    expect(service.status()[0]?.state).toBe('established');
  });

  it('for a wrong password says so, and not which', async () => {
    await service.stop();
    service = newService({ password: 'geheim-not' });
    service.start();
    await settle();
    expect(logged[0]).toContain('Invalid user name or password');
  });

  it('is paused for longer and longer where it never holds, from the start where it held', async () => {
    await establish();
    const lose = async (afterMs: number): Promise<void> => {
      await clock.advance(afterMs);
      network.connections.at(-1)?.deliver(lost('reset'));
      await settle();
    };
    await lose(0);
    await clock.advance(RECONNECT_FIRST_MS + QUIET_MS);
    expect(network.attemptCount).toBe(2);
    await lose(0);
    await clock.advance(2 * RECONNECT_FIRST_MS - 1);
    expect(network.attemptCount).toBe(2);
    await clock.advance(1 + QUIET_MS);
    expect(network.attemptCount).toBe(3);
    await lose(STABLE_SESSION_MS);
    await clock.advance(RECONNECT_FIRST_MS);
    expect(network.attemptCount).toBe(4);
  });
});
