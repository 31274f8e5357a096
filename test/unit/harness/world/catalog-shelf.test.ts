/** A world begins with a catalog that another has used: nothing of it may be left. */
import { describe, expect, it } from 'vitest';
import { giveCatalogBack, takeCatalog } from '../../../../harness/world/catalog-shelf.ts';
import type { ShelvedCatalog } from '../../../../harness/world/catalog-shelf.ts';
import { openDatabase } from '../../../../src/catalog/sqlite-catalog.ts';
import type { Database } from '../../../../src/catalog/database.ts';

/** Every row of every table, the counters of AUTOINCREMENT among them. */
function contentOf(database: Database): Readonly<Record<string, readonly string[]>> {
  const list = (sql: string): string[] => {
    const { found } = database.one(sql) ?? {};
    return JSON.parse(String(found)) as string[];
  };
  const tables = list(
    `SELECT json_group_array(name) AS found FROM sqlite_schema WHERE type = 'table'`,
  );
  return Object.fromEntries(
    tables.map((table) => {
      const columns = list(
        `SELECT json_group_array('quote("' || name || '")') AS found FROM pragma_table_info('${table}')`,
      );
      const row = `json_array(${columns.join(', ')})`;
      return [table, list(`SELECT json_group_array(${row}) AS found FROM ${table}`).toSorted()];
    }),
  );
}

async function use({ catalog, database }: ShelvedCatalog): Promise<void> {
  await catalog.createVault({ name: 'VAULT00', path: '/vault00', createdAtMs: 1 });
  await catalog.createPool({ name: 'DAILY', vault: 'VAULT00', createdAtMs: 1 });
  await catalog.appendEvent({
    atMs: 1,
    severity: 'INFO',
    messageId: '440001',
    address: '',
    user: '',
    program: '',
    text: 'a line',
  });
  database.run("DELETE FROM accessUser WHERE name = 'operator'");
  expect(await catalog.listEvents({ limit: 10 })).toHaveLength(1);
}

describe('a catalog off the shelf', () => {
  it('is used again, and holds what a new one holds', async () => {
    const fresh = contentOf(openDatabase(':memory:'));
    const used = takeCatalog();
    await use(used);
    expect(contentOf(used.database)).not.toEqual(fresh);
    giveCatalogBack(used);
    const again = takeCatalog();
    expect(again).toBe(used);
    expect(contentOf(again.database)).toEqual(fresh);
    await use(again);
  });
});
