/** One case: a fault profile and a list of commands, run in a world of their own from start to finale. */
import fc from 'fast-check';
import type { Mutant } from '../mutants/mutants.ts';
import { describeObjects } from '../model/tape-model.ts';
import type { FaultProfile } from '../workload/fault-profile.ts';
import { finale } from '../workload/finale.ts';
import { Scenario } from '../workload/scenario.ts';
import type { ScenarioCommand } from '../workload/commands.ts';
import type { NewVault } from '../world/simulated-vault.ts';

export interface CaseOptions {
  readonly profile: FaultProfile;
  readonly mutant?: Mutant | undefined;
  /** The disks under the vaults. */
  readonly newVault: NewVault;
}

export interface CaseResult {
  /** Undefined where every invariant held. */
  readonly error: Error | undefined;
  /** Of everything that happened; the same for the same case. */
  readonly traceHash: string;
  /** The newest of what happened, a line each. */
  readonly traceLines: readonly string[];
  /** The commands that ran: those that made no sense in their place were skipped. */
  readonly executed: readonly string[];
  readonly virtualMs: number;
  /** Each tape's newest generation and content on the source, and its copy's generation. */
  readonly tapes: readonly string[];
}

/** Runs a case; never rejects for what it finds. */
export async function runCase(
  { profile, mutant, newVault }: CaseOptions,
  commands: Iterable<ScenarioCommand>,
): Promise<CaseResult> {
  const scenario = await Scenario.start({
    profile,
    newVault,
    ...(mutant !== undefined && { sabotage: mutant.sabotage }),
  });
  let error: Error | undefined;
  try {
    await fc.asyncModelRun(() => ({ model: scenario, real: scenario }), commands);
    await finale(scenario);
  } catch (caught) {
    error = caught instanceof Error ? caught : new Error(String(caught));
  }
  const { trace, clock } = scenario.world;
  return {
    error,
    traceHash: trace.hash,
    traceLines: [...trace.lines],
    executed: [...scenario.executed],
    virtualMs: clock.elapsedMs,
    tapes: scenario.tapes.map(
      ({ model, replica }) =>
        `${model.name} ${model.latest?.generation}: ${describeObjects(model.content)}; ` +
        `copy ${replica?.generation}`,
    ),
  };
}
