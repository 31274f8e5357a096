import { beforeEach, describe, expect, it } from 'vitest';
import { encodeAscii } from '../../../src/base/bytes.ts';
import { type HostEffect, TaclHostSession } from '../../../src/ems/tacl-host.ts';
import { OUTPUT_LINES_MAX } from '../../../src/ems/tacl-command.ts';
import type { ServerContext } from '../../../src/server/context.ts';
import { HostQuestion, runHostCommand } from '../../../src/server/host-commands.ts';
import { FakeClock, FakeNetwork, type FakeStream, settle } from './ems-fakes.ts';

const HOST = {
  host: '\\LAB',
  endpoint: { address: '10.0.0.1', port: 23 },
  user: 'SUPER.TAPE',
  password: 'geheim',
};

let clock: FakeClock;
let network: FakeNetwork;
/** What the host prints for each command; it is silent where this gives nothing. */
let answer: (line: string) => readonly string[] | undefined;

beforeEach(() => {
  clock = new FakeClock();
  network = new FakeNetwork();
  answer = () => [];
  network.answer = (stream) => {
    serve(stream);
    return 'accept';
  };
});

function serve(stream: FakeStream): void {
  const host = new TaclHostSession({ node: '\\LAB', user: HOST.user, password: HOST.password });
  const apply = (effects: readonly HostEffect[]): void => {
    for (const effect of effects) {
      if (effect.kind === 'send') stream.deliver(effect.bytes);
      if (effect.kind === 'ended') stream.deliver(undefined);
      const lines = effect.kind === 'command' ? answer(effect.line) : undefined;
      if (lines !== undefined) apply(host.endCommand(lines));
    }
  };
  stream.onWrite = (bytes) => apply(host.receive(bytes));
  apply(host.start());
}

const run = (parameters = {}): Promise<readonly string[] | Error> =>
  runHostCommand({ clock, network }, { ...HOST, parameters }, 'SCF RESET TAPE $TAPE0').catch(
    (error: unknown) => error as Error,
  );

describe('A command on a host', () => {
  it('gives what it printed, and closes the connection', async () => {
    const asked: string[] = [];
    answer = (line) => {
      asked.push(line);
      return ['done'];
    };
    expect(await run()).toEqual(['done']);
    expect(asked).toEqual(['SCF RESET TAPE $TAPE0']);
    expect(network.connections.map(({ destroyed }) => destroyed)).toEqual([true]);
    expect(clock.timerCount).toBe(0);
  });

  it('fails with what the host said', async () => {
    answer = () => ['*ERROR* $TAPE0: device in use'];
    expect(String(await run())).toContain('it said "*ERROR* $TAPE0: device in use"');
  });

  it('fails where nobody answers, at log-on or later, within its times', async () => {
    network.answer = () => 'refuse';
    expect(String(await run())).toContain('connection refused');
    network.answer = () => 'accept';
    const silent = run({ responseTimeoutMs: 2_000 });
    await clock.advance(2_000);
    expect(String(await silent)).toContain('no answer at log-on within 2 s');
    network.answer = (stream) => {
      serve(stream);
      return 'accept';
    };
    answer = () => undefined;
    const slow = run({ notifyWaitTimeoutMs: 7_000 });
    await clock.advance(6_999);
    expect(clock.timerCount).toBe(1);
    await clock.advance(1);
    expect(String(await slow)).toContain('the command did not end within 7 s');
  });

  it('is done although the host does not close the connection', async () => {
    network.answer = () => 'accept';
    const done = run({ notifyLogoutTimeoutMs: 3_000 });
    await settle();
    const [stream] = network.connections;
    for (const text of ['TACL 1> ', 'Password: ', '\r\nTACL 2> ', 'ok\r\nTACL 3> ']) {
      stream?.deliver(encodeAscii(text));
      await settle();
    }
    expect(stream?.destroyed).toBe(false);
    await clock.advance(3_000);
    expect(await done).toEqual(['ok']);
    expect(stream?.destroyed).toBe(true);
  });
});

describe('A question to hosts', () => {
  let logged: string[];
  let question: HostQuestion<number>;

  beforeEach(() => {
    logged = [];
    const context = {
      ports: { clock, network },
      settings: { hosts: [HOST] },
      eventLog: {
        report: (event: string, { reason }: { readonly reason: string }) =>
          void logged.push(`${event} ${reason}`),
      },
    } as unknown as ServerContext;
    question = new HostQuestion(context, {
      command: 'HOW MANY',
      parse: ([first]) => (first === undefined || first === '?' ? undefined : Number(first)),
      event: 'EMS_DRIVES_FAILED',
    });
  });

  it('tells of the same failure once, and again behind an answer', async () => {
    const answers: number[] = [];
    for (const line of ['?', '?', '7', '?']) {
      answer = () => [line];
      answers.push((await question.ask('\\LAB')) ?? -1);
    }
    expect(answers).toEqual([-1, -1, 7, -1]);
    const told = 'EMS_DRIVES_FAILED its answer begins with "?"';
    expect(logged).toEqual([told, told]);
  });

  it('takes no answer that may be cut', async () => {
    answer = () => Array.from({ length: OUTPUT_LINES_MAX + 1 }, () => '7');
    expect(await question.ask('\\LAB')).toBeUndefined();
    expect(logged).toEqual(['EMS_DRIVES_FAILED its answer has 1000 lines or more']);
  });

  it('has no answer of a host that the settings do not name, and tells of nothing once stopped', async () => {
    expect(await question.ask('\\GONE')).toBeUndefined();
    network.answer = () => 'refuse';
    const asked = question.ask('\\LAB');
    question.stop();
    expect(await asked).toBeUndefined();
    expect(logged).toEqual([]);
  });
});
