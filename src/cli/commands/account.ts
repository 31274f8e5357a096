/** `capstan account …`. */
import { Option } from 'commander';
import { readSecret } from '../password.ts';
import { nothing } from './operation-command.ts';
import type { CommandGroup, Values } from './operation-command.ts';

const fileOf = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : undefined;

export const ACCOUNT_COMMANDS: CommandGroup = {
  description: 'who one is at a server, and the own password',
  commands: [
    {
      usage: 'show',
      description: 'the own user, group, vaults and rights',
      isDefault: true,
      operation: 'account.show',
      parameters: nothing,
      shows: 'fields',
      examples: ['capstan account --server https://tapes:4080 --token-file ~/.capstan-token'],
    },
    {
      usage: 'password',
      description: 'change the own password; ends the other sessions and tokens',
      operation: 'account.password',
      options: [
        new Option('--current-file <file>', 'its first line is the password until now'),
        new Option('--password-file <file>', 'its first line is the new one'),
      ],
      parameters: passwords,
      shows: 'fields',
      examples: [
        'capstan account password --server https://tapes:4080 --token-file ~/.capstan-token',
      ],
      notes:
        'What no file holds is asked for. It is for who logged on to a server elsewhere; on the machine itself\n`capstan user password` sets anybody’s.',
    },
  ],
};

async function passwords(_: readonly string[], options: Values): Promise<Values> {
  return {
    current: await readSecret('Current password', fileOf(options['currentFile']), false),
    password: await readSecret('New password', fileOf(options['passwordFile']), true),
  };
}
