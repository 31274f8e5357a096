/** Lets all promises settle that can without time going on. */

/** Barriers in a row that leave the event loop alone; then its turn comes, for a caller's own timers and signals. */
const TICKS_MAX = 1_000;

let ticksLeft = TICKS_MAX;

/**
 * Resolves after every promise reaction that is ready, and every one these make ready, has run.
 *
 * The one place of the simulated world that touches the real event loop: next ticks and the check phase run only
 * when the microtask queue is empty, however long the chains in it are, which no fixed number of
 * `await`s tells. A turn of the loop costs ten times a tick. No time is read and no order depends on it, so a run
 * stays what its seed says.
 */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    ticksLeft -= 1;
    if (ticksLeft > 0) {
      // oxlint-disable-next-line eslint/no-restricted-globals -- see above: a barrier
      process.nextTick(resolve);
      return;
    }
    ticksLeft = TICKS_MAX;
    // oxlint-disable-next-line eslint/no-restricted-globals -- see above: a barrier, no timer
    setImmediate(resolve);
  });
}
