/** The `capstan` command: its grammar, and how a failure ends it. */
import { Command, CommanderError, Help } from 'commander';
import { CommandFailure, EXIT, errorText } from './context.ts';
import type { CliContext } from './context.ts';
import { addOperationCommands } from './operation-commands.ts';
import { addRemoteOptions, remoteOf } from './remote.ts';
import { addServerCommands } from './server-commands.ts';
import { addSessionCommands } from './session-commands.ts';
import { VERSION } from './version.ts';

const OVERVIEW = `
Exit codes: 0 done, 1 the operation failed, 2 wrong usage.
Environment: CAPSTAN_HOME (home folder), CAPSTAN_SERVER, CAPSTAN_TOKEN_FILE and CAPSTAN_CA_FILE (like
the options), CAPSTAN_DEBUG=1 (stack traces), NO_COLOR (no colours).

A server's home is --home, else CAPSTAN_HOME, else $XDG_DATA_HOME/capstan, else
~/.local/share/capstan. Commands speak to the server that runs on it; where none runs they
open the home themselves. With --server they speak to a server elsewhere, over its HTTP API.

Examples:
  $ capstan lab                                see what it does, in under a minute
  $ capstan init --name east --home /srv/east  make a server
  $ capstan serve --home /srv/east             run it
  $ capstan tape list --home /srv/east         look at its tapes
  $ capstan tape create --help                 what a command does, with examples
`;

/** Adds commands to the program; how bin/ brings in what src/ may not import. */
export type CommandModule = (program: Command, context: CliContext) => void;

export function buildProgram(context: CliContext, modules: readonly CommandModule[]): Command {
  const program = new Command('capstan')
    .description('Virtual tape server and tape laboratory.')
    .version(VERSION, '--version', 'print the version')
    .helpOption('--help', 'explain the command')
    .helpCommand(false)
    .addHelpText('after', OVERVIEW)
    .configureHelp({ styleTitle: (title) => title, subcommandTerm: subcommandTerm })
    .showHelpAfterError('(add --help to the command for its arguments and examples)');
  addRemoteOptions(program);
  const inProgram: CliContext = {
    ...context,
    get server() {
      return remoteOf(program, context.environment);
    },
  };
  for (const add of [...modules, addServerCommands, addOperationCommands, addSessionCommands]) {
    add(program, inProgram);
  }
  for (const command of withDescendants(program)) {
    command
      .exitOverride()
      .configureOutput({
        writeOut: (text) => context.print(text),
        writeErr: (text) => context.complain(text),
        outputError: (text, write) => write(text.replace(/^error: /, 'capstan: ')),
      })
      .allowExcessArguments(false)
      .helpOption('--help', 'explain the command');
  }
  return program;
}

/** Runs the command of `args` (without node and script); resolves with the exit code. */
export async function runProgram(
  args: readonly string[],
  context: CliContext,
  modules: readonly CommandModule[] = [],
): Promise<number> {
  const program = buildProgram(context, modules);
  try {
    if (args.length === 0) {
      context.complain(program.helpInformation() + OVERVIEW);
      return EXIT.USAGE;
    }
    await program.parseAsync([...args], { from: 'user' });
    return EXIT.DONE;
  } catch (error) {
    // Help and version end so, too; whatever else commander says is about usage, and is said.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.DONE : EXIT.USAGE;
    const text = errorText(error, context);
    if (text !== '') context.complain(`capstan: ${text}`);
    return error instanceof CommandFailure ? error.exitCode : EXIT.FAILED;
  }
}

function withDescendants(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(withDescendants)];
}

function subcommandTerm(command: Command): string {
  return new Help().subcommandTerm(command).replace(' [options]', '');
}
