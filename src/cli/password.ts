/** How a command gets a secret: from a file, from a terminal without showing it, or from a pipe; never as an argument. */
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { readHomeFile } from './configuration.ts';
import { CommandFailure, EXIT } from './context.ts';

/** What is read of a file at most, characters. */
const SECRET_CHARS_MAX = 8192;

/** The first line of `file` ('-' is standard input); without a file, what is typed, twice where `isNew`. */
export async function readSecret(
  what: string,
  file: string | undefined,
  isNew: boolean,
): Promise<string> {
  if (file !== undefined && file !== '-') return firstLine(what, await readHomeFile(file));
  if (file === '-' || !process.stdin.isTTY) {
    let text = '';
    for await (const piece of process.stdin.setEncoding('utf8')) {
      text += String(piece);
      if (text.length > SECRET_CHARS_MAX) break;
    }
    return firstLine(what, text);
  }
  const [typed, again] = await ask(isNew ? [`${what}: `, `${what} again: `] : [`${what}: `]);
  if (isNew && again !== typed) throw new CommandFailure('the two are not the same', EXIT.USAGE);
  return typed ?? '';
}

function firstLine(what: string, text: string): string {
  const line = text.slice(0, SECRET_CHARS_MAX).split(/\r?\n/)[0] ?? '';
  if (line !== '') return line;
  throw new CommandFailure(`${what}: there is none in the first line`, EXIT.USAGE);
}

/** A line from the terminal for each question; none is shown. */
async function ask(questions: readonly string[]): Promise<readonly string[]> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  const lines: string[] = [];
  try {
    process.stderr.write(questions[0] ?? '');
    // What was pasted at once comes as lines, too.
    for await (const line of terminal) {
      lines.push(line);
      process.stderr.write(`\n${questions[lines.length] ?? ''}`);
      if (lines.length === questions.length) break;
    }
    return lines;
  } finally {
    terminal.close();
  }
}

/** A licence key out of a file; a usage error where none is named. */
export async function readLicenceFile(file: unknown): Promise<string> {
  if (typeof file === 'string') return (await readHomeFile(file)).slice(0, SECRET_CHARS_MAX);
  throw new CommandFailure('a key is needed, or --file with one', EXIT.USAGE);
}
