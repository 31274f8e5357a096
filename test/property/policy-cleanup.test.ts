/**
 * Goal: whatever hosts send, users decide and machines do, no tape is erased that is locked, mounted or, by
 * Scan/Cleanup, not migrated; each erase was asked for, scheduled or authorized, and stands in the list once;
 * a command that FUP cut does nothing; what is due is done in the end.
 *
 * Method: fast-check draws a profile of faults and up to 60 commands; a production server and a host live
 * through them in simulated time (harness/workload/policy-*). Each planted bug must be found within its runs.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { POLICY_MUTANTS } from '../../harness/mutants/policy-mutants.ts';
import type { PolicyMutant } from '../../harness/mutants/policy-mutants.ts';
import { newNativeVault } from '../../harness/rig/native-vault.ts';
import { policyCommands, policyProfile } from '../../harness/workload/policy-commands.ts';
import { policyFinale } from '../../harness/workload/policy-finale.ts';
import { PolicyScenario } from '../../harness/workload/policy-scenario.ts';

const SEED = 20_060_312;
const RUNS = 100;
const MUTANT_RUNS = 400;
const TIMEOUT_MS = 240_000;

/** The sentence that broke, or that nothing did; where a mutant is planted, after the first that broke. */
async function search(runs: number, mutant?: PolicyMutant): Promise<string> {
  let last: { readonly lines: readonly string[]; readonly executed: readonly string[] } | undefined;
  const property = fc.asyncProperty(policyProfile, policyCommands(), async (profile, commands) => {
    const scenario = await PolicyScenario.start({
      profile,
      newVault: newNativeVault,
      sabotage: mutant?.sabotage,
    });
    try {
      await fc.asyncModelRun(() => ({ model: scenario, real: scenario }), commands);
      await policyFinale(scenario);
    } catch (error) {
      last = { lines: [...scenario.world.trace.lines].slice(-40), executed: scenario.executed };
      throw error;
    }
  });
  const details = await fc.check(property, {
    seed: SEED,
    numRuns: runs,
    // A planted bug is only to be found; what is no planted one is shrunk.
    endOnFailure: mutant !== undefined,
  });
  if (!details.failed) return 'nothing broken';
  const { errorInstance } = details;
  const error = errorInstance instanceof Error ? errorInstance : new Error(String(errorInstance));
  const where = `run ${details.numRuns}, seed ${details.seed}, path ${details.counterexamplePath ?? ''}`;
  if (mutant !== undefined) return `${error.name}: ${error.message} (${where})`;
  return [
    `${error.name}: ${error.message}`,
    where,
    ...(last?.executed ?? []),
    ...(last?.lines ?? []),
  ].join('\n');
}

describe('VTSPolicy and Scan/Cleanup in the simulated world', () => {
  it(
    `keep their promises in ${RUNS} runs`,
    async () => {
      expect(await search(RUNS)).toBe('nothing broken');
    },
    TIMEOUT_MS,
  );

  it.each(POLICY_MUTANTS)(
    `are searched well enough to find within ${MUTANT_RUNS} runs that $what`,
    async (mutant) => {
      expect(await search(MUTANT_RUNS, mutant)).toMatch(/^InvariantViolation: /);
    },
    TIMEOUT_MS,
  );
});
