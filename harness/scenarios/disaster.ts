/** The scenario `disaster`: the first site is lost at 03:00, the other takes over, and everything comes home. */
import { DISASTER_MUTANTS } from '../mutants/disaster-mutants.ts';
import { DISASTER_COMMANDS, Disaster, disasterProfile } from '../workload/disaster.ts';
import { defineScenario } from './scenario.ts';

export const DISASTER = defineScenario({
  name: 'disaster',
  what: 'A site is lost at 03:00 in the middle of a run; the other takes over, works, and gives everything back.',
  runsDefault: 500,
  profile: disasterProfile,
  commands: DISASTER_COMMANDS,
  commandCountMax: 30,
  start: (options) => Disaster.start(options),
  finish: (disaster) => disaster.finish(),
  outcome: (disaster) => disaster.report(),
  mutants: DISASTER_MUTANTS,
});
