/**
 * What happened in a run, in order and with its virtual time: for people as lines, for the
 * comparison of two runs as a hash.
 */

import { assert } from '../../src/base/assert.ts';

/** Newest lines that are kept; the hash covers all of them. */
const LINES_KEPT_MAX = 4_000;

const FNV_PRIME = 0x01000193;
const FNV_OFFSET_BASIS = 0x811c9dc5;

export class Trace {
  readonly #elapsedMs: () => number;
  readonly #lines: string[] = [];
  #low = FNV_OFFSET_BASIS;
  /** A second lane, started elsewhere: 64 bits in all. */
  #high = ~FNV_OFFSET_BASIS;
  #count = 0;
  #sink: ((line: string) => void) | undefined;

  constructor(elapsedMs: () => number) {
    this.#elapsedMs = elapsedMs;
  }

  /** `text` says who did what; the time is put before it. */
  record(text: string): void {
    const line = `${(this.#elapsedMs() / 1000).toFixed(3).padStart(12)} ${text}`;
    for (let index = 0; index < line.length; index += 1) {
      const code = line.charCodeAt(index);
      this.#low = Math.imul(this.#low ^ code, FNV_PRIME);
      this.#high = Math.imul(this.#high ^ code ^ (this.#low >>> 13), FNV_PRIME);
    }
    this.#count += 1;
    this.#lines.push(line);
    this.#sink?.(line);
    if (this.#lines.length > LINES_KEPT_MAX) this.#lines.splice(0, LINES_KEPT_MAX / 4);
  }

  /** Gives `sink` every line, those that were recorded so far first. None may have been left out yet. */
  streamTo(sink: (line: string) => void): void {
    assert(this.#count === this.#lines.length, 'a trace is streamed from its beginning');
    for (const line of this.#lines) sink(line);
    this.#sink = sink;
  }

  /** Lines recorded since the beginning. */
  get count(): number {
    return this.#count;
  }

  /** The newest lines, oldest of them first. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Of all lines recorded, 16 hexadecimal digits: the same for the same run. */
  get hash(): string {
    const hex = (lane: number): string => (lane >>> 0).toString(16).padStart(8, '0');
    return hex(this.#high) + hex(this.#low);
  }
}
