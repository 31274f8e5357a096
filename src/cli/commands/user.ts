/** `capstan user …`. */
import { Option } from 'commander';
import { readSecret } from '../password.ts';
import { given, named, nothing, required } from './operation-command.ts';
import type { CommandGroup, Values } from './operation-command.ts';

const group = 'Administration, Operations or Supervisor';
const passwordFile = new Option(
  '--password-file <file>',
  'its first line is the password; - is standard input (default: it is asked for)',
);
const listOption = (text: string): readonly string[] | 'all' =>
  text === 'all' ? 'all' : text.split(',').map((each) => each.trim());
const fileOf = ({ passwordFile: file }: Values): string | undefined =>
  typeof file === 'string' ? file : undefined;
const withRight = (args: readonly string[]): Values => ({ ...named(args), right: args[1] });

export const USER_COMMANDS: CommandGroup = {
  description: 'users who log on to the HTTP API and the console',
  commands: [
    {
      usage: 'list',
      description: 'all users',
      operation: 'user.list',
      parameters: nothing,
      shows: 'user',
      examples: ['capstan user list'],
    },
    {
      usage: 'show <name>',
      description: 'one user, with rights and vaults',
      operation: 'user.show',
      parameters: named,
      shows: 'fields',
      examples: ['capstan user show operator'],
    },
    {
      usage: 'create <name>',
      description: 'make a user',
      operation: 'user.create',
      options: [
        required('--group <group>', group),
        passwordFile,
        new Option('--no-password', 'who cannot log on before a password is set'),
      ],
      parameters: async (args, options) => ({
        ...named(args),
        ...given(options, 'group'),
        ...(options['password'] !== false && {
          password: await readSecret('Password', fileOf(options), true),
        }),
      }),
      shows: 'fields',
      examples: [
        'capstan user create mary --group Operations',
        'capstan user create scrape --group Operations --no-password',
      ],
      notes: 'A password has 12 characters at least and does not hold the name of its user.',
    },
    {
      usage: 'set <name>',
      description: 'change group, vaults or state; sets only what is given',
      operation: 'user.set',
      options: [
        new Option('--group <group>', group),
        new Option('--vaults <list>', 'VAULT00,VAULT01: only their tapes; or all').argParser(
          listOption,
        ),
        new Option('--on', 'may log on'),
        new Option('--off', 'may not, and every session and token ends').conflicts('on'),
      ],
      parameters: (args, options) => ({
        ...named(args),
        ...given(options, 'group', 'vaults'),
        ...(options['on'] === true && { enabled: true }),
        ...(options['off'] === true && { enabled: false }),
      }),
      shows: 'fields',
      examples: ['capstan user set mary --vaults VAULT00', 'capstan user set mary --off'],
    },
    {
      usage: 'password <name>',
      description: 'set a new password; ends the sessions and tokens of the user, lifts a lock-out',
      operation: 'user.password',
      options: [passwordFile],
      parameters: async (args, options) => ({
        ...named(args),
        password: await readSecret('New password', fileOf(options), true),
      }),
      shows: 'fields',
      examples: ['capstan user password admin', 'capstan user password admin --password-file -'],
    },
    {
      usage: 'unlock <name>',
      description: 'lift a lock-out',
      operation: 'user.unlock',
      parameters: named,
      shows: 'fields',
      examples: ['capstan user unlock mary'],
    },
    {
      usage: 'delete <name>',
      description: 'delete a user, with sessions and tokens',
      operation: 'user.delete',
      parameters: named,
      shows: 'fields',
      examples: ['capstan user delete mary'],
    },
    {
      usage: 'grant <name> <right>',
      description: 'give one right to a user',
      operation: 'user.grant',
      parameters: withRight,
      shows: 'fields',
      examples: ["capstan user grant mary 'Erase Cartridges'"],
      notes: 'docs/reference/rights.md lists the rights; key and name both do.',
    },
    {
      usage: 'revoke <name> <right>',
      description: 'take one right away from a user',
      operation: 'user.revoke',
      parameters: withRight,
      shows: 'fields',
      examples: ['capstan user revoke mary instant-dr'],
    },
  ],
};
