/** What an operation is, and what the tables of operations in this folder share. */
import { z } from 'zod';
import { CapstanError } from '../../base/errors.ts';
import { checkName } from '../../base/names.ts';
import type { NameKind } from '../../base/names.ts';
import type { Mounts } from '../mounts.ts';
import type { TapeServices } from '../tapes.ts';

export const PATH_CHARS_MAX = 4096;
const NAME_CHARS_MAX = 1000;

export interface OperationContext extends TapeServices {
  readonly mounts: Mounts;
}

export interface Operation<Schema extends z.ZodType = z.ZodType> {
  readonly parameters: Schema;
  readonly run: (services: OperationContext, parameters: z.infer<Schema>) => Promise<unknown>;
}

/** Operations by name: `tape.create`. */
export type OperationTable = Readonly<Record<string, Operation>>;

export function operation<Schema extends z.ZodType>(
  parameters: Schema,
  run: Operation<Schema>['run'],
): Operation {
  return { parameters, run: (services, values) => run(services, values as z.infer<Schema>) };
}

// A name is a string here: checkName says by name and pattern what is wrong with it.
export const text = z.string().max(NAME_CHARS_MAX);
export const byName = z.strictObject({ name: text });
export const byId = z.strictObject({ id: z.int().min(1) });
export const nothing = z.strictObject({});

/** Throws NOT_FOUND where there is no row. */
export function found<Row>(kind: string, name: string | number, row: Row | undefined): Row {
  if (row === undefined) throw new CapstanError('NOT_FOUND', { kind, name });
  return row;
}

/** The row of that name. Rejects NAME_INVALID, NOT_FOUND. */
export async function byNameOf<Row extends { readonly name: string }>(
  kind: NameKind,
  wanted: string,
  rows: Promise<readonly Row[]>,
): Promise<Row> {
  checkName(kind, wanted);
  return found(
    kind,
    wanted,
    (await rows).find((row) => row.name === wanted),
  );
}
