/** The scenario of media: what an operator does with tapes, pools and vaults, with power cuts in the middle. */
import fc from 'fast-check';
import { MEDIA_MUTANTS } from '../mutants/media-mutants.ts';
import { MEDIA_COMMANDS } from '../workload/media-commands.ts';
import { MediaWorld } from '../workload/media-world.ts';
import { defineScenario } from './scenario.ts';

export const MEDIA = defineScenario({
  name: 'media',
  what: 'Tapes and pools are made, erased, renamed, moved, locked and deleted, whenever the power fails.',
  runsDefault: 1000,
  profile: fc.record({ worldSeed: fc.nat() }),
  commands: MEDIA_COMMANDS,
  commandCountMax: 20,
  start: ({ profile, sabotage }) => MediaWorld.start(profile.worldSeed, sabotage.east),
  finish: (media) => media.finish(),
  mutants: MEDIA_MUTANTS,
});
