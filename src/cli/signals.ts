/** What ends a process from outside: SIGTERM and SIGINT, and a reader of its output that goes. */
import { constants } from 'node:os';

type Signal = 'SIGTERM' | 'SIGINT';

/**
 * Resolves with the first of the two signals, which asks a server to stop; the next one ends the process at once,
 * with the shell's code for it.
 */
export function waitForSignal(): Promise<Signal> {
  return new Promise((resolve) => {
    let asked = false;
    const onSignal = (signal: Signal): void => {
      if (asked) process.exit(128 + constants.signals[signal]);
      asked = true;
      resolve(signal);
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}

/**
 * Ends the process quietly once nobody reads its standard output any more, as `| head` does: as SIGINT would
 * where somebody waits for that, else at once. Standard error may go: what is said there is for people.
 */
export function endWithReader(): void {
  const unlessGone = (onGone: () => void) => (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    onGone();
  };
  let gone = false;
  const end = (): void => {
    if (gone) return;
    gone = true;
    if (!process.emit('SIGINT', 'SIGINT')) process.exit();
  };
  process.stdout.on('error', unlessGone(end));
  process.stderr.on(
    'error',
    unlessGone(() => {}),
  );
}
