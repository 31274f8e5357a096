/** Counts of one part of the campaign, and the sentences about what failed. */

/** Failures are told in full; so many of them. */
const FAILURES_TOLD_MAX = 20;

export class PartReport {
  readonly name: string;
  readonly skipped: string[] = [];
  readonly failures: string[] = [];
  readonly #counts = new Map<string, number>();

  constructor(name: string) {
    this.name = name;
  }

  count(what: string, by = 1): void {
    this.#counts.set(what, this.counted(what) + by);
  }

  counted(what: string): number {
    return this.#counts.get(what) ?? 0;
  }

  fail(sentence: string): void {
    this.failures.push(sentence);
  }

  skip(what: string, why: string): void {
    this.skipped.push(`${what}: ${why}`);
  }

  /** The part's lines, as they are printed. */
  toString(): string {
    const counts = [...this.#counts].map(([what, count]) => `${count} ${what}`);
    const lines = [`${this.name}: ${[...counts, `${this.failures.length} failed`].join(', ')}`];
    for (const skipped of this.skipped) lines.push(`  SKIPPED  ${skipped}`);
    for (const failure of this.failures.slice(0, FAILURES_TOLD_MAX))
      lines.push(`  FAILED   ${failure}`);
    return lines.join('\n');
  }
}
