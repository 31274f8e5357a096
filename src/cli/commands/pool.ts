/** `capstan pool …`. */
import { Option } from 'commander';
import { noneAsNull, orNone, retentionOption, sizeOption } from '../options.ts';
import { given, named, nothing, required } from './operation-command.ts';
import type { CommandGroup } from './operation-command.ts';

const ATTRIBUTES = [
  new Option(
    '--retention <time>',
    'how long what was written is kept before a cleanup may erase it: 14d, 2w, none',
  ).argParser(orNone(retentionOption)),
  new Option('--encrypted', 'designate it for encrypted tapes'),
  new Option('--quota <size>', 'most that its tapes may hold together: 2T, none').argParser(
    orNone(sizeOption),
  ),
];

function attributes(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return {
    ...(options['retention'] !== undefined && { retentionMs: noneAsNull(options['retention']) }),
    ...(options['quota'] !== undefined && { quotaBytes: noneAsNull(options['quota']) }),
    ...given(options, 'encrypted'),
  };
}

/** A pool that is made has no value to take away. */
const withoutNull = (values: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null));

export const POOL_COMMANDS: CommandGroup = {
  description: 'pools: groups of tapes that AutoCopy works on',
  commands: [
    {
      usage: 'list',
      description: 'all pools, with what is in them',
      operation: 'pool.list',
      parameters: nothing,
      shows: 'pool',
      examples: ['capstan pool list'],
    },
    {
      usage: 'show <name>',
      description: 'one pool: what is in it, what it is designated for, who locked it',
      operation: 'pool.show',
      parameters: named,
      shows: 'fields',
      examples: ['capstan pool show BACKUP'],
    },
    {
      usage: 'create <name>',
      description: 'make a pool in a vault',
      operation: 'pool.create',
      options: [new Option('--vault <name>', 'the vault').default('VAULT00'), ...ATTRIBUTES],
      parameters: (args, options) => ({
        ...named(args),
        ...given(options, 'vault'),
        ...withoutNull(attributes(options)),
      }),
      shows: 'fields',
      examples: [
        'capstan pool create BACKUP',
        'capstan pool create DR --vault VAULT01 --retention 2w --quota 2T',
      ],
    },
    {
      usage: 'modify <name>',
      description: 'change what a pool is designated for',
      operation: 'pool.modify',
      options: [...ATTRIBUTES, new Option('--no-encrypted', 'designate it no more')],
      parameters: (args, options) => ({ ...named(args), ...attributes(options) }),
      shows: 'fields',
      examples: [
        'capstan pool modify BACKUP --retention 14d',
        'capstan pool modify BACKUP --retention none --quota none',
      ],
      notes: 'What is not named stays as it is.',
    },
    {
      usage: 'lock <name>',
      description: 'lock all tapes of a pool: none can be erased or deleted',
      operation: 'pool.lock',
      parameters: named,
      shows: 'fields',
      examples: ['capstan pool lock BACKUP'],
    },
    {
      usage: 'unlock <name>',
      description: 'lift the lock; tapes that are locked by themselves stay so',
      operation: 'pool.unlock',
      parameters: named,
      shows: 'fields',
      examples: ['capstan pool unlock BACKUP'],
    },
    {
      usage: 'rename <name> <new-name>',
      description: 'give a pool another name; tapes, AutoCopy rules and locks go with it',
      operation: 'pool.rename',
      parameters: (args) => ({ name: args[0], newName: args[1] }),
      shows: 'fields',
      examples: ['capstan pool rename BACKUP DAILY'],
    },
    {
      usage: 'move <name>',
      description: 'take a pool with all its tapes to another vault, whole or not at all',
      operation: 'pool.move',
      options: [required('--vault <name>', 'the vault that it goes to')],
      parameters: (args, options) => ({ ...named(args), ...given(options, 'vault') }),
      shows: 'fields',
      examples: ['capstan pool move BACKUP --vault VAULT01'],
      notes:
        'A host that asks for one of its tapes meanwhile waits. What has arrived when a move is broken off costs\nnothing at the next try. `capstan vault collect` gives the space of the old vault back.',
    },
    {
      usage: 'delete <name>',
      description: 'delete a pool that has no tapes',
      operation: 'pool.delete',
      parameters: named,
      shows: 'fields',
      examples: ['capstan pool delete OLD'],
    },
  ],
};
