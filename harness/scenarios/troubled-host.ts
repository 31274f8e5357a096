/** The scenario `troubled-host`: AutoCopy while the hosts are in trouble. */
import { TROUBLED_HOST_MUTANTS } from '../mutants/troubled-host-mutants.ts';
import {
  TROUBLED_HOST_COMMANDS,
  TroubledHost,
  troubledHostProfile,
} from '../workload/troubled-host.ts';
import { defineScenario } from './scenario.ts';

export const TROUBLED_HOST = defineScenario({
  name: 'troubled-host',
  what: 'Hosts stop, lose processors and sessions and talk rubbish while their tapes are written and copied.',
  runsDefault: 400,
  profile: troubledHostProfile,
  commands: TROUBLED_HOST_COMMANDS,
  commandCountMax: 40,
  start: (options) => TroubledHost.start(options),
  finish: (scenario) => scenario.finish(),
  outcome: (scenario) => scenario.report(),
  mutants: TROUBLED_HOST_MUTANTS,
});
