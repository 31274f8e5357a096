/**
 * Goal: AutoCopy keeps its promises whatever fails: a copy is one whole version that the source had,
 * never an older one; a ring dismount ends copied or with one failure event after twelve attempts; what
 * was acknowledged survives; no copy follows a mount without ring.
 *
 * Method: fast-check draws a fault profile and up to 80 commands; two production servers and a host
 * live through them in simulated time (docs/internals/simulation.md). Kept failures run first. Each
 * planted bug must be found within 200 runs, or the search would find no other bug either.
 */
import { basename } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MUTANTS } from '../../harness/mutants/mutants.ts';
import { runCase } from '../../harness/replay/case.ts';
import { parseKeptCase, runKeptCase } from '../../harness/replay/kept-case.ts';
import { formatFailure } from '../../harness/replay/report.ts';
import { search } from '../../harness/replay/search.ts';
import type { FoundFailure } from '../../harness/replay/search.ts';
import { parseToken } from '../../harness/replay/token.ts';
import { newNativeVault } from '../../harness/rig/native-vault.ts';
import { gitCommit, keptSeeds } from '../../harness/rig/sim-environment.ts';
import { scenarioCommands } from '../../harness/workload/command-list.ts';
import { faultProfile } from '../../harness/workload/fault-profile.ts';
import { parseCommand } from '../../harness/workload/parse-command.ts';
import { newModelVault } from '../../harness/world/simulated-vault.ts';

const newVault = newNativeVault;
const SEED = 20_261_121;
const RUNS = 300;
const MUTANT_RUNS = 200;
const MODEL_RUNS = 30;
const TIMEOUT_MS = 240_000;

const report = (failure: FoundFailure | undefined): string =>
  failure === undefined ? 'nothing broken' : formatFailure(failure, gitCommit());

describe('AutoCopy in the simulated world', () => {
  for (const { path, text } of keptSeeds()) {
    const kept = parseKeptCase(text);
    it(`still holds where it once broke: ${basename(path)}`, async () => {
      const { error } = await runKeptCase(kept, newVault);
      expect(error?.name).toBe(kept.mutant === undefined ? undefined : 'InvariantViolation');
    });
  }

  it(
    `keeps its promises in ${RUNS} runs`,
    async () => {
      const { failure } = await search({ seed: SEED, runs: RUNS, newVault });
      expect(report(failure)).toBe('nothing broken');
    },
    TIMEOUT_MS,
  );

  it('leaves the same trace twice for the same seed, and another for another', async () => {
    const [one, other] = fc.sample(fc.tuple(faultProfile, scenarioCommands()), {
      seed: SEED,
      numRuns: 2,
    });
    if (one === undefined || other === undefined) throw new Error('two cases were sampled');
    const first = await runCase({ profile: one[0], newVault }, one[1]);
    const again = await runCase({ profile: one[0], newVault }, first.executed.map(parseCommand));
    expect(again.executed).toEqual(first.executed);
    expect(again.traceLines).toEqual(first.traceLines);
    expect(again.traceHash).toBe(first.traceHash);
    expect((await runCase({ profile: other[0], newVault }, other[1])).traceHash).not.toBe(
      first.traceHash,
    );
  });

  it('ends with the same tapes and copies over the native engine and over its model', async () => {
    const cases = fc.sample(fc.tuple(faultProfile, scenarioCommands()), {
      seed: SEED,
      numRuns: MODEL_RUNS,
    });
    for (const [drawn, commands] of cases) {
      // Disk operations are counted by each engine in its own way, and only one has leftovers.
      const profile = { ...drawn, crashesInside: false, powerCuts: false };
      const native = await runCase({ profile, newVault }, commands);
      const texts = native.executed.map(parseCommand);
      const model = await runCase({ profile, newVault: newModelVault }, texts);
      expect([native.error, model.error]).toEqual([undefined, undefined]);
      expect(model.tapes).toEqual(native.tapes);
    }
  });

  for (const mutant of MUTANTS) {
    it(
      `finds within ${MUTANT_RUNS} runs that ${mutant.what}, and its token replays it`,
      async () => {
        const { failure } = await search({ seed: SEED, runs: MUTANT_RUNS, mutant, newVault });
        expect(failure?.result.error?.name).toBe('InvariantViolation');
        const { seed, path, replayPath } = parseToken(failure?.token ?? '');
        const again = await search({ seed, path, replayPath, runs: 1, mutant, newVault });
        expect(again.failure?.result.error?.message).toBe(failure?.result.error?.message);
        expect(again.failure?.result.traceHash).toBe(failure?.result.traceHash);
      },
      TIMEOUT_MS,
    );
  }
});
