/** The scenario of AutoCopy: two servers, a NonStop host, and a line between them on which everything fails. */
import { describeObjects } from '../model/tape-model.ts';
import { COPY_MUTANTS } from '../mutants/copy-mutants.ts';
import { COPY_COMMANDS } from '../workload/copy-commands.ts';
import { copyFinale } from '../workload/copy-finale.ts';
import { CopyScenario } from '../workload/copy-scenario.ts';
import { faultProfile } from '../workload/fault-profile.ts';
import { defineScenario } from './scenario.ts';

export const AUTOCOPY = defineScenario({
  name: 'autocopy',
  what: 'AutoCopy copies what a host wrote to another server, through crashes, power cuts and network faults.',
  runsDefault: 1000,
  profile: faultProfile,
  commands: COPY_COMMANDS,
  commandCountMax: 80,
  start: (options) => CopyScenario.start(options),
  finish: copyFinale,
  // Each tape's newest generation and content on the source, and its copy's generation.
  outcome: ({ tapes }) =>
    tapes.map(
      ({ model, replica }) =>
        `${model.name} ${model.latest?.generation}: ${describeObjects(model.content)}; ` +
        `copy ${replica?.generation}`,
    ),
  mutants: COPY_MUTANTS,
});
