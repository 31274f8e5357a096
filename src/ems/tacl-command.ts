/**
 * A short TACL session for one command: log on, run it, read what it prints, log off.
 *
 *   TACL 2>                                SCF RESET TAPE $TAPE0
 *   what the command prints
 *   TACL 3>                                LOGOFF
 *
 * Beside the session of the EMS service, whose TACL reads nothing while its distributor runs. A state
 * machine like tacl-session.ts: bytes in, effects out; whoever runs it keeps the times.
 */
import { encodeAscii } from '../base/bytes.ts';
import { PromptReader } from './prompt-reader.ts';
import { TaclLogOn, checkSendable, isTaclPrompt } from './tacl-log-on.ts';

/** Lines of a command's output that are kept; what comes behind them is dropped. */
export const OUTPUT_LINES_MAX = 1000;

export type CommandEffect =
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  /** Logged on: the command was sent. */
  | { readonly kind: 'started' }
  /** The command has ended and LOGOFF was sent; `refusal` is a clause where the host refused it. */
  | {
      readonly kind: 'done';
      readonly output: readonly string[];
      readonly refusal: string | undefined;
    }
  | { readonly kind: 'failed'; readonly reason: string };

export interface TaclCommandOptions {
  readonly user: string;
  readonly password: string;
  /** One line. */
  readonly command: string;
}

const COMMAND_PATTERN = /^[ -~]{1,200}$/;

export class TaclCommandSession {
  readonly #logOn: TaclLogOn;
  readonly #command: string;
  readonly #reader = new PromptReader();
  readonly #output: string[] = [];
  #state: 'log-on' | 'running' | 'ended' = 'log-on';

  /** Throws INVALID_ARGUMENT where an option could not be sent as it is. */
  constructor({ user, password, command }: TaclCommandOptions) {
    checkSendable('The command for a TACL', command, COMMAND_PATTERN);
    this.#logOn = new TaclLogOn(user, password);
    this.#command = command;
  }

  /** Takes the next bytes. Never throws; nothing comes of bytes after the end. */
  receive(bytes: Uint8Array): CommandEffect[] {
    const effects: CommandEffect[] = [];
    for (const byte of bytes) {
      if (this.#state === 'ended') break;
      const item = this.#reader.push(byte);
      if (item?.kind === 'answer') effects.push({ kind: 'send', bytes: item.bytes });
      else if (item?.kind === 'line') this.#endLine(item.line);
      else if (item?.kind === 'prompt') effects.push(...this.#prompt(item.text));
    }
    return effects;
  }

  #endLine(line: string): void {
    this.#logOn.read(line);
    if (this.#state !== 'running' || this.#output.length >= OUTPUT_LINES_MAX) return;
    this.#output.push(line);
  }

  #prompt(prompt: string): CommandEffect[] {
    if (this.#state === 'log-on') return this.#answer(prompt);
    if (!isTaclPrompt(prompt)) return [];
    this.#state = 'ended';
    const { refusal } = this.#logOn;
    return [this.#send('LOGOFF'), { kind: 'done', output: [...this.#output], refusal }];
  }

  #answer(prompt: string): CommandEffect[] {
    const answer = this.#logOn.answer(prompt);
    switch (answer?.kind) {
      case undefined:
        return [];
      case 'failed':
        this.#state = 'ended';
        return [answer];
      case 'send':
        return [this.#send(answer.line)];
      case 'logged-on':
        this.#state = 'running';
        return [this.#send(this.#command), { kind: 'started' }];
    }
  }

  #send(line: string): CommandEffect {
    this.#logOn.forgetRefusal();
    this.#reader.useUp();
    return { kind: 'send', bytes: encodeAscii(`${line}\r\n`) };
  }
}
