/**
 * `capstan vault`, `pool`, `tape` and so on: each command is an operation of
 * src/server/operations.ts, called with what the arguments say and printed as a table.
 */
import type { Command } from 'commander';
import { callOperation } from './call.ts';
import { ACCESS_COMMANDS } from './commands/access.ts';
import { ACCOUNT_COMMANDS } from './commands/account.ts';
import { AUTOCOPY_COMMANDS } from './commands/autocopy.ts';
import { CLEANUP_COMMANDS } from './commands/cleanup.ts';
import { DEBUG_COMMANDS } from './commands/debug.ts';
import { DRIVE_COMMANDS } from './commands/drive.ts';
import { HOST_COMMANDS } from './commands/host.ts';
import { ISC_COMMANDS } from './commands/isc.ts';
import { LOCK_COMMANDS } from './commands/lock.ts';
import { LICENCE_COMMANDS } from './commands/licence.ts';
import { IDR_COMMANDS } from './commands/idr.ts';
import { MOUNT_COMMANDS } from './commands/mount.ts';
import { POLICY_COMMANDS } from './commands/policy.ts';
import { POOL_COMMANDS } from './commands/pool.ts';
import { TAPE_COMMANDS } from './commands/tape.ts';
import { USER_COMMANDS } from './commands/user.ts';
import { VAULT_COMMANDS } from './commands/vault.ts';
import { nothing } from './commands/operation-command.ts';
import type { CommandGroup, OperationCommand, Values } from './commands/operation-command.ts';
import { CommandFailure } from './context.ts';
import type { CliContext } from './context.ts';
import { addEvents } from './events-command.ts';
import { helpText, jsonText, withHome } from './options.ts';
import type { HomeOptions } from './options.ts';
import { progressDisplay } from './progress.ts';
import { addressOf } from './remote.ts';
import { render } from './render.ts';

const GROUPS: Readonly<Record<string, CommandGroup>> = {
  vault: VAULT_COMMANDS,
  pool: POOL_COMMANDS,
  tape: TAPE_COMMANDS,
  drive: DRIVE_COMMANDS,
  mount: MOUNT_COMMANDS,
  lock: LOCK_COMMANDS,
  isc: ISC_COMMANDS,
  host: HOST_COMMANDS,
  autocopy: AUTOCOPY_COMMANDS,
  user: USER_COMMANDS,
  access: ACCESS_COMMANDS,
  account: ACCOUNT_COMMANDS,
  licence: LICENCE_COMMANDS,
  policy: POLICY_COMMANDS,
  cleanup: CLEANUP_COMMANDS,
  idr: IDR_COMMANDS,
  debug: DEBUG_COMMANDS,
};

/** Commands that stand under no other word. */
const SINGLE_COMMANDS: readonly OperationCommand[] = [
  {
    usage: 'status',
    description: 'what the server is and does',
    operation: 'server.status',
    parameters: nothing,
    shows: 'fields',
    examples: ['capstan status', 'capstan status --json'],
  },
  {
    usage: 'metrics',
    description: 'the metrics in the Prometheus form',
    operation: 'server.metrics',
    parameters: nothing,
    shows: 'text',
    examples: ['capstan metrics'],
    notes: 'A running server gives them at /metrics, too; docs/reference/metrics.md explains each.',
  },
];

/** Every command that is one operation, by its words: `tape create`. */
export const OPERATION_COMMANDS: Readonly<Record<string, OperationCommand>> = Object.fromEntries([
  ...Object.entries(GROUPS).flatMap(([word, { commands }]) =>
    commands.map((entry) => [`${word} ${nameOf(entry)}`, entry] as const),
  ),
  ...SINGLE_COMMANDS.map((entry) => [nameOf(entry), entry] as const),
]);

function nameOf({ usage }: OperationCommand): string {
  return usage.split(' ')[0] ?? usage;
}

export function addOperationCommands(program: Command, context: CliContext): void {
  for (const [name, group] of Object.entries(GROUPS)) {
    const parent = program.command(name).description(group.description).helpCommand(false);
    for (const entry of group.commands) addOperation(parent, entry, context);
  }
  addEvents(program, context);
  for (const entry of SINGLE_COMMANDS) addOperation(program, entry, context);
}

function addOperation(parent: Command, entry: OperationCommand, context: CliContext): void {
  const command = withHome(
    parent.command(entry.usage, { isDefault: entry.isDefault === true }),
  ).description(entry.description);
  for (const option of entry.options ?? []) command.addOption(option);
  command.addHelpText('after', helpText(entry.notes, entry.examples));
  command.action(async () => {
    const options = command.opts<HomeOptions & Values>();
    const display = context.showsProgress && options.json !== true ? progressDisplay() : undefined;
    const result = await callOperation({
      at: addressOf(options, context),
      method: entry.operation,
      parameters: await entry.parameters(command.args, options),
      onProgress: display?.show,
    }).finally(() => display?.stop());
    context.print(options.json === true ? jsonText(result) : render(entry.shows, result));
    const failure = entry.failure?.(result);
    if (failure !== undefined) throw new CommandFailure(failure);
  });
}
