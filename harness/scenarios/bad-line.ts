/** The scenario of a bad line: what copies do where one of their streams fails, and what their targets do meanwhile. */
import { BadLineWorld } from '../workload/bad-line.ts';
import { BAD_LINE_COMMANDS, badLineProfile } from '../workload/bad-line-commands.ts';
import { defineScenario } from './scenario.ts';

export const BAD_LINE = defineScenario({
  name: 'bad-line',
  what: 'Copies over several streams, of which each may fail by itself, to a server whose hosts go on working.',
  runsDefault: 500,
  profile: badLineProfile,
  commands: BAD_LINE_COMMANDS,
  commandCountMax: 40,
  start: (options) => BadLineWorld.start(options),
  finish: (line) => line.finish(),
  mutants: [],
});
