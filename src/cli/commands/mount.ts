/** `capstan mount …`. */
import { nothing } from './operation-command.ts';
import type { CommandGroup } from './operation-command.ts';

export const MOUNT_COMMANDS: CommandGroup = {
  description: 'what is mounted, and what hosts wait for',
  commands: [
    {
      usage: 'list',
      description: 'open mounts and waiting requests',
      operation: 'mount.list',
      parameters: nothing,
      shows: 'mount',
      examples: ['capstan mount list'],
    },
  ],
};
