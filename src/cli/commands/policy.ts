/** `capstan policy …`. */
import { Option } from 'commander';
import { numberOption } from '../options.ts';
import { given } from './operation-command.ts';
import type { CommandGroup, OperationCommand } from './operation-command.ts';

const RUNS_MAX = 10_000;

/** The commands themselves: `capstan policy '…'` runs one. */
export const POLICY_COMMAND: OperationCommand = {
  usage: 'run <command>',
  description: 'carry out a VTSPolicy command, as a host would send it',
  isDefault: true,
  operation: 'policy.run',
  parameters: ([text]) => ({ text }),
  shows: 'policy-report',
  examples: [
    'capstan policy run "VTSPolicy Erase - /VAULT00/BACKUP/LAB001"',
    `capstan policy run "VTSPolicy TSM 'archive /VAULT00/BACKUP'"`,
    'capstan policy "VTSPolicy IDR \'/VAULT00/BACKUP\'"',
  ],
  notes:
    'One argument: quote the whole. The word run may be left out. The exit code is 1 where not all was done.',
  failure: policyFailure,
};

export const POLICY_COMMANDS: CommandGroup = {
  description: 'VTSPolicy: commands as hosts send them through EMS',
  commands: [
    POLICY_COMMAND,
    {
      usage: 'list',
      description: 'the commands that this server took, and what became of them',
      operation: 'policy.list',
      options: [
        new Option('--limit <count>', 'the newest so many')
          .argParser(numberOption(1, RUNS_MAX))
          .default(50),
      ],
      parameters: (_, options) => given(options, 'limit'),
      shows: 'policy-run',
      examples: ['capstan policy list', 'capstan policy list --limit 5'],
    },
  ],
};

function policyFailure(result: unknown): string | undefined {
  const { state, outcome } = result as { readonly state?: string; readonly outcome?: string };
  if (state === 'done' || state === 'ignored') return undefined;
  return state === 'refused' ? `the command is refused: ${outcome ?? ''}` : 'not all was done.';
}
