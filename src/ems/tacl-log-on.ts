/** The log-on dialogue with a TACL: what is answered to which prompt, and when it is refused. */
import { CapstanError } from '../base/errors.ts';

/** Longest user name and password, characters. */
const CREDENTIAL_CHARS_MAX = 64;
/** Most of a host's line that a reason quotes. */
const QUOTE_CHARS_MAX = 80;

/** What a credential may consist of: no control character can add a line to what is sent. */
const CREDENTIAL_PATTERN = new RegExp(`^[ -~]{1,${CREDENTIAL_CHARS_MAX}}$`);
const SERVICE_PROMPT = /^(?:.*\s)?enter choice>$/i;
const PASSWORD_PROMPT = /^(?:.*\s)?password:$/i;
const TACL_PROMPT = /^(?:\\[A-Z][A-Z0-9]* )?TACL \d+>$/i;
/** Words that a TACL refuses with, in the lines between the password and the next prompt. */
const REFUSAL = /\*error\*|invalid|incorrect|denied|illegal|not allowed|unknown user|expired\b/i;

export type LogOnAnswer =
  | { readonly kind: 'send'; readonly line: string }
  | { readonly kind: 'logged-on' }
  | { readonly kind: 'failed'; readonly reason: string };

export const isTaclPrompt = (text: string): boolean => TACL_PROMPT.test(text);

/** Throws INVALID_ARGUMENT where `text` could not be sent as it is; never says what it is. */
export function checkSendable(what: string, text: string, pattern: RegExp): void {
  if (pattern.test(text)) return;
  throw new CapstanError('INVALID_ARGUMENT', { what, reason: `it must match ${pattern.source}` });
}

export class TaclLogOn {
  readonly #user: string;
  readonly #password: string;
  /** The last thing sent. */
  #sent: 'nothing' | 'service' | 'user' | 'password' = 'nothing';
  /** The host's last line that says why it refused. */
  #refusal: string | undefined;

  /** Throws INVALID_ARGUMENT; says nothing of the password. */
  constructor(user: string, password: string) {
    checkSendable('The user of a TACL session', user, CREDENTIAL_PATTERN);
    checkSendable('The password of a TACL session', password, CREDENTIAL_PATTERN);
    this.#user = user;
    this.#password = password;
  }

  /** In the host's words, where it refused what was sent last. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** Something was sent, or is done: what the host refused before counts no more. */
  forgetRefusal(): void {
    this.#refusal = undefined;
  }

  /** Takes a whole line of the host. */
  read(line: string): void {
    if (REFUSAL.test(line)) this.#refusal = this.#quote(line);
  }

  /** What to do at a line without an end; undefined where it is no prompt. */
  answer(prompt: string): LogOnAnswer | undefined {
    if (SERVICE_PROMPT.test(prompt)) {
      if (this.#sent !== 'nothing') return this.#fail('it offers no TACL');
      return this.#send('service', 'TACL');
    }
    if (PASSWORD_PROMPT.test(prompt)) {
      if (this.#sent === 'user') return this.#send('password', this.#password);
      return { kind: 'failed', reason: 'it asked for a password out of turn' };
    }
    if (!TACL_PROMPT.test(prompt)) return undefined;
    switch (this.#sent) {
      case 'nothing':
      case 'service':
        return this.#send('user', `LOGON ${this.#user}`);
      case 'user':
        return this.#fail('it did not ask for a password');
      case 'password':
        if (this.#refusal !== undefined) return this.#fail(this.#refusal);
        return { kind: 'logged-on' };
    }
  }

  #send(sent: 'service' | 'user' | 'password', line: string): LogOnAnswer {
    this.#sent = sent;
    this.#refusal = undefined;
    return { kind: 'send', line };
  }

  #fail(reason: string): LogOnAnswer {
    return { kind: 'failed', reason: this.#refusal ?? reason };
  }

  /** The host's own words; a host that repeats the password does not get it into a log. */
  #quote(line: string): string {
    const words = line.replaceAll(this.#password, '***').trim();
    return `it said ${JSON.stringify(words.slice(0, QUOTE_CHARS_MAX))}`;
  }
}
