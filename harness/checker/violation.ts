/** What a checker throws: an invariant of the whole system that did not hold, as a sentence. */

export class InvariantViolation extends Error {
  override readonly name = 'InvariantViolation';
}

/** Throws {@link InvariantViolation} with `sentence` unless `condition` holds. */
export function hold(condition: boolean, sentence: () => string): asserts condition {
  if (!condition) throw new InvariantViolation(sentence());
}

/** What was caught, as an error. */
export function asError(caught: unknown): Error {
  return caught instanceof Error ? caught : new Error(String(caught));
}
