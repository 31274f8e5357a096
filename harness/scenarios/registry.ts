/** All scenarios, and all bugs that can be planted in them. */
import { CapstanError } from '../../src/base/errors.ts';
import type { Mutant } from '../mutants/mutant.ts';
import { AUTOCOPY } from './autocopy.ts';
import { BAD_LINE } from './bad-line.ts';
import { BATCH_DAY } from './batch-day.ts';
import { DISASTER } from './disaster.ts';
import { DR_YEAR } from './dr-year.ts';
import { FULL_VAULT } from './full-vault.ts';
import { INSTANT_DR } from './instant-dr.ts';
import { LICENCES } from './licences.ts';
import { LOOPING_HOST } from './looping-host.ts';
import { MEDIA } from './media.ts';
import { MOUNTS } from './mounts.ts';
import { PROFILE_UPGRADES } from './profile-upgrades.ts';
import { POLICY } from './policy.ts';
import type { Scenario } from './scenario.ts';
import { SHARED_VAULT } from './shared-vault.ts';
import { TROUBLED_HOST } from './troubled-host.ts';
import { TWO_SITES_SCENARIO } from './two-sites.ts';

/** The first is what `capstan sim` runs where none is named. */
export const SCENARIOS: readonly [Scenario, ...Scenario[]] = [
  AUTOCOPY,
  INSTANT_DR,
  MOUNTS,
  MEDIA,
  POLICY,
  BATCH_DAY,
  DISASTER,
  DR_YEAR,
  TWO_SITES_SCENARIO,
  FULL_VAULT,
  LOOPING_HOST,
  TROUBLED_HOST,
  PROFILE_UPGRADES,
  SHARED_VAULT,
  LICENCES,
  BAD_LINE,
];

/** Throws INVALID_ARGUMENT. */
export function findScenario(name: string): Scenario {
  return find('scenario', SCENARIOS, name);
}

/** Throws INVALID_ARGUMENT. */
export function findMutant({ mutants }: Scenario, name: string): Mutant {
  return find('mutant', mutants, name);
}

/** Throws INVALID_ARGUMENT. */
export function findScenarioOfMutant(name: string): Scenario {
  const mutants = SCENARIOS.flatMap((scenario) =>
    scenario.mutants.map((mutant) => ({ name: mutant.name, scenario })),
  );
  return find('mutant', mutants, name).scenario;
}

function find<Named extends { readonly name: string }>(
  kind: string,
  all: readonly Named[],
  name: string,
): Named {
  const found = all.find((each) => each.name === name);
  if (found !== undefined) return found;
  throw new CapstanError('INVALID_ARGUMENT', {
    what: `The ${kind} ${name}`,
    reason: `there are ${all.map((each) => each.name).join(', ')}`,
  });
}
