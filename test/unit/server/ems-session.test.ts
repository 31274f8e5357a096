import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeAscii } from '../../../src/base/bytes.ts';
import { DEFAULT_EMS_HOST_PARAMETERS } from '../../../src/ems/parameters.ts';
import {
  KEEP_ALIVE_ANSWER_MS,
  OUTGOING_BYTES_MAX,
  QUIET_MS,
} from '../../../src/server/ems-connection.ts';
import { RECONNECT_FIRST_MS, STABLE_SESSION_MS } from '../../../src/server/ems-keeper.ts';
import { EmsBench, REQUEST } from './ems-bench.ts';
import { lost, settle } from './ems-fakes.ts';

const { keepAliveMs: KEEP_ALIVE_MS, responseTimeoutMs: RESPONSE_TIMEOUT_MS } =
  DEFAULT_EMS_HOST_PARAMETERS;

let bench: EmsBench;

beforeEach(() => {
  bench = new EmsBench();
});
afterEach(() => bench.end());

describe('A lost session', () => {
  it('is built anew, and what was said in between is heard, each thing once', async () => {
    await bench.establish();
    bench.hostSays(REQUEST, 0);
    bench.hostSays({ ...REQUEST, requestNumber: 8 }, 1);
    bench.hostSays({ ...REQUEST, requestNumber: 9 }, 1);
    await bench.clock.advance(QUIET_MS);
    bench.network.connections[0]?.deliver(lost('connection reset'));
    await settle();
    bench.hostSays({ ...REQUEST, requestNumber: 10 }, 1);
    bench.hostSays({ ...REQUEST, requestNumber: 11 }, 2);
    await bench.clock.advance(RECONNECT_FIRST_MS + QUIET_MS);
    expect(bench.requests()).toEqual([7, 8, 9, 10, 11]);
    expect(bench.logged).toEqual([
      'EMS_SESSION_ESTABLISHED {"host":"\\\\LAB"}',
      'EMS_SESSION_LOST {"host":"\\\\LAB","reason":"connection reset"}',
      'EMS_SESSION_ESTABLISHED {"host":"\\\\LAB"}',
    ]);
  });

  it('gives nothing twice that was bench.logged earlier than the last event but generated later', async () => {
    await bench.establish();
    bench.hostSays(REQUEST, 5);
    bench.hostSays({ ...REQUEST, requestNumber: 8 }, 4);
    await bench.clock.advance(QUIET_MS);
    bench.network.connections[0]?.deliver(lost('connection reset'));
    await bench.clock.advance(RECONNECT_FIRST_MS + QUIET_MS);
    bench.hostSays({ ...REQUEST, requestNumber: 9 }, 5);
    await bench.clock.advance(QUIET_MS);
    expect(bench.requests()).toEqual([7, 8, 9]);
  });

  it('gives the twin of an event that was seen, even of the same second', async () => {
    await bench.establish();
    bench.hostSays(REQUEST, 1);
    await bench.clock.advance(QUIET_MS);
    bench.network.connections[0]?.deliver(lost('connection reset'));
    await settle();
    bench.hostSays(REQUEST, 1);
    await bench.clock.advance(RECONNECT_FIRST_MS + QUIET_MS);
    expect(bench.requests()).toEqual([7, 7]);
  });

  it('loses no event that was not known to be whole when it came', async () => {
    await bench.establish();
    bench.hostSays(REQUEST, 0);
    await bench.clock.advance(QUIET_MS);
    bench.hostSays({ ...REQUEST, requestNumber: 8 }, 1);
    await settle();
    bench.network.connections[0]?.deliver(undefined);
    await bench.clock.advance(RECONNECT_FIRST_MS + QUIET_MS);
    expect(bench.requests()).toEqual([7, 8]);
    expect(bench.logged[1]).toContain('the host ended it');
  });

  it('is noticed where the distributor ends', async () => {
    await bench.establish();
    for (const effect of bench.hosts[0]?.stopDistributor() ?? []) {
      if (effect.kind === 'send') bench.network.connections[0]?.deliver(effect.bytes);
    }
    await settle();
    expect(bench.logged[1]).toContain('its distributor ended');
    await bench.clock.advance(RECONNECT_FIRST_MS + QUIET_MS);
    expect(bench.service.status()[0]?.state).toBe('established');
  });

  it('is noticed where the host is silent and gives no sign of life when asked', async () => {
    await bench.establish();
    const [stream] = bench.network.connections;
    if (stream !== undefined) stream.onWrite = () => {};
    await bench.clock.advance(KEEP_ALIVE_MS - 1);
    const before = stream?.written.length ?? 0;
    await bench.clock.advance(1);
    expect(stream?.written.slice(before)).toEqual([Uint8Array.of(255, 253, 6)]);
    await bench.clock.advance(KEEP_ALIVE_ANSWER_MS);
    expect(bench.logged[1]).toContain('no sign of life within 30 s');
  });

  it('is none where the host has nothing to say but answers when asked', async () => {
    await bench.establish();
    await bench.clock.advance(100 * (KEEP_ALIVE_MS + KEEP_ALIVE_ANSWER_MS));
    expect(bench.network.attemptCount).toBe(1);
    expect(bench.logged).toHaveLength(1);
  });

  it('is one where the host does not read what it provokes', async () => {
    await bench.establish();
    const [stream] = bench.network.connections;
    if (stream !== undefined) stream.stuck = true;
    const provocation = Uint8Array.from(
      { length: OUTGOING_BYTES_MAX + 3 },
      (_, i) => [255, 253, 1][i % 3] ?? 0,
    );
    stream?.deliver(provocation);
    await settle();
    expect(bench.logged[1]).toContain('the host does not read');
    expect(stream?.destroyed).toBe(true);
  });
});

describe('A long session', () => {
  it('is not ended by all that a host provokes and reads', async () => {
    await bench.establish();
    const some = Uint8Array.from({ length: 3000 }, (_, i) => [255, 253, 1][i % 3] ?? 0);
    for (let sent = 0; sent <= 2 * OUTGOING_BYTES_MAX; sent += some.length) {
      bench.network.connections[0]?.deliver(some);
      await settle();
    }
    expect(bench.service.status()[0]?.state).toBe('established');
  });
});

describe('A session that does not come about', () => {
  it('is tried again after pauses that double up to their limit, and bench.logged once', async () => {
    const attemptsMs: number[] = [];
    bench.network.answer = () => {
      attemptsMs.push(bench.clock.monotonicMs());
      return 'refuse';
    };
    bench.service.start();
    await bench.clock.advance(183_000);
    const pauses = attemptsMs.slice(1).map((ms, index) => ms - (attemptsMs[index] ?? 0));
    expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 60, 60].map((seconds) => seconds * 1000));
    expect(bench.logged).toEqual([
      'EMS_SESSION_FAILED {"host":"\\\\LAB","reason":"connection refused"}',
    ]);
    expect(bench.service.status()[0]).toMatchObject({ lastFailure: 'connection refused' });
  });

  it('after a connection that hangs is given up, and one that comes too late is dropped', async () => {
    bench.network.answer = () => 'hang';
    bench.service.start();
    await bench.clock.advance(RESPONSE_TIMEOUT_MS);
    expect(bench.logged[0]).toContain('no connection within 5 s');
    bench.network.late();
    await settle();
    expect(bench.network.connections[0]?.destroyed).toBe(true);
  });

  it('after an answer of the log-on stays out is given up, babble or not', async () => {
    bench.network.answer = (stream) => {
      stream.onWrite = () => {};
      stream.deliver(encodeAscii('TACL 1> '));
      return 'accept';
    };
    bench.service.start();
    await settle();
    for (let second = 0; second < 4; second += 1) {
      await bench.clock.advance(1000);
      bench.network.connections[0]?.deliver(encodeAscii('please wait\r\n'));
    }
    expect(bench.logged).toEqual([]);
    await bench.clock.advance(1000);
    expect(bench.logged[0]).toContain('no answer at log-on within 5 s');
    expect(bench.network.connections[0]?.destroyed).toBe(true);
  });

  it('is not given up where every answer takes its time, but comes', async () => {
    const answers = ['TACL 1> ', 'Password: ', 'TACL 2> '];
    bench.network.answer = () => 'accept';
    bench.service.start();
    for (const answer of answers) {
      await bench.clock.advance(RESPONSE_TIMEOUT_MS - 1);
      bench.network.connections[0]?.deliver(encodeAscii(answer));
    }
    await bench.clock.advance(QUIET_MS);
    expect(bench.network.attemptCount).toBe(1);
    expect(bench.service.status()[0]?.state).toBe('established');
  });

  it('for a wrong password says so, and not which', async () => {
    await bench.service.stop();
    bench.service = bench.newService({ password: 'geheim-not' });
    bench.service.start();
    await settle();
    expect(bench.logged[0]).toContain('Invalid user name or password');
  });

  it('is paused for longer and longer where it never holds, from the start where it held', async () => {
    await bench.establish();
    const lose = async (afterMs: number): Promise<void> => {
      await bench.clock.advance(afterMs);
      bench.network.connections.at(-1)?.deliver(lost('reset'));
      await settle();
    };
    await lose(0);
    await bench.clock.advance(RECONNECT_FIRST_MS + QUIET_MS);
    expect(bench.network.attemptCount).toBe(2);
    await lose(0);
    await bench.clock.advance(2 * RECONNECT_FIRST_MS - 1);
    expect(bench.network.attemptCount).toBe(2);
    await bench.clock.advance(1 + QUIET_MS);
    expect(bench.network.attemptCount).toBe(3);
    await lose(STABLE_SESSION_MS);
    await bench.clock.advance(RECONNECT_FIRST_MS);
    expect(bench.network.attemptCount).toBe(4);
  });
});
