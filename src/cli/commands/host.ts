/** `capstan host …`. */
import { named, nothing } from './operation-command.ts';
import type { CommandGroup } from './operation-command.ts';

export const HOST_COMMANDS: CommandGroup = {
  description: 'tape hosts, and the EMS sessions with them',
  commands: [
    {
      usage: 'list',
      description: 'all hosts of capstan.json with the state of their sessions',
      operation: 'host.list',
      parameters: nothing,
      shows: 'host',
      examples: ['capstan host list'],
    },
    {
      usage: 'show <node>',
      description: 'one host: session, drives and ems_ parameters',
      operation: 'host.show',
      parameters: named,
      shows: 'fields',
      examples: [String.raw`capstan host show '\LAB'`],
    },
    {
      usage: 'restart [node]',
      description: 'end the EMS session with a host, or with each, and build it anew at once',
      operation: 'host.restart',
      parameters: (args) => (args[0] === undefined ? {} : named(args)),
      shows: 'fields',
      examples: ['capstan host restart', String.raw`capstan host restart '\LAB'`],
      notes: 'Events that the host logs meanwhile are heard afterwards; nothing is lost.',
    },
  ],
};
