/** The catalog's part about media in SQLite: see src/ports/catalog-media.ts. */
import { assert } from '../base/assert.ts';
import { CapstanError } from '../base/errors.ts';
import type { EventRow, NewEvent, TapeRow } from '../ports/catalog.ts';
import type { LockRow, MediaCatalog } from '../ports/catalog-media.ts';
import {
  findPool,
  findTape,
  insertTape,
  refuseMounted,
  refuseTaken,
  requireRow,
  tapeExists,
} from './checks.ts';
import type { Database } from './database.ts';
import { GENERATION, LOCK, POOL, TAPE, VAULT, type Table, toSqlValue } from './tables.ts';

/** Appends within the transaction that runs. */
type AppendEvent = (event: NewEvent) => EventRow;

export function mediaCatalog(database: Database, append: AppendEvent): MediaCatalog {
  return {
    ...poolCatalog(database),
    ...tapeCatalog(database, append),
    ...lockCatalog(database),
  };
}

type PoolMethod =
  | 'renameVault'
  | 'deleteVault'
  | 'updatePool'
  | 'renamePool'
  | 'movePool'
  | 'deletePool';
type LockMethod = 'takeLock' | 'releaseLock' | 'listLocks';

function poolCatalog(database: Database): Pick<MediaCatalog, PoolMethod> {
  return {
    renameVault: async (name, newName) =>
      database.transaction(() => {
        requireRow(database, 'vault', name);
        const sql = 'SELECT path FROM vault WHERE name = :newName';
        refuseTaken(database, { kind: 'vault', name: newName, sql }, { newName });
        // The pools follow within the transaction, and the tapes with them.
        database.run('PRAGMA defer_foreign_keys = ON');
        database.run('UPDATE vault SET name = :newName WHERE name = :name', { name, newName });
        database.run('UPDATE pool SET vault = :newName WHERE vault = :name', { name, newName });
        database.run(
          `UPDATE accessUser
           SET vaults = trim(replace(',' || vaults || ',', ',' || :name || ',', ',' || :newName || ','), ',')`,
          { name, newName },
        );
        database.run(
          `UPDATE event SET vaults = replace(vaults, '"' || :name || '"', '"' || :newName || '"')
           WHERE instr(vaults, '"' || :name || '"') > 0`,
          { name, newName },
        );
        const [vault] = database.rows(VAULT, 'WHERE name = :newName', { newName });
        assert(vault !== undefined, 'the vault has its new name');
        return vault;
      }),
    deleteVault: async (name) =>
      database.transaction(() => {
        requireRow(database, 'vault', name);
        const pools = database.rows(POOL, 'WHERE vault = :name ORDER BY name', { name });
        refuseContents('vault', name, 'pool', pools);
        database.run('DELETE FROM vault WHERE name = :name', { name });
      }),
    updatePool: async (name, changes) =>
      database.transaction(() => {
        const pool = findPool(database, name);
        update(database, POOL, { ...pool, ...changes }, Object.keys(changes));
        return findPool(database, name);
      }),
    renamePool: async (name, newName) =>
      database.transaction(() => {
        requireRow(database, 'pool', name);
        refuseTaken(
          database,
          { kind: 'pool', name: newName, sql: 'SELECT vault FROM pool WHERE name = :newName' },
          { newName },
        );
        database.run('UPDATE pool SET name = :newName WHERE name = :name', { name, newName });
        return findPool(database, newName);
      }),
    movePool: async (name, vault) =>
      database.transaction(() => {
        requireRow(database, 'pool', name);
        requireRow(database, 'vault', vault);
        database.run('UPDATE pool SET vault = :vault WHERE name = :name', { name, vault });
        return findPool(database, name);
      }),
    deletePool: async (name) =>
      database.transaction(() => {
        requireRow(database, 'pool', name);
        const tapes = database.rows(TAPE, 'WHERE pool = :name ORDER BY name LIMIT 2', { name });
        refuseContents('pool', name, 'tape', tapes);
        database.run('DELETE FROM pool WHERE name = :name', { name });
      }),
  };
}

/** Throws IN_USE where something is in it; names the first. */
function refuseContents(
  kind: string,
  name: string,
  of: string,
  rows: readonly { readonly name: string }[],
): void {
  const [first] = rows;
  if (first === undefined) return;
  const more = rows.length > 1 ? ' and more' : '';
  throw new CapstanError('IN_USE', { kind, name, by: `it has ${of} ${first.name}${more}` });
}

/** Sets `names` of the row of that name. */
function update<Row extends { readonly name: string }>(
  database: Database,
  table: Table<Row>,
  row: Row,
  names: readonly string[],
): void {
  if (names.length === 0) return;
  for (const name of names) {
    assert(Object.hasOwn(table.columns, name), 'what is changed of a row is one of its columns');
  }
  database.run(
    `UPDATE ${table.name} SET ${names.map((name) => `${name} = :${name}`).join(', ')}
     WHERE name = :name`,
    Object.fromEntries(
      ['name', ...names].map((name) => [name, toSqlValue(row[name as keyof Row])]),
    ),
  );
}

function tapeCatalog(
  database: Database,
  append: AppendEvent,
): Omit<MediaCatalog, PoolMethod | LockMethod> {
  const requireTape = (name: string): TapeRow => {
    const tape = findTape(database, name);
    if (tape === undefined) throw new CapstanError('NOT_FOUND', { kind: 'tape', name });
    return tape;
  };
  return {
    createTapes: async (tapes) =>
      database.transaction(() => {
        for (const tape of tapes) insertTape(database, tape);
      }),
    updateTape: async (name, changes) =>
      database.transaction(() => {
        const tape = requireTape(name);
        update(database, TAPE, { ...tape, ...changes }, Object.keys(changes));
        return requireTape(name);
      }),
    renameTape: async (name, newName, atMs) =>
      database.transaction(() => {
        requireRow(database, 'tape', name);
        refuseMounted(database, 'tape', name);
        const taken = findTape(database, newName);
        if (taken !== undefined) throw tapeExists(taken);
        database.run('UPDATE tape SET name = :newName, updatedAtMs = :atMs WHERE name = :name', {
          name,
          newName,
          atMs,
        });
        return requireTape(newName);
      }),
    moveTape: async (name, pool, atMs) =>
      database.transaction(() => {
        const tape = requireTape(name);
        const { vault } = findPool(database, pool);
        refuseMounted(database, 'tape', name);
        if (tape.pool !== pool) {
          database.run(
            `DELETE FROM copyJob WHERE tape = :name
               AND ruleId IN (SELECT id FROM copyRule WHERE pool = :pool)`,
            { name, pool: tape.pool },
          );
        }
        update(database, TAPE, { ...tape, pool, vault, updatedAtMs: atMs }, [
          'pool',
          'vault',
          'updatedAtMs',
        ]);
        return requireTape(name);
      }),
    recordErase: async (row, event) =>
      database.transaction(() => {
        const { tape, generation, atMs } = row;
        requireRow(database, 'tape', tape);
        refuseMounted(database, 'tape', tape);
        database.run(
          `UPDATE tape SET generation = :generation, payloadBytes = 0,
             erasedAtMs = :atMs, updatedAtMs = :atMs WHERE name = :tape`,
          { tape, generation, atMs },
        );
        database.replace(GENERATION, row);
        return append(event);
      }),
  };
}

function lockCatalog(database: Database): Pick<MediaCatalog, LockMethod> {
  return {
    takeLock: async (lock) =>
      database.transaction(() => {
        const { tape, pool, process } = lock;
        assert((tape === undefined) !== (pool === undefined), 'a lock is on a tape or on a pool');
        if (tape !== undefined) requireRow(database, 'tape', tape);
        if (pool !== undefined) requireRow(database, 'pool', pool);
        const [other] = database.rows(
          LOCK,
          tape === undefined
            ? `WHERE process <> :process AND (pool = :name
                 OR tape IN (SELECT name FROM tape WHERE pool = :name)) ORDER BY id`
            : `WHERE process <> :process AND (tape = :name
                 OR pool = (SELECT pool FROM tape WHERE name = :name)) ORDER BY id`,
          { process, name: tape ?? pool ?? null },
        );
        if (other !== undefined) throw lockedBy(lock, other);
        const column = tape === undefined ? 'pool' : 'tape';
        const held = database.one(`SELECT 1 FROM processLock WHERE ${column} = :name`, {
          name: tape ?? pool ?? null,
        });
        if (held === undefined) database.insert(LOCK, lock);
      }),
    releaseLock: async (of, process) =>
      database.transaction(() => {
        const [column, name] = 'tape' in of ? ['tape', of.tape] : ['pool', of.pool];
        return (
          database.run(
            `DELETE FROM processLock WHERE ${column} = :name
               AND (:process IS NULL OR process = :process)`,
            { name, process: process ?? null },
          ) > 0
        );
      }),
    listLocks: async () => database.rows(LOCK, 'ORDER BY id'),
  };
}

function lockedBy(lock: LockRow, other: LockRow): CapstanError {
  const kind = lock.tape === undefined ? 'pool' : 'tape';
  const where =
    other.tape === undefined
      ? `pool ${String(other.pool)} is locked`
      : other.tape === lock.tape
        ? 'it is locked'
        : `tape ${other.tape} is locked`;
  const by = `${where} by ${other.process}: ${other.reason}`;
  return new CapstanError('IN_USE', { kind, name: lock.tape ?? lock.pool ?? '', by });
}
