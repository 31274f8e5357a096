/**
 * `capstan vault`, `pool`, `tape`, `drive`, `mount`, `autocopy`, `events`, `status`: each command is an
 * operation of src/server/operations.ts, called with what the arguments say and printed as a table.
 */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { Option } from 'commander';
import type { EventRow } from '../ports/catalog.ts';
import { formatEventLine } from '../server/event-log.ts';
import { callOperation, connectToServer } from './call.ts';
import { homePaths, readConfiguration } from './configuration.ts';
import { CommandFailure } from './context.ts';
import type { CliContext } from './context.ts';
import { homeOf, jsonText, numberOption, shareOption, sizeOption, withHome } from './options.ts';
import type { HomeOptions } from './options.ts';
import { progressDisplay } from './progress.ts';
import { FOLLOW_METHOD } from './serve.ts';
import { render } from './render.ts';
import type { RowKind } from './render.ts';

type Values = Readonly<Record<string, unknown>>;

interface OperationCommand {
  /** Name and arguments as commander has them: `create <name>`. */
  readonly usage: string;
  readonly description: string;
  readonly operation: string;
  readonly options?: readonly Option[];
  /** The operation's parameters out of arguments and options. */
  readonly parameters: (args: readonly string[], options: Values) => Values;
  readonly shows: RowKind;
  readonly examples: readonly string[];
  /** More text for --help. */
  readonly notes?: string;
  /** Why the result is a failure, although the operation was done. */
  readonly failure?: (result: unknown) => string | undefined;
}

const LABEL_TYPES = ['ansi', 'backup', 'unlabelled'];
const TRANSPORTS = ['ssh2', 'openssh'];
const required = (flags: string, description: string): Option =>
  new Option(flags, description).makeOptionMandatory();
const named = (args: readonly string[]): Values => ({ name: args[0] });
const nothing = (): Values => ({});

/** The option values that were given, under the operation's names. */
function given(options: Values, ...names: readonly string[]): Values {
  return Object.fromEntries(
    names.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]),
  );
}

const GROUPS: Readonly<
  Record<string, { readonly description: string; readonly commands: readonly OperationCommand[] }>
> = {
  vault: {
    description: 'vaults: the stores on disk that pools lie in',
    commands: [
      {
        usage: 'list',
        description: 'all vaults',
        operation: 'vault.list',
        parameters: nothing,
        shows: 'vault',
        examples: ['capstan vault list'],
      },
      {
        usage: 'show <name>',
        description: 'one vault, with what it holds and how much deduplication saves',
        operation: 'vault.show',
        parameters: named,
        shows: 'fields',
        examples: ['capstan vault show VAULT00'],
      },
      {
        usage: 'create <name>',
        description: 'make a vault in a folder that is new or empty',
        operation: 'vault.create',
        options: [required('--path <folder>', 'where its store lies')],
        parameters: (args, options) => ({ ...named(args), path: resolve(String(options['path'])) }),
        shows: 'fields',
        examples: ['capstan vault create VAULT01 --path /srv/tape2/VAULT01'],
      },
      {
        usage: 'collect <name>',
        description: 'give space back that no tape of the vault needs any more',
        operation: 'vault.collect',
        options: [
          new Option(
            '--live-share <share>',
            'give up packs of which less is still needed, 0 to 1 (default: 0.5)',
          ).argParser(shareOption),
          new Option(
            '--rate <size>',
            'copy no more than so much a second, as 20M (default: what capstan.json says)',
          ).argParser(sizeOption),
        ],
        parameters: (args, options) => ({
          ...named(args),
          ...given(options, 'liveShare'),
          ...(options['rate'] !== undefined && { rateBytesPerSecond: options['rate'] }),
        }),
        shows: 'fields',
        examples: [
          'capstan vault collect VAULT00',
          'capstan vault collect VAULT00 --live-share 0.9 --rate 20M',
        ],
        notes:
          'What is still needed of a pack is copied before the pack is removed. Goes beside mounts and copies; one\nthat was cut short goes on where it was.',
      },
    ],
  },
  pool: {
    description: 'pools: groups of tapes that AutoCopy works on',
    commands: [
      {
        usage: 'list',
        description: 'all pools',
        operation: 'pool.list',
        parameters: nothing,
        shows: 'pool',
        examples: ['capstan pool list'],
      },
      {
        usage: 'show <name>',
        description: 'one pool',
        operation: 'pool.show',
        parameters: named,
        shows: 'fields',
        examples: ['capstan pool show BACKUP'],
      },
      {
        usage: 'create <name>',
        description: 'make a pool in a vault',
        operation: 'pool.create',
        options: [new Option('--vault <name>', 'the vault').default('VAULT00')],
        parameters: (args, options) => ({ ...named(args), ...given(options, 'vault') }),
        shows: 'fields',
        examples: ['capstan pool create BACKUP', 'capstan pool create DR --vault VAULT01'],
      },
    ],
  },
  tape: {
    description: 'virtual tapes',
    commands: [
      {
        usage: 'list',
        description: 'all tapes, or those of a pool',
        operation: 'tape.list',
        options: [new Option('--pool <name>', 'only this pool')],
        parameters: (_, options) => given(options, 'pool'),
        shows: 'tape',
        examples: ['capstan tape list', 'capstan tape list --pool BACKUP --json'],
      },
      {
        usage: 'show <name>',
        description: 'one tape, with its generations and copies',
        operation: 'tape.show',
        parameters: named,
        shows: 'fields',
        examples: ['capstan tape show LAB001'],
      },
      {
        usage: 'create <name>',
        description: 'make a tape, labelled and otherwise empty',
        operation: 'tape.create',
        options: [
          required('--pool <name>', 'the pool that it belongs to'),
          new Option('--label <type>', 'how it is labelled').choices(LABEL_TYPES).default('ansi'),
          new Option('--capacity <size>', 'how much it holds, as 200G').argParser(sizeOption),
        ],
        parameters: (args, options) => ({
          ...named(args),
          ...given(options, 'pool'),
          labelType: options['label'],
          ...(options['capacity'] !== undefined && { capacityBytes: options['capacity'] }),
        }),
        shows: 'fields',
        examples: [
          'capstan tape create LAB001 --pool BACKUP',
          'capstan tape create T00042 --pool BACKUP --label backup --capacity 800G',
        ],
        notes:
          'A tape has a name of 1 to 6 capitals and digits, which no other pool of the server has.',
      },
      {
        usage: 'delete <name>',
        description: 'delete a tape and its data; a mounted tape is refused',
        operation: 'tape.delete',
        parameters: named,
        shows: 'fields',
        examples: ['capstan tape delete T00042'],
      },
      {
        usage: 'verify [name]',
        description: 'read everything that a tape (or all tapes) is made of and compare checksums',
        operation: 'tape.verify',
        parameters: (args) => (args[0] === undefined ? {} : named(args)),
        shows: 'verify',
        examples: ['capstan tape verify', 'capstan tape verify LAB001'],
        notes: 'Prints each damage with its place. The exit code is 1 where there is any.',
        failure: verifyFailure,
      },
      {
        usage: 'repair <name>',
        description: 'heal what is damaged of a tape from another copy of the same data',
        operation: 'tape.repair',
        options: [
          new Option('--from-vault <name>', 'another vault of this server').conflicts('fromStore'),
          new Option('--from-store <folder>', "a store's folder, as of another server's vault"),
        ],
        parameters: (args, options) => ({
          ...named(args),
          ...given(options, 'fromVault'),
          ...(typeof options['fromStore'] === 'string' && {
            fromStore: resolve(options['fromStore']),
          }),
        }),
        shows: 'repair',
        examples: [
          'capstan tape repair LAB001 --from-vault VAULT01',
          'capstan tape repair LAB001 --from-store /mnt/old-server/vaults/VAULT00',
        ],
        notes:
          'Without a source the same data elsewhere in the vault serves: write the backup once more to another\ntape, then repair. Of a copy: `capstan tape verify` it here, then `capstan autocopy repeat` it on the\nserver that it came from.',
        failure: repairFailure,
      },
    ],
  },
  drive: {
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
  },
  mount: {
    description: 'what is mounted, and what hosts wait for',
    commands: [
      {
        usage: 'list',
        description: 'open mounts and waiting requests',
        operation: 'mount.list',
        parameters: nothing,
        shows: 'mount',
        examples: ['capstan mount list'],
      },
    ],
  },
  autocopy: {
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
  },
};

export function addOperationCommands(program: Command, context: CliContext): void {
  for (const [name, group] of Object.entries(GROUPS)) {
    const parent = program.command(name).description(group.description).helpCommand(false);
    for (const entry of group.commands) addOperation(parent, entry, context);
  }
  addEvents(program, context);
  addOperation(
    program,
    {
      usage: 'status',
      description: 'what the server is and does',
      operation: 'server.status',
      parameters: nothing,
      shows: 'fields',
      examples: ['capstan status', 'capstan status --json'],
    },
    context,
  );
}

function addOperation(parent: Command, entry: OperationCommand, context: CliContext): void {
  const command = withHome(parent.command(entry.usage)).description(entry.description);
  for (const option of entry.options ?? []) command.addOption(option);
  command.addHelpText('after', helpText(entry.notes, entry.examples));
  command.action(async () => {
    const options = command.opts<HomeOptions & Values>();
    const display = context.showsProgress && options.json !== true ? progressDisplay() : undefined;
    const result = await callOperation({
      home: homeOf(options, context),
      method: entry.operation,
      parameters: entry.parameters(command.args, options),
      onProgress: display?.show,
    }).finally(() => display?.stop());
    context.print(options.json === true ? jsonText(result) : render(entry.shows, result));
    const failure = entry.failure?.(result);
    if (failure !== undefined) throw new CommandFailure(failure);
  });
}

function helpText(notes: string | undefined, examples: readonly string[]): string {
  const lines = examples.map((example) => `  $ ${example}`).join('\n');
  return `${notes === undefined ? '' : `\n${notes}\n`}\nExamples:\n${lines}\n`;
}

function verifyFailure(result: unknown): string | undefined {
  const { damages } = result as { readonly damages?: readonly unknown[] };
  const count = damages?.length ?? 0;
  if (count === 0) return undefined;
  return `${count} ${count === 1 ? 'damage was' : 'damages were'} found; what is damaged is never read as data, write or copy the tape anew.`;
}

function repairFailure(result: unknown): string | undefined {
  const { lackingChunkCount } = result as { readonly lackingChunkCount?: number };
  if (lackingChunkCount === undefined || lackingChunkCount === 0) return verifyFailure(result);
  const count = `${lackingChunkCount} ${lackingChunkCount === 1 ? 'chunk is' : 'chunks are'}`;
  return `${count} still damaged: no good copy of them was found.`;
}

interface EventsOptions extends HomeOptions {
  readonly limit: number;
  readonly follow?: boolean;
}

function addEvents(program: Command, context: CliContext): void {
  const events = program.command('events').description('the event log').helpCommand(false);
  withHome(events.command('list'))
    .description('the last entries of the event log, oldest first')
    .option('--limit <count>', 'how many', numberOption(1, 10_000), 50)
    .option('--follow', 'then print new ones as they come, until interrupted')
    .addHelpText(
      'after',
      helpText(
        'A line has nine fields between bars: time (UTC), severity, message, make and model, address, server,\nuser, program, text. docs/reference/events.md explains every message.',
        [
          'capstan events list',
          'capstan events list --limit 200 --json',
          'capstan events list --follow',
        ],
      ),
    )
    .action(async (options: EventsOptions) => listEvents(options, context));
}

async function listEvents(options: EventsOptions, context: CliContext): Promise<void> {
  const home = homeOf(options, context);
  const { systemId, name } = await readConfiguration(homePaths(home));
  const line = (row: EventRow): string => formatEventLine(row, { systemId, serverName: name });
  const parameters = { limit: options.limit };
  if (options.follow !== true) {
    const rows = (await callOperation({ home, method: 'events.list', parameters })) as EventRow[];
    context.print(options.json === true ? jsonText(rows) : rows.map(line).join('\n'));
    return;
  }
  const show = (row: EventRow): void =>
    context.print(options.json === true ? JSON.stringify(row) : line(row));
  const client = await connectToServer(home);
  // First the ear, then the past: what happens in between comes twice and is shown once.
  let shownId = -1;
  let waiting: EventRow[] | undefined = [];
  const take = (row: EventRow): void => {
    if (row.id <= shownId) return;
    shownId = row.id;
    show(row);
  };
  const following = client.call(FOLLOW_METHOD, {}, (notification) => {
    const event = notification as { readonly kind?: string; readonly row?: EventRow };
    if (event.kind !== 'event-logged' || event.row === undefined) return;
    if (waiting === undefined) take(event.row);
    else waiting.push(event.row);
  });
  const past = (await client.call('events.list', parameters)) as EventRow[];
  for (const row of [...past, ...waiting]) take(row);
  waiting = undefined;
  await following;
}
