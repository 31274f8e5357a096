/**
 * What a worker said before it ended, and what of it must be found.
 *
 * A line each, written at once: `try ACTION` before a call, `ack ACTION TIME` after it resolved; ACTION is
 * `sync TAPE GENERATION DIGEST`, `remove TAPE` or `store`, TIME nanoseconds of the monotonic clock. A tape
 * that was made or published counts as synced. What was acknowledged must be there, or what was tried
 * since; nothing else.
 */

/** A state that a tape may be found in: its generation and digest, or that it is not there. */
export type Finding = `${number} ${string}` | 'absent';

/** A journal on its way between processes. */
export interface SavedJournal {
  readonly allowed: readonly (readonly [string, readonly Finding[]])[];
  readonly storeMade: boolean;
  readonly acknowledgedCount: number;
}

export class Journal {
  /** By tape: the state last acknowledged, then those tried since. */
  readonly #allowed = new Map<string, Finding[]>();
  #storeMade = false;
  #acknowledgedCount = 0;

  /** Whether the store was opened once; before that, there may be none. */
  get storeMade(): boolean {
    return this.#storeMade;
  }

  get acknowledgedCount(): number {
    return this.#acknowledgedCount;
  }

  get tapes(): readonly string[] {
    return [...this.#allowed.keys()];
  }

  allowed(tape: string): readonly Finding[] {
    return this.#allowed.get(tape) ?? ['absent'];
  }

  static from(saved: SavedJournal): Journal {
    const journal = new Journal();
    for (const [tape, states] of saved.allowed) journal.#allowed.set(tape, [...states]);
    journal.#storeMade = saved.storeMade;
    journal.#acknowledgedCount = saved.acknowledgedCount;
    return journal;
  }

  saved(): SavedJournal {
    const { storeMade, acknowledgedCount } = this;
    return { allowed: [...this.#allowed], storeMade, acknowledgedCount };
  }

  /**
   * Takes all that a worker printed; a last line that was cut off counts for nothing. What was
   * acknowledged from `cutAtNs` on is no more than tried; the count of these.
   */
  add(output: string, cutAtNs?: bigint): number {
    let lateCount = 0;
    for (const line of output.split('\n').slice(0, -1)) {
      const words = line.split(' ');
      const [word, action, tape = '', generation = '', digest = ''] = words;
      if (word !== 'try' && word !== 'ack') continue;
      if (word === 'ack') {
        if (cutAtNs !== undefined && BigInt(words.at(-1) ?? '') >= cutAtNs) {
          lateCount += 1;
          continue;
        }
        this.#acknowledgedCount += 1;
      }
      if (action === 'store') {
        this.#storeMade ||= word === 'ack';
        continue;
      }
      const state: Finding = action === 'remove' ? 'absent' : `${Number(generation)} ${digest}`;
      this.#allowed.set(tape, word === 'ack' ? [state] : [...this.allowed(tape), state]);
    }
    return lateCount;
  }

  /** From here on the tape must stay as it was found. */
  settle(tape: string, found: Finding): void {
    this.#allowed.set(tape, [found]);
  }
}
