import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CATALOG_BYTES_MAX, Database } from '../../../src/catalog/database.ts';
import { openCatalog } from '../../../src/catalog/sqlite-catalog.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'capstan-database-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe('A database', () => {
  it('synchronises in full, holds foreign keys, and trusts no schema', () => {
    const settings: Record<string, unknown> = {};
    const database = new Database(join(folder, 'a.db'), CATALOG_BYTES_MAX, (connection) => {
      for (const name of ['synchronous', 'foreign_keys', 'trusted_schema']) {
        settings[name] = connection.prepare(`PRAGMA ${name}`).get()?.[name];
      }
    });
    expect(settings).toEqual({ synchronous: 2, foreign_keys: 1, trusted_schema: 0 });
    expect(database.one('PRAGMA journal_mode')).toEqual({ journal_mode: 'wal' });
    database.close();
  });

  it('has no trace of a transaction that threw, and goes on', () => {
    const database = new Database(':memory:', CATALOG_BYTES_MAX, (connection) => {
      connection.exec('CREATE TABLE box (name TEXT PRIMARY KEY) STRICT');
    });
    const put = (name: string): number => database.run('INSERT INTO box VALUES (:name)', { name });
    expect(() =>
      database.transaction(() => {
        put('a');
        throw new Error('changed my mind');
      }),
    ).toThrow('changed my mind');
    expect(() => database.transaction(() => put('b') + put('b'))).toThrow(/UNIQUE/);
    expect(database.one('SELECT count(*) AS n FROM box')).toEqual({ n: 0 });
    expect(database.transaction(() => put('c'))).toBe(1);
    database.close();
  });

  it('has after a kill what was acknowledged before it, and half of nothing', async () => {
    const path = join(folder, 'killed.db');
    let acknowledged = 0;
    for (const acknowledgements of [1, 7, 30]) {
      const child = startWriter(path);
      const count = await killAfter(child, acknowledgements);
      acknowledged += count;
      const catalog = openCatalog(path);
      const events = await catalog.listEvents({ limit: 100_000 });
      const vaults = await catalog.listVaults();
      await catalog.close();
      expect(events.length).toBeGreaterThanOrEqual(acknowledged);
      // One more at most was written and not yet told.
      expect(events.length).toBeLessThanOrEqual(acknowledged + 1);
      acknowledged = events.length;
      expect(vaults).toHaveLength(1);
    }
  });
});

/** A process that appends events without end and prints a dot for each that is durable. */
function startWriter(path: string): ChildProcess {
  const module = new URL('../../../src/catalog/sqlite-catalog.ts', import.meta.url).href;
  const script = `
    import { writeSync } from 'node:fs';
    import { openCatalog } from ${JSON.stringify(module)};
    const catalog = openCatalog(${JSON.stringify(path)});
    await catalog.createVault({ name: 'VAULT00', path: '/v', createdAtMs: 1 }).catch(() => {});
    const event = { atMs: 1, severity: 'INFO', messageId: '220130', address: '', user: '', program: '', text: 'x' };
    for (;;) {
      await catalog.appendEvent(event);
      writeSync(1, '.');
    }`;
  return spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

/** Kills the writer once it has told of `count` events; how many it had told of when it was dead. */
async function killAfter(child: ChildProcess, count: number): Promise<number> {
  let dots = 0;
  child.stdout?.on('data', (bytes: Buffer) => {
    dots += bytes.length;
    if (dots >= count) child.kill('SIGKILL');
  });
  await once(child, 'close');
  return dots;
}
