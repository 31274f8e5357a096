/** The real command as a child process: `capstan serve` to be stopped and killed, others to their end. */
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { killAtExit } from './child-process.ts';
import { systemClock } from '../../src/platform/system-clock.ts';

/** The program, as TypeScript: Node runs it as it is. */
export const CAPSTAN = join(import.meta.dirname, '../../bin/capstan.ts');
const ON_CABLE = join(import.meta.dirname, 'serve-on-cable.ts');
const START_TIMEOUT_MS = 30_000;
const GREETING = / serves .*; it /;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

interface ServeOptions {
  /** Socket at which its drives are there for a host in this process (scsi-cable.ts). */
  readonly cable?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Another build of the program. */
  readonly program?: string;
}

export class ServeProcess {
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #exited: Promise<Exit>;
  #output = '';

  private constructor(args: readonly string[], environment: ServeOptions['environment']) {
    this.#child = spawn(process.execPath, [...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
    });
    // A test that fails leaves no server behind.
    killAtExit(this.#child);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text: string) => {
        this.#output += text;
      });
    }
    this.#exited = once(this.#child, 'close').then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
    }));
  }

  /** Resolves when it serves; rejects with what it said where it does not. */
  static async start(home: string, options: ServeOptions = {}): Promise<ServeProcess> {
    const { cable, environment, program = CAPSTAN } = options;
    const serving = new ServeProcess(
      cable === undefined ? [program, 'serve', '--home', home] : [ON_CABLE, home, cable],
      environment,
    );
    const child = serving.#child;
    await new Promise<void>((resolve, reject) => {
      const fail = (): void => reject(new Error(`capstan serve did not start: ${serving.output}`));
      const cancel = systemClock.after(START_TIMEOUT_MS, () => {
        child.kill('SIGKILL');
        fail();
      });
      child.stdout.on('data', () => {
        if (!GREETING.test(serving.output)) return;
        cancel();
        resolve();
      });
      void serving.#exited.then(() => {
        cancel();
        fail();
      });
    });
    return serving;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** What it has printed on both outputs. */
  get output(): string {
    return this.#output;
  }

  /** Sends the signal and resolves when the process has ended. */
  async end(signal: 'SIGTERM' | 'SIGINT' | 'SIGKILL'): Promise<Exit> {
    this.#child.kill(signal);
    return this.#exited;
  }
}

/** Runs the command to its end. */
export async function runCapstan(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  program = CAPSTAN,
): Promise<{
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly output: string;
}> {
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, CAPSTAN_HOME: '', ...environment },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr, output: stdout + stderr };
}
