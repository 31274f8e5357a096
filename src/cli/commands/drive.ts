/** `capstan drive …`. */
import { Option } from 'commander';
import { given, named, nothing, required } from './operation-command.ts';
import type { CommandGroup } from './operation-command.ts';

export const DRIVE_COMMANDS: CommandGroup = {
  description: 'virtual tape drives, each connected to a host',
  commands: [
    {
      usage: 'list',
      description: 'all drives, and what is mounted on them',
      operation: 'drive.list',
      parameters: nothing,
      shows: 'drive',
      examples: ['capstan drive list'],
    },
    {
      usage: 'show <name>',
      description: 'one drive',
      operation: 'drive.show',
      parameters: named,
      shows: 'fields',
      examples: ['capstan drive show VTD01'],
    },
    {
      usage: 'create <name>',
      description: "connect a new drive to a host under that host's device name",
      operation: 'drive.create',
      options: [
        required('--host <node>', String.raw`the host, as '\LAB'`),
        required('--device <device>', "the host's name for the drive, as '$TAPE0'"),
        new Option('--serial <number>', 'its serial number (default: one of its own)'),
      ],
      parameters: (args, options) => ({
        ...named(args),
        ...given(options, 'host', 'device'),
        ...(options['serial'] !== undefined && { serialNumber: options['serial'] }),
      }),
      shows: 'fields',
      examples: [String.raw`capstan drive create VTD01 --host '\LAB' --device '$TAPE0'`],
    },
    {
      usage: 'delete <name>',
      description: 'take a drive away; one with a tape in it is refused',
      operation: 'drive.delete',
      parameters: named,
      shows: 'fields',
      examples: ['capstan drive delete VTD01'],
    },
  ],
};
