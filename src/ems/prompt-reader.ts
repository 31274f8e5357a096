/** What a TACL prints, as lines and as what may be a prompt: a line without an end, behind `>` or `:`. */
import { LineBuffer, TelnetDecoder } from './telnet-lines.ts';

export type PrintedItem =
  /** A whole line; '' also for one that was too long. */
  | { readonly kind: 'line'; readonly line: string }
  /** What stands in the line so far; no prompt where more comes behind it. */
  | { readonly kind: 'prompt'; readonly text: string }
  /** Bytes to send back: the refusal of a telnet option. */
  | { readonly kind: 'answer'; readonly bytes: Uint8Array }
  /** The peer has answered our timing mark: all that it printed before has come. */
  | { readonly kind: 'timing-mark' };

export class PromptReader {
  readonly #telnet = new TelnetDecoder();
  readonly #line = new LineBuffer();
  /** The blank behind a prompt belongs to it, not to the line that is printed there. */
  #behindPrompt = false;

  /** What stands in the line that has no end yet. */
  get pending(): string {
    return this.#line.pending;
  }

  /** What the next byte made known, if anything. */
  push(byte: number): PrintedItem | undefined {
    const item = this.#telnet.push(byte);
    switch (item?.kind) {
      case undefined:
        return undefined;
      case 'line-end':
        this.#behindPrompt = false;
        return { kind: 'line', line: this.#line.take() ?? '' };
      case 'character':
        return this.#character(item.character);
      default:
        return item;
    }
  }

  /** A line was sent: the prompt is used up, and a blank or an echo behind it must not bring it up again. */
  useUp(): void {
    this.#behindPrompt = true;
    this.#line.take();
  }

  #character(character: string): PrintedItem | undefined {
    const skipped = this.#behindPrompt && character === ' ';
    this.#behindPrompt = false;
    if (skipped) return undefined;
    this.#line.push(character);
    if (character !== '>' && character !== ':') return undefined;
    return { kind: 'prompt', text: this.#line.pending };
  }
}
