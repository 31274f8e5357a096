/** What every catalog does for VTSPolicy, migration and Scan/Cleanup: src/ports/catalog-policy.ts. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { generation } from '../../src/base/units.ts';
import type { Catalog, EventRow } from '../../src/ports/catalog.ts';
import { POLICY_RUN_COUNT_MAX } from '../../src/ports/catalog-policy.ts';

const EVENT: Omit<EventRow, 'id'> = {
  atMs: 50,
  severity: 'INFO',
  messageId: '224106',
  address: '127.0.0.1',
  user: 'system',
  program: '',
  text: 'Cartridge LAB001 migrated',
};
const COMMAND = { host: '\\LAB', localTimeMs: 1000, text: 'VTSPolicy Erase - LAB001' };

export function policyCatalogConformance(name: string, open: () => Catalog): void {
  describe(`${name} keeps VTSPolicy commands, migrations and Scan/Cleanup:`, () => {
    let catalog: Catalog;

    const createTape = (tape: string): Promise<unknown> =>
      catalog.createTape({
        name: tape,
        pool: 'POOL',
        vault: 'VAULT00',
        labelType: 'ansi',
        capacityBytes: 1000,
        generation: generation(3),
        payloadBytes: 100,
        createdAtMs: 1,
        writtenAtMs: 2,
        mountedAtMs: undefined,
        dismountedAtMs: undefined,
        copiedFrom: undefined,
      });

    beforeEach(async () => {
      catalog = open();
      await catalog.createVault({ name: 'VAULT00', path: '/v', createdAtMs: 1 });
      await catalog.createPool({ name: 'POOL', vault: 'VAULT00', createdAtMs: 1 });
      await createTape('LAB001');
      await createTape('LAB002');
    });
    afterEach(() => catalog.close());

    it('a command of a host once, however often it is heard', async () => {
      const first = await catalog.beginPolicyRun({ ...COMMAND, startedAtMs: 5 });
      expect(first).toMatchObject({ ...COMMAND, state: 'running', outcome: '', startedAtMs: 5 });
      expect(await catalog.beginPolicyRun({ ...COMMAND, startedAtMs: 9 })).toBeUndefined();
      const later = { ...COMMAND, localTimeMs: 2000, startedAtMs: 9 };
      expect((await catalog.beginPolicyRun(later))?.id).toBeGreaterThan(first?.id ?? 0);
    });

    it('a command from the shell as often as it is given', async () => {
      const shell = { ...COMMAND, host: '', startedAtMs: 5 };
      expect(await catalog.beginPolicyRun(shell)).toBeDefined();
      expect(await catalog.beginPolicyRun(shell)).toBeDefined();
    });

    it('how a command ended, once, and the newest first', async () => {
      const first = await catalog.beginPolicyRun({ ...COMMAND, startedAtMs: 5 });
      const second = await catalog.beginPolicyRun({ ...COMMAND, localTimeMs: 9, startedAtMs: 6 });
      const end = { state: 'done', outcome: 'LAB001 erased', endedAtMs: 7 } as const;
      await catalog.endPolicyRun(first?.id ?? 0, end);
      await expect(catalog.endPolicyRun(first?.id ?? 0, end)).rejects.toMatchObject({
        code: 'NOT_FOUND',
      });
      const rows = await catalog.listPolicyRuns({ limit: 10 });
      expect(rows.map((row) => row.id)).toEqual([second?.id, first?.id]);
      expect(rows[1]).toMatchObject(end);
      expect(await catalog.listPolicyRuns({ running: true, limit: 10 })).toEqual([second]);
      expect(await catalog.listPolicyRuns({ limit: 1 })).toHaveLength(1);
    });

    it(
      'no more commands than the limit, but every one that runs',
      { timeout: 60_000 },
      async () => {
        const running = await catalog.beginPolicyRun({ ...COMMAND, startedAtMs: 1 });
        for (let at = 0; at < POLICY_RUN_COUNT_MAX + 5; at += 1) {
          const run = await catalog.beginPolicyRun({ ...COMMAND, host: '', startedAtMs: 1 });
          await catalog.endPolicyRun(run?.id ?? 0, { state: 'done', outcome: '', endedAtMs: 1 });
        }
        expect(await catalog.listPolicyRuns({ running: true, limit: 10 })).toEqual([running]);
        const kept = await catalog.listPolicyRuns({ limit: 2 * POLICY_RUN_COUNT_MAX });
        expect(kept).toHaveLength(POLICY_RUN_COUNT_MAX + 1);
      },
    );

    it('the last migration of a tape, with its metadata and its event', async () => {
      const migration = {
        tape: 'LAB001',
        generation: generation(3),
        atMs: 50,
        application: 'TSM',
        keepMs: 14,
      };
      const event = await catalog.recordMigration({ ...migration, keepMs: undefined }, EVENT);
      expect(event).toMatchObject(EVENT);
      await catalog.recordMigration(migration, EVENT);
      expect(await catalog.listMigrations()).toEqual([migration]);
      expect(await catalog.findTape('LAB001')).toMatchObject({
        migratedAtMs: 50,
        migratedBy: 'vts',
        updatedAtMs: 50,
      });
      expect(await catalog.listEvents({ limit: 10 })).toHaveLength(2);
    });

    it('no migration of a content that the tape has no more', async () => {
      const migration = { tape: 'LAB001', atMs: 50, application: 'TSM', keepMs: undefined };
      await expect(
        catalog.recordMigration({ ...migration, generation: generation(2) }, EVENT),
      ).rejects.toMatchObject({ code: 'IN_USE' });
      await expect(
        catalog.recordMigration({ ...migration, tape: 'LAB009', generation: generation(3) }, EVENT),
      ).rejects.toMatchObject({ code: 'NOT_FOUND' });
      expect(await catalog.listMigrations()).toEqual([]);
      expect(await catalog.listEvents({ limit: 10 })).toEqual([]);
      expect((await catalog.findTape('LAB001'))?.migratedAtMs).toBeUndefined();
    });

    it("a user's marks, all or none, until they are taken back", async () => {
      const mark = { tape: 'LAB001', decision: 'erase', user: 'operator', atMs: 5 } as const;
      await expect(
        catalog.putCleanupMarks([mark, { ...mark, tape: 'LAB009' }]),
      ).rejects.toMatchObject({ code: 'NOT_FOUND' });
      expect(await catalog.listCleanupMarks()).toEqual([]);
      await catalog.putCleanupMarks([mark, { ...mark, tape: 'LAB002' }]);
      await catalog.putCleanupMarks([{ ...mark, decision: 'keep' }]);
      expect(await catalog.listCleanupMarks()).toEqual([
        { ...mark, decision: 'keep' },
        { ...mark, tape: 'LAB002' },
      ]);
      await expect(catalog.deleteCleanupMarks(['LAB001', 'LAB009'])).rejects.toMatchObject({
        code: 'NOT_FOUND',
      });
      expect(await catalog.deleteCleanupMarks(['LAB001'])).toBe(1);
      expect(await catalog.deleteCleanupMarks(['LAB001'])).toBe(0);
      expect(await catalog.deleteCleanupMarks()).toBe(1);
    });

    it('the last scan only, without tapes that are no more', async () => {
      expect(await catalog.findCleanupScan()).toBeUndefined();
      const row = { generation: generation(3), erase: true, reason: 'past retention' };
      const scan = { atMs: 5, user: 'schedule', scheduledThroughMs: 4 };
      await catalog.putCleanupScan(scan, [{ ...row, tape: 'LAB001' }]);
      await catalog.putCleanupScan({ ...scan, atMs: 6 }, [
        { ...row, tape: 'LAB002', erase: false },
        { ...row, tape: 'LAB009' },
      ]);
      expect(await catalog.findCleanupScan()).toEqual({ ...scan, atMs: 6 });
      expect(await catalog.listCleanupPlan()).toEqual([{ ...row, tape: 'LAB002', erase: false }]);
    });

    it('an erase under way; a done one takes plan and mark with it, an undone one leaves them', async () => {
      const erasure = {
        tape: 'LAB001',
        generation: generation(3),
        startedAtMs: 9,
        list: 'erasebylist.12Mar06.log',
        line: '/VAULT00/POOL/LAB001 erased',
      };
      const plan = { tape: 'LAB001', generation: generation(3), erase: true, reason: 'x' };
      await catalog.putCleanupScan({ atMs: 5, user: 'a', scheduledThroughMs: undefined }, [plan]);
      await catalog.putCleanupMarks([{ tape: 'LAB001', decision: 'erase', user: 'a', atMs: 1 }]);
      await catalog.putErasure(erasure);
      await catalog.putErasure({ ...erasure, startedAtMs: 10 });
      expect(await catalog.listErasures()).toEqual([{ ...erasure, startedAtMs: 10 }]);
      await catalog.deleteErasure('LAB001', false);
      expect(await catalog.listCleanupPlan()).toHaveLength(1);
      await catalog.putErasure(erasure);
      await catalog.deleteErasure('LAB001', true);
      expect(await catalog.listErasures()).toEqual([]);
      expect(await catalog.listCleanupPlan()).toEqual([]);
      expect(await catalog.listCleanupMarks()).toEqual([]);
      await expect(catalog.putErasure({ ...erasure, tape: 'LAB009' })).rejects.toMatchObject({
        code: 'NOT_FOUND',
      });
    });

    it("what follows a tape's name and goes with the tape", async () => {
      const at = { generation: generation(3), atMs: 5 };
      await catalog.recordMigration(
        { tape: 'LAB001', ...at, application: 'TSM', keepMs: undefined },
        EVENT,
      );
      await catalog.putCleanupMarks([{ tape: 'LAB001', decision: 'keep', user: 'a', atMs: 1 }]);
      await catalog.renameTape('LAB001', 'LAB003', 6);
      expect((await catalog.listMigrations()).map((row) => row.tape)).toEqual(['LAB003']);
      expect((await catalog.listCleanupMarks()).map((row) => row.tape)).toEqual(['LAB003']);
      await catalog.deleteTape('LAB003');
      expect(await catalog.listMigrations()).toEqual([]);
      expect(await catalog.listCleanupMarks()).toEqual([]);
    });
  });
}
