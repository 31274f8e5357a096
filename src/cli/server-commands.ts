/** `capstan init`, `serve`, `receive` and `status`: a server's life. */
import type { Command } from 'commander';
import { formatEndpoint } from '../platform/tcp-network.ts';
import { formatEventLine } from '../server/event-line.ts';
import type { EventLineNames } from '../server/event-line.ts';
import { PROFILES } from '../server/profiles.ts';
import type { ServerEvent } from '../server/tape-server.ts';
import { createHome } from './create-home.ts';
import type { CreatedHome } from './create-home.ts';
import type { CliContext } from './context.ts';
import { endpointOption, homeOf, jsonText, withHome } from './options.ts';
import type { HomeOptions } from './options.ts';
import { receiveOnStdio } from './receive.ts';
import { startServer } from './serve.ts';
import type { RunningServer } from './serve.ts';
import { waitForSignal } from './signals.ts';

export function addServerCommands(program: Command, context: CliContext): void {
  addInit(program, context);
  addServe(program, context);
  addReceive(program, context);
}

interface InitOptions extends HomeOptions {
  readonly name?: string;
  readonly listen?: Parameters<typeof createHome>[0]['listen'];
  readonly systemId?: string;
}

function addInit(program: Command, context: CliContext): void {
  withHome(program.command('init'))
    .description('make a new server: its home folder, keys, catalog and first vault')
    .option('--name <name>', "the server's name (default: the home folder's)")
    .option(
      '--listen <endpoint>',
      'where copies are received, ADDRESS:PORT (default: 0.0.0.0:4022)',
      endpointOption,
    )
    .option('--system-id <text>', 'make and model in event-log lines, at most 7 characters')
    .addHelpText(
      'after',
      `
Makes capstan.json (the configuration), catalog.sqlite, keys/ and vaults/VAULT00. Refuses a folder
that has anything in it. Prints what a peer needs: this server's public key goes into the peer's
keys/authorized_keys, its host key's fingerprint into the peer's AutoCopy rule.

Examples:
  $ capstan init --name east --home /srv/east
  $ capstan init --name west --home /srv/west --listen 10.0.0.2:4022
`,
    )
    .action(async (options: InitOptions) => {
      const created = await createHome({
        home: homeOf(options, context),
        ...(options.name !== undefined && { name: options.name }),
        ...(options.listen !== undefined && { listen: options.listen }),
        ...(options.systemId !== undefined && { systemId: options.systemId }),
      });
      context.print(options.json === true ? jsonText(summary(created)) : welcome(created));
    });
}

function summary(created: CreatedHome): Record<string, unknown> {
  const { name, paths, listen, publicKey, hostKeyFingerprint } = created;
  return { name, home: paths.home, listen, publicKey, hostKeyFingerprint };
}

function welcome(created: CreatedHome): string {
  const { name, paths, listen, publicKey, hostKeyFingerprint } = created;
  const home = `--home ${shellWord(paths.home)}`;
  return `Server ${name} is made in ${paths.home}.

Public key (a line of keys/authorized_keys of each server that ${name} copies tapes to):
  ${publicKey}
Host key (for the AutoCopy rules of the servers that copy to ${name}, port ${listen.port}):
  ${hostKeyFingerprint}

Next:
  capstan pool create BACKUP --vault VAULT00 ${home}
  capstan tape create TAPE01 --pool BACKUP ${home}
  capstan serve ${home}
`;
}

function shellWord(text: string): string {
  return /^[\w./+@:-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function addServe(program: Command, context: CliContext): void {
  withHome(program.command('serve'))
    .description('run the server of a home until it is told to stop')
    .addHelpText(
      'after',
      `
Keeps an EMS session with every host of capstan.json, mounts what they ask for, copies tapes by the
AutoCopy rules, and receives copies over SSH. Prints an event-log line for each event (--json: the
events as JSON, a line each). SIGTERM or SIGINT stops it: sessions and copies end, the exit code is 0;
a second signal ends it at once. Only one server runs on a home.

Examples:
  $ capstan serve --home /srv/east
  $ capstan serve --home /srv/east --json | jq .kind
`,
    )
    .action(async (options: HomeOptions) => {
      const names = { systemId: '', serverName: '', hasProgram: true };
      const pending: ServerEvent[] = [];
      let greeted = false;
      const show = (event: ServerEvent): void => {
        const text = options.json === true ? JSON.stringify(event) : eventText(event, names);
        if (text !== undefined) context.print(text);
      };
      const stopRequested = waitForSignal();
      const running = await startServer({
        home: homeOf(options, context),
        onEvent: (event) => (greeted ? show(event) : pending.push(event)),
        onNotice: (sentence) => context.complain(`capstan: ${sentence}`),
      });
      names.systemId = running.configuration.systemId;
      names.serverName = running.configuration.name;
      names.hasProgram = PROFILES[running.configuration.profile].logHasProgram;
      if (options.json !== true) context.print(greeting(running));
      greeted = true;
      for (const event of pending) show(event);
      const signal = await stopRequested;
      if (options.json !== true) context.print(`${signal}: the server stops.`);
      await running.stop();
      if (options.json !== true) context.print('The server has stopped.');
    });
}

/** Only what stands in the event log is for people; the other events are progress. */
function eventText(event: ServerEvent, names: EventLineNames): string | undefined {
  return event.kind === 'event-logged' ? formatEventLine(event.row, names) : undefined;
}

function greeting(running: RunningServer): string {
  const { configuration, paths, endpoint, apiEndpoint, hostKeyFingerprint } = running;
  const door =
    endpoint === undefined
      ? 'receives no copies'
      : `receives copies on ${endpoint.address} port ${endpoint.port}, host key ${hostKeyFingerprint}`;
  const scheme = configuration.api?.certificate === undefined ? 'http' : 'https';
  const api =
    apiEndpoint === undefined ? '' : ` Its API is at ${scheme}://${formatEndpoint(apiEndpoint)}.`;
  return `Server ${configuration.name} serves ${paths.home}; it ${door}.${api}`;
}

function addReceive(program: Command, context: CliContext): void {
  withHome(program.command('receive'))
    .description("receive copies on standard input and output, as a subsystem of the system's sshd")
    .addHelpText(
      'after',
      `
For sites that want the system's OpenSSH as the only door. A line of sshd_config makes it known:

  Subsystem capstan-replication /usr/local/bin/capstan receive --home /srv/west

The connection is handed over to the server that runs on the home; where none runs, the home is opened
for as long as the connection lasts. Not meant to be typed: it speaks a binary protocol.
`,
    )
    .action(async (options: HomeOptions) => {
      await receiveOnStdio(homeOf(options, context), (sentence) =>
        context.complain(`capstan: ${sentence}`),
      );
    });
}
