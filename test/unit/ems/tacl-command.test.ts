import { describe, expect, it } from 'vitest';
import { decodeAscii, encodeAscii } from '../../../src/base/bytes.ts';
import {
  type CommandEffect,
  OUTPUT_LINES_MAX,
  TaclCommandSession,
} from '../../../src/ems/tacl-command.ts';

const OPTIONS = { user: 'SUPER.TAPE', password: 'geheim', command: 'SCF RESET TAPE $TAPE0' };

const receive = (session: TaclCommandSession, text: string): CommandEffect[] =>
  session.receive(encodeAscii(text));

const sent = (effects: readonly CommandEffect[]): string =>
  effects.map((e) => (e.kind === 'send' ? decodeAscii(e.bytes) : `<${e.kind}>`)).join('');

function started(): TaclCommandSession {
  const session = new TaclCommandSession(OPTIONS);
  expect(sent(receive(session, 'HELLO\r\nTACL 1> '))).toBe('LOGON SUPER.TAPE\r\n');
  expect(sent(receive(session, 'Password: '))).toBe('geheim\r\n');
  expect(sent(receive(session, '\r\nWelcome.\r\nTACL 2> '))).toBe(
    'SCF RESET TAPE $TAPE0\r\n<started>',
  );
  return session;
}

describe('A TACL session for one command', () => {
  it('logs on, runs it, gives what it printed, and logs off', () => {
    const session = started();
    expect(receive(session, 'one\r\n  two\r\n')).toEqual([]);
    const effects = receive(session, 'TACL 3> ');
    expect(sent(effects)).toBe('LOGOFF\r\n<done>');
    expect(effects.at(-1)).toEqual({ kind: 'done', output: ['one', '  two'], refusal: undefined });
    expect(receive(session, 'TACL 4> ')).toEqual([]);
  });

  it("tells a refusal in the host's own words", () => {
    const session = started();
    const effects = receive(session, '*ERROR* geheim is not allowed\r\nTACL 3> ');
    expect(effects.at(-1)).toMatchObject({
      kind: 'done',
      refusal: 'it said "*ERROR* *** is not allowed"',
    });
  });

  it('fails where the log-on does', () => {
    const session = new TaclCommandSession(OPTIONS);
    receive(session, 'TACL 1> ');
    receive(session, 'Password: ');
    expect(receive(session, '\r\n*ERROR* Invalid user name\r\nTACL 2> ')).toEqual([
      { kind: 'failed', reason: 'it said "*ERROR* Invalid user name"' },
    ]);
  });

  it('keeps no more of an endless output than its limit', () => {
    const session = started();
    receive(session, 'x\r\n'.repeat(2 * OUTPUT_LINES_MAX));
    const done = receive(session, 'TACL 3> ').at(-1);
    expect(done?.kind === 'done' ? done.output : []).toHaveLength(OUTPUT_LINES_MAX);
  });

  it('refuses a command that would be two', () => {
    const command = 'STATUS\r\nPURGE';
    expect(() => new TaclCommandSession({ ...OPTIONS, command })).toThrow(/is refused/);
  });
});
