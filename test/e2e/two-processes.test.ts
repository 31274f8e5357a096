/** One store, several processes: one writes, others read beside it, any of them dies at any moment. */
import { hostname } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { withDir } from 'tmp-promise';
import { expect, it } from 'vitest';
import { StoreProcess } from './two-processes/store-process.ts';

const TIMEOUT = { timeout: 120_000 };

type Open = (mode: 'create' | 'write' | 'read') => Promise<StoreProcess>;

/** Ends every process in the end, before its store's folder goes. */
async function withStore(work: (open: Open) => Promise<void>): Promise<void> {
  await withDir(
    async ({ path }) => {
      const processes: StoreProcess[] = [];
      try {
        await work(async (mode) => {
          const opened = await StoreProcess.open(`${path}/store`, mode);
          processes.push(opened);
          return opened;
        });
      } finally {
        await Promise.all(processes.map((each) => each.close()));
      }
    },
    { unsafeCleanup: true },
  );
}

it(
  'refuses a second writer, names the first one, and lets it in once that was killed',
  TIMEOUT,
  () =>
    withStore(async (open) => {
      const first = await open('create');
      await first.ask({ do: 'create', name: 'T1' });
      await first.ask({ do: 'write', name: 'T1', fromBlock: 0, blockCount: 3 });
      const refused = await open('write').catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: 'STORE_LOCKED' });
      expect(String(refused)).toMatch(
        new RegExp(
          String.raw`held by process ${first.pid} on ${hostname()} \(.*worker\.ts .*create\)`,
        ),
      );
      await first.kill();
      const second = await open('write');
      expect(await second.ask({ do: 'compare', name: 'T1' })).toBe(3);
      await second.ask({ do: 'write', name: 'T1', fromBlock: 3, blockCount: 3 });
      await expect(open('write')).rejects.toThrow(new RegExp(`held by process ${second.pid} `));
    }),
);

it('shows a reader what a writer beside it has synced, removed and collected', TIMEOUT, () =>
  withStore(async (open) => {
    const writer = await open('create');
    const reader = await open('read');
    for (const [index, name] of ['T1', 'T2', 'T3'].entries()) {
      await writer.ask({ do: 'create', name });
      await writer.ask({ do: 'write', name, fromBlock: 0, blockCount: 20 });
      expect(await reader.ask({ do: 'compare', name })).toBe(20);
      expect(await reader.ask({ do: 'list' })).toHaveLength(index + 1);
    }
    // What was synced and overwritten since, too.
    await writer.ask({ do: 'write', name: 'T3', fromBlock: 10, blockCount: 20 });
    expect(await reader.ask({ do: 'compare', name: 'T3' })).toBe(30);

    await reader.ask({ do: 'keep', name: 'T1' });
    const lateReader = await open('read');
    await lateReader.ask({ do: 'keep', name: 'T1' });
    await reader.ask({ do: 'keep', name: 'T2' });
    await writer.ask({ do: 'remove', name: 'T1' });
    expect(await writer.ask({ do: 'collect' })).toBeGreaterThan(2);
    expect(await reader.ask({ do: 'list' })).toEqual(['T2', 'T3']);
    expect(await reader.ask({ do: 'compare', name: 'T2' })).toBe(20);
    expect(await reader.ask({ do: 'compare-kept', name: 'T2' })).toBe(20);
    expect(await reader.ask({ do: 'compare', name: 'T3' })).toBe(30);
    await expect(reader.ask({ do: 'compare', name: 'T1' })).rejects.toThrow(/T1/);
    // Who had its files open goes on; who had not is told what is gone. Nobody gets other bytes.
    expect(await reader.ask({ do: 'compare-kept', name: 'T1' })).toBe(20);
    const late = await lateReader
      .ask({ do: 'compare-kept', name: 'T1' })
      .catch((error: unknown) => error);
    expect(String(late)).toMatch(/removed or overwritten since it was opened/);
    expect(await lateReader.ask({ do: 'compare', name: 'T2' })).toBe(20);
    expect(await reader.ask({ do: 'verify' })).toEqual([]);

    await writer.ask({ do: 'create', name: 'T4' });
    await writer.ask({ do: 'write', name: 'T4', fromBlock: 0, blockCount: 20 });
    expect(await reader.ask({ do: 'compare', name: 'T4' })).toBe(20);
  }),
);

it(
  'lets a reader go on while writers are killed in the midst and followed by others',
  TIMEOUT,
  () =>
    withStore(async (open) => {
      const first = await open('create');
      await first.ask({ do: 'create', name: 'T1' });
      await first.close();
      const reader = await open('read');
      let known = 0;
      for (const delayMs of [0, 40, 150, 400]) {
        const writer = await open('write');
        const synced = [await writer.ask({ do: 'write-on', name: 'T1', fromBlock: known })];
        await setTimeout(delayMs);
        expect(await reader.ask({ do: 'compare', name: 'T1' })).toBeGreaterThan(known);
        synced.push(...(await writer.kill()));
        const acknowledged = Number(synced.at(-1));
        const seen = Number(await reader.ask({ do: 'compare', name: 'T1' }));
        // The last sync may have been done and not told any more.
        expect(seen).toBeGreaterThanOrEqual(acknowledged);
        expect(seen).toBeLessThanOrEqual(acknowledged + 1);
        known = seen;
      }
      expect(await reader.ask({ do: 'verify' })).toEqual([]);
      const last = await open('write');
      expect(await last.ask({ do: 'verify' })).toEqual([]);
      expect(await last.ask({ do: 'compare', name: 'T1' })).toBe(known);
    }),
);
