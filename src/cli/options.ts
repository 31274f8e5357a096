/** What options mean that several commands have. */
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import type { Endpoint } from '../ports/network.ts';
import { homeFolder } from './home.ts';
import { CommandFailure, EXIT } from './context.ts';
import type { CliContext } from './context.ts';
import { parseRetention } from '../server/retention.ts';
import { parseSize } from './text.ts';

/** Bytes of `2G`; a usage error for what is no size. */
export function sizeOption(text: string): number {
  const bytes = parseSize(text);
  if (bytes !== undefined && bytes > 0) return bytes;
  throw new InvalidArgumentError('A size is a number with a unit, as 200M, 2G or 64KiB.');
}

/** What `parse` takes, or `none`. It stays a text: commander makes an empty one of null. */
export const orNone =
  <Value>(parse: (text: string) => Value) =>
  (text: string): Value | 'none' =>
    text === 'none' ? text : parse(text);

/** An option's value as operations have it: null for `none`. */
export const noneAsNull = (value: unknown): unknown => (value === 'none' ? null : value);

/** Milliseconds of `14d`; a usage error for what is no retention. */
export function retentionOption(text: string): number {
  const ms = parseRetention(text);
  if (ms !== undefined) return ms;
  throw new InvalidArgumentError('A retention is 14d, 2w, 36h, "2 weeks", or none.');
}

/** A whole number from `min` to `max`. */
export function numberOption(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

/** A part of a whole, from 0 to 1. */
export function shareOption(text: string): number {
  const value = Number(text);
  if (/^(?:\d+|\d*\.\d+)$/.test(text) && value <= 1) return value;
  throw new InvalidArgumentError('A share is a number from 0 to 1, as 0.5.');
}

/** `0.0.0.0:4022`, `[::]:4022`, or a port alone. */
export function endpointOption(text: string): Endpoint {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]:|([A-Za-z0-9.-]+):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match !== null && port <= 65_535) {
    return { address: match[1] ?? match[2] ?? '0.0.0.0', port };
  }
  throw new InvalidArgumentError('An endpoint is ADDRESS:PORT, as 0.0.0.0:4022.');
}

/** Adds `--home` and `--json`. */
export function withHome(command: Command): Command {
  return command
    .option('--home <folder>', "the server's home folder (else CAPSTAN_HOME, else the default)")
    .option('--json', 'print JSON for programs');
}

export interface HomeOptions {
  readonly home?: string;
  readonly json?: boolean;
}

/** The home folder that a command is about which works on this machine only. */
export function homeOf(options: HomeOptions, context: CliContext): string {
  if (context.server?.isAsked === true) {
    const sentence = 'This command works on this machine only: give --home instead of --server.';
    throw new CommandFailure(sentence, EXIT.USAGE);
  }
  return homeFolder(options.home, context.environment);
}

/** A value as `--json` prints it. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, undefined, 2);
}

/** What stands behind a command's --help. */
export function helpText(notes: string | undefined, examples: readonly string[]): string {
  const lines = examples.map((example) => `  $ ${example}`).join('\n');
  return `${notes === undefined ? '' : `\n${notes}\n`}\nExamples:\n${lines}\n`;
}
