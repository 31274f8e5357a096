/** SIGTERM and SIGINT: the first asks a server to stop, the second ends the process at once. */
import { constants } from 'node:os';

type Signal = 'SIGTERM' | 'SIGINT';

/** Resolves with the first of the two signals; the next one exits with the shell's code for it. */
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
