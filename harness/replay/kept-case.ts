/**
 * A kept failure: a case by its profile and its commands, as text, so that it still means the same
 * when the arbitraries have changed. fixtures/seeds/ holds them; they are run before anything else.
 */
import { CapstanError } from '../../src/base/errors.ts';
import type { Mutant } from '../mutants/mutants.ts';
import { MUTANTS } from '../mutants/mutants.ts';
import type { FaultProfile } from '../workload/fault-profile.ts';
import type { NewVault } from '../world/simulated-vault.ts';
import { parseCommand } from '../workload/parse-command.ts';
import { runCase } from './case.ts';
import type { CaseResult } from './case.ts';

export interface KeptCase {
  /** What it once broke, and where that was mended. */
  readonly why: string;
  readonly profile: FaultProfile;
  readonly commands: readonly string[];
  /** The planted fault that it needs to fail; a case without one must pass. */
  readonly mutant?: string | undefined;
}

/** Throws INVALID_ARGUMENT. */
export function findMutant(name: string): Mutant {
  const mutant = MUTANTS.find((each) => each.name === name);
  if (mutant !== undefined) return mutant;
  throw new CapstanError('INVALID_ARGUMENT', {
    what: `The mutant ${name}`,
    reason: `there are ${MUTANTS.map((each) => each.name).join(', ')}`,
  });
}

/** The case in a file's text. Throws INVALID_ARGUMENT where it is none. */
export function parseKeptCase(text: string): KeptCase {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CapstanError(
      'INVALID_ARGUMENT',
      { what: 'A kept case', reason: 'it is no JSON' },
      { cause },
    );
  }
  const kept = value as Partial<KeptCase> | null;
  if (typeof kept?.profile !== 'object' || !Array.isArray(kept.commands)) {
    throw new CapstanError('INVALID_ARGUMENT', {
      what: 'A kept case',
      reason: 'it needs a profile and commands',
    });
  }
  return kept as KeptCase;
}

export function runKeptCase(kept: KeptCase, newVault: NewVault): Promise<CaseResult> {
  const mutant = kept.mutant === undefined ? undefined : findMutant(kept.mutant);
  return runCase({ profile: kept.profile, mutant, newVault }, kept.commands.map(parseCommand));
}
