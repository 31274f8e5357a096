/** Runs worker.ts and task.ts as processes of their own, a worker under strace or with a library if asked. */
import { join } from 'node:path';
import { $ } from 'zx';
import type { ProcessOutput } from 'zx';
import { Journal } from './journal.ts';
import type { SavedJournal } from './journal.ts';
import type { StoreKind } from './store-kind.ts';
import type { Task, TaskResult } from './task.ts';
import type { WorkerArguments } from './worker.ts';

const WORKER = join(import.meta.dirname, 'worker.ts');
const TASK = join(import.meta.dirname, 'task.ts');
const EXIT_REJECTED = 3;
/** Longer than any run takes: it hangs. */
const TIMEOUT = '60s';

export interface WorkerRun extends WorkerArguments {
  /** A command that runs the worker's: strace and its options. */
  readonly under?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

export interface WorkerEnd {
  /** `rejected`: by an error of the engine's contract. `broken`: in any other way. */
  readonly how: 'done' | 'rejected' | 'killed' | 'broken';
  readonly output: string;
  /** What it said last. */
  readonly words: string;
}

/** Begins a worker; `end` resolves whatever becomes of it. */
export function startWorker(run: WorkerRun): {
  readonly end: Promise<WorkerEnd>;
  readonly output: () => string;
} {
  const { folder, kind, stockSeed, life, rounds, under = [], environment = {} } = run;
  const options = { quiet: true, nothrow: true, timeout: TIMEOUT, killSignal: 'SIGKILL' } as const;
  // One thread for the engine's calls: system calls come in the same order each time.
  const env = { ...process.env, UV_THREADPOOL_SIZE: '1', ...environment };
  const words = [folder, kind, `${stockSeed}`, `${life}`, `${rounds}`];
  let output = '';
  const worker = $({ ...options, env })`${[...under, process.execPath, WORKER, ...words]}`;
  worker.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const startedAtMs = performance.now();
  const endOf = ({ exitCode, signal, stdout, stderr }: ProcessOutput): WorkerEnd => {
    const last = `${stderr.trim()} ${stdout.trimEnd().split('\n').at(-1) ?? ''}`.trim();
    const ended = (how: WorkerEnd['how'], said = last): WorkerEnd => ({
      how,
      output: stdout,
      words: said,
    });
    if (performance.now() - startedAtMs > Number.parseInt(TIMEOUT, 10) * 1000) {
      return ended('broken', `it hung: ${last}`);
    }
    if (signal === 'SIGKILL') return ended('killed');
    if (exitCode === EXIT_REJECTED) return ended('rejected');
    if (exitCode === 0 && stdout.endsWith('done\n')) return ended('done');
    return ended('broken', `${signal ?? `exit status ${exitCode}`}: ${last}`);
  };
  return { end: Promise.resolve(worker).then(endOf), output: () => output };
}

/** Runs a task; the journal as it left things. Rejects where it found anything wrong, or crashed. */
export async function runTask(task: Task): Promise<SavedJournal> {
  const options = { quiet: true, nothrow: true, timeout: TIMEOUT, killSignal: 'SIGKILL' } as const;
  const { exitCode, signal, stdout, stderr } = await $({
    ...options,
    input: JSON.stringify(task),
  })`${[process.execPath, TASK]}`;
  if (exitCode !== 0) throw new Error(`a task ended with ${exitCode ?? signal}: ${stderr}`);
  const { failure, journal } = JSON.parse(stdout) as TaskResult;
  if (journal === undefined) throw new Error(failure);
  return journal;
}

/** Checks a store (store-check.ts); the journal of the tapes as they were found. */
export async function check(folder: string, store: StoreKind, journal: Journal): Promise<Journal> {
  const task = { folder, store, journal: journal.saved() };
  return Journal.from(await runTask({ kind: 'check', ...task }));
}
