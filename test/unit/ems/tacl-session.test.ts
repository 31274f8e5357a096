import { describe, expect, it } from 'vitest';
import { decodeAscii, encodeAscii } from '../../../src/base/bytes.ts';
import {
  type DistributorEvent,
  formatDistributorLines,
} from '../../../src/ems/printing-distributor.ts';
import {
  type SessionEffect,
  TaclSession,
  type TaclSessionOptions,
} from '../../../src/ems/tacl-session.ts';

const OPTIONS: TaclSessionOptions = {
  user: 'SUPER.TAPE',
  password: 'geheim>1',
  collector: '$0',
};
const EVENT: DistributorEvent = {
  localTimeMs: Date.UTC(2006, 7, 28, 16, 25, 18),
  node: '\\LAB',
  process: '$ZSVR',
  subsystem: 'TANDEM.ZSVR.H06',
  eventNumber: 648,
  text: '$ZSVR: 0007 VOLUME LAB001 MOUNTED',
};
const LINES = formatDistributorLines(EVENT);
const GREETING = 'WELCOME TO \\LAB\r\nTACL 1> ';

/** What a session sends and says, as text, one string an effect. */
function show(effects: readonly SessionEffect[]): string[] {
  return effects.map((effect) => {
    switch (effect.kind) {
      case 'send':
        return `send ${[...effect.bytes].some((byte) => byte > 127) ? effect.bytes.join(' ') : JSON.stringify(decodeAscii(effect.bytes))}`;
      case 'event':
        return `event ${effect.event.text}`;
      case 'ready':
        return 'ready';
      case 'mark-passed':
        return 'mark passed';
      case 'failed':
        return `failed: ${effect.reason}`;
    }
  });
}

function receive(session: TaclSession, text: string): string[] {
  return show(session.receive(encodeAscii(text)));
}

/** A session that was brought as far as asking for the distributor. */
function started(options: Partial<TaclSessionOptions> = {}): TaclSession {
  const session = new TaclSession({ ...OPTIONS, ...options });
  receive(session, GREETING);
  receive(session, 'Password: ');
  receive(session, '\r\nGood day.\r\nTACL 2> ');
  expect(session.state).toBe('starting');
  return session;
}

describe('A TACL session', () => {
  it('logs on and starts a printing distributor', () => {
    const session = new TaclSession(OPTIONS);
    expect(receive(session, GREETING)).toEqual(['send "LOGON SUPER.TAPE\\r\\n"']);
    expect(receive(session, 'Password: ')).toEqual(['send "geheim>1\\r\\n"']);
    expect(session.state).toBe('log-on');
    expect(receive(session, '\r\nLast logon: today\r\nTACL 2> ')).toEqual([
      'send "EMSDIST TYPE PRINTING, COLLECTOR $0\\r\\n"',
    ]);
    expect(session.state).toBe('starting');
    expect(session.answerCount).toBe(3);
  });

  it('chooses TACL where the terminal asks for a service first', () => {
    const session = new TaclSession(OPTIONS);
    expect(receive(session, 'Available Services:\r\n\r\nTACL  EXIT\r\nEnter Choice> ')).toEqual([
      'send "TACL\\r\\n"',
    ]);
    expect(receive(session, '\\LAB TACL 1> ')).toEqual(['send "LOGON SUPER.TAPE\\r\\n"']);
  });

  it('asks for a filter and for the time since which it has seen nothing', () => {
    const session = new TaclSession({
      ...OPTIONS,
      filter: '$SYSTEM.CAPSTAN.TAPES',
      sinceLocalTimeMs: EVENT.localTimeMs,
    });
    receive(session, GREETING);
    receive(session, 'Password: ');
    expect(receive(session, '\r\nTACL 2> ')).toEqual([
      'send "EMSDIST TYPE PRINTING, COLLECTOR $0, FILTER $SYSTEM.CAPSTAN.TAPES, TIME 2006-08-28 16:25:18\\r\\n"',
    ]);
  });

  it('is ready when nothing comes back for a while, or with the first event', () => {
    const quiet = started();
    expect(show(quiet.idle())).toEqual(['ready']);
    expect(show(quiet.idle())).toEqual([]);
    const busy = started();
    expect(receive(busy, LINES + LINES)).toEqual(['ready', `event ${EVENT.text}`]);
  });

  it('is not ready by waiting before the log-on is through', () => {
    const session = new TaclSession(OPTIONS);
    expect(session.idle()).toEqual([]);
    receive(session, GREETING);
    expect(session.idle()).toEqual([]);
    expect(session.state).toBe('log-on');
  });

  it('gives the last event once nothing came for a while', () => {
    const session = started();
    expect(receive(session, LINES)).toEqual([]);
    expect(show(session.idle())).toEqual(['ready', `event ${EVENT.text}`]);
  });

  it('keeps a last event that is cut within a line, or within a text of $ZSVR', () => {
    const text = '$ZSVR: 0007 MOUNT LAB001 DENSITY 6250 ON $TAPE0 WITH RING';
    const lines = formatDistributorLines({ ...EVENT, eventNumber: 600, text });
    const header = lines.indexOf('\r\n') + 2;
    for (const cut of [header - 4, header, header + 20]) {
      const session = started();
      receive(session, lines.slice(0, cut));
      expect(show(session.idle())).toEqual(['ready']);
      receive(session, lines.slice(cut));
      expect(show(session.idle())).toEqual([`event ${text}`]);
    }
  });

  it('gives an unquoted VTSPolicy only once a timing mark behind it has come back', () => {
    const text = `VTSPolicy Erase - ${'/VAULT00/POOL/LAB001 '.repeat(4)}s=west`;
    const lines = formatDistributorLines({ ...EVENT, process: '$TACL', text });
    const cut = lines.indexOf('\r\n', 80) + 2;
    const asked = 'send 255 253 6';
    const session = started();
    expect(show(session.idle())).toEqual(['ready']);
    receive(session, lines.slice(0, cut));
    expect(show(session.idle())).toEqual([asked]);
    expect(show(session.idle())).toEqual([]);
    receive(session, lines.slice(cut));
    // The mark was passed before the rest came: it vouches for nothing.
    const passed = 'mark passed';
    expect(show(session.receive(Uint8Array.of(255, 251, 6)))).toEqual([passed]);
    expect(show(session.idle())).toEqual([asked]);
    expect(show(session.receive(Uint8Array.of(255, 252, 6)))).toEqual([`event ${text}`, passed]);
    const quoted = 'VTSPolicy NBU "/VAULT00/POOL"';
    receive(session, formatDistributorLines({ ...EVENT, process: '$TACL', text: quoted }));
    expect(show(session.idle())).toEqual([`event ${quoted}`]);
  });

  it('reads an event that begins right behind the prompt, as on a terminal without echo', () => {
    const session = started();
    receive(session, LINES);
    expect(show(session.idle())).toContain(`event ${EVENT.text}`);
  });

  it('is not misled by a host that echoes what it is sent', () => {
    const session = new TaclSession(OPTIONS);
    const sent = [
      ...receive(session, 'TACL 1>'),
      ...receive(session, ' LOGON SUPER.TAPE\r\nPassword:'),
      ...receive(session, ' geheim>1\r\nTACL 2> '),
      ...receive(session, 'EMSDIST TYPE PRINTING, COLLECTOR $0\r\n'),
      ...receive(session, LINES),
      ...show(session.idle()),
    ];
    expect(sent).toEqual([
      'send "LOGON SUPER.TAPE\\r\\n"',
      'send "geheim>1\\r\\n"',
      'send "EMSDIST TYPE PRINTING, COLLECTOR $0\\r\\n"',
      'ready',
      `event ${EVENT.text}`,
    ]);
  });

  it('refuses the options of a telnet and reads on', () => {
    const session = new TaclSession(OPTIONS);
    const bytes = Uint8Array.from([
      255,
      253,
      1,
      255,
      251,
      3,
      255,
      252,
      5,
      255,
      250,
      24,
      1,
      255,
      255,
      240,
      255,
      240,
      255,
      241,
      ...encodeAscii('TA'),
      255,
      254,
      1,
      ...encodeAscii('CL 1>'),
    ]);
    expect(show(session.receive(bytes))).toEqual([
      'send 255 252 1',
      'send 255 254 3',
      'send "LOGON SUPER.TAPE\\r\\n"',
    ]);
  });

  it('asks for a sign of life with a timing mark, and takes the answer for no offer', () => {
    const session = started();
    expect(show(session.probe())).toEqual(['send 255 253 6']);
    expect(session.receive(Uint8Array.of(255, 251, 6))).toEqual([{ kind: 'mark-passed' }]);
    // Nobody asked for this one.
    expect(session.receive(Uint8Array.of(255, 252, 6))).toEqual([]);
  });

  it('takes no answer to an earlier mark for that to a later one', () => {
    const session = started();
    session.probe();
    session.probe();
    expect(session.receive(Uint8Array.of(255, 251, 6))).toEqual([]);
    expect(session.receive(Uint8Array.of(255, 251, 6))).toEqual([{ kind: 'mark-passed' }]);
  });
});

describe('A TACL session fails', () => {
  it('when the log-on is refused, in the words of the host', () => {
    const session = new TaclSession(OPTIONS);
    receive(session, GREETING);
    receive(session, 'Password: ');
    expect(receive(session, '\r\n*ERROR* Invalid user name or password\r\nTACL 2> ')).toEqual([
      'failed: it said "*ERROR* Invalid user name or password"',
    ]);
    expect(session.state).toBe('failed');
    expect(receive(session, 'TACL 3> ')).toEqual([]);
    expect(session.idle()).toEqual([]);
    expect(session.probe()).toEqual([]);
  });

  it('without giving the password away, even where the host repeats it', () => {
    const session = new TaclSession(OPTIONS);
    receive(session, GREETING);
    receive(session, 'Password: ');
    const [failure] = receive(session, '\r\ninvalid password geheim>1\r\nTACL 2>');
    expect(failure).toBe('failed: it said "invalid password ***"');
  });

  it('when no password is asked for', () => {
    const session = new TaclSession(OPTIONS);
    receive(session, GREETING);
    expect(receive(session, 'TACL 2> ')).toEqual(['failed: it did not ask for a password']);
  });

  it('when a password is asked for out of turn', () => {
    expect(receive(new TaclSession(OPTIONS), 'Password: ')).toEqual([
      'failed: it asked for a password out of turn',
    ]);
  });

  it('when there is no TACL to choose', () => {
    const session = new TaclSession(OPTIONS);
    receive(session, 'Enter Choice> ');
    expect(receive(session, 'Invalid service\r\nEnter Choice> ')).toEqual([
      'failed: it said "Invalid service"',
    ]);
  });

  it('when the distributor does not start', () => {
    expect(receive(started(), '*ERROR* Name of file needed\r\nTACL 3> ')).toEqual([
      'failed: it said "*ERROR* Name of file needed"',
    ]);
  });

  it('when the distributor ends, after the last event', () => {
    const session = started();
    session.idle();
    expect(receive(session, `${LINES}TACL 3> `)).toEqual([
      `event ${EVENT.text}`,
      'failed: its distributor ended',
    ]);
  });

  it('but not when a text speaks of TACL 3>', () => {
    const session = started();
    session.idle();
    expect(receive(session, '        TACL 3> \r\nI said TACL 3> \r\n')).toEqual([]);
  });
});

describe('A TACL session is not made', () => {
  it.each([
    { user: 'SUPER\r\nPURGE $SYSTEM.*.*' },
    { user: '' },
    { collector: '$0; x' },
    { filter: 'A, TIME 1' },
    { password: 'x'.repeat(65) },
  ])('of %j', (options) => {
    expect(() => new TaclSession({ ...OPTIONS, ...options })).toThrow(/is refused: it must match/);
  });

  it('and does not tell the password that it refused', () => {
    expect(() => new TaclSession({ ...OPTIONS, password: 'ge\nheim' })).toThrow(/^(?!.*heim)/);
  });
});
