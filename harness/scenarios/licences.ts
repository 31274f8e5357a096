/** The scenario of licences: keys come and go, end, and are forged; the clock is set, and the server killed. */
import { LICENCE_MUTANTS } from '../mutants/licence-mutants.ts';
import { LICENCE_COMMANDS, licenceProfile } from '../workload/licence-commands.ts';
import { LicenceWorld } from '../workload/licence-world.ts';
import { defineScenario } from './scenario.ts';

export const LICENCES = defineScenario({
  name: 'licences',
  what: 'Licences count as long as they say, wherever the clock stands, and no others do.',
  runsDefault: 1000,
  profile: licenceProfile,
  commands: LICENCE_COMMANDS,
  commandCountMax: 30,
  start: (options) => LicenceWorld.start(options),
  finish: (licences) => licences.finish(),
  mutants: LICENCE_MUTANTS,
});
