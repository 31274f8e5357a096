/** The scenario of Instant DR: two servers that take turns as the source of a scheme. */
import { DR_MUTANTS } from '../mutants/dr-mutants.ts';
import { DR_COMMANDS, drProfile } from '../workload/dr-commands.ts';
import { DrWorld } from '../workload/dr-world.ts';
import { defineScenario } from './scenario.ts';

export const INSTANT_DR = defineScenario({
  name: 'instant-dr',
  what: 'Instant DR keeps two servers in step by schedule and by hand, through faults, swaps and takeovers.',
  runsDefault: 500,
  profile: drProfile,
  commands: DR_COMMANDS,
  commandCountMax: 40,
  start: (options) => DrWorld.start(options),
  finish: (dr) => dr.finish(),
  mutants: DR_MUTANTS,
});
