/**
 * Goal: a year of Instant DR by the wall clock of any zone: each time of each day starts one run, over both changes
 * of the clocks and with failing lines and servers, and what a run calls copied is on the target.
 *
 * Method: years are drawn and lived through in simulated time, against an oracle that asks the zone's wall clock
 * alone (harness/workload/dr-year.ts). A year takes seconds, so the planted bugs are searched for without shrinking.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runCase } from '../../harness/replay/case.ts';
import type { CaseResult } from '../../harness/replay/case.ts';
import { newNativeVault as newVault } from '../../harness/rig/native-vault.ts';
import { DR_YEAR as scenario } from '../../harness/scenarios/dr-year.ts';
import type { Mutant } from '../../harness/mutants/mutant.ts';

const SEED = 20_261_121;
const YEARS = 2;
const MUTANT_YEARS = 4;
const TIMEOUT_MS = 600_000;

/** The first year in which something breaks; else the last. */
async function live(years: number, mutant?: Mutant): Promise<CaseResult | undefined> {
  const cases = fc.tuple(scenario.profile, scenario.commands());
  let result: CaseResult | undefined;
  for (const [profile, commands] of fc.sample(cases, { seed: SEED, numRuns: years })) {
    result = await runCase({ scenario, profile, mutant, newVault }, commands);
    if (result.error !== undefined) break;
  }
  return result;
}

describe('the scenario dr-year', () => {
  it(
    `keeps its promises in ${YEARS} years`,
    async () => {
      const result = await live(YEARS);
      expect(result?.error).toBeUndefined();
      expect(result?.virtualMs).toBeGreaterThan(365 * 86_400_000);
    },
    TIMEOUT_MS,
  );

  it.each(scenario.mutants)(
    `finds within ${MUTANT_YEARS} years that $what`,
    async (mutant) => {
      expect((await live(MUTANT_YEARS, mutant))?.error?.name).toBe('InvariantViolation');
    },
    TIMEOUT_MS,
  );
});
