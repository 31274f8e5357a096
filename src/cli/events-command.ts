/** `capstan events list`: the event log, and what comes to it. */
import type { Command } from 'commander';
import type { EventRow } from '../ports/catalog.ts';
import { formatEventLine } from '../server/event-log.ts';
import type { EventLineNames } from '../server/event-log.ts';
import { PROFILES } from '../server/profiles.ts';
import { callOperation, connectToServer } from './call.ts';
import { homePaths, readConfiguration } from './configuration.ts';
import type { Configuration } from './configuration.ts';
import type { CliContext } from './context.ts';
import { helpText, jsonText, numberOption, withHome } from './options.ts';
import type { HomeOptions } from './options.ts';
import { addressOf } from './remote.ts';
import type { ServerAddress } from './remote.ts';

interface EventsOptions extends HomeOptions {
  readonly limit: number;
  readonly follow?: boolean;
}

type Names = Pick<Configuration, 'systemId' | 'name' | 'profile'>;

export function addEvents(program: Command, context: CliContext): void {
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
  const at = addressOf(options, context);
  const names = await namesOf(at);
  const line = (row: EventRow): string => formatEventLine(row, names);
  const parameters = { limit: options.limit };
  if (options.follow !== true) {
    const rows = (await callOperation({ at, method: 'events.list', parameters })) as EventRow[];
    context.print(options.json === true ? jsonText(rows) : rows.map(line).join('\n'));
    return;
  }
  const show = (row: EventRow): void =>
    context.print(options.json === true ? JSON.stringify(row) : line(row));
  const client = await connectToServer(at);
  // First the ear, then the past: what happens in between comes twice and is shown once.
  let shownId = -1;
  let waiting: EventRow[] | undefined = [];
  const take = (row: EventRow): void => {
    if (row.id <= shownId) return;
    shownId = row.id;
    show(row);
  };
  const { ended } = await client.follow({ kinds: ['event-logged'] }, (event) => {
    if (event.kind !== 'event-logged') return;
    if (waiting === undefined) take(event.row);
    else waiting.push(event.row);
  });
  const past = (await client.call('events.list', parameters)) as EventRow[];
  for (const row of [...past, ...waiting]) take(row);
  waiting = undefined;
  await ended;
}

/** What stands in every line; a server elsewhere says it. */
async function namesOf(at: ServerAddress): Promise<EventLineNames> {
  const { systemId, name, profile } =
    'home' in at
      ? await readConfiguration(homePaths(at.home))
      : ((await callOperation({ at, method: 'server.status', parameters: {} })) as Names);
  return { systemId, serverName: name, hasProgram: PROFILES[profile].logHasProgram };
}
