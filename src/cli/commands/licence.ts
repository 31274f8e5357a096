/** `capstan licence …`. */
import { Option } from 'commander';
import { readLicenceFile } from '../password.ts';
import { nothing } from './operation-command.ts';
import type { CommandGroup } from './operation-command.ts';

export const LICENCE_COMMANDS: CommandGroup = {
  description: 'licences of optional features',
  commands: [
    {
      usage: 'list',
      description: 'all licences, what they carry and until when',
      operation: 'licence.list',
      parameters: nothing,
      shows: 'licence',
      examples: ['capstan licence list'],
    },
    {
      usage: 'add [key]',
      description: 'add a licence key',
      operation: 'licence.add',
      options: [new Option('--file <file>', 'the key lies in it')],
      parameters: async (args, options) => ({
        key: args[0] ?? (await readLicenceFile(options['file'])),
      }),
      shows: 'fields',
      examples: ['capstan licence add --file licence.txt', 'capstan licence add LABORATORY'],
      notes:
        'LABORATORY stands for the free licence that is part of every server, after it was removed.',
    },
    {
      usage: 'remove <number>',
      description: 'take a licence away',
      operation: 'licence.remove',
      parameters: (args) => ({ number: args[0] }),
      shows: 'fields',
      examples: ['capstan licence remove L1', 'capstan licence remove LABORATORY'],
    },
  ],
};
