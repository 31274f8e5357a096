/** Programmer's errors: an invariant, stated as a sentence, that holds or ends the operation. */

/** Thrown when an invariant of the code does not hold; never caused by input or by a peer. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** Throws {@link AssertionError} with `sentence` unless `condition` holds. Stays on in production. */
export function assert(condition: unknown, sentence: string): asserts condition {
  if (!condition) throw new AssertionError(`This must hold and does not: ${sentence}`);
}

/** Ends a `switch` over a union: the compiler proves that nothing reaches it. */
export function assertNever(value: never): never {
  throw new AssertionError(`No case stands for ${JSON.stringify(value)}`);
}
