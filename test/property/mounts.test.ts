/**
 * Goal: a host's mount request is answered once, with what it asked for, whatever fails between host and
 * server and whoever interferes; and none that is open stays open for ever. Method: fast-check draws a
 * profile and up to 60 commands; a production server and a simulated NonStop live through them in
 * simulated time (harness/workload/mount-scenario.ts). Each planted bug must be found.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MOUNT_MUTANTS } from '../../harness/mutants/mount-mutants.ts';
import { mountCommands, mountProfile } from '../../harness/workload/mount-commands.ts';
import { MountScenario } from '../../harness/workload/mount-scenario.ts';
import type { Sabotage } from '../../harness/world/simulated-server.ts';

const SEED = 20_261_121;
const RUNS = 250;
const MUTANT_RUNS = 200;
const TIMEOUT_MS = 240_000;

/** The first failure's sentence and commands, or undefined where everything held. */
async function search(
  runs: number,
  sabotage: Sabotage | undefined,
  shrinks: boolean,
): Promise<string | undefined> {
  let executed: readonly string[] = [];
  const property = fc.asyncProperty(mountProfile, mountCommands(), async (profile, commands) => {
    const scenario = await MountScenario.start(profile, sabotage);
    try {
      await fc.asyncModelRun(() => ({ model: scenario, real: scenario }), commands);
      await scenario.finale();
    } catch (error) {
      executed = [
        JSON.stringify(profile),
        ...scenario.executed,
        ...scenario.world.trace.lines.map((line) => line.slice(0, 240)),
      ];
      throw error;
    }
  });
  const details = await fc.check(property, { seed: SEED, numRuns: runs, endOnFailure: !shrinks });
  if (!details.failed) return undefined;
  const { errorInstance } = details;
  const error = errorInstance instanceof Error ? errorInstance : new Error(String(errorInstance));
  return `run ${details.numRuns}: ${error.name}: ${error.message}\n${executed.join('\n')}`;
}

describe('mounts in the simulated world', () => {
  it(
    `keep their promises in ${RUNS} runs`,
    async () => {
      expect(await search(RUNS, undefined, true)).toBeUndefined();
    },
    TIMEOUT_MS,
  );

  for (const { what, sabotage } of MOUNT_MUTANTS) {
    it(
      `are found broken within ${MUTANT_RUNS} runs where ${what}`,
      async () => {
        expect(await search(MUTANT_RUNS, sabotage, false)).toMatch(
          /^run \d+: InvariantViolation: /,
        );
      },
      TIMEOUT_MS,
    );
  }
});
