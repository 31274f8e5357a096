/** Looks for a case that breaks an invariant, shrinks it, and says how to run it again. */
import fc from 'fast-check';
import type { Mutant } from '../mutants/mutants.ts';
import { scenarioCommands } from '../workload/command-list.ts';
import type { FaultProfile } from '../workload/fault-profile.ts';
import { faultProfile } from '../workload/fault-profile.ts';
import type { NewVault } from '../world/simulated-vault.ts';
import { parseCommand } from '../workload/parse-command.ts';
import { runCase } from './case.ts';
import type { CaseResult } from './case.ts';
import { formatToken } from './token.ts';

export interface SearchOptions {
  readonly seed: number;
  readonly runs: number;
  readonly mutant?: Mutant | undefined;
  readonly newVault: NewVault;
  /** Of an earlier failure: run just that. */
  readonly path?: string | undefined;
  readonly replayPath?: string | undefined;
}

export interface FoundFailure {
  readonly seed: number;
  readonly path: string;
  readonly replayPath: string;
  readonly token: string;
  /** Which run found it, from 1; shrinking is not counted. */
  readonly run: number;
  readonly shrinkCount: number;
  /** As fast-check and then {@link shrinkFurther} left it. */
  readonly profile: FaultProfile;
  readonly commands: readonly string[];
  readonly result: CaseResult;
}

export interface SearchResult {
  readonly runCount: number;
  readonly virtualMs: number;
  readonly failure: FoundFailure | undefined;
}

export async function search(options: SearchOptions): Promise<SearchResult> {
  const { seed, mutant, newVault, path, replayPath } = options;
  let virtualMs = 0;
  // The last case that failed is the smallest: shrinking goes on from there.
  let smallest: { profile: FaultProfile; result: CaseResult } | undefined;
  const property = fc.asyncProperty(
    faultProfile,
    scenarioCommands(replayPath),
    async (profile, commands) => {
      const result = await runCase({ profile, mutant, newVault }, commands);
      virtualMs += result.virtualMs;
      if (result.error === undefined) return;
      smallest = { profile, result };
      throw result.error;
    },
  );
  const details = await fc.check(property, {
    seed,
    numRuns: options.runs,
    ...(path !== undefined && { path }),
  });
  if (!details.failed || smallest === undefined) {
    return { runCount: details.numRuns, virtualMs, failure: undefined };
  }
  const foundPath = details.counterexamplePath ?? '';
  const foundReplayPath = replayPathOf(details.counterexample?.[1]);
  const shrunk = await shrinkFurther(
    { profile: smallest.profile, mutant, newVault },
    smallest.result,
  );
  const where = { seed: details.seed, path: foundPath, replayPath: foundReplayPath };
  return {
    runCount: details.numRuns,
    virtualMs,
    failure: {
      ...where,
      token: formatToken({ ...where, mutant: mutant?.name }),
      run: details.numRuns,
      shrinkCount: details.numShrinks,
      profile: smallest.profile,
      commands: shrunk.executed,
      result: shrunk,
    },
  };
}

/** What fc.commands wants back to run a shrunk list of commands again. */
function replayPathOf(commands: unknown): string {
  return /replayPath="([^"]*)"/.exec(String(commands))?.[1] ?? '';
}

/**
 * A second pass over what fast-check has shrunk: drops one command after another and keeps what still
 * breaks an invariant, until no single command can be dropped.
 */
async function shrinkFurther(
  options: Parameters<typeof runCase>[0],
  failing: CaseResult,
): Promise<CaseResult> {
  let smallest = failing;
  for (let index = smallest.executed.length - 1; index >= 0; index -= 1) {
    const rest = smallest.executed.filter((_, other) => other !== index);
    const result = await runCase(options, rest.map(parseCommand));
    if (
      result.error?.name !== failing.error?.name ||
      result.executed.length >= smallest.executed.length
    )
      continue;
    smallest = result;
    index = smallest.executed.length;
  }
  return smallest;
}
