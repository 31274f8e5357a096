/** What a command of the command line that calls one operation is, and what the tables of them share. */
import { Option } from 'commander';
import type { RowKind } from '../render.ts';

export type Values = Readonly<Record<string, unknown>>;

export interface OperationCommand {
  /** Name and arguments as commander has them: `create <name>`. */
  readonly usage: string;
  readonly description: string;
  /** Whether its own name may be left out. */
  readonly isDefault?: boolean;
  readonly operation: string;
  readonly options?: readonly Option[];
  /** The operation's parameters out of arguments and options. */
  readonly parameters: (args: readonly string[], options: Values) => Values | Promise<Values>;
  readonly shows: RowKind;
  readonly examples: readonly string[];
  /** More text for --help. */
  readonly notes?: string;
  /** Why the result is a failure, although the operation was done. */
  readonly failure?: (result: unknown) => string | undefined;
}

/** Commands under one word: `capstan tape …`. */
export interface CommandGroup {
  readonly description: string;
  readonly commands: readonly OperationCommand[];
}

export const required = (flags: string, description: string): Option =>
  new Option(flags, description).makeOptionMandatory();
export const named = (args: readonly string[]): Values => ({ name: args[0] });
export const nothing = (): Values => ({});

/** The option values that were given, under the operation's names. */
export function given(options: Values, ...names: readonly string[]): Values {
  return Object.fromEntries(
    names.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]),
  );
}
