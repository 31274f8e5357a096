import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { MIGRATIONS, type Migration, migrate } from '../../../src/catalog/schema.ts';
import * as tables from '../../../src/catalog/tables.ts';

const STEPS: readonly Migration[] = [
  { subject: 'a table', sql: 'CREATE TABLE box (name TEXT) STRICT' },
  { subject: 'a column', sql: "ALTER TABLE box ADD COLUMN owner TEXT NOT NULL DEFAULT 'nobody'" },
];

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
    for (const table of Object.values(tables).filter((value) => typeof value === 'object')) {
      const columns = database
        .prepare(`SELECT name FROM pragma_table_info('${table.name}')`)
        .all()
        .map((row) => row['name']);
      const expected = Object.keys(table.columns);
      expect(columns.toSorted()).toEqual(
        (table.name === 'mountRequest' ? ['id', ...expected] : expected).toSorted(),
      );
    }
  });
});
