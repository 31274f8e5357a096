/** The scenario `dr-year`: a year of Instant DR in a drawn time zone. */
import { DR_YEAR_MUTANTS } from '../mutants/dr-year-mutants.ts';
import { DR_YEAR_COMMANDS, DrYear, drYearProfile } from '../workload/dr-year.ts';
import { defineScenario } from './scenario.ts';

export const DR_YEAR = defineScenario({
  name: 'dr-year',
  what: 'A year of Instant DR by the wall clock of a drawn time zone, over both changes of its clocks.',
  runsDefault: 10,
  profile: drYearProfile,
  commands: DR_YEAR_COMMANDS,
  commandCountMax: 16,
  shrinks: false,
  start: (options) => DrYear.start(options),
  finish: (year) => year.finish(),
  outcome: (year) => year.report(),
  mutants: DR_YEAR_MUTANTS,
});
