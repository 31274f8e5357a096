/** Programs as child processes: an argument array, no shell, a time-out, the whole group ended. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { homedir } from 'node:os';
import { SECOND_MS } from '../base/units.ts';
import { PROCESS_OUTPUT_CHARS_MAX } from '../ports/processes.ts';
import type { ProcessCall, ProcessOutcome, Processes, RunningProcess } from '../ports/processes.ts';

/** From SIGTERM to SIGKILL. */
const GRACE_MS = 5 * SECOND_MS;
/** How long after its end what a program printed is waited for. */
const DRAIN_MS = SECOND_MS;
const PATH_DEFAULT = '/usr/local/bin:/usr/bin:/bin';

export const childProcesses: Processes = { run: runChild };

function runChild(call: ProcessCall): RunningProcess {
  let output = '';
  let ended: 'timed-out' | 'ended' | undefined;
  let end = (): void => {};
  const outcome = new Promise<ProcessOutcome>((resolve) => {
    let child: ChildProcess;
    try {
      child = spawn(call.program, call.arguments, {
        shell: false,
        // A group of its own, so that what it starts is ended with it.
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
        cwd: '/',
        env: environment(),
      });
    } catch (error) {
      // spawn refuses some arguments at once, as one with a NUL character.
      resolve({ kind: 'not-started', reason: reasonOf(error) });
      return;
    }
    const kill = (signal: 'SIGTERM' | 'SIGKILL'): void => {
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, signal);
      } catch {
        // The group is gone already.
      }
    };
    let killTimer: NodeJS.Timeout | undefined;
    const stop = (why: 'timed-out' | 'ended'): void => {
      if (ended !== undefined) return;
      ended = why;
      kill('SIGTERM');
      killTimer = setTimeout(() => kill('SIGKILL'), GRACE_MS);
    };
    const timer = setTimeout(() => stop('timed-out'), call.timeoutMs);
    end = () => stop('ended');
    const take = (bytes: Uint8Array): void => {
      output = (output + String(bytes)).slice(-PROCESS_OUTPUT_CHARS_MAX);
    };
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
    const settle = (result: ProcessOutcome): void => {
      clearTimeout(timer);
      clearTimeout(killTimer);
      end = () => {};
      resolve(result);
    };
    child.once('error', (error) => settle({ kind: 'not-started', reason: reasonOf(error) }));
    child.once('exit', (exitCode, signal) => {
      kill('SIGKILL');
      const done = (): void => {
        clearTimeout(drainTimer);
        if (ended !== undefined) settle({ kind: ended, output });
        else if (exitCode !== null) settle({ kind: 'exited', exitCode, output });
        else settle({ kind: 'killed', signal: String(signal), output });
        child.stdout?.destroy();
        child.stderr?.destroy();
      };
      // What left the group may hold the pipes open for long; the program's own words come at once.
      const drainTimer = setTimeout(done, DRAIN_MS);
      child.once('close', done);
    });
  });
  return { outcome, end: () => end() };
}

/** Nothing of what this server was started with, which may hold secrets. */
function environment(): Record<string, string> {
  const { PATH, LANG, TZ } = process.env;
  return {
    PATH: PATH ?? PATH_DEFAULT,
    HOME: homedir(),
    ...(LANG !== undefined && { LANG }),
    ...(TZ !== undefined && { TZ }),
  };
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error ? String(error.code) : error.message;
}
