/** What an operation is, and what the tables of operations in this folder share. */
import { z } from 'zod';
import { CapstanError } from '../../base/errors.ts';
import { checkName } from '../../base/names.ts';
import type { NameKind } from '../../base/names.ts';
import type { EmsService } from '../ems-service.ts';
import type { InstantDrRoles } from '../instant-dr-roles.ts';
import type { InstantDr } from '../instant-dr.ts';
import type { Metrics } from '../metrics.ts';
import type { Mounts } from '../mounts.ts';
import type { AccessControl } from '../access-control.ts';
import type { Principal } from '../access.ts';
import type { Policy } from '../policy.ts';
import type { Right } from '../rights.ts';
import type { SharedVaults } from '../shared-vaults.ts';
import type { ScanCleanup } from '../scan-cleanup.ts';
import type { TapeServices } from '../tapes.ts';
import { poolName, tapeName, text, vaultName } from './subjects.ts';

export const PATH_CHARS_MAX = 4096;

export interface OperationContext extends TapeServices {
  readonly mounts: Mounts;
  readonly policy: Policy;
  readonly cleanup: ScanCleanup;
  readonly instantDr: InstantDr;
  readonly roles: InstantDrRoles;
  readonly ems: EmsService;
  readonly access: AccessControl;
  readonly metrics: Metrics;
  readonly shared: SharedVaults;
  /** Who asked; its rights are checked already. What `context` logs bears its name. */
  readonly caller: Principal;
}

export interface Operation<Schema extends z.ZodType = z.ZodType> {
  /** What the caller needs. */
  readonly right: Right;
  /** Whether it changes anything, and so stands in the audit; a query is safe to repeat. */
  readonly changes: boolean;
  readonly parameters: Schema;
  readonly run: (services: OperationContext, parameters: z.infer<Schema>) => Promise<unknown>;
}

/** Operations by name: `tape.create`. */
export type OperationTable = Readonly<Record<string, Operation>>;

/** An operation that changes something. */
export function operation<Schema extends z.ZodType>(
  right: Right,
  parameters: Schema,
  run: Operation<Schema>['run'],
): Operation {
  return {
    right,
    changes: true,
    parameters,
    run: (services, values) => run(services, values as z.infer<Schema>),
  };
}

/** An operation that only looks. */
export function query<Schema extends z.ZodType>(
  right: Right,
  parameters: Schema,
  run: Operation<Schema>['run'],
): Operation {
  return { ...operation(right, parameters, run), changes: false };
}

export const byName = z.strictObject({ name: text });
export const byVault = z.strictObject({ name: vaultName });
export const byPool = z.strictObject({ name: poolName });
export const byTape = z.strictObject({ name: tapeName });
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
