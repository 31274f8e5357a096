/** What every catalog does for Instant DR: the contract of src/ports/catalog-instant-dr.ts. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { generation } from '../../src/base/units.ts';
import type { Catalog, EventRow } from '../../src/ports/catalog.ts';
import type {
  IdrResultRow,
  IdrRunRow,
  IdrSchemeRow,
  IdrTapeRow,
} from '../../src/ports/catalog-instant-dr.ts';

const AT_MS = Date.UTC(2026, 7, 28, 2);

const SCHEME: IdrSchemeRow = {
  name: 'NIGHTLY',
  role: 'source',
  target: {
    server: 'west',
    address: '10.0.0.2',
    port: 4022,
    user: 'capstan',
    hostKey: 'SHA256:abc',
    transport: 'ssh2',
  },
  sources: [{ pool: 'DAILY', targetPool: 'DR' }, { vault: 'VAULT01' }],
  schedules: ['daily at 02:00, 14:00', '0 22 * * 5'],
  timeZone: 'Europe/Berlin',
  bytesPerSecond: undefined,
  deletions: 'delete',
  deletionGraceDays: 7,
  enabled: true,
  createdAtMs: AT_MS,
  answeredAtMs: AT_MS,
};
const RUN: Omit<IdrRunRow, 'id'> = {
  scheme: 'NIGHTLY',
  kind: 'synchronise',
  cause: 'schedule',
  pool: undefined,
  state: 'running',
  startedAtMs: AT_MS,
  endedAtMs: undefined,
  attempts: 0,
  nextAttemptAtMs: AT_MS,
  reason: undefined,
};
const EVENT: Omit<EventRow, 'id'> = {
  atMs: AT_MS,
  severity: 'INFO',
  messageId: '223101',
  address: '127.0.0.1',
  user: 'system',
  program: '',
  text: 'a run',
};

const result = (runId: number, tape: string, more: Partial<IdrResultRow> = {}): IdrResultRow => ({
  runId,
  tape,
  outcome: 'copied',
  generation: generation(3),
  reason: undefined,
  bytesSent: 100,
  atMs: AT_MS,
  ...more,
});
const known = (tape: string): IdrTapeRow => ({
  scheme: 'NIGHTLY',
  tape,
  targetPool: 'DR',
  generation: generation(3),
  manifestDigest: 'ab',
  atMs: AT_MS,
  goneAtMs: undefined,
});

export function instantDrCatalogConformance(name: string, open: () => Catalog): void {
  describe(`The Instant DR part of the catalog (${name})`, () => {
    let catalog: Catalog;
    beforeEach(async () => {
      catalog = open();
      await catalog.createIdrScheme(SCHEME);
    });
    afterEach(() => catalog.close());

    const run = async (more: Partial<IdrRunRow> = {}): Promise<IdrRunRow> =>
      (await catalog.createIdrRun({ ...RUN, ...more }, EVENT)).run;

    it('keeps schemes as they are given, by name', async () => {
      const other = { ...SCHEME, name: 'A', enabled: false, bytesPerSecond: 1_000_000 };
      await catalog.createIdrScheme(other);
      expect(await catalog.listIdrSchemes()).toEqual([other, SCHEME]);
      await expect(catalog.createIdrScheme(other)).rejects.toThrow('A scheme named A exists');
    });

    it('replaces a scheme with its event and leaves its runs', async () => {
      await run();
      const changed = { ...SCHEME, role: 'standby', sources: [], enabled: false } as const;
      expect(await catalog.putIdrScheme(changed, EVENT)).toMatchObject({ text: 'a run' });
      expect(await catalog.listIdrSchemes()).toEqual([changed]);
      expect(await catalog.listIdrRuns({ scheme: 'NIGHTLY', limit: 9 })).toHaveLength(1);
      await expect(catalog.putIdrScheme({ ...SCHEME, name: 'B' })).rejects.toThrow('named B');
    });

    it('has one run of a scheme at a time, and moves its schedule on with it', async () => {
      const first = await catalog.createIdrRun(RUN, EVENT, AT_MS + 5);
      expect(first.event.text).toBe('a run');
      expect((await catalog.listIdrSchemes())[0]?.answeredAtMs).toBe(AT_MS + 5);
      await expect(run()).rejects.toThrow(`its run ${first.run.id} is not over`);
      const ended = { ...first.run, state: 'done', endedAtMs: AT_MS + 9, attempts: 2 } as const;
      await catalog.putIdrRun(ended, EVENT);
      expect(await catalog.findIdrRun(first.run.id)).toEqual(ended);
      const second = await run({ pool: 'DAILY', kind: 'verify', cause: 'policy' });
      expect(await catalog.listIdrRuns({ limit: 9 })).toEqual([second, ended]);
      expect(await catalog.listIdrRuns({ running: true, limit: 9 })).toEqual([second]);
      expect(await catalog.listIdrRuns({ scheme: 'OTHER', limit: 9 })).toEqual([]);
      await expect(run({ scheme: 'OTHER' })).rejects.toThrow('No scheme is named OTHER');
    });

    it('records results and what the target has, the later in place of the earlier', async () => {
      const { id } = await run();
      await catalog.recordIdrResults({
        results: [result(id, 'B', { outcome: 'failed', reason: 'no way' }), result(id, 'A')],
        tapes: [known('A'), known('B')],
      });
      await catalog.recordIdrResults({
        results: [result(id, 'B', { outcome: 'skipped', reason: 'mounted', bytesSent: 5 })],
        tapes: [{ ...known('B'), goneAtMs: AT_MS }],
        forget: [{ scheme: 'NIGHTLY', tape: 'A' }],
      });
      expect(await catalog.listIdrResults(id)).toEqual([
        result(id, 'A'),
        result(id, 'B', { outcome: 'skipped', reason: 'mounted', bytesSent: 5 }),
      ]);
      expect(await catalog.listIdrTapes('NIGHTLY')).toEqual([{ ...known('B'), goneAtMs: AT_MS }]);
      expect(await catalog.countIdrResults(id)).toEqual({
        copied: 1,
        unchanged: 0,
        skipped: 1,
        failed: 0,
        deleted: 0,
        bytesSent: 105,
      });
    });

    it('records all results of a batch or none', async () => {
      const { id } = await run();
      const batch = { results: [result(id, 'A')], tapes: [{ ...known('A'), scheme: 'NONE' }] };
      await expect(catalog.recordIdrResults(batch)).rejects.toThrow('No scheme is named NONE');
      expect(await catalog.listIdrResults(id)).toEqual([]);
    });

    it("removes a scheme's runs, results and tapes with it", async () => {
      const { id } = await run();
      await catalog.recordIdrResults({ results: [result(id, 'A')], tapes: [known('A')] });
      await catalog.deleteIdrScheme('NIGHTLY');
      expect(await catalog.listIdrRuns({ limit: 9 })).toEqual([]);
      expect(await catalog.listIdrResults(id)).toEqual([]);
      await catalog.createIdrScheme(SCHEME);
      expect(await catalog.listIdrTapes('NIGHTLY')).toEqual([]);
      await expect(catalog.deleteIdrScheme('NONE')).rejects.toThrow('No scheme is named NONE');
    });
  });
}
