import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CapstanError } from '../../../src/base/errors.ts';
import { MIGRATIONS } from '../../../src/catalog/schema.ts';
import { openCatalog } from '../../../src/catalog/sqlite-catalog.ts';
import type { Catalog, EventRow } from '../../../src/ports/catalog.ts';
import { instantDrCatalogConformance } from '../../conformance/catalog-instant-dr.ts';
import { catalogConformance } from '../../conformance/catalog.ts';
import { mountConformance } from '../../conformance/catalog-mounts.ts';
import { accessCatalogConformance } from '../../conformance/catalog-access.ts';
import { hostCatalogConformance } from '../../conformance/catalog-hosts.ts';
import { licenceCatalogConformance } from '../../conformance/catalog-licences.ts';
import { sharedCatalogConformance } from '../../conformance/catalog-shared.ts';

catalogConformance('SQLite in memory', () => openCatalog(':memory:'));
mountConformance('SQLite in memory', () => openCatalog(':memory:'));
hostCatalogConformance('SQLite in memory', () => openCatalog(':memory:'));
instantDrCatalogConformance('SQLite in memory', () => openCatalog(':memory:'));
accessCatalogConformance('SQLite in memory', () => openCatalog(':memory:'));
licenceCatalogConformance('SQLite in memory', () => openCatalog(':memory:'));
sharedCatalogConformance('SQLite in memory', () => openCatalog(':memory:'));

let folder: string;
let path: string;
let opened: Catalog[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'capstan-catalog-'));
  path = join(folder, 'catalog.db');
});
afterEach(async () => {
  for (const catalog of opened) await catalog.close();
  opened = [];
  rmSync(folder, { recursive: true });
});

function open(...[at, options]: Parameters<typeof openCatalog>): Catalog {
  const catalog = openCatalog(at, options);
  opened.push(catalog);
  return catalog;
}

catalogConformance('SQLite in a file', () => openCatalog(join(folder, 'conformance.db')));
mountConformance('SQLite in a file', () => openCatalog(join(folder, 'conformance.db')));

const EVENT: Omit<EventRow, 'id'> = {
  atMs: 0,
  severity: 'INFO',
  messageId: '220001',
  address: '127.0.0.1',
  user: 'operator',
  program: '',
  text: 'x'.repeat(150),
};

describe('A catalog file', () => {
  it('keeps its rows and goes on counting its numbers when it is opened again', async () => {
    const first = openCatalog(path);
    await first.createVault({ name: 'VAULT00', path: '/v', createdAtMs: 1 });
    const { id } = await first.appendEvent(EVENT);
    await first.close();
    const second = open(path);
    expect(await second.listVaults()).toHaveLength(1);
    expect((await second.appendEvent(EVENT)).id).toBe(id + 1);
  });

  it('shows what was committed to a process that opens it while it is open, as after a kill', async () => {
    const first = open(path);
    await first.createVault({ name: 'VAULT00', path: '/v', createdAtMs: 1 });
    expect(await open(path).listVaults()).toHaveLength(1);
  });

  it('is in WAL mode, so that readers do not wait for a writer', async () => {
    const catalog = open(path);
    await catalog.createVault({ name: 'VAULT00', path: '/v', createdAtMs: 1 });
    const database = new DatabaseSync(path);
    expect(database.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' });
    database.exec('BEGIN IMMEDIATE');
    expect(await catalog.listVaults()).toHaveLength(1);
    database.close();
  });

  it('that a newer Capstan made is refused with one sentence', async () => {
    await openCatalog(path).close();
    withDatabase(path, "INSERT INTO schemaMigration VALUES (99, 'from the future')");
    expect(() => open(path)).toThrow(
      `The catalog ${path} is refused: its schema has version 99 and this Capstan knows ${MIGRATIONS.length}; ` +
        'use the newer Capstan that made it.',
    );
  });

  it('of another program is refused and left alone', () => {
    withDatabase(path, 'CREATE TABLE song (title TEXT)');
    const before = readFileSync(path);
    expect(() => open(path)).toThrow(/the database of another program/);
    expect(codeOf(() => open(path))).toBe('INVALID_ARGUMENT');
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it('that is no database is STORE_CORRUPT with its path', () => {
    writeFileSync(path, 'This is a letter to my aunt, and no database at all.\n'.repeat(100));
    const error = errorOf(() => open(path));
    expect(error).toMatchObject({ code: 'STORE_CORRUPT', fields: { place: path } });
    expect(readFileSync(path, 'utf8')).toContain('my aunt');
  });

  it.each([
    ['overwritten in the middle', (bytes: Buffer) => bytes.fill(0xa5, 4096 * 2, 4096 * 5)],
    ['cut in half', (bytes: Buffer) => bytes.subarray(0, 4096 * Math.floor(bytes.length / 8192))],
  ])('%s is STORE_CORRUPT with its path', async (_, damage) => {
    const catalog = openCatalog(path);
    for (let index = 0; index < 500; index += 1) await catalog.appendEvent(EVENT);
    await catalog.close();
    writeFileSync(path, damage(readFileSync(path)));
    expect(errorOf(() => open(path))).toMatchObject({
      code: 'STORE_CORRUPT',
      fields: { place: path },
    });
  });

  it('in a folder that is not there is DISK_IO with its path', () => {
    const absent = join(folder, 'absent', 'catalog.db');
    expect(errorOf(() => open(absent))).toMatchObject({
      code: 'DISK_IO',
      fields: { place: absent },
    });
  });

  it('that is a folder is DISK_IO', () => {
    mkdirSync(path);
    expect(codeOf(() => open(path))).toBe('DISK_IO');
  });

  it('whose disk is full is NO_SPACE, stays as it was, and goes on being read', async () => {
    const catalog = open(path, { bytesMax: 200 * 4096 });
    const written: EventRow[] = [];
    const fill = async (): Promise<void> => {
      for (;;) written.push(await catalog.appendEvent(EVENT));
    };
    await expect(fill()).rejects.toMatchObject({ code: 'NO_SPACE', fields: { path } });
    await expect(catalog.appendEvent(EVENT)).rejects.toMatchObject({ code: 'NO_SPACE' });
    expect(written.length).toBeGreaterThan(50);
    expect(await catalog.listEvents({ limit: 100_000 })).toStrictEqual(written);
  });

  it('that another process is writing is STORE_LOCKED once the wait is over', async () => {
    const catalog = open(path);
    const other = new DatabaseSync(path);
    other.exec('BEGIN IMMEDIATE');
    await expect(catalog.appendEvent(EVENT)).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    other.close();
    await catalog.appendEvent(EVENT);
  });

  it('keeps no more events than its limit, and drops the oldest', async () => {
    const catalog = open(path, { eventCountMax: 3 });
    for (const text of ['1', '2', '3', '4', '5']) await catalog.appendEvent({ ...EVENT, text });
    const texts = (await catalog.listEvents({ limit: 10 })).map((event) => event.text);
    expect(texts).toStrictEqual(['3', '4', '5']);
  });

  it('is not used after it was closed, and closing twice does nothing', async () => {
    const catalog = openCatalog(path);
    await catalog.close();
    await catalog.close();
    await expect(catalog.listTapes()).rejects.toThrow(/not used after it was closed/);
    await expect(catalog.appendEvent(EVENT)).rejects.toThrow(/not used after it was closed/);
  });
});

function withDatabase(at: string, sql: string): void {
  const database = new DatabaseSync(at);
  database.exec(sql);
  database.close();
}

function errorOf(body: () => unknown): unknown {
  try {
    body();
  } catch (error) {
    return error;
  }
  return undefined;
}

function codeOf(body: () => unknown): string | undefined {
  const error = errorOf(body);
  return error instanceof CapstanError ? error.code : undefined;
}
