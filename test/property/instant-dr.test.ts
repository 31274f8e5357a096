/**
 * Goal: Instant DR keeps its promises whatever fails: nothing that a host wrote on either side is replaced
 * but by what comes from it; runs come when the schedule says, one at a time, and are honest; roles are
 * swapped with no tape lost and never doubled; at the end both sides are in step.
 *
 * Method: fast-check draws schedules and up to 40 commands; two production servers live through them in
 * simulated time (docs/internals/simulation.md). Each planted bug must be found.
 */
import { describe, expect, it } from 'vitest';
import { DR_MUTANTS } from '../../harness/mutants/dr-mutants.ts';
import { searchDr } from '../../harness/replay/dr-search.ts';
import type { DrFailure } from '../../harness/replay/dr-search.ts';
import { newNativeVault } from '../../harness/rig/native-vault.ts';

const newVault = newNativeVault;
const SEED = 20_261_121;
const RUNS = 150;
const MUTANT_RUNS = 300;
const TIMEOUT_MS = 600_000;

const report = (failure: DrFailure | undefined): string =>
  failure === undefined
    ? 'nothing broken'
    : [failure.message, ...failure.commands, '', ...failure.traceLines.slice(-40)].join('\n');

describe('Instant DR in the simulated world', () => {
  it(
    `keeps its promises in ${RUNS} runs`,
    async () => {
      const { failure } = await searchDr({ seed: SEED, runs: RUNS, newVault });
      expect(report(failure)).toBe('nothing broken');
    },
    TIMEOUT_MS,
  );

  for (const mutant of DR_MUTANTS) {
    it(
      `finds within ${MUTANT_RUNS} runs that ${mutant.what}`,
      async () => {
        const { failure } = await searchDr({ seed: SEED, runs: MUTANT_RUNS, mutant, newVault });
        expect(failure?.kind).toBe('InvariantViolation');
      },
      TIMEOUT_MS,
    );
  }
});
