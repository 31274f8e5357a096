import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { MIGRATIONS, type Migration, migrate } from '../../../src/catalog/schema.ts';
import * as tables from '../../../src/catalog/tables.ts';

const STEPS: readonly Migration[] = [
  { subject: 'a table', sql: 'CREATE TABLE box (name TEXT) STRICT' },
  { subject: 'a column', sql: "ALTER TABLE box ADD COLUMN owner TEXT NOT NULL DEFAULT 'nobody'" },
];

/** Tables that have an id for the order of arrival, which their rows do not have. */
/** Columns that no row of a port shows. */
const BESIDES: Readonly<Record<string, readonly string[]>> = { event: ['vaults'] };
const ORDERED: ReadonlySet<string> = new Set(['mountRequest', 'processLock']);

describe('Migrations', () => {
  it('bring an older schema up to the newest and keep its rows', () => {
    const database = new DatabaseSync(':memory:');
    migrate(database, ':memory:', STEPS.slice(0, 1));
    database.exec("INSERT INTO box VALUES ('first')");
    migrate(database, ':memory:', STEPS);
    expect(database.prepare('SELECT * FROM box').all()).toEqual([
      { name: 'first', owner: 'nobody' },
    ]);
    expect(database.prepare('SELECT * FROM schemaMigration').all()).toEqual([
      { version: 1, subject: 'a table' },
      { version: 2, subject: 'a column' },
    ]);
  });

  it('do nothing where the schema is the newest', () => {
    const database = new DatabaseSync(':memory:');
    migrate(database, ':memory:', STEPS);
    migrate(database, ':memory:', STEPS);
    expect(database.prepare('SELECT count(*) AS n FROM schemaMigration').get()).toEqual({ n: 2 });
  });

  it('leave the schema as it was where one of them fails', () => {
    const database = new DatabaseSync(':memory:');
    migrate(database, ':memory:', STEPS.slice(0, 1));
    const broken = [...STEPS, { subject: 'nonsense', sql: 'CREATE NONSENSE' }];
    expect(() => migrate(database, ':memory:', broken)).toThrow(/syntax error/);
    expect(database.isTransaction).toBe(false);
    expect(database.prepare('SELECT count(*) AS n FROM schemaMigration').get()).toEqual({ n: 1 });
    expect(() => database.prepare('SELECT owner FROM box')).toThrow(/no such column/);
  });

  it("give each table the columns of its port's row, and an id where order of arrival counts", () => {
    const database = new DatabaseSync(':memory:');
    migrate(database, ':memory:', MIGRATIONS);
    for (const table of Object.values(tables).filter(
      (value) => typeof value === 'object' && 'columns' in value,
    )) {
      const columns = database
        .prepare(`SELECT name FROM pragma_table_info('${table.name}')`)
        .all()
        .map((row) => row['name']);
      const expected = [...Object.keys(table.columns), ...(BESIDES[table.name] ?? [])];
      expect(columns.toSorted()).toEqual(
        (ORDERED.has(table.name) ? ['id', ...expected] : expected).toSorted(),
      );
    }
  });

  it('carry over what was in the tables that are made anew, with all that refers to it', () => {
    const database = new DatabaseSync(':memory:');
    database.exec('PRAGMA foreign_keys = ON');
    migrate(database, ':memory:', MIGRATIONS.slice(0, 1));
    database.exec(`
      INSERT INTO vault VALUES ('VAULT00', '/v', 1);
      INSERT INTO pool VALUES ('POOL1', 'VAULT00', 1);
      INSERT INTO tape VALUES ('LAB001', 'POOL1', 'VAULT00', 'ansi', 100, 2, 5, 1, 7, 8, 9, 'east');
      INSERT INTO generation VALUES ('LAB001', 2, 7, 5, 'ab', '\\LAB');
      INSERT INTO mount VALUES (41, 'LAB001', 'VTD01', '\\LAB', 7, 1, 8, 9, 'dismounted');
      INSERT INTO mountRequest VALUES (5, '\\LAB', 8, 'LAB001', NULL, 1, 9, 'waiting for a drive');
      INSERT INTO copyRule VALUES (3, 'POOL1', 'west', 'w', 22, 'u', 'k', 'ssh2', 'DR');
      INSERT INTO copyJob VALUES ('LAB001', 3, 2, 'due', 1, 9, 9, 1, NULL, 0);
    `);
    migrate(database, ':memory:', MIGRATIONS);
    const rows = (table: string): readonly unknown[] =>
      database.prepare(`SELECT * FROM ${table}`).all();
    expect(rows('tape')).toMatchObject([
      { name: 'LAB001', capacityBytes: 100, generation: 2, copiedFrom: 'east', updatedAtMs: 7 },
    ]);
    expect(rows('generation')).toMatchObject([{ tape: 'LAB001', generation: 2, origin: '\\LAB' }]);
    expect(rows('mount')).toMatchObject([{ id: 41, tape: 'LAB001', state: 'dismounted' }]);
    expect(rows('mountRequest')).toMatchObject([{ id: 5, tape: 'LAB001', device: null }]);
    expect(rows('copyRule')).toMatchObject([{ id: 3, pool: 'POOL1', targetPool: 'DR' }]);
    expect(rows('copyJob')).toMatchObject([{ tape: 'LAB001', ruleId: 3, copiedGeneration: 1 }]);
    expect(database.prepare('PRAGMA foreign_key_check').all()).toEqual([]);
    database.exec("UPDATE tape SET name = 'LAB002'; DELETE FROM tape");
    expect(['generation', 'mount', 'mountRequest', 'copyJob'].flatMap(rows)).toEqual([]);
  });
});
