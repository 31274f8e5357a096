/** What the parts of the catalog share: refusals that name what is in the way, tapes, and events. */
import { assert } from '../base/assert.ts';
import { CapstanError } from '../base/errors.ts';
import type { EventRow, NewEvent, NewPool, NewTape, PoolRow, TapeRow } from '../ports/catalog.ts';
import type { Database, Parameters } from './database.ts';
import { EVENT, MOUNT, POOL, TAPE } from './tables.ts';
import type { Table } from './tables.ts';

/** Throws NOT_FOUND. */
export function requireRow(
  database: Database,
  kind: 'vault' | 'pool' | 'tape' | 'drive',
  name: string,
): void {
  if (database.one(`SELECT 1 FROM ${kind} WHERE name = :name`, { name }) === undefined) {
    throw new CapstanError('NOT_FOUND', { kind, name });
  }
}

/** Throws ALREADY_EXISTS where `sql` finds a row; the row's values say where. */
export function refuseTaken(
  database: Database,
  { kind, name, sql }: { readonly kind: string; readonly name: string; readonly sql: string },
  parameters: Parameters,
): void {
  const row = database.one(sql, parameters);
  if (row === undefined) return;
  const where = Object.entries(row).map(([column, value]) => `${column} ${String(value)}`);
  throw new CapstanError('ALREADY_EXISTS', { kind, name, where: ` (${where.join(', ')})` });
}

/** Throws IN_USE where a mount of it is open. */
export function refuseMounted(database: Database, kind: 'tape' | 'drive', name: string): void {
  const [mount] = database.rows(MOUNT, `WHERE ${kind} = :name AND state = 'open'`, { name });
  if (mount === undefined) return;
  const by = kind === 'tape' ? `mounted on ${mount.drive}` : `tape ${mount.tape} is mounted on it`;
  throw new CapstanError('IN_USE', { kind, name, by });
}

export function findPool(database: Database, name: string): PoolRow {
  const [pool] = database.rows(POOL, 'WHERE name = :name', { name });
  if (pool === undefined) throw new CapstanError('NOT_FOUND', { kind: 'pool', name });
  return pool;
}

/** The tape, or nothing. */
export function findTape(database: Database, name: string): TapeRow | undefined {
  return database.rows(TAPE, 'WHERE name = :name', { name })[0];
}

const POOL_DEFAULTS = {
  retentionMs: undefined,
  encrypted: false,
  locked: false,
  quotaBytes: undefined,
} as const satisfies Partial<PoolRow>;

export function insertPool(database: Database, pool: NewPool): PoolRow {
  database.insert(POOL, { ...POOL_DEFAULTS, ...pool });
  return findPool(database, pool.name);
}

const TAPE_DEFAULTS = {
  owner: '',
  updatedAtMs: undefined,
  erasedAtMs: undefined,
  exportedAtMs: undefined,
  importedAtMs: undefined,
  migratedAtMs: undefined,
  migratedBy: undefined,
  restoredAtMs: undefined,
  userLocked: false,
  autoloadLocked: false,
  keyId: undefined,
} as const satisfies Partial<TapeRow>;

/** Throws ALREADY_EXISTS that names the pool which has the tape, and NOT_FOUND. */
export function insertTape(database: Database, tape: NewTape): TapeRow {
  const present = findTape(database, tape.name);
  if (present !== undefined) throw tapeExists(present);
  const pool = findPool(database, tape.pool);
  assert(pool.vault === tape.vault, 'a tape lies in the vault of its pool');
  database.insert(TAPE, { ...TAPE_DEFAULTS, ...tape });
  const [row] = database.rows(TAPE, 'WHERE name = :name', { name: tape.name });
  assert(row !== undefined, 'a tape that was inserted is there');
  return row;
}

export function tapeExists(tape: TapeRow): CapstanError {
  return new CapstanError('ALREADY_EXISTS', {
    kind: 'tape',
    name: tape.name,
    where: ` in pool ${tape.pool}`,
  });
}

/**
 * Where what an entry is about lies now, as a JSON array; what is not there, but for the other things
 * named, counts not. Undefined where nobody can tell.
 */
function vaultsOf(database: Database, about: NewEvent['about']): string | undefined {
  if (about === undefined || about === 'anything') return undefined;
  const vaults = about.flatMap(({ kind, name }) => {
    if (kind === 'vault') return [name];
    const row = database.one(`SELECT vault FROM ${kind} WHERE name = :name`, { name });
    return row === undefined ? [] : [String(row['vault'])];
  });
  if (vaults.length === 0 && about.length > 0) return undefined;
  return JSON.stringify([...new Set(vaults)]);
}

/** An entry as it lies in its table: with the vaults that it is about. */
const KEPT_EVENT: Table<EventRow & { readonly vaults: string | undefined }> = {
  name: EVENT.name,
  columns: { ...EVENT.columns, vaults: 'plain' },
};

/** Keeps the newest `countMax`. */
export function insertEvent(database: Database, event: NewEvent, countMax: number): EventRow {
  const kept = { ...event, vaults: vaultsOf(database, event.about) };
  const { vaults: _, ...row } = database.insertNumbered(KEPT_EVENT, kept);
  if (row.id > countMax) {
    database.run('DELETE FROM event WHERE id <= :last', { last: row.id - countMax });
  }
  return row;
}
