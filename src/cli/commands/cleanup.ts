/** `capstan cleanup …`. */
import { nothing } from './operation-command.ts';
import type { CommandGroup } from './operation-command.ts';

const NEVER = 'What is locked, mounted or not migrated is never erased, whoever authorizes it.';

export const CLEANUP_COMMANDS: CommandGroup = {
  description: 'Scan/Cleanup: erase what is migrated and need not be kept here',
  commands: [
    {
      usage: 'scan',
      description: 'look which tapes can be erased, and show the table',
      operation: 'cleanup.scan',
      parameters: nothing,
      shows: 'cleanup',
      examples: ['capstan cleanup scan'],
    },
    {
      usage: 'show',
      description: 'the table of the last scan, with what users decided since',
      operation: 'cleanup.show',
      parameters: nothing,
      shows: 'cleanup',
      examples: ['capstan cleanup show', 'capstan cleanup show --json'],
    },
    {
      usage: 'authorize <tape...>',
      description: 'have tapes erased whatever their retention, size or usage says',
      operation: 'cleanup.authorize',
      parameters: (tapes) => ({ tapes }),
      shows: 'cleanup',
      examples: ['capstan cleanup authorize LAB001 LAB002'],
      notes: `Holds until the tape is erased, or until \`capstan cleanup reset\`. ${NEVER}`,
    },
    {
      usage: 'forbid <tape...>',
      description: 'have tapes kept whatever the rules say',
      operation: 'cleanup.forbid',
      parameters: (tapes) => ({ tapes }),
      shows: 'cleanup',
      examples: ['capstan cleanup forbid LAB001'],
      notes: 'Holds until `capstan cleanup reset`.',
    },
    {
      usage: 'reset [tape...]',
      description: 'take decisions back, of the tapes named or of all',
      operation: 'cleanup.reset',
      parameters: (tapes) => (tapes.length === 0 ? {} : { tapes }),
      shows: 'cleanup',
      examples: ['capstan cleanup reset', 'capstan cleanup reset LAB001'],
    },
    {
      usage: 'erase',
      description: 'erase now what the last scan scheduled or a user authorized',
      operation: 'cleanup.erase',
      parameters: nothing,
      shows: 'fields',
      examples: ['capstan cleanup erase'],
      notes: `What is erased cannot be recovered here. ${NEVER}\nThe list is log/erasebylist.DATE.log of the home.`,
      failure: eraseFailure,
    },
  ],
};

function eraseFailure(result: unknown): string | undefined {
  const { failed } = result as { readonly failed?: readonly unknown[] };
  const count = failed?.length ?? 0;
  return count === 0
    ? undefined
    : `${count} ${count === 1 ? 'tape was' : 'tapes were'} not erased.`;
}
