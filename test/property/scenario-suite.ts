/** What is tested of every scenario of the registry alike, with numbers of its own. */
import { basename } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isPlanted } from '../../harness/mutants/mutant.ts';
import type { Mutant } from '../../harness/mutants/mutant.ts';
import { runCase } from '../../harness/replay/case.ts';
import { parseKeptCase, runKeptCase } from '../../harness/replay/kept-case.ts';
import { replay, search } from '../../harness/replay/search.ts';
import type { FoundFailure } from '../../harness/replay/search.ts';
import { parseToken } from '../../harness/replay/token.ts';
import { newNativeVault as newVault } from '../../harness/rig/native-vault.ts';
import { keptSeeds } from '../../harness/rig/sim-environment.ts';
import { searchPlanted } from '../../harness/rig/plant.ts';
import type { Scenario } from '../../harness/scenarios/scenario.ts';

/** Most commands that a shrunk failure has. */
const SHRUNK_COMMANDS_MAX = 12;
const TIMEOUT_MS = 600_000;

interface SuiteNumbers {
  readonly seed: number;
  /** In which nothing may break. */
  readonly runs: number;
  /** In which each planted bug must be found. */
  readonly mutantRuns: number;
}

export function describeScenario(scenario: Scenario, numbers: SuiteNumbers): void {
  const { seed, runs, mutantRuns } = numbers;
  const commandCountMax = scenario.shrinks === false ? Infinity : SHRUNK_COMMANDS_MAX;
  const report = (failure: FoundFailure | undefined): string => {
    if (failure === undefined) return 'nothing broken';
    const { token, result } = failure;
    const { error, executed, trace } = result;
    return [error?.message, token, ...executed, ...trace.lines.slice(-40)].join('\n');
  };

  describe(`the scenario ${scenario.name}`, () => {
    for (const { path, text } of keptSeeds()) {
      const kept = parseKeptCase(text);
      if (kept.scenario !== scenario.name) continue;
      it(`still holds where it once broke: ${basename(path)}`, async () => {
        const { error } = await runKeptCase(kept, newVault);
        expect(error?.name).toBe(kept.mutant === undefined ? undefined : 'InvariantViolation');
      });
    }

    it(
      `keeps its promises in ${runs} runs`,
      async () => {
        const { failure, runCount } = await search({ scenario, seed, runs, newVault });
        expect(report(failure)).toBe('nothing broken');
        expect(runCount).toBe(runs);
      },
      TIMEOUT_MS,
    );

    const expectOneTrace = async (): Promise<void> => {
      const [one, other] = fc.sample(fc.tuple(scenario.profile, scenario.commands()), {
        seed,
        numRuns: 2,
      });
      if (one === undefined || other === undefined) throw new Error('two cases were sampled');
      const [profile, commands] = one;
      const first = await runCase({ scenario, profile, newVault }, commands);
      const texts = first.executed.map(scenario.parse);
      const again = await runCase({ scenario, profile, newVault }, texts);
      expect(again.executed).toEqual(first.executed);
      expect(again.trace.lines).toEqual(first.trace.lines);
      expect(again.trace.hash).toBe(first.trace.hash);
      const third = await runCase({ scenario, profile: other[0], newVault }, other[1]);
      expect(third.trace.hash).not.toBe(first.trace.hash);
    };
    it(
      'leaves the same trace twice for the same case, and another for another',
      () => expectOneTrace(),
      TIMEOUT_MS,
    );

    const find = async (
      mutant: Mutant,
    ): Promise<{ kind: string | undefined; commandCount: number | undefined }> => {
      if (!isPlanted(mutant)) {
        const names = { scenario: scenario.name, mutant: mutant.name };
        const { failure } = await searchPlanted({ ...names, seed, runs: mutantRuns });
        return { kind: failure?.kind, commandCount: failure?.case.commands.length };
      }
      const { failure } = await search({ scenario, mutant, newVault, seed, runs: mutantRuns });
      const { error, executed } = failure?.result ?? {};
      return { kind: error?.name, commandCount: executed?.length };
    };
    for (const mutant of scenario.mutants) {
      it(
        `finds within ${mutantRuns} runs that ${mutant.what}`,
        async () => {
          const { kind, commandCount } = await find(mutant);
          expect(kind).toBe('InvariantViolation');
          expect(commandCount).toBeLessThanOrEqual(commandCountMax);
        },
        TIMEOUT_MS,
      );
    }

    // One that is planted in the source breaks in a process of its own.
    const planted = scenario.mutants.find(isPlanted);
    if (planted === undefined) return;
    it(
      'runs a failure again by its token, to the same trace',
      async () => {
        const options = { scenario, mutant: planted, newVault };
        const { failure } = await search({ ...options, seed, runs: mutantRuns });
        const { result } = (await replay(options, parseToken(failure?.token ?? ''))).failure ?? {};
        expect(result?.error?.message).toBe(failure?.result.error?.message);
        expect(result?.executed).toEqual(failure?.result.executed);
        expect(result?.trace.hash).toBe(failure?.result.trace.hash);
      },
      TIMEOUT_MS,
    );
  });
}
