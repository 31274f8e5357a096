/** The scenario of a shared vault: two servers on one file system, of which one keeps the vault's store. */
import { describeObjects } from '../model/tape-model.ts';
import { SHARED_MUTANTS } from '../mutants/shared-mutants.ts';
import { SHARED_COMMANDS, sharedProfile } from '../workload/shared-commands.ts';
import { SharedWorld } from '../workload/shared-world.ts';
import { defineScenario } from './scenario.ts';

export const SHARED_VAULT = defineScenario({
  name: 'shared-vault',
  what: 'Two servers use one shared vault, through crashes, fencing and lost lines: one writer a tape, nothing lost.',
  runsDefault: 500,
  profile: sharedProfile,
  commands: SHARED_COMMANDS,
  commandCountMax: 60,
  start: (options) => SharedWorld.start(options),
  finish: (shared) => shared.finish(),
  outcome: ({ tapes }) =>
    tapes.map(({ model }) => `${model.name}: ${describeObjects(model.content)}`),
  mutants: SHARED_MUTANTS,
});
