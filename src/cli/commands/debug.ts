/** `capstan debug …`. */
import { Option } from 'commander';
import { nothing } from './operation-command.ts';
import type { CommandGroup } from './operation-command.ts';

export const DEBUG_COMMANDS: CommandGroup = {
  description: 'how much the debug log of a running server tells',
  commands: [
    {
      usage: 'show',
      description: 'level and areas',
      isDefault: true,
      operation: 'server.debug',
      parameters: nothing,
      shows: 'fields',
      examples: ['capstan debug'],
    },
    {
      usage: 'set <level>',
      description: 'write more, or less: error, warning, info, debug',
      operation: 'server.set-debug',
      options: [
        new Option(
          '--areas <areas>',
          'only these: ems,mounts,copies,media,operations,server',
        ).argParser((text: string) => text.split(',')),
      ],
      parameters: ([level], { areas }) => ({ level, ...(areas !== undefined && { areas }) }),
      shows: 'fields',
      examples: ['capstan debug set debug --areas ems,mounts', 'capstan debug set error'],
      notes:
        'Lines go to log/debug.log. The level is `error` again after each start of the server.',
    },
  ],
};
