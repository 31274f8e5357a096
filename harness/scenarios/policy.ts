/** The scenario of commands and clean-up: VTSPolicy from a host, migrations, and Scan/Cleanup every night. */
import { POLICY_MUTANTS } from '../mutants/policy-mutants.ts';
import { POLICY_COMMANDS, policyProfile } from '../workload/policy-commands.ts';
import { policyFinale } from '../workload/policy-finale.ts';
import { PolicyScenario } from '../workload/policy-scenario.ts';
import { defineScenario } from './scenario.ts';

export const POLICY = defineScenario({
  name: 'policy-cleanup',
  what: 'VTSPolicy commands, migrations and Scan/Cleanup erase only what they may, and all that they must.',
  runsDefault: 500,
  profile: policyProfile,
  commands: POLICY_COMMANDS,
  commandCountMax: 60,
  start: (options) => PolicyScenario.start(options),
  finish: policyFinale,
  mutants: POLICY_MUTANTS,
});
