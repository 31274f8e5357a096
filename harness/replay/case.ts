/** One case of a scenario: a profile and a list of commands, run in a world of their own to the finale. */
import fc from 'fast-check';
import { assert } from '../../src/base/assert.ts';
import { isPlanted } from '../mutants/mutant.ts';
import type { Mutant } from '../mutants/mutant.ts';
import type { CaseProfile, CaseWorld, Scenario } from '../scenarios/scenario.ts';
import type { Command } from '../workload/command-form.ts';
import type { NewVault } from '../world/simulated-vault.ts';
import type { Trace } from '../world/trace.ts';

export interface CaseOptions {
  readonly scenario: Scenario;
  readonly profile: CaseProfile;
  readonly mutant?: Mutant | undefined;
  /** The disks under the vaults. */
  readonly newVault: NewVault;
  /** Is given every line of the trace. */
  readonly onTraceLine?: (line: string) => void;
}

export interface CaseResult {
  readonly profile: CaseProfile;
  /** Undefined where every invariant held. */
  readonly error: Error | undefined;
  /** Everything that happened; its hash is the same for the same case. */
  readonly trace: Pick<Trace, 'hash' | 'lines' | 'count'>;
  /** The commands that ran: those that made no sense in their place were skipped. */
  readonly executed: readonly string[];
  readonly virtualMs: number;
  /** What is there at the end, as the scenario tells it; nothing where an invariant broke. */
  readonly outcome: readonly string[];
}

/** Of a world that does not even begin. */
const NO_TRACE: CaseResult['trace'] = { hash: '', lines: [], count: 0 };

/** Runs a case; never rejects for what it finds. */
export async function runCase(
  { scenario, profile, mutant, newVault, onTraceLine }: CaseOptions,
  commands: Iterable<Command<CaseWorld>>,
): Promise<CaseResult> {
  // A search for a bug that is not there would find nothing, and prove nothing.
  assert(mutant === undefined || isPlanted(mutant), `${mutant?.name} is in the source that runs`);
  const sabotage = mutant?.sabotage ?? {};
  let world: CaseWorld | undefined;
  let error: Error | undefined;
  let outcome: readonly string[] = [];
  try {
    const started = await scenario.start({ profile, newVault, sabotage });
    world = started;
    if (onTraceLine !== undefined) started.world.trace.streamTo(onTraceLine);
    await fc.asyncModelRun(() => ({ model: started, real: started }), commands);
    await scenario.finish(started);
    outcome = scenario.outcome?.(started) ?? [];
  } catch (caught) {
    error = caught instanceof Error ? caught : new Error(String(caught));
  }
  await world?.world.end();
  return {
    profile,
    error,
    trace: world?.world.trace ?? NO_TRACE,
    executed: world?.executed ?? [],
    virtualMs: world?.world.clock.elapsedMs ?? 0,
    outcome,
  };
}
