/** The scenario of mounts: one server, a host with more tapes than drives, and a line between them that fails. */
import { MOUNT_MUTANTS } from '../mutants/mount-mutants.ts';
import { mountFinale } from '../workload/mount-finale.ts';
import { MOUNT_COMMANDS, mountProfile } from '../workload/mount-commands.ts';
import { MountScenario } from '../workload/mount-scenario.ts';
import { defineScenario } from './scenario.ts';

export const MOUNTS = defineScenario({
  name: 'mounts',
  what: "A host's mount requests are answered once and rightly, whatever fails and whoever interferes.",
  runsDefault: 1000,
  profile: mountProfile,
  commands: MOUNT_COMMANDS,
  commandCountMax: 60,
  start: (options) => MountScenario.start(options),
  finish: mountFinale,
  mutants: MOUNT_MUTANTS,
});
