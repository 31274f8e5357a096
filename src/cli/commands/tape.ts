/** `capstan tape …`. */
import { resolve } from 'node:path';
import { Option } from 'commander';
import { sizeOption } from '../options.ts';
import { given, named, required } from './operation-command.ts';
import type { CommandGroup, Values } from './operation-command.ts';

const LABEL_TYPES = ['ansi', 'ibm', 'backup', 'unlabelled'];

const NEW_TAPE_OPTIONS = [
  new Option('--label <type>', 'how it is labelled').choices(LABEL_TYPES).default('ansi'),
  new Option('--capacity <size>', 'how much it holds, as 200G').argParser(sizeOption),
  new Option('--owner <name>', 'the owner that its label names'),
];

function newTape(options: Values): Values {
  return {
    ...given(options, 'pool', 'owner'),
    labelType: options['label'],
    ...(options['capacity'] !== undefined && { capacityBytes: options['capacity'] }),
  };
}

const AUTOLOAD = new Option('--autoload', "an autoloader's lock instead of a user's");

function lockParameters(args: readonly string[], options: Values): Values {
  return { ...named(args), kind: options['autoload'] === true ? 'autoload' : 'user' };
}

export const TAPE_COMMANDS: CommandGroup = {
  description: 'virtual tapes',
  commands: [
    {
      usage: 'list',
      description: 'all tapes, or those of a pool',
      operation: 'tape.list',
      options: [new Option('--pool <name>', 'only this pool')],
      parameters: (_, options) => given(options, 'pool'),
      shows: 'tape',
      examples: ['capstan tape list', 'capstan tape list --pool BACKUP --json'],
    },
    {
      usage: 'show <name>',
      description: 'one tape, with its generations and copies',
      operation: 'tape.show',
      parameters: named,
      shows: 'fields',
      examples: ['capstan tape show LAB001'],
    },
    {
      usage: 'create <name>',
      description: 'make a tape, labelled and otherwise empty',
      operation: 'tape.create',
      options: [required('--pool <name>', 'the pool that it belongs to'), ...NEW_TAPE_OPTIONS],
      parameters: (args, options) => ({ ...named(args), ...newTape(options) }),
      shows: 'fields',
      examples: [
        'capstan tape create LAB001 --pool BACKUP',
        'capstan tape create T00042 --pool BACKUP --label backup --capacity 800G',
      ],
      notes:
        'A tape has a name of 1 to 6 capitals and digits, which no other pool of the server has.',
    },
    {
      usage: 'create-range <first> <last>',
      description: 'make many tapes: LAB000 to LAB999',
      operation: 'tape.create-range',
      options: [
        required('--pool <name>', 'the pool that they belong to'),
        ...NEW_TAPE_OPTIONS,
        new Option('--skip-existing', 'pass over those that the pool has already'),
      ],
      parameters: (args, options) => ({
        first: args[0],
        last: args[1],
        ...newTape(options),
        ...given(options, 'skipExisting'),
      }),
      shows: 'fields',
      examples: [
        'capstan tape create-range LAB000 LAB999 --pool BACKUP',
        'capstan tape create-range N00000 N00099 --pool NIGHT --label backup --capacity 200G',
      ],
      notes:
        'At most 10,000 tapes at once. Nothing is made where one of the names is taken. What was made before\nanother failure stays; --skip-existing makes the rest.',
    },
    {
      usage: 'rename <name> <new-name>',
      description: 'give a tape another name, with its history',
      operation: 'tape.rename',
      options: [new Option('--keep-label', 'also where the label on the tape says the old name')],
      parameters: (args, options) => ({
        name: args[0],
        newName: args[1],
        ...given(options, 'keepLabel'),
      }),
      shows: 'fields',
      examples: ['capstan tape rename LAB001 ARC001'],
      notes:
        'A tape that no host has written gets a label with the new name. What a host has written is left alone:\nits label says the old name, and a host that asks for the new one calls it a wrong tape.',
    },
    {
      usage: 'move <name>',
      description: 'put a tape into another pool, and so perhaps into another vault',
      operation: 'tape.move',
      options: [required('--pool <name>', 'the pool that it goes to')],
      parameters: (args, options) => ({ ...named(args), ...given(options, 'pool') }),
      shows: 'fields',
      examples: ['capstan tape move LAB001 --pool ARCHIVE'],
      notes:
        'It arrives whole or not at all; a host that asks for it meanwhile waits. Copies that its old pool\nowed are owed no more, the rules of its new pool hold from its next dismount on.',
    },
    {
      usage: 'erase <name>',
      description: 'take the data of a tape away and keep its metadata; cannot be undone',
      operation: 'tape.erase',
      parameters: named,
      shows: 'fields',
      examples: ['capstan tape erase LAB001'],
      notes:
        'A locked or mounted tape is refused. An erased tape is labelled again when it is next mounted with ring.\n`capstan vault collect` gives the space back.',
    },
    {
      usage: 'metadata <name> [item]',
      description: 'what is kept about a tape, or one item of it',
      operation: 'tape.metadata',
      parameters: (args) => ({
        ...named(args),
        ...(args[1] !== undefined && { item: args[1] }),
      }),
      shows: 'metadata',
      examples: ['capstan tape metadata LAB001', 'capstan tape metadata LAB001 written'],
      notes: 'Times are DDMonYY HH:MM in UTC, as 02Mar05 14:41.',
    },
    {
      usage: 'set-metadata <name> <item> <value>',
      description: 'write one item of what is kept about a tape',
      operation: 'tape.set-metadata',
      parameters: (args) => ({ ...named(args), item: args[1], value: args[2] }),
      shows: 'metadata',
      examples: [
        "capstan tape set-metadata LAB001 written '02Mar05 14:41'",
        'capstan tape set-metadata LAB001 exported none',
      ],
      notes:
        'The server keeps these items by itself; write one only where it is wrong, as after a disaster.\n`none` takes an item away.',
    },
    {
      usage: 'lock <name>',
      description: 'lock a tape: it cannot be erased or deleted',
      operation: 'tape.lock',
      options: [AUTOLOAD],
      parameters: lockParameters,
      shows: 'fields',
      examples: ['capstan tape lock LAB001'],
    },
    {
      usage: 'unlock <name>',
      description: 'lift the lock of a tape; that of its pool stays',
      operation: 'tape.unlock',
      options: [AUTOLOAD],
      parameters: lockParameters,
      shows: 'fields',
      examples: ['capstan tape unlock LAB001', 'capstan tape unlock LAB001 --autoload'],
    },
    {
      usage: 'delete <name>',
      description: 'delete a tape and its data; a mounted or locked tape is refused',
      operation: 'tape.delete',
      parameters: named,
      shows: 'fields',
      examples: ['capstan tape delete T00042'],
    },
    {
      usage: 'verify [name]',
      description: 'read everything that a tape (or all tapes) is made of and compare checksums',
      operation: 'tape.verify',
      parameters: (args) => (args[0] === undefined ? {} : named(args)),
      shows: 'verify',
      examples: ['capstan tape verify', 'capstan tape verify LAB001'],
      notes: 'Prints each damage with its place. The exit code is 1 where there is any.',
      failure: verifyFailure,
    },
    {
      usage: 'repair <name>',
      description: 'heal what is damaged of a tape from another copy of the same data',
      operation: 'tape.repair',
      options: [
        new Option('--from-vault <name>', 'another vault of this server').conflicts('fromStore'),
        new Option('--from-store <folder>', "a store's folder, as of another server's vault"),
      ],
      parameters: (args, options) => ({
        ...named(args),
        ...given(options, 'fromVault'),
        ...(typeof options['fromStore'] === 'string' && {
          fromStore: resolve(options['fromStore']),
        }),
      }),
      shows: 'repair',
      examples: [
        'capstan tape repair LAB001 --from-vault VAULT01',
        'capstan tape repair LAB001 --from-store /mnt/old-server/vaults/VAULT00',
      ],
      notes:
        'Without a source the same data elsewhere in the vault serves: write the backup once more to another\ntape, then repair. Of a copy: `capstan tape verify` it here, then `capstan autocopy repeat` it on the\nserver that it came from.',
      failure: repairFailure,
    },
  ],
};

function verifyFailure(result: unknown): string | undefined {
  const { damages } = result as { readonly damages?: readonly unknown[] };
  const count = damages?.length ?? 0;
  if (count === 0) return undefined;
  return `${count} ${count === 1 ? 'damage was' : 'damages were'} found; what is damaged is never read as data, write or copy the tape anew.`;
}

function repairFailure(result: unknown): string | undefined {
  const { lackingChunkCount } = result as { readonly lackingChunkCount?: number };
  if (lackingChunkCount === undefined || lackingChunkCount === 0) return verifyFailure(result);
  const count = `${lackingChunkCount} ${lackingChunkCount === 1 ? 'chunk is' : 'chunks are'}`;
  return `${count} still damaged: no good copy of them was found.`;
}
