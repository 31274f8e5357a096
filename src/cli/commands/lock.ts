/** `capstan lock …`. */
import { Option } from 'commander';
import { given, nothing } from './operation-command.ts';
import type { CommandGroup } from './operation-command.ts';

export const LOCK_COMMANDS: CommandGroup = {
  description: "process locks: tapes and pools that one of the server's processes works on",
  commands: [
    {
      usage: 'list',
      description: 'who works on what, and since when',
      operation: 'lock.list',
      parameters: nothing,
      shows: 'lock',
      examples: ['capstan lock list'],
    },
    {
      usage: 'remove',
      description: 'remove the lock of a process that died',
      operation: 'lock.remove',
      options: [
        new Option('--tape <name>', 'the lock on this tape').conflicts('pool'),
        new Option('--pool <name>', 'the lock on this pool'),
      ],
      parameters: (_, options) => given(options, 'tape', 'pool'),
      shows: 'fields',
      examples: ['capstan lock remove --tape LAB001'],
      notes:
        'A lock goes with its process. To remove one while the process works can spoil what it works on. The lock\nof a user is lifted with `capstan tape unlock` and `capstan pool unlock`.',
    },
  ],
};
