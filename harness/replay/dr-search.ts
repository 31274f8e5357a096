/** Looks for a case of Instant DR that breaks an invariant, and shrinks it. */
import fc from 'fast-check';
import type { DrMutant } from '../mutants/dr-mutants.ts';
import { drCommands } from '../workload/dr-commands.ts';
import { DrWorld } from '../workload/dr-world.ts';
import type { NewVault } from '../world/simulated-vault.ts';

export interface DrSearchOptions {
  readonly seed: number;
  readonly runs: number;
  readonly mutant?: DrMutant | undefined;
  readonly newVault: NewVault;
}

export interface DrFailure {
  readonly message: string;
  /** Whether it is an invariant that broke, or something else. */
  readonly kind: string;
  /** Which run found it, from 1. */
  readonly run: number;
  readonly commands: readonly string[];
  readonly traceLines: readonly string[];
}

export interface DrSearchResult {
  readonly runCount: number;
  readonly virtualMs: number;
  readonly failure: DrFailure | undefined;
}

const profile = fc.record({
  worldSeed: fc.nat(),
  leftovers: fc.constantFrom('ordered' as const, 'ext4' as const, 'any' as const),
  keepAlive: fc.boolean(),
});
const schedules = fc.constantFrom<readonly string[]>(
  [],
  ['daily at 02:30, 14:00'],
  ['*/20 * * * *'],
  ['15 * * * *', 'daily at 04:00'],
);

export async function searchDr(options: DrSearchOptions): Promise<DrSearchResult> {
  const { seed, runs, mutant, newVault } = options;
  let virtualMs = 0;
  let smallest: { readonly dr: DrWorld; readonly error: Error } | undefined;
  const property = fc.asyncProperty(
    profile,
    schedules,
    drCommands(),
    async (drawn, when, commands) => {
      const sabotage = mutant?.sabotage;
      const dr = await DrWorld.start({ profile: drawn, newVault, schedules: when, sabotage });
      try {
        await fc.asyncModelRun(() => ({ model: dr, real: dr }), commands);
        await dr.finish();
      } catch (caught) {
        const error = caught instanceof Error ? caught : new Error(String(caught));
        smallest = { dr, error };
        throw error;
      } finally {
        virtualMs += dr.world.clock.elapsedMs;
      }
    },
  );
  const details = await fc.check(property, { seed, numRuns: runs });
  if (!details.failed || smallest === undefined) {
    return { runCount: details.numRuns, virtualMs, failure: undefined };
  }
  const { dr, error } = smallest;
  const failure = {
    message: error.message,
    kind: error.name,
    run: details.numRuns,
    commands: [...dr.executed],
    traceLines: [...dr.world.trace.lines],
  };
  return { runCount: details.numRuns, virtualMs, failure };
}
