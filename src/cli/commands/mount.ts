/** `capstan mount …`. */
import { Option } from 'commander';
import { CapstanError } from '../../base/errors.ts';
import { nothing, required } from './operation-command.ts';
import type { CommandGroup } from './operation-command.ts';

export const MOUNT_COMMANDS: CommandGroup = {
  description: 'what is mounted, and what hosts wait for',
  commands: [
    {
      usage: 'list',
      description: 'open mounts and waiting requests, with what they wait for',
      operation: 'mount.list',
      parameters: nothing,
      shows: 'mount',
      examples: ['capstan mount list'],
    },
    {
      usage: 'create <tape>',
      description: 'mount a tape by hand',
      operation: 'mount.create',
      options: [
        required('--drive <name>', 'on this drive'),
        new Option('--ring', 'with ring: the host may write (default: read only)'),
      ],
      parameters: (args, options) => ({
        tape: args[0],
        drive: options['drive'],
        ring: options['ring'] === true,
      }),
      shows: 'fields',
      examples: [
        'capstan mount create LAB001 --drive VTD01',
        'capstan mount create SCR007 --drive VTD01 --ring',
      ],
      notes:
        "Satisfies a host's request for a scratch tape, too, and one that waits for this tape.",
    },
    {
      usage: 'end <tape>',
      description: 'dismount a tape by hand, whatever its host is doing with it',
      operation: 'mount.end',
      parameters: (args) => ({ tape: args[0] }),
      shows: 'fields',
      examples: ['capstan mount end LAB001'],
      notes:
        'What the drive has acknowledged is made durable first. A job that uses the tape fails.',
    },
    {
      usage: 'drop <node> <request>',
      description: "take a waiting request out of the queue; the host's stays open",
      operation: 'mount.drop',
      parameters: (args) => ({ host: args[0], requestNumber: requestNumber(args[1] ?? '') }),
      shows: 'fields',
      examples: [String.raw`capstan mount drop '\LAB' 0007`],
    },
  ],
};

function requestNumber(text: string): number {
  if (/^\d{1,4}$/.test(text)) return Number(text);
  throw new CapstanError('INVALID_ARGUMENT', {
    what: `The request number ${JSON.stringify(text.slice(0, 20))}`,
    reason: 'it has one to four digits',
  });
}
