/** Time, as far as Capstan may know it. */

/** Ends what was started; calling it again, or after the end, does nothing. */
export type Cancel = () => void;

export interface Clock {
  /** Wall clock, milliseconds since 1970-01-01T00:00:00Z. May step; for what people read. */
  nowMs(): number;
  /** Milliseconds since some fixed point; never goes back. For intervals. */
  monotonicMs(): number;
  /** Calls `callback` once, no sooner than `delayMs` from now, unless cancelled. */
  after(delayMs: number, callback: () => void): Cancel;
}

/** Resolves `delayMs` from now. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(delayMs, resolve);
  });
}
