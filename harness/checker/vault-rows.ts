/** What a catalog says of a vault, as texts that can be compared with another server's. */
import type { Catalog } from '../../src/ports/catalog.ts';

/** Pools, tapes, generations and locks of the vault, a line each, in order. */
export async function vaultRows(catalog: Catalog, vault: string): Promise<readonly string[]> {
  const pools = (await catalog.listPools()).filter((row) => row.vault === vault);
  const tapes = (await catalog.listTapes()).filter((row) => row.vault === vault);
  const lines = [...pools, ...tapes].map((row) => JSON.stringify(row));
  for (const { name } of tapes) {
    for (const row of await catalog.listGenerations(name)) lines.push(JSON.stringify(row));
  }
  const names = new Set([...pools, ...tapes].map(({ name }) => name));
  for (const row of await catalog.listLocks()) {
    if (names.has(row.tape ?? row.pool ?? '')) lines.push(JSON.stringify(row));
  }
  return lines;
}
