/**
 * A double of a backup management application's client, as a server runs it: a command line with an exit
 * code. What it does with a call is set beforehand; what it was told, and what it really has, can be read.
 *
 * The arguments it knows are `--path` and `--generation`: /VAULT00/POOL/LAB001 and the generation there.
 */
import type { Clock } from '../../src/ports/clock.ts';
import type { ProcessCall, ProcessOutcome, Processes } from '../../src/ports/processes.ts';
import type { Life } from '../world/life.ts';

/**
 * - 'works': exits with 0, and has the tape;
 * - 'fails': exits with 12, and has nothing;
 * - 'lies': exits with 0, and has nothing;
 * - 'hangs': prints and never ends by itself;
 * - 'killed': a signal ends it in the middle;
 * - 'missing': the program is not there.
 */
export const BMA_BEHAVIOURS = ['works', 'fails', 'lies', 'hangs', 'killed', 'missing'] as const;
export type BmaBehaviour = (typeof BMA_BEHAVIOURS)[number];

/** The program's path in a configuration. */
export const BMA_PROGRAM = '/opt/bma/client';

export interface BmaCall {
  readonly path: string;
  readonly generation: number;
  readonly atMs: number;
  readonly arguments: readonly string[];
  /** Behind `--store`: the folder with the tape's store, or for it; empty where there is none. */
  readonly store: string;
  /** Once it has exited. */
  exitCode: number | undefined;
}

export class BackupApplication {
  behaviour: BmaBehaviour = 'works';
  /** How long a call takes that ends by itself. */
  durationMs = 1000;
  readonly calls: BmaCall[] = [];
  /** Takes the store of a call that works away, or brings it back. */
  carry: ((call: BmaCall) => Promise<void>) | undefined;
  /** Generation by path of what it has. */
  readonly archive = new Map<string, number>();

  /** The programs of a server's machine in one life of the server. */
  processes(clock: Clock, life: Life): Processes {
    return {
      run: (call) => {
        let end = (): void => {};
        const outcome = life.call(
          () =>
            new Promise<ProcessOutcome>((resolve) => {
              const cancelTimeout = clock.after(call.timeoutMs, () =>
                resolve({ kind: 'timed-out', output: 'Waiting for mount' }),
              );
              end = () => resolve({ kind: 'ended', output: '' });
              this.#run(call, clock, (result) => {
                cancelTimeout();
                resolve(result);
              });
            }),
        );
        return { outcome, end: () => end() };
      },
    };
  }

  #run(call: ProcessCall, clock: Clock, give: (outcome: ProcessOutcome) => void): void {
    const { behaviour } = this;
    if (behaviour === 'missing' || call.program !== BMA_PROGRAM) {
      give({ kind: 'not-started', reason: 'ENOENT' });
      return;
    }
    const made: BmaCall = {
      path: after(call.arguments, '--path'),
      generation: Number(after(call.arguments, '--generation')),
      atMs: clock.nowMs(),
      arguments: call.arguments,
      store: call.arguments.includes('--store') ? after(call.arguments, '--store') : '',
      exitCode: undefined,
    };
    this.calls.push(made);
    if (behaviour === 'hangs') return;
    clock.after(this.durationMs, () => {
      void this.#finish(made, behaviour).then(give);
    });
  }

  async #finish(made: BmaCall, behaviour: BmaBehaviour): Promise<ProcessOutcome> {
    if (behaviour === 'killed') {
      return { kind: 'killed', signal: 'SIGKILL', output: '' };
    }
    const exitCode = behaviour === 'fails' ? 12 : 0;
    made.exitCode = exitCode;
    if (behaviour === 'works') {
      await this.carry?.(made);
      this.archive.set(made.path, made.generation);
    }
    const output = behaviour === 'fails' ? 'starting\nANS1017E Session rejected\n' : 'done\n';
    return { kind: 'exited', exitCode, output };
  }
}

function after(args: readonly string[], name: string): string {
  return args[args.indexOf(name) + 1] ?? '';
}
