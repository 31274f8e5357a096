/** What every catalog does: the contract of src/ports/catalog.ts, run by each implementation's test. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { generation } from '../../src/base/units.ts';
import type {
  Catalog,
  EventRow,
  NewEvent,
  GenerationRow,
  TapeRow,
} from '../../src/ports/catalog.ts';
import {
  AT_MS,
  TAPE,
  DRIVE,
  MOUNT,
  REQUEST,
  RULE,
  CONTENT,
  EVENT,
  dismount,
  furnish,
  jobOf,
  refuses,
} from './catalog-rows.ts';

/** Runs the suite; `open` gives an empty catalog each time. */
export function catalogConformance(name: string, open: () => Catalog | Promise<Catalog>): void {
  describe(`${name} keeps the catalog's contract:`, () => {
    let catalog: Catalog;
    beforeEach(async () => {
      catalog = await open();
    });
    afterEach(() => catalog.close());

    it('has what waits between be one transaction, which is there whole or not at all', async () => {
      const [first, second] = ['VAULT00', 'VAULT01'].map((vault) => ({
        name: vault,
        path: `/${vault}`,
        createdAtMs: 1,
      }));
      if (first === undefined || second === undefined) throw new Error('two vaults');
      const failing = catalog.atomically(async () => {
        await catalog.createVault(first);
        await Promise.resolve();
        expect(await catalog.listVaults()).toHaveLength(1);
        await catalog.createVault(second);
        throw new Error('the ledger cannot be written');
      });
      await expect(failing).rejects.toThrow('the ledger cannot be written');
      expect(await catalog.listVaults()).toEqual([]);
      expect(
        await catalog.atomically(async () => {
          await catalog.createVault(first);
          await catalog.createVault(second);
          return 'done';
        }),
      ).toBe('done');
      expect(await catalog.listVaults()).toHaveLength(2);
    });

    describe('vaults, pools and drives', () => {
      it('come back as they were created, in order of their names', async () => {
        const vaults = ['VAULT01', 'VAULT00'].map((vault) => ({
          name: vault,
          path: `/vaults/${vault}`,
          createdAtMs: AT_MS,
        }));
        for (const vault of vaults) await catalog.createVault(vault);
        expect(await catalog.listVaults()).toEqual(vaults.toReversed());

        const pools = ['TEST', 'BILL'].map((pool) => ({
          name: pool,
          vault: 'VAULT01',
          createdAtMs: AT_MS,
        }));
        for (const pool of pools) await catalog.createPool(pool);
        expect(await catalog.listPools()).toStrictEqual(
          pools.toReversed().map((pool) => ({
            ...pool,
            retentionMs: undefined,
            encrypted: false,
            locked: false,
            quotaBytes: undefined,
          })),
        );

        const other = { ...DRIVE, name: 'VTD00', host: '\\DR', serialNumber: 'CAP0000002' };
        await catalog.createDrive(DRIVE);
        await catalog.createDrive(other);
        expect(await catalog.listDrives()).toStrictEqual([other, DRIVE]);
        expect(await catalog.listDrives('\\LAB')).toStrictEqual([DRIVE]);
      });

      it('are refused under a name that is taken', async () => {
        await furnish(catalog);
        await refuses('ALREADY_EXISTS', () =>
          catalog.createVault({ name: 'VAULT00', path: '/other', createdAtMs: AT_MS }),
        );
        await refuses('ALREADY_EXISTS', () =>
          catalog.createVault({ name: 'VAULT01', path: '/vaults/0', createdAtMs: AT_MS }),
        );
        await refuses('ALREADY_EXISTS', () =>
          catalog.createPool({ name: 'DAILY', vault: 'VAULT00', createdAtMs: AT_MS }),
        );
        await refuses('ALREADY_EXISTS', () =>
          catalog.createDrive({ ...DRIVE, device: '$TAPE1', serialNumber: 'other' }),
        );
      });

      it('a pool is refused in a vault that is not there', () =>
        refuses('NOT_FOUND', () =>
          catalog.createPool({ name: 'DAILY', vault: 'VAULT09', createdAtMs: AT_MS }),
        ));

      it("a drive is refused under a device or serial number that is another's", async () => {
        await furnish(catalog);
        const taken = await refuses('ALREADY_EXISTS', () =>
          catalog.createDrive({ ...DRIVE, name: 'VTD02', serialNumber: 'other' }),
        );
        expect(taken).toBe('A connection named \\LAB $TAPE0 exists already (drive VTD01).');
        await refuses('ALREADY_EXISTS', () =>
          catalog.createDrive({ ...DRIVE, name: 'VTD02', device: '$TAPE1' }),
        );
        await catalog.createDrive({ ...DRIVE, name: 'VTD02', host: '\\DR', serialNumber: 'other' });
      });

      it('a drive is deleted only while no tape is mounted on it', async () => {
        await furnish(catalog);
        const mount = await catalog.recordMount(MOUNT);
        expect(await refuses('IN_USE', () => catalog.deleteDrive('VTD01'))).toContain('LAB001');
        await dismount(catalog, mount.id);
        await catalog.deleteDrive('VTD01');
        expect(await catalog.listDrives()).toStrictEqual([]);
        expect(await catalog.listMounts({ tape: 'LAB001' })).toHaveLength(1);
        await refuses('NOT_FOUND', () => catalog.deleteDrive('VTD01'));
      });
    });

    describe('tapes', () => {
      it('come back field by field, whether a value is there or not', async () => {
        await furnish(catalog);
        const whole: TapeRow = {
          ...TAPE,
          name: 'A1',
          pool: 'ARCHIVE',
          labelType: 'unlabelled',
          generation: generation(4),
          payloadBytes: Number.MAX_SAFE_INTEGER,
          writtenAtMs: AT_MS + 1,
          mountedAtMs: AT_MS + 2,
          dismountedAtMs: AT_MS + 3,
          copiedFrom: 'east',
        };
        await catalog.createTape(whole);
        expect(await catalog.findTape('LAB001')).toStrictEqual(TAPE);
        expect(await catalog.listTapes()).toStrictEqual([whole, TAPE]);
        expect(await catalog.listTapes('DAILY')).toStrictEqual([TAPE]);
        expect(await catalog.findTape('NONE')).toBeUndefined();
      });

      it('have names that are unique across all pools, and the refusal names the pool', async () => {
        await furnish(catalog);
        const sentence = await refuses('ALREADY_EXISTS', () =>
          catalog.createTape({ ...TAPE, pool: 'ARCHIVE' }),
        );
        expect(sentence).toBe('A tape named LAB001 exists already in pool DAILY.');
      });

      it('are refused in a pool that is not there', async () => {
        await furnish(catalog);
        await refuses('NOT_FOUND', () => catalog.createTape({ ...TAPE, name: 'B', pool: 'NONE' }));
      });

      it('are deleted with their generations, mounts, requests and copy jobs, but not while mounted', async () => {
        await furnish(catalog);
        const rule = await catalog.createCopyRule(RULE);
        const mount = await catalog.recordMount(MOUNT);
        await refuses('IN_USE', () => catalog.deleteTape('LAB001'));
        await dismount(catalog, mount.id, { content: CONTENT, queueRuleIds: [rule.id] });
        await catalog.putMountRequest(REQUEST);
        await catalog.deleteTape('LAB001');
        expect(await catalog.findTape('LAB001')).toBeUndefined();
        expect(await catalog.listGenerations('LAB001')).toStrictEqual([]);
        expect(await catalog.listCopyJobs()).toStrictEqual([]);
        expect(await catalog.listMountRequests()).toStrictEqual([]);
        await refuses('NOT_FOUND', () => catalog.deleteTape('LAB001'));
        await catalog.createTape(TAPE);
        expect(await catalog.listMounts({ tape: 'LAB001' })).toStrictEqual([]);
      });
    });

    describe('recorded content', () => {
      const copied: TapeRow = {
        ...TAPE,
        name: 'C00001',
        generation: generation(3),
        payloadBytes: 10,
        writtenAtMs: AT_MS,
        copiedFrom: 'east',
      };
      const version: GenerationRow = {
        tape: 'C00001',
        generation: generation(3),
        atMs: AT_MS,
        payloadBytes: 10,
        manifestDigest: 'cd'.repeat(32),
        origin: 'east',
      };

      it('creates the tape where it is missing', async () => {
        await furnish(catalog);
        await catalog.recordContent(copied, version);
        expect(await catalog.findTape('C00001')).toStrictEqual(copied);
        expect(await catalog.listGenerations('C00001')).toStrictEqual([version]);
      });

      it('changes a present tape in its content only, and keeps its older generations', async () => {
        await furnish(catalog);
        await catalog.recordContent(copied, version);
        const newer = { ...copied, generation: generation(5), payloadBytes: 20, createdAtMs: 1 };
        const next = { ...version, generation: generation(5), payloadBytes: 20 };
        await catalog.recordContent(newer, next);
        expect(await catalog.findTape('C00001')).toStrictEqual({
          ...newer,
          createdAtMs: AT_MS,
          updatedAtMs: AT_MS,
        });
        expect(await catalog.listGenerations('C00001')).toStrictEqual([version, next]);
      });

      it('takes the place of the same generation recorded before', async () => {
        await furnish(catalog);
        await catalog.recordContent(copied, version);
        const again = { ...version, manifestDigest: 'ef'.repeat(32) };
        await catalog.recordContent(copied, again);
        expect(await catalog.listGenerations('C00001')).toStrictEqual([again]);
      });

      it('is refused, without effect, where the tape lies in another pool', async () => {
        await furnish(catalog);
        await catalog.recordContent(copied, version);
        await refuses('ALREADY_EXISTS', () =>
          catalog.recordContent(
            { ...copied, pool: 'ARCHIVE', generation: generation(4) },
            { ...version, generation: generation(4) },
          ),
        );
        expect(await catalog.findTape('C00001')).toStrictEqual(copied);
        expect(await catalog.listGenerations('C00001')).toHaveLength(1);
      });
    });

    describe('copy rules and jobs', () => {
      it('a rule comes back with its target, under its own number', async () => {
        await furnish(catalog);
        const rule = await catalog.createCopyRule(RULE);
        const other = await catalog.createCopyRule({ ...RULE, pool: 'ARCHIVE' });
        expect(rule).toStrictEqual({ id: rule.id, ...RULE });
        expect(await catalog.listCopyRules()).toStrictEqual([rule, other]);
        expect(await catalog.listCopyRules('ARCHIVE')).toStrictEqual([other]);
      });

      it('a pool has one rule a target server, and must be there', async () => {
        await furnish(catalog);
        await catalog.createCopyRule(RULE);
        await refuses('ALREADY_EXISTS', () =>
          catalog.createCopyRule({ ...RULE, targetPool: 'OTHER' }),
        );
        await catalog.createCopyRule({ ...RULE, target: { ...RULE.target, server: 'north' } });
        await refuses('NOT_FOUND', () => catalog.createCopyRule({ ...RULE, pool: 'NONE' }));
      });

      it('a number is not given twice, so that a late job cannot hit another rule', async () => {
        await furnish(catalog);
        const rule = await catalog.createCopyRule(RULE);
        await catalog.deleteCopyRule(rule.id);
        expect((await catalog.createCopyRule(RULE)).id).not.toBe(rule.id);
      });

      it('a job replaces the one of the same tape and rule', async () => {
        await furnish(catalog);
        const rule = await catalog.createCopyRule(RULE);
        await catalog.putCopyJob(jobOf(rule));
        const done = jobOf(rule, { state: 'copied', copiedGeneration: generation(1) });
        await catalog.putCopyJob(done);
        expect(await catalog.listCopyJobs()).toStrictEqual([done]);
      });

      it('a deleted rule takes its jobs with it', async () => {
        await furnish(catalog);
        const rule = await catalog.createCopyRule(RULE);
        await catalog.putCopyJob(jobOf(rule));
        await catalog.deleteCopyRule(rule.id);
        expect(await catalog.listCopyJobs()).toStrictEqual([]);
        await refuses('NOT_FOUND', () => catalog.deleteCopyRule(rule.id));
      });

      it('a job and its event are written together or not at all', async () => {
        await furnish(catalog);
        const rule = await catalog.createCopyRule(RULE);
        await catalog.putCopyJob(jobOf(rule, { state: 'failed' }), EVENT);
        expect(await catalog.listEvents({ limit: 10 })).toMatchObject([EVENT]);
        await refuses('NOT_FOUND', () =>
          catalog.putCopyJob({ ...jobOf(rule), ruleId: rule.id + 1 }, EVENT),
        );
        await refuses('NOT_FOUND', () =>
          catalog.putCopyJob({ ...jobOf(rule), tape: 'NONE' }, EVENT),
        );
        expect(await catalog.listEvents({ limit: 10 })).toHaveLength(1);
      });
    });

    describe('events', () => {
      it('come oldest first: the newest of all, or those after one that is known', async () => {
        const kept: EventRow[] = [];
        for (const text of ['one', 'two', 'three', 'four']) {
          kept.push(await catalog.appendEvent({ ...EVENT, text }));
        }
        expect(kept[0]).toStrictEqual({ ...EVENT, text: 'one', id: kept[0]?.id });
        expect(await catalog.listEvents({ limit: 2 })).toStrictEqual(kept.slice(2));
        expect(await catalog.listEvents({ limit: 9 })).toStrictEqual(kept);
        const afterId = kept[0]?.id ?? 0;
        expect(await catalog.listEvents({ afterId, limit: 2 })).toStrictEqual(kept.slice(1, 3));
        expect(await catalog.listEvents({ afterId: kept.at(-1)?.id ?? 0, limit: 2 })).toEqual([]);
      });

      it('are chosen by where the things that they are about lay when they were written', async () => {
        await furnish(catalog);
        const other = 'VAULT77';
        await catalog.createVault({ name: other, path: '/seventy-seven', createdAtMs: AT_MS });
        const write = (text: string, about: NewEvent['about']): Promise<EventRow> =>
          catalog.appendEvent({ ...EVENT, text, ...(about !== undefined && { about }) });
        const [vault] = await catalog.listVaults();
        const [pool] = await catalog.listPools();
        const [tape] = await catalog.listTapes();
        const here = vault?.name ?? '';
        await write('server', []);
        await write('tape', [{ kind: 'tape', name: tape?.name ?? '' }]);
        await write('pool', [{ kind: 'pool', name: pool?.name ?? '' }]);
        await write('vault', [{ kind: 'vault', name: here }]);
        await write('other', [{ kind: 'vault', name: other }]);
        await write('both', [
          { kind: 'vault', name: here },
          { kind: 'vault', name: other },
        ]);
        await write('gone', [{ kind: 'tape', name: 'NONE' }]);
        await write('gone of a pool', [
          { kind: 'tape', name: 'NONE' },
          { kind: 'pool', name: pool?.name ?? '' },
        ]);
        await write('anything', 'anything');
        await write('not said', undefined);
        const texts = async (vaults: readonly string[]): Promise<readonly string[]> =>
          (await catalog.listEvents({ limit: 99, where: { vaults } })).map(({ text }) => text);
        expect(await texts([])).toEqual(['server']);
        expect(await texts([here])).toEqual(['server', 'tape', 'pool', 'vault', 'gone of a pool']);
        expect(await texts([other])).toEqual(['server', 'other']);
        expect(await texts([here, other])).toContain('both');
      });
    });
  });
}
