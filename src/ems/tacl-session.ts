/**
 * A tape server's session with a host's TACL: log on, start a printing distributor, read its events.
 *
 *   host                                   server
 *   Enter Choice>                          TACL
 *   TACL 1>                                LOGON user
 *   Password:                              password
 *   TACL 2>                                EMSDIST TYPE PRINTING, COLLECTOR $0 [, FILTER f][, TIME t]
 *   header and continuation lines
 *
 * A state machine: bytes in, effects out, byte by byte, so that it does not matter how they are cut. It
 * knows no time: whoever runs it calls `idle` when nothing came for a while, and gives up by a
 * time-out of its own. The password is sent and in no effect's sentence.
 */
import { encodeAscii } from '../base/bytes.ts';
import { formatTimestamp } from '../base/civil-time.ts';
import { type DistributorEvent, DistributorParser } from './printing-distributor.ts';
import { PromptReader } from './prompt-reader.ts';
import { TaclLogOn, checkSendable, isTaclPrompt } from './tacl-log-on.ts';
import { ZSVR_PROCESS, parseZsvrEvent } from './zsvr-events.ts';
import { IAC, DO, TIMING_MARK } from './telnet-lines.ts';
import { endsQuoted, isPolicyText } from './vtspolicy.ts';

export type SessionEffect =
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  | { readonly kind: 'event'; readonly event: DistributorEvent }
  /** The distributor runs: events come from now on. */
  | { readonly kind: 'ready' }
  /** The session is of no more use; `reason` is a clause for a sentence. Comes once, and last. */
  /** All that the host had printed when it was last asked for a timing mark has come. */
  | { readonly kind: 'mark-passed' }
  | { readonly kind: 'failed'; readonly reason: string };

export interface TaclSessionOptions {
  /** `SUPER.SUPER`, or an alias. */
  readonly user: string;
  readonly password: string;
  /** `$0`, or an alternate collector. */
  readonly collector: string;
  /** File of a compiled EMS filter: `$SYSTEM.CAPSTAN.FILTER`. */
  readonly filter?: string;
  /** Also events generated since then, in the host's local time; else only new ones. */
  readonly sinceLocalTimeMs?: number;
}

/**
 * - `log-on`: waiting for a prompt of the log-on dialogue;
 * - `starting`: the distributor was asked for;
 * - `ready`: no prompt came back, so it runs;
 * - `failed`: ended.
 */
export type SessionState = 'log-on' | 'starting' | 'ready' | 'failed';

const COLLECTOR_PATTERN = /^\$[A-Z0-9]{1,6}$/;
const FILTER_PATTERN = /^[$A-Z0-9.]{1,36}$/i;

export class TaclSession {
  readonly #options: TaclSessionOptions;
  readonly #logOn: TaclLogOn;
  readonly #reader = new PromptReader();
  readonly #parser = new DistributorParser();
  #state: SessionState = 'log-on';
  #answerCount = 0;
  /** The event behind which a timing mark was asked for, to learn whether it is whole. */
  #marked: DistributorEvent | undefined;
  /** Timing marks asked for and not yet answered. */
  #marksAsked = 0;

  /** Throws INVALID_ARGUMENT where an option could not be sent as it is; says nothing of the password. */
  constructor(options: TaclSessionOptions) {
    const { user, password, collector, filter } = options;
    this.#logOn = new TaclLogOn(user, password);
    checkSendable('The collector', collector, COLLECTOR_PATTERN);
    checkSendable('The filter', filter ?? 'NONE', FILTER_PATTERN);
    this.#options = options;
  }

  get state(): SessionState {
    return this.#state;
  }

  /** Prompts answered so far: what a time-out for an answer starts anew with. */
  get answerCount(): number {
    return this.#answerCount;
  }

  /** Takes the next bytes. Never throws; nothing comes of bytes after a failure. */
  receive(bytes: Uint8Array): SessionEffect[] {
    const effects: SessionEffect[] = [];
    for (const byte of bytes) {
      if (this.#state === 'failed') break;
      const item = this.#reader.push(byte);
      if (item === undefined) continue;
      if (item.kind === 'answer') effects.push({ kind: 'send', bytes: item.bytes });
      else if (item.kind === 'line') effects.push(...this.#endLine(item.line));
      else if (item.kind === 'timing-mark') effects.push(...this.#passMark());
      else effects.push(...this.#prompt(item.text));
    }
    return effects;
  }

  /** Nothing came for a while: what was printed last is whole, and a distributor without a word runs. */
  idle(): SessionEffect[] {
    if (this.#state === 'failed' || this.#state === 'log-on') return [];
    const effects: SessionEffect[] = this.#becomeReady();
    // A line without its end is still on its way, and so is the rest of a text of $ZSVR that says nothing.
    const last = this.#parser.pending;
    if (last === undefined || this.#reader.pending !== '') return effects;
    if (
      last.process === ZSVR_PROCESS &&
      parseZsvrEvent(last.eventNumber, last.text) === undefined
    ) {
      return effects;
    }
    // An unquoted command looks whole wherever a slow line cuts it; what is lost may be its `s=`.
    if (isPolicyText(last.text) && !endsQuoted(last.text)) {
      if (this.#marked === last) return effects;
      this.#marked = last;
      return [...effects, ...this.probe()];
    }
    return [...effects, ...this.#events(this.#parser.flush())];
  }

  /** All that the host printed before the timing mark is here: no more of the event will come. */
  #passMark(): SessionEffect[] {
    // Nobody asked.
    if (this.#marksAsked === 0) return [];
    this.#marksAsked -= 1;
    // The answer to an earlier question says nothing of what came after that.
    if (this.#marksAsked > 0) return [];
    const marked = this.#marked;
    this.#marked = undefined;
    const passed: SessionEffect[] = [{ kind: 'mark-passed' }];
    if (marked === undefined || marked !== this.#parser.pending || this.#reader.pending !== '') {
      return passed;
    }
    return [...this.#events(this.#parser.flush()), ...passed];
  }

  /** Asks for a sign of life, which any telnet answers and TACL does not see. @source RFC 860 */
  probe(): SessionEffect[] {
    if (this.#state === 'failed') return [];
    this.#marksAsked += 1;
    return [{ kind: 'send', bytes: Uint8Array.of(IAC, DO, TIMING_MARK) }];
  }

  #prompt(prompt: string): SessionEffect[] {
    if (this.#state === 'log-on') return this.#answer(prompt);
    if (!isTaclPrompt(prompt)) return [];
    const events = this.#events(this.#parser.flush());
    return [...events, ...this.#fail(this.#logOn.refusal ?? 'its distributor ended')];
  }

  #answer(prompt: string): SessionEffect[] {
    const answer = this.#logOn.answer(prompt);
    switch (answer?.kind) {
      case undefined:
        return [];
      case 'failed':
        return this.#fail(answer.reason);
      case 'send':
        return this.#send(answer.line);
      case 'logged-on':
        this.#state = 'starting';
        return this.#send(this.#command());
    }
  }

  #command(): string {
    const { collector, filter, sinceLocalTimeMs } = this.#options;
    const parts = ['EMSDIST TYPE PRINTING', `COLLECTOR ${collector}`];
    if (filter !== undefined) parts.push(`FILTER ${filter}`);
    if (sinceLocalTimeMs !== undefined) parts.push(`TIME ${formatTimestamp(sinceLocalTimeMs)}`);
    return parts.join(', ');
  }

  #send(line: string): SessionEffect[] {
    this.#answerCount += 1;
    this.#logOn.forgetRefusal();
    this.#reader.useUp();
    return [{ kind: 'send', bytes: encodeAscii(`${line}\r\n`) }];
  }

  #endLine(line: string): SessionEffect[] {
    if (this.#state !== 'ready') this.#logOn.read(line);
    if (this.#state === 'log-on') return [];
    const events = this.#events(this.#parser.push(line));
    return events.length > 0 ? [...this.#becomeReady(), ...events] : [];
  }

  #events(events: readonly DistributorEvent[]): SessionEffect[] {
    return events.map((event) => ({ kind: 'event', event }));
  }

  #becomeReady(): SessionEffect[] {
    if (this.#state !== 'starting') return [];
    this.#state = 'ready';
    this.#logOn.forgetRefusal();
    return [{ kind: 'ready' }];
  }

  #fail(reason: string): SessionEffect[] {
    this.#state = 'failed';
    return [{ kind: 'failed', reason }];
  }
}
