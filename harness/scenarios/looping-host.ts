/** The scenario `looping-host`: a host that has gone mad, beside others that have work to do. */
import { LOOPING_HOST_MUTANTS } from '../mutants/looping-host-mutants.ts';
import {
  LOOPING_HOST_COMMANDS,
  LoopingHost,
  loopingHostProfile,
} from '../workload/looping-host.ts';
import { defineScenario } from './scenario.ts';

export const LOOPING_HOST = defineScenario({
  name: 'looping-host',
  what: 'A host loops mount requests, talks rubbish and drops its line; the other hosts are served all the same.',
  runsDefault: 500,
  profile: loopingHostProfile,
  commands: LOOPING_HOST_COMMANDS,
  commandCountMax: 30,
  start: (options) => LoopingHost.start(options),
  finish: (scenario) => scenario.finish(),
  outcome: (scenario) => scenario.report(),
  mutants: LOOPING_HOST_MUTANTS,
});
