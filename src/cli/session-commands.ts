/** `capstan logon` and `logoff`: a session at a server elsewhere. */
import type { Command } from 'commander';
import { API_PREFIX } from '../api/routes.ts';
import { clientOf } from './call.ts';
import { CommandFailure, EXIT } from './context.ts';
import type { CliContext } from './context.ts';
import { helpText, jsonText } from './options.ts';
import { readSecret } from './password.ts';
import { writeToken } from './remote.ts';
import type { RemoteServer } from './remote.ts';

const SESSION = `${API_PREFIX}/session`;

interface JsonOption {
  readonly json?: boolean;
}

interface LogonOptions extends JsonOption {
  readonly passwordFile?: string;
}

export function addSessionCommands(program: Command, context: CliContext): void {
  program
    .command('logon <user>')
    .description('open a session at --server, and write its token to --token-file')
    .option(
      '--password-file <file>',
      'its first line is the password; - is standard input (default: it is asked for)',
    )
    .option('--json', 'print JSON for programs')
    .addHelpText(
      'after',
      helpText(
        'The token file is made for its owner only, and stands for the password until the session ends.',
        [
          'capstan logon ada --server https://tapes:4080 --token-file ~/.capstan-token',
          'capstan tape list --server https://tapes:4080 --token-file ~/.capstan-token',
        ],
      ),
    )
    .action(async (user: string, options: LogonOptions) => {
      const { server, tokenFile } = remote(context);
      const password = await readSecret('Password', options.passwordFile, false);
      const client = await clientOf({ ...server, tokenFile: undefined });
      const session = (await client?.send('POST', SESSION, { user, password })) as {
        readonly token: string;
        readonly expiresAtMs: number;
      };
      await writeToken(tokenFile, session.token);
      if (options.json === true) {
        context.print(
          jsonText({ user, server: server.url.origin, expiresAtMs: session.expiresAtMs }),
        );
        return;
      }
      const until = new Date(session.expiresAtMs).toISOString().slice(0, 19).replace('T', ' ');
      context.print(`${user} is logged on at ${server.url.origin} until ${until} UTC.`);
    });
  program
    .command('logoff')
    .description('end the session at --server whose token is in --token-file')
    .option('--json', 'print JSON for programs')
    .addHelpText('after', helpText(undefined, ['capstan logoff']))
    .action(async (options: JsonOption) => {
      const { server, tokenFile } = remote(context);
      await (await clientOf(server))?.send('DELETE', SESSION);
      await writeToken(tokenFile, '');
      const { origin } = server.url;
      const sentence = `The session at ${origin} is over.`;
      context.print(options.json === true ? jsonText({ server: origin }) : sentence);
    });
}

function remote(context: CliContext): {
  readonly server: RemoteServer;
  readonly tokenFile: string;
} {
  const { server } = context;
  if (server === undefined) {
    throw new CommandFailure('Name the server with --server or CAPSTAN_SERVER.', EXIT.USAGE);
  }
  const { tokenFile } = server;
  if (tokenFile === undefined) {
    const sentence = 'Name the token file with --token-file or CAPSTAN_TOKEN_FILE.';
    throw new CommandFailure(sentence, EXIT.USAGE);
  }
  return { server, tokenFile };
}
