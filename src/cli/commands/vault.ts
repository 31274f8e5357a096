/** `capstan vault …`. */
import { resolve } from 'node:path';
import { Option } from 'commander';
import { shareOption, sizeOption } from '../options.ts';
import { given, named, nothing, required } from './operation-command.ts';
import type { CommandGroup } from './operation-command.ts';

export const VAULT_COMMANDS: CommandGroup = {
  description: 'vaults: the stores on disk that pools lie in',
  commands: [
    {
      usage: 'list',
      description: 'all vaults, with what is in them and what is left on their file systems',
      operation: 'vault.list',
      parameters: nothing,
      shows: 'vault',
      examples: ['capstan vault list'],
    },
    {
      usage: 'show <name>',
      description: 'one vault, with what it holds and how much deduplication saves',
      operation: 'vault.show',
      parameters: named,
      shows: 'fields',
      examples: ['capstan vault show VAULT00'],
    },
    {
      usage: 'create <name>',
      description: 'make a vault in a folder that is new or empty',
      operation: 'vault.create',
      options: [
        required('--path <folder>', 'where its store lies'),
        new Option('--shared', 'share it with other servers from the beginning'),
      ],
      parameters: (args, options) => ({
        ...named(args),
        path: resolve(String(options['path'])),
        ...given(options, 'shared'),
      }),
      shows: 'fields',
      examples: [
        'capstan vault create VAULT01 --path /srv/tape2/VAULT01',
        'capstan vault create VAULT02 --path /gfs/VAULT02 --shared',
      ],
    },
    {
      usage: 'rename <name> <new-name>',
      description: 'give a vault another name; its folder stays where it is',
      operation: 'vault.rename',
      parameters: ([name, newName]) => ({ name, newName }),
      shows: 'fields',
      examples: ['capstan vault rename VAULT01 VAULT07'],
    },
    {
      usage: 'share <name>',
      description: "share a vault that is this server's alone",
      operation: 'vault.share',
      parameters: named,
      shows: 'fields',
      examples: ['capstan vault share VAULT01'],
      notes:
        'Its folder has to lie where the other servers reach it, too: `capstan vault join` there.',
    },
    {
      usage: 'join <name>',
      description: 'use a vault that another server shares',
      operation: 'vault.join',
      options: [required('--path <folder>', 'its folder, as this server sees it')],
      parameters: (args, options) => ({ ...named(args), path: resolve(String(options['path'])) }),
      shows: 'fields',
      examples: ['capstan vault join VAULT01 --path /gfs/VAULT01'],
      notes: 'The server that keeps the vault has to be known: `capstan isc add`.',
    },
    {
      usage: 'leave <name>',
      description: 'use a shared vault no more; what is in it stays with the other servers',
      operation: 'vault.leave',
      parameters: named,
      shows: 'fields',
      examples: ['capstan vault leave VAULT01'],
    },
    {
      usage: 'open <name>',
      description: 'open a vault that could not be opened when the server started',
      operation: 'vault.open',
      parameters: named,
      shows: 'fields',
      examples: ['capstan vault open VAULT01'],
      notes:
        'A server starts without a vault whose disk fails or is not mounted: event 821123 tells of it, and\nrequests for its tapes wait.',
    },
    {
      usage: 'delete <name>',
      description: 'take a vault that has no pools out of the server',
      operation: 'vault.delete',
      parameters: named,
      shows: 'fields',
      examples: ['capstan vault delete VAULT01'],
      notes: 'Its folder stays on the disk: remove it when nothing in it is wanted any more.',
    },
    {
      usage: 'collect <name>',
      description: 'give space back that no tape of the vault needs any more',
      operation: 'vault.collect',
      options: [
        new Option(
          '--live-share <share>',
          'give up packs of which less is still needed, 0 to 1 (default: 0.5)',
        ).argParser(shareOption),
        new Option(
          '--rate <size>',
          'copy no more than so much a second, as 20M (default: what capstan.json says)',
        ).argParser(sizeOption),
      ],
      parameters: (args, options) => ({
        ...named(args),
        ...given(options, 'liveShare'),
        ...(options['rate'] !== undefined && { rateBytesPerSecond: options['rate'] }),
      }),
      shows: 'fields',
      examples: [
        'capstan vault collect VAULT00',
        'capstan vault collect VAULT00 --live-share 0.9 --rate 20M',
      ],
      notes:
        'What is still needed of a pack is copied before the pack is removed. Goes beside mounts and copies; one\nthat was cut short goes on where it was.',
    },
  ],
};
