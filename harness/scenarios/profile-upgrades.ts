/** The scenario `profile-upgrades`: a server lives through the versions of the product. */
import { UPGRADES_MUTANTS } from '../mutants/profile-upgrades-mutants.ts';
import {
  ProfileUpgrades,
  UPGRADES_COMMANDS,
  upgradesProfile,
} from '../workload/profile-upgrades.ts';
import { defineScenario } from './scenario.ts';

export const PROFILE_UPGRADES = defineScenario({
  name: 'profile-upgrades',
  what: 'A server is upgraded from 6.04.01 to 8.3, with tapes, rules and users in place.',
  runsDefault: 300,
  profile: upgradesProfile,
  commands: UPGRADES_COMMANDS,
  commandCountMax: 25,
  start: (options) => ProfileUpgrades.start(options),
  finish: (scenario) => scenario.finish(),
  outcome: (scenario) => scenario.report(),
  mutants: UPGRADES_MUTANTS,
});
