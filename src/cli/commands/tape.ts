/** `capstan tape …`. */
import { resolve } from 'node:path';
import { Option } from 'commander';
import { sizeOption } from '../options.ts';
import { given, named, required } from './operation-command.ts';
import type { CommandGroup } from './operation-command.ts';

const LABEL_TYPES = ['ansi', 'ibm', 'backup', 'unlabelled'];

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
      options: [
        required('--pool <name>', 'the pool that it belongs to'),
        new Option('--label <type>', 'how it is labelled').choices(LABEL_TYPES).default('ansi'),
        new Option('--capacity <size>', 'how much it holds, as 200G').argParser(sizeOption),
      ],
      parameters: (args, options) => ({
        ...named(args),
        ...given(options, 'pool'),
        labelType: options['label'],
        ...(options['capacity'] !== undefined && { capacityBytes: options['capacity'] }),
      }),
      shows: 'fields',
      examples: [
        'capstan tape create LAB001 --pool BACKUP',
        'capstan tape create T00042 --pool BACKUP --label backup --capacity 800G',
      ],
      notes:
        'A tape has a name of 1 to 6 capitals and digits, which no other pool of the server has.',
    },
    {
      usage: 'delete <name>',
      description: 'delete a tape and its data; a mounted tape is refused',
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
