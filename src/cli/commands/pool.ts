/** `capstan pool …`. */
import { Option } from 'commander';
import { given, named, nothing } from './operation-command.ts';
import type { CommandGroup } from './operation-command.ts';

export const POOL_COMMANDS: CommandGroup = {
  description: 'pools: groups of tapes that AutoCopy works on',
  commands: [
    {
      usage: 'list',
      description: 'all pools',
      operation: 'pool.list',
      parameters: nothing,
      shows: 'pool',
      examples: ['capstan pool list'],
    },
    {
      usage: 'show <name>',
      description: 'one pool',
      operation: 'pool.show',
      parameters: named,
      shows: 'fields',
      examples: ['capstan pool show BACKUP'],
    },
    {
      usage: 'create <name>',
      description: 'make a pool in a vault',
      operation: 'pool.create',
      options: [new Option('--vault <name>', 'the vault').default('VAULT00')],
      parameters: (args, options) => ({ ...named(args), ...given(options, 'vault') }),
      shows: 'fields',
      examples: ['capstan pool create BACKUP', 'capstan pool create DR --vault VAULT01'],
    },
  ],
};
