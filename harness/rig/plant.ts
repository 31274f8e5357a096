/** Runs `capstan sim run` in a process whose source has a planted bug in it (plant-hook.ts). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { text } from 'node:stream/consumers';

const ROOT = join(import.meta.dirname, '..', '..');
const HOOK = pathToFileURL(join(import.meta.dirname, 'plant-hook.ts')).href;

function start(mutant: string, parameters: readonly string[], stdout: 'inherit' | 'pipe') {
  const program = ['--import', HOOK, join(ROOT, 'bin/capstan.ts'), ...parameters];
  return spawn(process.execPath, program, {
    env: { ...process.env, CAPSTAN_PLANTED: mutant },
    stdio: ['ignore', stdout, 'inherit'],
  });
}

/** The command once more, with the bug in its source; its exit code. */
export async function runPlanted(mutant: string, parameters: readonly string[]): Promise<number> {
  // Ctrl-C reaches the child, too, which then tells what there was.
  const leaveToChild = (): void => {};
  process.on('SIGINT', leaveToChild);
  const [exitCode] = (await once(start(mutant, parameters, 'inherit'), 'close')) as [number | null];
  process.off('SIGINT', leaveToChild);
  return exitCode ?? 1;
}

export interface PlantedSearch {
  /** Of its process, the loading of the source among them. */
  readonly processorSeconds: number;
  readonly runCount: number;
  readonly failure:
    | {
        readonly broken: string;
        readonly kind: string;
        readonly run: number;
        readonly case: { readonly commands: readonly string[] };
      }
    | undefined;
}

/** A search for the bug, as `capstan sim run --report json` tells of it. Rejects where it tells nothing. */
export async function searchPlanted({
  scenario,
  mutant,
  seed,
  runs,
}: Readonly<Record<'scenario' | 'mutant', string>> &
  Readonly<Record<'seed' | 'runs', number>>): Promise<PlantedSearch> {
  const numbers = ['--seed', String(seed), '--runs', String(runs)];
  const parameters = ['sim', 'run', scenario, '--mutant', mutant, ...numbers, '--report', 'json'];
  const child = start(mutant, parameters, 'pipe');
  const output = child.stdout === null ? '' : await text(child.stdout);
  return JSON.parse(output) as PlantedSearch;
}
