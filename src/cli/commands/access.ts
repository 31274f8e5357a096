/** `capstan access …`. */
import { Option } from 'commander';
import { numberOption } from '../options.ts';
import { given, nothing, required } from './operation-command.ts';
import type { CommandGroup, Values } from './operation-command.ts';

const groupRight = (args: readonly string[]): Values => ({ group: args[0], right: args[1] });
const collect = (text: string, before: readonly string[] | undefined): readonly string[] => [
  ...(before ?? []),
  text,
];

export const ACCESS_COMMANDS: CommandGroup = {
  description: 'rights of groups, sessions, tokens for programs',
  commands: [
    {
      usage: 'show',
      description: 'open or closed, limits, and what each group may do',
      operation: 'access.show',
      parameters: nothing,
      shows: 'access',
      examples: ['capstan access show'],
    },
    {
      usage: 'grant <group> <right>',
      description: 'give one right to a group',
      operation: 'access.grant',
      parameters: groupRight,
      shows: 'fields',
      examples: ["capstan access grant Operations 'Erase Cartridges'"],
    },
    {
      usage: 'revoke <group> <right>',
      description: 'take one right away from a group',
      operation: 'access.revoke',
      parameters: groupRight,
      shows: 'fields',
      examples: ['capstan access revoke Supervisor halt-and-reboot'],
    },
    {
      usage: 'restore <mode>',
      description: 'the defaults of an open or a closed system: rights of groups and default users',
      operation: 'access.restore',
      parameters: (args) => ({ mode: args[0] }),
      shows: 'access',
      examples: ['capstan access restore closed', 'capstan access restore open'],
      notes:
        'Takes back every right that was given to or taken from a group or a user. Passwords stay.',
    },
    {
      usage: 'sessions',
      description: 'who is logged on, and which tokens there are',
      operation: 'session.list',
      options: [new Option('--user <name>', 'of one user only')],
      parameters: (_, options) => given(options, 'user'),
      shows: 'session',
      examples: ['capstan access sessions', 'capstan access sessions --user mary'],
    },
    {
      usage: 'end-session <id>',
      description: 'end a session or a token',
      operation: 'session.end',
      parameters: (args) => ({ id: Number(args[0]) }),
      shows: 'fields',
      examples: ['capstan access end-session 12'],
    },
    {
      usage: 'token <user>',
      description: 'make a token for a program, which is shown once',
      operation: 'token.create',
      options: [
        required('--purpose <text>', 'what it is for'),
        new Option('--days <count>', 'how long it counts (default: 90)').argParser(
          numberOption(1, 366),
        ),
        new Option(
          '--right <right>',
          "confine it to this right; may be given again (default: all of the user's)",
        ).argParser(collect),
      ],
      parameters: (args, options) => ({
        user: args[0],
        ...given(options, 'purpose', 'days'),
        ...(options['right'] !== undefined && { rights: options['right'] }),
      }),
      shows: 'fields',
      examples: ['capstan access token operator --purpose prometheus --right view-system-status'],
    },
  ],
};
