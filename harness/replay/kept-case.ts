/**
 * A kept failure: a case by its profile and its commands, as text, so that it still means the same
 * when the arbitraries have changed. fixtures/seeds/ holds them; they are run before anything else.
 */
import { CapstanError } from '../../src/base/errors.ts';
import { findMutant, findScenario } from '../scenarios/registry.ts';
import type { CaseProfile, Scenario } from '../scenarios/scenario.ts';
import type { NewVault } from '../world/simulated-vault.ts';
import { runCase } from './case.ts';
import type { CaseResult } from './case.ts';

export interface KeptCase {
  readonly scenario: string;
  /** What it once broke, and where that was mended. */
  readonly why: string;
  readonly profile: CaseProfile;
  readonly commands: readonly string[];
  /** The planted bug that it needs to fail; a case without one must pass. */
  readonly mutant?: string | undefined;
}

/** The case in a file's text. Throws INVALID_ARGUMENT where it is none. */
export function parseKeptCase(text: string): KeptCase {
  const refused = (reason: string, cause?: unknown): CapstanError =>
    new CapstanError('INVALID_ARGUMENT', { what: 'A kept case', reason }, { cause });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw refused('it is no JSON', cause);
  }
  const kept = value as Partial<KeptCase> | null;
  if (
    typeof kept?.scenario !== 'string' ||
    typeof kept.profile?.worldSeed !== 'number' ||
    !Array.isArray(kept.commands)
  ) {
    throw refused('it needs a scenario, a profile with a worldSeed, and commands');
  }
  return kept as KeptCase;
}

export function runKeptCase(kept: KeptCase, newVault: NewVault): Promise<CaseResult> {
  const scenario = findScenario(kept.scenario);
  const mutant = kept.mutant === undefined ? undefined : findMutant(scenario, kept.mutant);
  const { profile, commands } = kept;
  return runCase({ scenario, profile, mutant, newVault }, commands.map(scenario.parse));
}

/** A failure as a case to keep; `why` is its sentence until somebody knows better. */
export function keptCaseOf(scenario: Scenario, result: CaseResult, mutant?: string): KeptCase {
  const { profile, executed: commands, error } = result;
  const why = error?.message ?? '';
  const planted = mutant === undefined ? {} : { mutant };
  return { scenario: scenario.name, why, profile, commands, ...planted };
}
