/** `capstan autocopy …`. */
import { Option } from 'commander';
import { RATE, rateOf } from './copy-rate.ts';
import { given, named, nothing } from './operation-command.ts';
import type { CommandGroup, Values } from './operation-command.ts';
import { TARGET_OPTIONS, targetOf } from './target-options.ts';

const ONLY_TO = new Option('--to <server>', 'only copies to this server');

const chosen = (args: readonly string[], options: Values): Values => ({
  ...(args[0] !== undefined && named(args)),
  ...(options['to'] !== undefined && { server: options['to'] }),
});

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
        ...TARGET_OPTIONS,
        new Option('--target-pool <name>', "the target's pool (default: the same name)"),
        RATE,
      ],
      parameters: (args, options) => ({
        pool: args[0],
        targetPool: options['targetPool'] ?? args[0],
        target: targetOf(options),
        ...rateOf(options),
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
      usage: 'change <id>',
      description: 'change how much a rule may send',
      operation: 'autocopy.change',
      options: [RATE],
      parameters: (args, options) => ({ id: Number(args[0]), ...rateOf(options) }),
      shows: 'fields',
      examples: ['capstan autocopy change 1 --rate 20M', 'capstan autocopy change 1 --rate none'],
    },
    {
      usage: 'retry [tape]',
      description: 'try copies now: of a tape, or all that failed or wait for their next attempt',
      operation: 'autocopy.retry',
      options: [ONLY_TO],
      parameters: chosen,
      shows: 'chosen',
      examples: ['capstan autocopy retry', 'capstan autocopy retry LAB001 --to west'],
      notes:
        'Attempts are counted from 1 again. A cancelled copy is retried where its tape is named.',
    },
    {
      usage: 'cancel [tape]',
      description: 'owe copies no more: of a tape, or all that are due',
      operation: 'autocopy.cancel',
      options: [ONLY_TO],
      parameters: chosen,
      shows: 'chosen',
      examples: ['capstan autocopy cancel LAB001', 'capstan autocopy cancel --to west'],
      notes: 'One under way ends. The next dismount of the tape queues its copy anew.',
    },
    {
      usage: 'queue',
      description: 'the newest copy of each tape and rule: due, copied, failed or cancelled',
      operation: 'autocopy.queue',
      parameters: nothing,
      shows: 'job',
      examples: ['capstan autocopy queue', 'capstan autocopy queue --json'],
    },
    {
      usage: 'status',
      description:
        'every tape of the pools that are copied: in step, pending, copying, retrying, failed',
      operation: 'autocopy.status',
      options: [new Option('--pool <name>', 'only this pool'), ONLY_TO],
      parameters: (_, options) => ({
        ...given(options, 'pool'),
        ...(options['to'] !== undefined && { server: options['to'] }),
      }),
      shows: 'copy',
      examples: ['capstan autocopy status', 'capstan autocopy status --pool BACKUP --to west'],
    },
  ],
};
