/**
 * The host's end of a TACL session: prompts, LOGON and EMSDIST as far as a tape server uses them.
 *
 * What a simulated NonStop puts behind its TACL port, one a connection; the counterpart of
 * tacl-session.ts and, like it, a state machine of bytes and effects. It echoes nothing.
 */
import { encodeAscii } from '../base/bytes.ts';
import { parseTimestamp } from '../base/civil-time.ts';
import { LineBuffer, TelnetDecoder } from './telnet-lines.ts';

export type HostEffect =
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  /** A printing distributor runs; with `sinceLocalTimeMs`, it prints what is logged since then first. */
  | {
      readonly kind: 'distributor-started';
      readonly collector: string;
      readonly filter?: string;
      readonly sinceLocalTimeMs?: number;
    }
  /** A line that is no command of TACL itself: a program's. TACL is silent until `endCommand`. */
  | { readonly kind: 'command'; readonly line: string }
  /** The connection is to be ended; `reason` is for the trace. Comes once, and last. */
  | { readonly kind: 'ended'; readonly reason: string };

export interface TaclHostOptions {
  /** `\LAB` */
  readonly node: string;
  readonly user: string;
  readonly password: string;
  /** Whether the terminal asks for the service first, as TELSERV does. Default false. */
  readonly asksForService?: boolean;
}

/** Log-ons that may fail before the connection is ended. */
export const LOGON_FAILURES_MAX = 3;

const DISTRIBUTOR_PATTERN =
  /^EMSDIST TYPE P(?:RINTING)?, ?COLLECTOR (\$[A-Z0-9]{1,6})(?:, ?FILTER ([$A-Z0-9.]+))?(?:, ?TIME (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d))?$/i;

type State =
  | 'service'
  | 'logged-off'
  | 'password'
  | 'logged-on'
  | 'running'
  | 'distributing'
  | 'ended';

export class TaclHostSession {
  readonly #options: TaclHostOptions;
  readonly #telnet = new TelnetDecoder();
  readonly #line = new LineBuffer();
  #state: State;
  #promptNumber = 0;
  #failures = 0;
  #user = '';

  constructor(options: TaclHostOptions) {
    this.#options = options;
    this.#state = options.asksForService === true ? 'service' : 'logged-off';
  }

  /** The greeting, with which a connection begins. */
  start(): HostEffect[] {
    const greeting = `WELCOME TO ${this.#options.node}\r\n`;
    if (this.#state === 'service') {
      return [print(`${greeting}\r\nAvailable Services:\r\n\r\nTACL  EXIT\r\nEnter Choice> `)];
    }
    return [print(greeting), this.#prompt()];
  }

  /** Takes the next bytes of the peer. Never throws. */
  receive(bytes: Uint8Array): HostEffect[] {
    const effects: HostEffect[] = [];
    for (const byte of bytes) {
      if (this.#state === 'ended') break;
      const item = this.#telnet.push(byte);
      if (item === undefined) continue;
      if (item.kind === 'answer') effects.push({ kind: 'send', bytes: item.bytes });
      else if (item.kind === 'character') this.#line.push(item.character);
      else if (item.kind === 'line-end')
        effects.push(...this.#command((this.#line.take() ?? '').trim()));
    }
    return effects;
  }

  /** Prints an event's lines (formatDistributorLines) where a distributor runs; else nothing. */
  emit(lines: string): HostEffect[] {
    return this.#state === 'distributing' ? [print(lines)] : [];
  }

  /** A program has ended, or a distributor could not be started: prints its lines, and TACL is back. */
  endCommand(lines: readonly string[]): HostEffect[] {
    if (this.#state !== 'running' && this.#state !== 'distributing') return [];
    this.#state = 'logged-on';
    return [print(lines.map((line) => `${line}\r\n`).join('')), this.#prompt()];
  }

  /** The operator stops the distributor: TACL is back. */
  stopDistributor(): HostEffect[] {
    if (this.#state !== 'distributing') return [];
    this.#state = 'logged-on';
    return [this.#prompt()];
  }

  #command(line: string): HostEffect[] {
    switch (this.#state) {
      case 'service':
        return this.#chooseService(line);
      case 'password':
        return this.#logOn(line);
      case 'running':
      case 'distributing':
      case 'ended':
        // TACL reads its terminal only once the program has ended.
        return [];
      case 'logged-off':
      case 'logged-on':
        break;
    }
    if (line === '') return [this.#prompt()];
    if (/^(?:LOGOFF|EXIT)$/i.test(line)) return this.#end('the peer logged off');
    const user = /^LOGON (\S+)$/i.exec(line)?.[1];
    if (user !== undefined) {
      this.#user = user;
      this.#state = 'password';
      return [print('Password: ')];
    }
    if (this.#state === 'logged-off') {
      return [print('*ERROR* Invalid command before LOGON\r\n'), this.#prompt()];
    }
    const match = DISTRIBUTOR_PATTERN.exec(line);
    if (match === null) {
      this.#state = 'running';
      return [{ kind: 'command', line }];
    }
    const [, collector = '', filter, time] = match;
    const sinceLocalTimeMs = time === undefined ? undefined : parseTimestamp(time);
    this.#state = 'distributing';
    return [
      {
        kind: 'distributor-started',
        collector,
        ...(filter === undefined ? {} : { filter }),
        ...(sinceLocalTimeMs === undefined ? {} : { sinceLocalTimeMs }),
      },
    ];
  }

  #chooseService(line: string): HostEffect[] {
    if (!/^TACL$/i.test(line)) return [print('Invalid service\r\nEnter Choice> ')];
    this.#state = 'logged-off';
    return [this.#prompt()];
  }

  #logOn(password: string): HostEffect[] {
    const { user, password: expected } = this.#options;
    if (this.#user.toUpperCase() === user.toUpperCase() && password === expected) {
      this.#state = 'logged-on';
      return [print('\r\nGood day. Welcome to NonStop.\r\n'), this.#prompt()];
    }
    this.#state = 'logged-off';
    this.#failures += 1;
    const refusal = print('\r\n*ERROR* Invalid user name or password\r\n');
    if (this.#failures < LOGON_FAILURES_MAX) return [refusal, this.#prompt()];
    return [refusal, ...this.#end('too many log-ons failed')];
  }

  #prompt(): HostEffect {
    this.#promptNumber += 1;
    return print(`TACL ${this.#promptNumber}> `);
  }

  #end(reason: string): HostEffect[] {
    this.#state = 'ended';
    return [{ kind: 'ended', reason }];
  }
}

function print(text: string): HostEffect {
  return { kind: 'send', bytes: encodeAscii(text) };
}
