import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeAscii } from '../../../src/base/bytes.ts';
import { formatDistributorLines } from '../../../src/ems/printing-distributor.ts';
import { formatZsvrEvent } from '../../../src/ems/zsvr-events.ts';
import { QUIET_MS } from '../../../src/server/ems-connection.ts';
import {
  CATCH_UP_MS_MAX,
  RECONNECT_FIRST_MS,
  RECONNECT_MAX_MS,
} from '../../../src/server/ems-keeper.ts';
import { EmsBench, REQUEST, START_MS } from './ems-bench.ts';
import { lost, settle } from './ems-fakes.ts';

let bench: EmsBench;

beforeEach(() => {
  bench = new EmsBench();
});
afterEach(() => bench.end());

describe('The EMS service', () => {
  it('logs on, and passes on a tape event once nothing came behind it for the quiet time', async () => {
    await bench.establish();
    expect(bench.logged).toEqual(['EMS_SESSION_ESTABLISHED {"host":"\\\\LAB"}']);
    bench.hostSays(REQUEST);
    await bench.clock.advance(QUIET_MS - 1);
    expect(bench.events).toEqual([]);
    await bench.clock.advance(1);
    expect(bench.events).toEqual([['\\LAB', REQUEST]]);
  });

  it("passes on at once what the next event's header shows to be whole", async () => {
    await bench.establish();
    bench.hostSays(REQUEST);
    bench.hostSays({ ...REQUEST, requestNumber: 8 });
    await settle();
    expect(bench.requests()).toEqual([7]);
  });

  it('waits for the rest of a text that stalls in the middle', async () => {
    await bench.establish();
    const bytes = encodeAscii(
      formatDistributorLines({
        localTimeMs: START_MS,
        node: '\\LAB',
        process: '$ZSVR',
        subsystem: 'TANDEM.ZSVR.H06',
        ...formatZsvrEvent(REQUEST),
      }),
    );
    const stream = bench.network.connections[0];
    const header = bytes.indexOf(0x0a) + 1;
    stream?.deliver(bytes.subarray(0, header));
    await bench.clock.advance(10 * QUIET_MS);
    expect(bench.events).toEqual([]);
    stream?.deliver(bytes.subarray(header));
    await bench.clock.advance(QUIET_MS);
    expect(bench.events).toEqual([['\\LAB', REQUEST]]);
  });

  it('leaves alone what another process or another node says, but shows the line', async () => {
    await bench.establish();
    bench.hostSays(REQUEST, 0, { process: '$FTI1' });
    bench.hostSays(REQUEST, 0, { node: '\\DR' });
    bench.hostSays(REQUEST, 0, { eventNumber: 999 });
    await bench.clock.advance(QUIET_MS);
    expect(bench.events).toEqual([]);
    expect(bench.lines.length).toBeGreaterThanOrEqual(2);
  });

  it('survives rubbish', async () => {
    await bench.establish();
    bench.network.connections[0]?.deliver(encodeAscii('x'.repeat(100_000)));
    bench.network.connections[0]?.deliver(Uint8Array.of(0, 200, 255, 255, 255, 249, 13, 10));
    bench.hostSays(REQUEST);
    await bench.clock.advance(QUIET_MS);
    expect(bench.requests()).toEqual([7]);
    expect(bench.service.status()[0]?.state).toBe('established');
  });

  it('stops without a word or an event afterwards', async () => {
    await bench.establish();
    bench.hostSays(REQUEST);
    await bench.service.stop();
    await bench.clock.advance(RECONNECT_MAX_MS);
    expect(bench.events).toEqual([]);
    expect(bench.logged).toHaveLength(1);
    expect(bench.network.connections.every(({ destroyed }) => destroyed)).toBe(true);
    expect(bench.service.status()[0]?.state).toBe('stopped');
  });

  it.each(['refuse', 'hang'] as const)(
    'stops while a connection is not there: %s',
    async (answer) => {
      bench.network.answer = () => answer;
      bench.service.start();
      await settle();
      await bench.service.stop();
      expect(bench.network.attemptCount).toBe(1);
    },
  );

  it('refuses a host whose credentials cannot be sent', () => {
    expect(() => bench.newService({ user: 'A\r\nB' })).toThrow(/is refused/);
  });
});

describe('A new service', () => {
  /** The server goes, and comes back later. */
  const startAgain = async (): Promise<void> => {
    bench.service = bench.newService();
    bench.service.start();
    await bench.clock.advance(2 * QUIET_MS);
  };

  it('hears what was said while no server ran, and nothing that was dealt with', async () => {
    await bench.establish();
    bench.hostSays(REQUEST, 0);
    bench.hostSays({ ...REQUEST, requestNumber: 8 }, 0);
    await bench.clock.advance(QUIET_MS);
    await bench.service.stop();
    bench.hostSays({ ...REQUEST, requestNumber: 9 }, 0);
    bench.hostSays({ ...REQUEST, requestNumber: 10 }, 3);
    await startAgain();
    expect(bench.requests()).toEqual([7, 8, 9, 10]);
  });

  it('does not answer a request that ended while no server ran, but is told of its end', async () => {
    await bench.establish();
    bench.hostSays(REQUEST, 0);
    await bench.clock.advance(QUIET_MS);
    await bench.service.stop();
    bench.events = [];
    bench.hostSays({ ...REQUEST, requestNumber: 8 }, 1);
    bench.hostSays({ ...REQUEST, requestNumber: 9 }, 1);
    bench.hostSays({ kind: 'request-cancelled', requestNumber: 8, volume: 'LAB001' }, 2);
    bench.hostSays({ kind: 'mounted', requestNumber: 7, volume: 'LAB001' }, 2);
    // The number comes round again: another request.
    bench.hostSays({ ...REQUEST, requestNumber: 8, volume: 'LAB002' }, 3);
    await startAgain();
    expect(bench.events.map(([, event]) => event)).toEqual([
      { ...REQUEST, requestNumber: 9 },
      { kind: 'request-cancelled', requestNumber: 8, volume: 'LAB001' },
      { kind: 'mounted', requestNumber: 7, volume: 'LAB001' },
      { ...REQUEST, requestNumber: 8, volume: 'LAB002' },
    ]);
  });

  it('takes no line that stops behind the log-on for a host that has nothing to say', async () => {
    await bench.establish();
    bench.hostSays(REQUEST, 0);
    await bench.clock.advance(QUIET_MS);
    await bench.service.stop();
    bench.events = [];
    bench.hostSays({ ...REQUEST, requestNumber: 8 }, 1);
    bench.hostSays({ kind: 'request-cancelled', requestNumber: 8, volume: 'LAB001' }, 2);
    const { answer } = bench.network;
    let stopped: Uint8Array[] | undefined;
    let goOn = (): void => {};
    bench.network.answer = (stream, endpoint) => {
      const answered = answer(stream, endpoint);
      const { onWrite } = stream;
      stream.onWrite = (bytes) => {
        // The line stops in front of what ends the log-on.
        if (String.fromCharCode(...bytes).includes('EMSDIST')) stopped = [];
        if (stopped === undefined) onWrite(bytes);
        else stopped.push(bytes);
      };
      goOn = () => stopped?.forEach(onWrite);
      return answered;
    };
    await startAgain();
    await bench.clock.advance(2 * CATCH_UP_MS_MAX);
    expect(bench.events).toEqual([]);
    goOn();
    await bench.clock.advance(QUIET_MS);
    expect(bench.events.map(([, event]) => event.kind)).toEqual(['request-cancelled']);
  });

  it('hears again what was not yet dealt with when the last one was killed', async () => {
    await bench.establish();
    bench.hostSays(REQUEST, 0);
    await bench.clock.advance(QUIET_MS);
    const kept = new Map(bench.positions);
    bench.hostSays({ ...REQUEST, requestNumber: 8 }, 1);
    await bench.clock.advance(QUIET_MS);
    await bench.service.stop();
    bench.positions = kept;
    await startAgain();
    expect(bench.requests()).toEqual([7, 8, 8]);
  });

  it('of a host that never falls quiet hears what was replayed all the same', async () => {
    await bench.establish();
    bench.hostSays(REQUEST, 0);
    await bench.clock.advance(QUIET_MS);
    await bench.service.stop();
    bench.hostSays({ ...REQUEST, requestNumber: 8 }, 1);
    await startAgain();
    expect(bench.requests()).toEqual([7, 8]);
    bench.network.connections.at(-1)?.deliver(lost('reset'));
    await settle();
    bench.hostSays({ ...REQUEST, requestNumber: 9 }, 2);
    await bench.clock.advance(RECONNECT_FIRST_MS);
    for (let elapsed = 0; elapsed < CATCH_UP_MS_MAX; elapsed += QUIET_MS / 2) {
      expect(bench.requests()).toEqual([7, 8]);
      bench.hostSays(REQUEST, 3, { process: '$NOISE' });
      await bench.clock.advance(QUIET_MS / 2);
    }
    await bench.clock.advance(QUIET_MS / 2);
    expect(bench.requests()).toEqual([7, 8, 9]);
  });

  it('ends once what it was told has been noted', async () => {
    await bench.establish();
    let release = (): void => {};
    bench.positionGate = new Promise((resolve) => {
      release = resolve;
    });
    bench.hostSays(REQUEST, 0);
    await bench.clock.advance(QUIET_MS);
    let stopped = false;
    const stopping = bench.service.stop().then(() => {
      stopped = true;
    });
    await settle();
    expect(stopped).toBe(false);
    release();
    await stopping;
    expect(bench.positions.get('\\LAB')).toMatchObject({ localTimeMs: START_MS });
  });
});

describe('A restart by the operator', () => {
  it('ends the session, builds it anew at once, and loses nothing', async () => {
    await bench.establish();
    bench.hostSays(REQUEST, 0);
    await bench.clock.advance(QUIET_MS);
    expect(bench.service.restart('\\LAB')).toEqual(['\\LAB']);
    bench.hostSays({ ...REQUEST, requestNumber: 8 }, 1);
    await bench.clock.advance(2 * QUIET_MS);
    expect(bench.service.status()[0]).toMatchObject({ state: 'established', sessionCount: 2 });
    expect(bench.requests()).toEqual([7, 8]);
    expect(bench.logged.filter((line) => line.startsWith('EMS_SESSION_LOST'))).toEqual([]);
  });

  it('does not wait for the end of a pause', async () => {
    bench.network.answer = () => 'refuse';
    bench.service.start();
    await bench.clock.advance(20_000);
    const { attemptCount } = bench.network;
    bench.service.restart();
    await settle();
    expect(bench.network.attemptCount).toBe(attemptCount + 1);
  });

  it('of an unknown host is refused', () => {
    expect(() => bench.service.restart('\\NONE')).toThrow(/No host is named/);
  });
});

describe('A host that is not to be listened to', () => {
  it('is left alone', async () => {
    bench.service = bench.newService({ parameters: { enabled: false } });
    bench.service.start();
    bench.service.restart();
    await bench.clock.advance(1000);
    expect(bench.network.attemptCount).toBe(0);
    expect(bench.service.status()[0]?.state).toBe('disabled');
  });
});

describe('The times of a host', () => {
  it('are what its parameters say', async () => {
    bench.service = bench.newService({ parameters: { responseTimeoutMs: 2000, keepAliveMs: 0 } });
    const { answer } = bench.network;
    bench.network.answer = () => 'hang';
    bench.service.start();
    await bench.clock.advance(2000);
    expect(bench.logged[0]).toContain('no connection within 2 s');
    bench.network.answer = answer;
    await bench.clock.advance(RECONNECT_FIRST_MS + QUIET_MS);
    expect(bench.service.status()[0]?.state).toBe('established');
    const [stream] = bench.network.connections;
    const before = stream?.written.length;
    await bench.clock.advance(3_600_000);
    expect(stream?.written.length).toBe(before);
  });
});
