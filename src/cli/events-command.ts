/** `capstan events`: the event log, and what comes to it. */
import type { Command } from 'commander';
import { Option } from 'commander';
import type { ApiClient } from '../api/client.ts';
import type { EventsMissed } from '../api/stream-events.ts';
import { isCapstanError } from '../base/errors.ts';
import { SECOND_MS } from '../base/units.ts';
import { systemClock } from '../platform/system-clock.ts';
import type { EventRow } from '../ports/catalog.ts';
import { sleep } from '../ports/clock.ts';
import { passes } from '../server/event-filter.ts';
import { formatEventLine } from '../server/event-line.ts';
import type { EventLineNames } from '../server/event-line.ts';
import { toEventFilter } from '../server/operations/events.ts';
import type { EventFilterParameters } from '../server/operations/events.ts';
import { PROFILES } from '../server/profiles.ts';
import { callOperation, connectToServer } from './call.ts';
import { given } from './commands/operation-command.ts';
import { readConfiguration } from './configuration.ts';
import { homePaths } from './home.ts';
import type { Configuration } from './configuration.ts';
import type { CliContext } from './context.ts';
import { helpText, jsonText, numberOption, withHome } from './options.ts';
import type { HomeOptions } from './options.ts';
import { addressOf } from './remote.ts';
import type { ServerAddress } from './remote.ts';

/** How often one that follows looks whether a lost server is back. */
const RETRY_INTERVAL_MS = 2 * SECOND_MS;

interface EventsOptions extends HomeOptions {
  readonly limit: number;
  readonly follow?: boolean;
}

type Names = Pick<Configuration, 'systemId' | 'name' | 'profile'>;

const NOTES = `A line has nine fields between bars: time (UTC), severity, message, make and model, address, server,
user, program, text. docs/reference/events.md explains every message. Options that choose lines all
have to hold.`;

export function addEvents(program: Command, context: CliContext): void {
  const events = program.command('events').description('the event log').helpCommand(false);
  withFilter(withHome(events.command('list', { isDefault: true })))
    .description('the last entries of the event log, oldest first')
    .option('--limit <count>', 'how many', numberOption(1, 10_000), 50)
    .option('--follow', 'then print new ones as they come, until interrupted')
    .addHelpText(
      'after',
      helpText(NOTES, [
        'capstan events',
        'capstan events --follow',
        'capstan events list --severity WARNING --since 2026-01-31 --json',
        'capstan events list --tape LAB001 --limit 200',
      ]),
    )
    .action(async (options: EventsOptions) => listEvents(options, context));
  withFilter(withHome(events.command('follow')))
    .description('new entries of the event log as they come, until interrupted')
    .option('--limit <count>', 'how many of the last ones first', numberOption(1, 10_000), 10)
    .addHelpText(
      'after',
      helpText(NOTES, ['capstan events follow', 'capstan events follow --severity ERROR']),
    )
    .action(async (options: EventsOptions) => listEvents({ ...options, follow: true }, context));
}

function withFilter(command: Command): Command {
  const severity = new Option('--severity <severity>', 'this one and worse ones').choices([
    'INFO',
    'WARNING',
    'ERROR',
    'CRITICAL',
  ]);
  return command
    .addOption(severity)
    .option('--subsystem <digits>', 'second and third digit of the message, as 22 for AutoCopy')
    .option('--message <number>', 'one message, as 440002')
    .option('--tape <name>', 'what names the tape')
    .option('--user <name>', 'what the user caused')
    .option('--text <text>', 'what holds the text, capitals or not')
    .option('--since <time>', "from then on, UTC: '2026-01-31 14:00:00' or 2026-01-31")
    .option('--until <time>', 'before then');
}

async function listEvents(options: EventsOptions, context: CliContext): Promise<void> {
  const at = addressOf(options, context);
  const names = await namesOf(at);
  const line = (row: EventRow): string => formatEventLine(row, names);
  const wanted: EventFilterParameters = given(
    { ...options },
    'severity',
    'subsystem',
    'message',
    'tape',
    'user',
    'text',
    'since',
    'until',
  );
  const parameters = { limit: options.limit, ...wanted };
  if (options.follow !== true) {
    const rows = (await callOperation({ at, method: 'events.list', parameters })) as EventRow[];
    context.print(options.json === true ? jsonText(rows) : rows.map(line).join('\n'));
    return;
  }
  const show = (row: EventRow): void =>
    context.print(options.json === true ? JSON.stringify(row) : line(row));
  const filter = toEventFilter(wanted);
  const client = await connectToServer(at);
  const [newest] = (await client.call('events.list', { limit: 1 })) as EventRow[];
  const past = (await client.call('events.list', parameters)) as EventRow[];
  past.forEach(show);
  const afterId = Math.max(newest?.id ?? 0, past.at(-1)?.id ?? 0);
  await followLog({ client, afterId, context }, (row) => {
    if (passes(row, filter)) show(row);
  });
}

interface Following {
  readonly client: Pick<ApiClient, 'follow'>;
  /** The last entry that is known already. */
  readonly afterId: number;
  readonly context: Pick<CliContext, 'complain'>;
}

/**
 * Each new entry of the event log, once, also over a server's restart: it comes again behind the last one
 * that it had. Rejects where the server cannot be reached at first, or does not let it read any more.
 */
async function followLog(following: Following, onRow: (row: EventRow) => void): Promise<never> {
  const { client, context } = following;
  let { afterId } = following;
  let isLost = false;
  let wasOpen = false;
  for (;;) {
    try {
      const options = { kinds: ['event-logged'], lastEventId: afterId } as const;
      const { ended } = await client.follow(options, (event) => {
        if (event.kind === 'events-missed') {
          afterId = event.why === 'other-log' ? event.newestId : afterId;
          context.complain(`capstan: ${missedText(event)}`);
        }
        if (event.kind !== 'event-logged') return;
        afterId = event.row.id;
        onRow(event.row);
      });
      if (isLost) context.complain('capstan: connected again.');
      isLost = false;
      wasOpen = true;
      await ended;
    } catch (error) {
      if (!wasOpen || !isCapstanError(error, 'SERVER_UNREACHABLE', 'RATE_LIMITED')) throw error;
      if (!isLost) context.complain(`capstan: ${error.message} Trying again until interrupted.`);
      isLost = true;
      await sleep(systemClock, RETRY_INTERVAL_MS);
    }
  }
}

function missedText(missed: EventsMissed): string {
  switch (missed.why) {
    case 'put-by':
      return `entries ${missed.afterId + 1} to ${missed.beforeId - 1} are in the event log no more.`;
    case 'other-log':
      return `the event log ends before entry ${missed.lastEventId}: it is another one, or was put back.`;
    case 'not-kept':
      return `nothing is kept of ${missed.kinds.join(', ')}.`;
  }
}

/** What stands in every line; a server elsewhere says it. */
async function namesOf(at: ServerAddress): Promise<EventLineNames> {
  const { systemId, name, profile } =
    'home' in at
      ? await readConfiguration(homePaths(at.home))
      : ((await callOperation({ at, method: 'server.status', parameters: {} })) as Names);
  return { systemId, serverName: name, hasProgram: PROFILES[profile].logHasProgram };
}
