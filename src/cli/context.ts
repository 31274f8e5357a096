/** What every command gets: where its text goes, and how its failures become exit codes. */
import { isCapstanError } from '../base/errors.ts';
import type { RemoteServer } from './remote.ts';

/** Exit codes of every command; `capstan --help` and docs/reference/cli.md name them, too. */
export const EXIT = { DONE: 0, FAILED: 1, USAGE: 2 } as const;

export interface CliContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** A piece of text on standard output; ends with a line end. */
  readonly print: (text: string) => void;
  /** The same on standard error. */
  readonly complain: (text: string) => void;
  /** The server that commands are about, where it is not that of a home. */
  readonly server?: RemoteServer | undefined;
  /** Whether standard error is a terminal, so that progress may be shown. */
  readonly showsProgress: boolean;
}

/** A command that did what it could and is no success: the sentence says what is wrong. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT.FAILED) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** The process's own context. */
export function systemContext(): CliContext {
  return {
    environment: process.env,
    print: (text) => {
      process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
    },
    complain: (text) => {
      process.stderr.write(text.endsWith('\n') ? text : `${text}\n`);
    },
    showsProgress: process.stderr.isTTY,
  };
}

/** One sentence for `error`, or its stack where CAPSTAN_DEBUG asks for it. */
export function errorText(error: unknown, context: CliContext): string {
  const debug = context.environment['CAPSTAN_DEBUG'];
  if (!(error instanceof Error)) return String(error);
  if (debug !== undefined && debug !== '' && debug !== '0') return error.stack ?? error.message;
  if (error instanceof CommandFailure || isCapstanError(error)) return error.message;
  return `${error.message} (a fault of Capstan's own; CAPSTAN_DEBUG=1 shows where)`;
}
