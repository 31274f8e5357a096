/**
 * Catalogs of worlds that have ended, for those that begin: a catalog's schema and its prepared
 * statements cost more than most cases do with it.
 *
 * A catalog that is taken is as empty as one that was just made: every row of every table and every
 * counter of AUTOINCREMENT is what the migrations leave, by a copy that the database has of it.
 */
import { assert } from '../../src/base/assert.ts';
import type { Database } from '../../src/catalog/database.ts';
import { catalogOf, openDatabase } from '../../src/catalog/sqlite-catalog.ts';
import type { Catalog } from '../../src/ports/catalog.ts';

/** A catalog in memory, and how to have it back as it was made. */
export interface ShelvedCatalog {
  readonly catalog: Catalog;
  readonly database: Database;
  readonly rewind: () => void;
}

const shelf: ShelvedCatalog[] = [];

/** An empty catalog. */
export function takeCatalog(): ShelvedCatalog {
  return shelf.pop() ?? makeCatalog();
}

/** Nothing may use it any more. */
export function giveCatalogBack(shelved: ShelvedCatalog): void {
  shelved.rewind();
  shelf.push(shelved);
}

function makeCatalog(): ShelvedCatalog {
  const database = openDatabase(':memory:');
  const { names } =
    database.one(
      `SELECT json_group_array(name ORDER BY rowid) AS names FROM sqlite_schema
       WHERE type = 'table' AND name <> 'schemaMigration'`,
    ) ?? {};
  const tables = JSON.parse(String(names)) as string[];
  assert(tables.length > 0, 'a catalog has tables');
  database.run("ATTACH ':memory:' AS made");
  const filled = tables.filter(
    (table) => database.one(`SELECT 1 FROM ${table} LIMIT 1`) !== undefined,
  );
  for (const table of filled) {
    database.run(`CREATE TABLE made.kept_${table} AS SELECT * FROM main.${table}`);
  }
  const fills = tables.map((table) => `EXISTS (SELECT 1 FROM main.${table})`);
  const filledNow = `SELECT json_array(${fills.join(', ')}) AS filled`;
  const rewind = (): void => {
    const { filled: flags } = database.one(filledNow) ?? {};
    const isFilled = JSON.parse(String(flags)) as number[];
    database.transaction(() => {
      // What refers to a table was created after it, so that no foreign key is broken on the way. A
      // PRAGMA that switched them off would have every statement prepared anew.
      for (const [index, table] of [...tables.entries()].toReversed()) {
        if (isFilled[index] === 1) database.run(`DELETE FROM main.${table}`);
      }
      for (const table of filled) {
        database.run(`INSERT INTO main.${table} SELECT * FROM made.kept_${table}`);
      }
    });
  };
  return { catalog: catalogOf(database), database, rewind };
}
