/**
 * Goal: AutoCopy keeps its promises whatever fails: a copy is one whole version that the source had,
 * never an older one; a ring dismount ends copied or with one failure event after twelve attempts; what
 * was acknowledged survives; no copy follows a mount without ring.
 *
 * Method: fast-check draws a fault profile and up to 80 commands; two production servers and a host
 * live through them in simulated time (docs/internals/simulation.md). Kept failures run first. Each
 * planted bug must be found within 200 runs, or the search would find no other bug either.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runCase } from '../../harness/replay/case.ts';
import { newNativeVault } from '../../harness/rig/native-vault.ts';
import { AUTOCOPY } from '../../harness/scenarios/autocopy.ts';
import { newModelVault } from '../../harness/world/simulated-vault.ts';
import { describeScenario } from './scenario-suite.ts';

const SEED = 20_261_121;
const MODEL_RUNS = 30;

describeScenario(AUTOCOPY, { seed: SEED, runs: 300, mutantRuns: 200 });

describe('AutoCopy over a model of the engine', () => {
  it('ends with the same tapes and copies as over the native engine', async () => {
    const cases = fc.sample(fc.tuple(AUTOCOPY.profile, AUTOCOPY.commands()), {
      seed: SEED,
      numRuns: MODEL_RUNS,
    });
    for (const [drawn, commands] of cases) {
      // Disk operations are counted by each engine in its own way, and only one has leftovers.
      const profile = { ...drawn, crashesInside: false, powerCuts: false };
      const options = { scenario: AUTOCOPY, profile };
      const native = await runCase({ ...options, newVault: newNativeVault }, commands);
      const texts = native.executed.map(AUTOCOPY.parse);
      const model = await runCase({ ...options, newVault: newModelVault }, texts);
      expect([native.error, model.error]).toEqual([undefined, undefined]);
      expect(native.outcome.length).toBeGreaterThan(0);
      expect(model.outcome).toEqual(native.outcome);
    }
  });
});
