/** `capstan autocopy …`. */
import { Option } from 'commander';
import { numberOption } from '../options.ts';
import { given, named, nothing, required } from './operation-command.ts';
import type { CommandGroup } from './operation-command.ts';

const TRANSPORTS = ['ssh2', 'openssh'];

export const AUTOCOPY_COMMANDS: CommandGroup = {
  description: 'AutoCopy: pools whose tapes are copied to another server at each dismount',
  commands: [
    {
      usage: 'list',
      description: 'all rules',
      operation: 'autocopy.list',
      parameters: nothing,
      shows: 'rule',
      examples: ['capstan autocopy list'],
    },
    {
      usage: 'show <id>',
      description: 'one rule',
      operation: 'autocopy.show',
      parameters: (args) => ({ id: Number(args[0]) }),
      shows: 'fields',
      examples: ['capstan autocopy show 1'],
    },
    {
      usage: 'create <pool>',
      description: 'copy the tapes of a pool to a pool of another server',
      operation: 'autocopy.create',
      options: [
        required('--to <server>', "the target server's name"),
        required('--address <address>', 'its address'),
        new Option('--port <port>', 'its SSH port')
          .argParser(numberOption(1, 65_535))
          .default(4022),
        new Option('--user <name>', 'its SSH user').default('capstan'),
        required('--host-key <fingerprint>', "the fingerprint of its host key, 'SHA256:…'"),
        new Option('--target-pool <name>', "the target's pool (default: the same name)"),
        new Option('--transport <kind>', "this program's SSH, or the system's ssh")
          .choices(TRANSPORTS)
          .default('ssh2'),
      ],
      parameters: (args, options) => ({
        pool: args[0],
        targetPool: options['targetPool'] ?? args[0],
        target: {
          server: options['to'],
          ...given(options, 'address', 'port', 'user', 'hostKey', 'transport'),
        },
      }),
      shows: 'fields',
      examples: [
        'capstan autocopy create BACKUP --to west --address 10.0.0.2 \\\n      --host-key SHA256:wM0… --target-pool DR',
      ],
      notes:
        "`capstan init` printed the target's fingerprint. The target's keys/authorized_keys must have this\nserver's public key.",
    },
    {
      usage: 'delete <id>',
      description: 'delete a rule and what is queued for it',
      operation: 'autocopy.delete',
      parameters: (args) => ({ id: Number(args[0]) }),
      shows: 'fields',
      examples: ['capstan autocopy delete 1'],
    },
    {
      usage: 'repeat <tape>',
      description: 'copy a tape again to wherever its pool is copied to',
      operation: 'autocopy.repeat',
      parameters: named,
      shows: 'fields',
      examples: ['capstan autocopy repeat LAB001'],
      notes:
        'A target that has the tape whole takes nothing; one that knows it to be damaged (`capstan tape verify`\nthere says so) takes what it lacks.',
    },
    {
      usage: 'status',
      description: 'the queue: what is copied, due or failed',
      operation: 'autocopy.status',
      parameters: nothing,
      shows: 'job',
      examples: ['capstan autocopy status'],
    },
  ],
};
