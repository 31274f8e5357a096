/** The catalog's part about shared vaults, in SQLite. */
import { CapstanError } from '../base/errors.ts';
import type { PoolRow, TapeRow } from '../ports/catalog.ts';
import type { SharedCatalog, VaultChanges } from '../ports/catalog-shared.ts';
import { requireRow } from './checks.ts';
import type { Database } from './database.ts';
import { GENERATION, LOCK, PEER, POOL, TAPE } from './tables.ts';
import type { Table } from './tables.ts';

export function sharedCatalog(database: Database): SharedCatalog {
  return {
    shareVault: async (name, sharedId) =>
      database.transaction(() => {
        requireRow(database, 'vault', name);
        database.run('UPDATE vault SET sharedId = :sharedId WHERE name = :name', {
          name,
          sharedId: sharedId ?? null,
        });
      }),
    applyVaultChanges: async (vault, changes) =>
      database.transaction(() => {
        requireRow(database, 'vault', vault);
        return apply(database, vault, changes);
      }),
    putPeer: async (peer) => database.transaction(() => database.replace(PEER, peer)),
    deletePeer: async (server) =>
      database.transaction(() => {
        if (database.run('DELETE FROM peer WHERE server = :server', { server }) > 0) return;
        throw new CapstanError('NOT_FOUND', { kind: 'server of shared vaults', name: server });
      }),
    listPeers: async () => database.rows(PEER, 'ORDER BY server'),
  };
}

function apply(database: Database, vault: string, changes: VaultChanges): readonly string[] {
  const vaultOf = (table: Table<PoolRow> | Table<TapeRow>, name: string): unknown =>
    database.one(`SELECT vault FROM ${table.name} WHERE name = :name`, { name })?.['vault'];
  const leftOut: string[] = [];
  for (const name of changes.goneTapes) {
    database.run('DELETE FROM tape WHERE name = :name AND vault = :vault', { name, vault });
  }
  for (const pool of changes.pools) {
    if ((vaultOf(POOL, pool.name) ?? vault) === vault) upsert(database, POOL, { ...pool, vault });
    else leftOut.push(pool.name);
  }
  for (const tape of changes.tapes) {
    const isArriving = changes.arriving?.includes(tape.name) === true;
    // What was owed by rules of the pool where it was, is not any more.
    if (isArriving) database.run('DELETE FROM copyJob WHERE tape = :name', { name: tape.name });
    const fits = isArriving || (vaultOf(TAPE, tape.name) ?? vault) === vault;
    if (fits && vaultOf(POOL, tape.pool) === vault) upsert(database, TAPE, { ...tape, vault });
    else leftOut.push(tape.name);
  }
  for (const row of changes.generations) {
    if (vaultOf(TAPE, row.tape) === vault) database.replace(GENERATION, row);
  }
  for (const name of changes.gonePools) {
    // A tape that could not follow into its new pool is not shown any more.
    database.run('DELETE FROM tape WHERE pool = :name AND vault = :vault', { name, vault });
    database.run('DELETE FROM pool WHERE name = :name AND vault = :vault', { name, vault });
  }
  if (changes.locks === undefined) return leftOut;
  database.run(
    `DELETE FROM processLock WHERE tape IN (SELECT name FROM tape WHERE vault = :vault)
       OR pool IN (SELECT name FROM pool WHERE vault = :vault)`,
    { vault },
  );
  for (const lock of changes.locks) {
    const place =
      lock.tape === undefined ? vaultOf(POOL, lock.pool ?? '') : vaultOf(TAPE, lock.tape);
    if (place === vault) database.insert(LOCK, lock);
  }
  return leftOut;
}

/** Inserts, or sets every column of the row of that name, which keeps what refers to it. */
function upsert<Row extends { readonly name: string }>(
  database: Database,
  table: Table<Row>,
  row: Row,
): void {
  const names = Object.keys(table.columns).filter((name) => name !== 'name');
  const changes = names.map((name) => `${name} = excluded.${name}`).join(', ');
  database.insert(table, row, `ON CONFLICT (name) DO UPDATE SET ${changes}`);
}
