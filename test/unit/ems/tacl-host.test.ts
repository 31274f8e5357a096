import { describe, expect, it } from 'vitest';
import { decodeAscii, encodeAscii } from '../../../src/base/bytes.ts';
import {
  type HostEffect,
  LOGON_FAILURES_MAX,
  TaclHostSession,
} from '../../../src/ems/tacl-host.ts';
import { TaclSession } from '../../../src/ems/tacl-session.ts';

const OPTIONS = { node: '\\LAB', user: 'SUPER.TAPE', password: 'geheim' };

function printed(effects: readonly HostEffect[]): string {
  return effects.map((e) => (e.kind === 'send' ? decodeAscii(e.bytes) : `<${e.kind}>`)).join('');
}

function type(host: TaclHostSession, line: string): string {
  return printed(host.receive(encodeAscii(`${line}\r\n`)));
}

/** Lets server and host talk until both are silent; what the host had to say besides bytes. */
function talk(server: TaclSession, host: TaclHostSession): HostEffect[] {
  const told: HostEffect[] = [];
  let toServer = host.start();
  while (toServer.length > 0) {
    const answers = toServer.flatMap((e) => (e.kind === 'send' ? server.receive(e.bytes) : []));
    toServer = answers.flatMap((e) => (e.kind === 'send' ? host.receive(e.bytes) : []));
    told.push(...toServer.filter(({ kind }) => kind !== 'send'));
  }
  return told;
}

describe("A host's TACL", () => {
  it.each([false, true])(
    'brings a tape server to a distributor (service asked for: %s)',
    (asks) => {
      const server = new TaclSession({
        ...OPTIONS,
        collector: '$ZC1',
        filter: '$A.B.C',
        sinceLocalTimeMs: 1_000,
      });
      const host = new TaclHostSession({ ...OPTIONS, asksForService: asks });
      expect(talk(server, host)).toEqual([
        {
          kind: 'distributor-started',
          collector: '$ZC1',
          filter: '$A.B.C',
          sinceLocalTimeMs: 1_000,
        },
      ]);
      expect(server.idle()).toEqual([{ kind: 'ready' }]);
    },
  );

  it('does not echo, least of all a password', () => {
    const host = new TaclHostSession(OPTIONS);
    host.start();
    expect(type(host, 'LOGON SUPER.TAPE')).toBe('Password: ');
    expect(type(host, 'geheim')).not.toContain('geheim');
  });

  it('refuses a wrong password, three times, and then hangs up', () => {
    const host = new TaclHostSession(OPTIONS);
    host.start();
    for (let failure = 1; failure <= LOGON_FAILURES_MAX; failure += 1) {
      type(host, 'LOGON SUPER.TAPE');
      const answer = type(host, 'wrong');
      expect(answer).toContain('*ERROR* Invalid user name or password');
      expect(answer.endsWith('<ended>')).toBe(failure === LOGON_FAILURES_MAX);
    }
    expect(type(host, 'LOGON SUPER.TAPE')).toBe('');
  });

  it('starts nothing for who is not logged on', () => {
    const host = new TaclHostSession(OPTIONS);
    host.start();
    expect(type(host, 'EMSDIST TYPE PRINTING, COLLECTOR $0')).toMatch(/\*ERROR\*.*\r\nTACL 2> $/);
    type(host, 'LOGON super.tape');
    type(host, 'geheim');
    expect(type(host, 'EMSDIST TYPE P, COLLECTOR $0')).toBe('<distributor-started>');
  });

  it('gives a program its line, is silent while it runs, and prompts behind what it printed', () => {
    const host = new TaclHostSession(OPTIONS);
    host.start();
    type(host, 'LOGON super.tape');
    type(host, 'geheim');
    expect(host.receive(encodeAscii('MEDIACOM STATUS TAPEMOUNT\r\n'))).toEqual([
      { kind: 'command', line: 'MEDIACOM STATUS TAPEMOUNT' },
    ]);
    expect(type(host, 'FUP COPY A,$0')).toBe('');
    expect(printed(host.endCommand(['one', 'two']))).toBe('one\r\ntwo\r\nTACL 3> ');
    expect(host.endCommand(['late'])).toEqual([]);
    type(host, 'EMSDIST TYPE P, COLLECTOR $0, FILTER $A.B.C');
    expect(printed(host.endCommand(['*ERROR* filter not found']))).toMatch(
      /not found\r\nTACL 4> $/,
    );
  });

  it('prints events only while its distributor runs, and prompts when that was stopped', () => {
    const host = new TaclHostSession(OPTIONS);
    const server = new TaclSession({ ...OPTIONS, collector: '$0' });
    expect(host.emit('line\r\n')).toEqual([]);
    expect(host.stopDistributor()).toEqual([]);
    talk(server, host);
    expect(printed(host.emit('line\r\n'))).toBe('line\r\n');
    expect(type(host, 'LOGOFF')).toBe('');
    expect(printed(host.stopDistributor())).toMatch(/^TACL \d+> $/);
    expect(host.emit('line\r\n')).toEqual([]);
    expect(type(host, 'LOGOFF')).toBe('<ended>');
  });

  it("answers a tape server's question for a sign of life", () => {
    const host = new TaclHostSession(OPTIONS);
    expect(host.receive(Uint8Array.of(255, 253, 6))).toEqual([
      { kind: 'send', bytes: Uint8Array.of(255, 252, 6) },
    ]);
  });
});
