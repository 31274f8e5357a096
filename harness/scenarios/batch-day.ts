/** The scenario `batch-day`: a day of batch backups while the line to AutoCopy's target is flaky. */
import { BATCH_DAY_MUTANTS } from '../mutants/batch-day-mutants.ts';
import { BATCH_DAY_COMMANDS, BatchDay, batchDayProfile } from '../workload/batch-day.ts';
import { defineScenario } from './scenario.ts';

export const BATCH_DAY = defineScenario({
  name: 'batch-day',
  what: 'A day of batch backups on several hosts and volumes, with a flaky line to the target of their copies.',
  runsDefault: 300,
  profile: batchDayProfile,
  commands: BATCH_DAY_COMMANDS,
  commandCountMax: 24,
  start: (options) => BatchDay.start(options),
  finish: (day) => day.finish(),
  outcome: (day) => day.report(),
  mutants: BATCH_DAY_MUTANTS,
});
