/**
 * Bytes of a telnet session as characters and lines: what telnet says of itself is taken out.
 *
 *   255 251..254 option          WILL, WONT, DO, DONT: refused, as a terminal without options does
 *   255 250 … 255 240            subnegotiation: skipped
 *   255 255                      the byte 255
 *   255 other                    a command of two bytes: skipped
 *
 * @source RFC 854, RFC 855; RFC 860 for the timing mark.
 */
import { LINE_CHARS_MAX } from './printing-distributor.ts';

export const IAC = 255;
export const DONT = 254;
export const DO = 253;
export const WONT = 252;
export const WILL = 251;
const SB = 250;
const SE = 240;
/** The option TIMING-MARK: asked for, any telnet answers, which shows that it is alive. */
export const TIMING_MARK = 6;

/** What a byte made known. */
export type TelnetItem =
  /** A character; what is not printable ASCII or a blank comes as `?`. */
  | { readonly kind: 'character'; readonly character: string }
  | { readonly kind: 'line-end' }
  /** Bytes to send back: the refusal of an option. */
  | { readonly kind: 'answer'; readonly bytes: Uint8Array }
  /** The peer has answered our timing mark: all that it printed before has come. */
  | { readonly kind: 'timing-mark' };

type State = 'data' | 'command' | 'option' | 'subnegotiation' | 'subnegotiation-command';

/** Takes telnet out of a stream of bytes, however the bytes are cut. */
export class TelnetDecoder {
  #state: State = 'data';
  #verb = 0;

  /** What the next byte made known, if anything. */
  push(byte: number): TelnetItem | undefined {
    switch (this.#state) {
      case 'data':
        if (byte !== IAC) return fromData(byte);
        this.#state = 'command';
        return undefined;
      case 'command':
        if (byte >= WILL && byte <= DONT) {
          this.#verb = byte;
          this.#state = 'option';
          return undefined;
        }
        this.#state = byte === SB ? 'subnegotiation' : 'data';
        return byte === IAC ? fromData(byte) : undefined;
      case 'option':
        this.#state = 'data';
        return refusal(this.#verb, byte);
      case 'subnegotiation':
        if (byte === IAC) this.#state = 'subnegotiation-command';
        return undefined;
      case 'subnegotiation-command':
        this.#state = byte === SE ? 'data' : 'subnegotiation';
        return undefined;
    }
  }
}

function fromData(byte: number): TelnetItem | undefined {
  if (byte === 0x0a) return { kind: 'line-end' };
  // A carriage return is followed by a line feed or NUL; bells and other controls print nothing.
  if (byte < 0x20 || byte === 0x7f)
    return byte === 0x09 ? { kind: 'character', character: ' ' } : undefined;
  return { kind: 'character', character: byte < 0x7f ? String.fromCharCode(byte) : '?' };
}

/** WONT to a DO and DONT to a WILL; what is off already needs no answer. */
function refusal(verb: number, option: number): TelnetItem | undefined {
  if (verb === DO) return { kind: 'answer', bytes: Uint8Array.of(IAC, WONT, option) };
  // The answer to our own question about the timing mark is no offer.
  if (option === TIMING_MARK && verb !== DONT) return { kind: 'timing-mark' };
  if (verb === WILL) return { kind: 'answer', bytes: Uint8Array.of(IAC, DONT, option) };
  return undefined;
}

/** Gathers characters into lines of at most LINE_CHARS_MAX; of a longer one nothing is kept. */
export class LineBuffer {
  #text = '';
  #overlong = false;

  /** What stands in the line that has no end yet. */
  get pending(): string {
    return this.#overlong ? '' : this.#text;
  }

  push(character: string): void {
    if (this.#text.length < LINE_CHARS_MAX) this.#text += character;
    else this.#overlong = true;
  }

  /** Ends the line: its text, or undefined where it was too long. */
  take(): string | undefined {
    const line = this.#overlong ? undefined : this.#text;
    this.#text = '';
    this.#overlong = false;
    return line;
  }
}
