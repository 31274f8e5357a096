/**
 * Other programs on this machine, run without a shell.
 *
 * Contract: no argument is ever taken apart or expanded; the program gets nothing on its standard input
 * and an environment of PATH, HOME, LANG and TZ alone. A call settles once the program and all that it
 * started in its process group are gone, at the latest a few seconds behind its time-out. It never
 * rejects: what went wrong is its outcome.
 */

/** Most characters of a program's output that an outcome holds: its end. */
export const PROCESS_OUTPUT_CHARS_MAX = 4096;

export interface ProcessCall {
  /** Absolute path. */
  readonly program: string;
  readonly arguments: readonly string[];
  /** Then it is ended. */
  readonly timeoutMs: number;
}

/** `output`: the end of what it printed, standard output and errors as they came. */
export type ProcessOutcome =
  | { readonly kind: 'exited'; readonly exitCode: number; readonly output: string }
  /** By a signal that was not ours. */
  | { readonly kind: 'killed'; readonly signal: string; readonly output: string }
  /** By us, at its time-out. */
  | { readonly kind: 'timed-out'; readonly output: string }
  /** By us, since nobody waits for it any more. */
  | { readonly kind: 'ended'; readonly output: string }
  | { readonly kind: 'not-started'; readonly reason: string };

export interface RunningProcess {
  readonly outcome: Promise<ProcessOutcome>;
  /** Ends it, and what it started; idempotent. */
  end(): void;
}

export interface Processes {
  run(call: ProcessCall): RunningProcess;
}
