/** Lets all promises settle that can without time going on. */

/**
 * Resolves after every promise reaction that is ready, and every one these make ready, has run.
 *
 * The one place of the simulated world that touches the real event loop: its check phase runs only
 * when the microtask queue is empty, however long the chains in it are, which no fixed number of
 * `await`s tells. No time is read and no order depends on it, so a run stays what its seed says.
 */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    // oxlint-disable-next-line eslint/no-restricted-globals -- see above: a barrier, no timer
    setImmediate(resolve);
  });
}
