/** A scripted scenario in the simulated world and with real processes, and whether both have the same sequences. */
import { withDir } from 'tmp-promise';
import { systemUser } from '../../src/cli/serve-api.ts';
import { formatDuration } from '../../src/cli/text.ts';
import { differencesOf, sequencesOf } from '../checker/sequences.ts';
import type { Sequence } from '../checker/sequences.ts';
import type { Mutant } from '../mutants/mutant.ts';
import { findMutant } from '../scenarios/registry.ts';
import { PLAIN, TWO_SITES_SCENARIO, TwoSitesCase } from '../scenarios/two-sites.ts';
import { playTwoSites } from '../workload/two-sites.ts';
import { newNativeVault } from './native-vault.ts';
import { RealStage } from './real-stage.ts';
import { realMs } from './sim-environment.ts';
import { lackingOpenSsh } from './sshd-process.ts';

type Print = (line: string) => void;

/** Plays it in simulated time, with a bug planted or none. */
export async function playSimulated(mutant?: Mutant): Promise<readonly Sequence[]> {
  const { user } = systemUser();
  const sabotage = mutant?.sabotage ?? {};
  return new TwoSitesCase({ newVault: newNativeVault, profile: PLAIN, sabotage, user }).play();
}

/** Plays it with child processes behind the system's sshd. Needs no empty `lackingOpenSsh`. */
export async function playReal(print: Print): Promise<readonly Sequence[]> {
  return withDir(
    async ({ path }) => {
      const stage = await RealStage.prepare(path);
      const startMs = realMs();
      try {
        const recording = await playTwoSites(stage, (act) =>
          print(`${formatDuration(realMs() - startMs).padStart(7)}  ${act}`),
        );
        return sequencesOf(recording);
      } finally {
        await stage.close();
      }
    },
    { unsafeCleanup: true },
  );
}

/** Both plays' differences; empty where they are the same. */
export function comparePlays(
  simulated: readonly Sequence[],
  real: readonly Sequence[],
): readonly string[] {
  return differencesOf(
    { name: 'simulated', sequences: simulated },
    { name: 'real', sequences: real },
  );
}

/**
 * Whether it ended as it should: both the same, or, of a mutant in the simulated play, not. Rejects
 * INVALID_ARGUMENT where there is no such mutant.
 */
export async function runReal(planted: string | undefined, print: Print): Promise<boolean> {
  const mutant = planted === undefined ? undefined : findMutant(TWO_SITES_SCENARIO, planted);
  const lacking = lackingOpenSsh();
  if (lacking.length > 0) {
    print(`Real mode needs OpenSSH: apt-get install ${lacking.join(' ')}`);
    return false;
  }
  const startMs = realMs();
  const simulated = await playSimulated(mutant);
  print(`two-sites in simulated time: ${formatDuration(realMs() - startMs)}; with real processes:`);
  const real = await playReal(print);
  const differences = comparePlays(simulated, real);
  const lineCount = real.reduce((count, { lines }) => count + lines.length, 0);
  if (differences.length === 0) {
    print(`The same ${lineCount} lines in ${real.length} sequences.`);
    return mutant === undefined;
  }
  print('They differ:');
  for (const line of differences) print(line);
  return mutant !== undefined;
}
