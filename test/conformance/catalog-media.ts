/** What every catalog does with media: the contract of src/ports/catalog-media.ts. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { generation } from '../../src/base/units.ts';
import type { Catalog, NewEvent, NewTape } from '../../src/ports/catalog.ts';
import { AT_MS, DRIVE, EVENT, MOUNT, RULE, refuses } from './catalog-rows.ts';

/** What came in later versions is left to the catalog. */
const TAPE: NewTape = {
  name: 'LAB001',
  pool: 'DAILY',
  vault: 'VAULT00',
  labelType: 'ibm',
  capacityBytes: 40_000_000_000,
  generation: generation(3),
  payloadBytes: 500,
  createdAtMs: AT_MS,
  writtenAtMs: AT_MS + 1,
  mountedAtMs: undefined,
  dismountedAtMs: undefined,
  copiedFrom: undefined,
};
const ERASED = {
  tape: 'LAB001',
  generation: generation(4),
  atMs: AT_MS + 9,
  payloadBytes: 0,
  manifestDigest: 'cd'.repeat(32),
  origin: 'east',
} as const;
const ERASE_EVENT: NewEvent = {
  ...EVENT,
  atMs: AT_MS + 9,
  severity: 'WARNING',
  messageId: '421013',
  text: 'Cartridge LAB001 erased in Pool DAILY',
};

/** Runs the suite; `open` gives an empty catalog each time. */
export function mediaCatalogConformance(
  name: string,
  open: () => Catalog | Promise<Catalog>,
): void {
  describe(`${name} keeps the catalog's contract about media:`, () => {
    let catalog: Catalog;
    beforeEach(async () => {
      catalog = await open();
      await catalog.createVault({ name: 'VAULT00', path: '/v0', createdAtMs: AT_MS });
      await catalog.createVault({ name: 'VAULT01', path: '/v1', createdAtMs: AT_MS });
      await catalog.createPool({ name: 'DAILY', vault: 'VAULT00', createdAtMs: AT_MS });
      await catalog.createPool({ name: 'FAR', vault: 'VAULT01', createdAtMs: AT_MS });
      await catalog.createDrive(DRIVE);
      await catalog.createTape(TAPE);
      await catalog.createTape({ ...TAPE, name: 'LAB002' });
    });
    afterEach(() => catalog.close());

    const mounted = (): Promise<{ readonly id: number }> =>
      catalog.recordMount({ ...MOUNT, mountedAtMs: AT_MS });

    describe('a vault', () => {
      it('is renamed with its pools and tapes, in what users may see, and in the event log', async () => {
        const user = {
          name: 'mary',
          groupName: 'Operations',
          passwordHash: undefined,
          enabled: true,
          createdAtMs: AT_MS,
          passwordSetAtMs: undefined,
          loggedOnAtMs: undefined,
          failureCount: 0,
          lockedUntilMs: undefined,
        };
        await catalog.createUser({ ...user, vaults: 'VAULT00,VAULT01' });
        await catalog.createUser({ ...user, name: 'bob', vaults: 'VAULT0' });
        const about = [{ kind: 'tape', name: 'LAB001' }] as const;
        await catalog.appendEvent({ ...ERASE_EVENT, about });
        await refuses('ALREADY_EXISTS', () => catalog.renameVault('VAULT00', 'VAULT01'));
        await refuses('NOT_FOUND', () => catalog.renameVault('VAULT09', 'VAULT02'));
        const before = (await catalog.listVaults())[0];
        expect(await catalog.renameVault('VAULT00', 'VAULT02')).toStrictEqual({
          ...before,
          name: 'VAULT02',
        });
        expect((await catalog.listVaults()).map((vault) => vault.name)).toEqual([
          'VAULT01',
          'VAULT02',
        ]);
        expect(await catalog.findTape('LAB001')).toMatchObject({ vault: 'VAULT02', pool: 'DAILY' });
        expect((await catalog.listPools()).map((pool) => pool.vault)).not.toContain('VAULT00');
        expect((await catalog.findUser('mary'))?.vaults).toBe('VAULT02,VAULT01');
        expect((await catalog.findUser('bob'))?.vaults).toBe('VAULT0');
        const seen = (vaults: readonly string[]) =>
          catalog.listEvents({ limit: 9, where: { vaults } });
        expect(await seen(['VAULT02'])).toHaveLength(1);
        expect(await seen(['VAULT00'])).toHaveLength(0);
      });

      it('is deleted only when it has no pool', async () => {
        expect(await refuses('IN_USE', () => catalog.deleteVault('VAULT01'))).toContain('FAR');
        await catalog.deletePool('FAR');
        await catalog.deleteVault('VAULT01');
        expect((await catalog.listVaults()).map((vault) => vault.name)).toEqual(['VAULT00']);
        await refuses('NOT_FOUND', () => catalog.deleteVault('VAULT01'));
      });
    });

    describe('a pool', () => {
      it('changes what is given and nothing else, and forgets what is given as undefined', async () => {
        const changed = await catalog.updatePool('DAILY', { retentionMs: 5, encrypted: true });
        expect(changed).toMatchObject({ retentionMs: 5, encrypted: true, locked: false });
        const again = await catalog.updatePool('DAILY', { retentionMs: undefined, locked: true });
        expect(again).toStrictEqual({ ...changed, retentionMs: undefined, locked: true });
        expect((await catalog.listPools())[0]).toStrictEqual(again);
        await refuses('NOT_FOUND', () => catalog.updatePool('NONE', { locked: true }));
      });

      it('is renamed with its tapes, rules and locks', async () => {
        await catalog.createCopyRule(RULE);
        await catalog.takeLock({
          tape: undefined,
          pool: 'DAILY',
          process: 'import 1',
          sinceMs: AT_MS,
          reason: 'an import runs',
        });
        expect(await catalog.renamePool('DAILY', 'DAYS')).toMatchObject({ name: 'DAYS' });
        expect(await catalog.findTape('LAB001')).toMatchObject({ pool: 'DAYS', vault: 'VAULT00' });
        expect(await catalog.listCopyRules('DAYS')).toHaveLength(1);
        expect(await catalog.listLocks()).toMatchObject([{ pool: 'DAYS' }]);
        await refuses('ALREADY_EXISTS', () => catalog.renamePool('DAYS', 'FAR'));
        await refuses('NOT_FOUND', () => catalog.renamePool('DAILY', 'OTHER'));
      });

      it('lies in another vault with all of its tapes', async () => {
        expect(await catalog.movePool('DAILY', 'VAULT01')).toMatchObject({ vault: 'VAULT01' });
        expect(await catalog.listTapes('DAILY')).toMatchObject([
          { vault: 'VAULT01' },
          { vault: 'VAULT01' },
        ]);
        await refuses('NOT_FOUND', () => catalog.movePool('DAILY', 'VAULT09'));
      });

      it('is deleted only when it has no tape, with its rules', async () => {
        const sentence = await refuses('IN_USE', () => catalog.deletePool('DAILY'));
        expect(sentence).toBe('The pool DAILY is in use: it has tape LAB001 and more.');
        await catalog.createCopyRule({ ...RULE, pool: 'FAR' });
        await catalog.deletePool('FAR');
        expect(await catalog.listCopyRules()).toEqual([]);
        await refuses('NOT_FOUND', () => catalog.deletePool('FAR'));
      });
    });

    describe('tapes', () => {
      it('are made all or none', async () => {
        const two = ['NEW000', 'NEW001'].map((each) => ({ ...TAPE, name: each }));
        await catalog.createTapes(two);
        expect(await catalog.listTapes('DAILY')).toHaveLength(4);
        const taken = [{ ...TAPE, name: 'NEW002' }, TAPE];
        expect(await refuses('ALREADY_EXISTS', () => catalog.createTapes(taken))).toContain(
          'LAB001 exists already in pool DAILY',
        );
        expect(await catalog.findTape('NEW002')).toBeUndefined();
      });

      it('change what is given and nothing else', async () => {
        const before = await catalog.findTape('LAB001');
        const changes = {
          userLocked: true,
          migratedBy: 'vts',
          migratedAtMs: AT_MS + 5,
          keyId: 'K1',
          writtenAtMs: undefined,
        } as const;
        const after = await catalog.updateTape('LAB001', changes);
        expect(after).toStrictEqual({ ...before, ...changes });
        expect(await catalog.updateTape('LAB001', {})).toStrictEqual(after);
        await refuses('NOT_FOUND', () => catalog.updateTape('NONE', { keyId: 'K1' }));
      });

      it('are renamed with all that belongs to them', async () => {
        const rule = await catalog.createCopyRule(RULE);
        const mount = await mounted();
        await refuses('IN_USE', () => catalog.renameTape('LAB001', 'NEW001', AT_MS));
        await catalog.recordDismount({
          mountId: mount.id,
          atMs: AT_MS + 1,
          state: 'dismounted',
          content: { generation: generation(4), payloadBytes: 7, manifestDigest: 'ab'.repeat(32) },
          queueRuleIds: [rule.id],
        });
        await catalog.takeLock({
          tape: 'LAB001',
          pool: undefined,
          process: 'p',
          sinceMs: AT_MS,
          reason: 'r',
        });
        const renamed = await catalog.renameTape('LAB001', 'NEW001', AT_MS + 2);
        expect(renamed).toMatchObject({ name: 'NEW001', generation: 4, updatedAtMs: AT_MS + 2 });
        expect(await catalog.findTape('LAB001')).toBeUndefined();
        expect(await catalog.listGenerations('NEW001')).toHaveLength(1);
        expect(await catalog.listMounts({ tape: 'NEW001' })).toHaveLength(1);
        expect(await catalog.listCopyJobs()).toMatchObject([{ tape: 'NEW001', state: 'due' }]);
        expect(await catalog.listLocks()).toMatchObject([{ tape: 'NEW001' }]);
        expect(
          await refuses('ALREADY_EXISTS', () => catalog.renameTape('NEW001', 'LAB002', AT_MS)),
        ).toContain('in pool DAILY');
        await refuses('NOT_FOUND', () => catalog.renameTape('LAB001', 'OTHER', AT_MS));
      });

      it('moved to another pool lie in its vault and owe the old one no copy', async () => {
        const rule = await catalog.createCopyRule(RULE);
        const mount = await mounted();
        await refuses('IN_USE', () => catalog.moveTape('LAB001', 'FAR', AT_MS));
        await catalog.recordDismount({
          mountId: mount.id,
          atMs: AT_MS + 1,
          state: 'dismounted',
          content: undefined,
          queueRuleIds: [rule.id],
        });
        expect(await catalog.listCopyJobs()).toHaveLength(1);
        const moved = await catalog.moveTape('LAB001', 'FAR', AT_MS + 2);
        expect(moved).toMatchObject({ pool: 'FAR', vault: 'VAULT01', updatedAtMs: AT_MS + 2 });
        expect(await catalog.listCopyJobs()).toEqual([]);
        await refuses('NOT_FOUND', () => catalog.moveTape('LAB001', 'NONE', AT_MS));
        await refuses('NOT_FOUND', () => catalog.moveTape('NONE', 'FAR', AT_MS));
      });

      it('are erased to size 0 with their metadata kept, and the event with it', async () => {
        const before = await catalog.findTape('LAB001');
        const event = await catalog.recordErase(ERASED, ERASE_EVENT);
        expect(event).toMatchObject(ERASE_EVENT);
        expect(await catalog.findTape('LAB001')).toStrictEqual({
          ...before,
          generation: 4,
          payloadBytes: 0,
          erasedAtMs: AT_MS + 9,
          updatedAtMs: AT_MS + 9,
        });
        expect(await catalog.listGenerations('LAB001')).toStrictEqual([ERASED]);
        await mounted();
        const again = { ...ERASED, generation: generation(5) };
        await refuses('IN_USE', () => catalog.recordErase(again, ERASE_EVENT));
        expect(await catalog.listEvents({ limit: 10 })).toStrictEqual([event]);
      });
    });

    describe('process locks', () => {
      const lock = (of: { tape?: string; pool?: string }, process = 'import 1') => ({
        tape: of.tape,
        pool: of.pool,
        process,
        sinceMs: AT_MS,
        reason: 'an import runs',
      });

      it('keep other processes away from the tape, its pool, and the tapes of a pool', async () => {
        await catalog.takeLock(lock({ tape: 'LAB001' }));
        const sentence = await refuses('IN_USE', () =>
          catalog.takeLock(lock({ tape: 'LAB001' }, 'export 2')),
        );
        expect(sentence).toBe(
          'The tape LAB001 is in use: it is locked by import 1: an import runs.',
        );
        expect(
          await refuses('IN_USE', () => catalog.takeLock(lock({ pool: 'DAILY' }, 'export 2'))),
        ).toContain('tape LAB001 is locked by import 1');
        await catalog.takeLock(lock({ tape: 'LAB002' }, 'export 2'));
        await catalog.takeLock(lock({ pool: 'FAR' }, 'export 2'));
        await catalog.moveTape('LAB001', 'FAR', AT_MS);
        await catalog.releaseLock({ tape: 'LAB001' });
        expect(await refuses('IN_USE', () => catalog.takeLock(lock({ tape: 'LAB001' })))).toContain(
          'pool FAR is locked by export 2',
        );
      });

      it('are taken again by who has them, and keep their time', async () => {
        await catalog.takeLock(lock({ pool: 'DAILY' }));
        await catalog.takeLock({ ...lock({ pool: 'DAILY' }), sinceMs: AT_MS + 5 });
        await catalog.takeLock(lock({ tape: 'LAB001' }));
        expect(await catalog.listLocks()).toStrictEqual([
          lock({ pool: 'DAILY' }),
          lock({ tape: 'LAB001' }),
        ]);
      });

      it('are released by their process, or by hand', async () => {
        await catalog.takeLock(lock({ tape: 'LAB001' }));
        expect(await catalog.releaseLock({ tape: 'LAB001' }, 'export 2')).toBe(false);
        expect(await catalog.releaseLock({ pool: 'DAILY' })).toBe(false);
        expect(await catalog.releaseLock({ tape: 'LAB001' }, 'import 1')).toBe(true);
        await catalog.takeLock(lock({ pool: 'DAILY' }));
        expect(await catalog.releaseLock({ pool: 'DAILY' })).toBe(true);
        expect(await catalog.listLocks()).toEqual([]);
      });

      it('go with their tape, and are refused where there is none', async () => {
        await catalog.takeLock(lock({ tape: 'LAB001' }));
        await catalog.deleteTape('LAB001');
        expect(await catalog.listLocks()).toEqual([]);
        await refuses('NOT_FOUND', () => catalog.takeLock(lock({ tape: 'LAB001' })));
        await refuses('NOT_FOUND', () => catalog.takeLock(lock({ pool: 'NONE' })));
      });
    });
  });
}
