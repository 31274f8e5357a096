/** What every catalog does: the contract of src/ports/catalog.ts, run by each implementation's test. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/base/errors.ts';
import { generation } from '../../src/base/units.ts';
import type {
  Catalog,
  CopyJobRow,
  CopyRuleRow,
  DriveRow,
  EventRow,
  NewEvent,
  GenerationRow,
  MountRequestRow,
  TapeRow,
} from '../../src/ports/catalog.ts';

const AT_MS = Date.UTC(2006, 7, 28, 16, 25, 18);

const TAPE: TapeRow = {
  name: 'LAB001',
  pool: 'DAILY',
  vault: 'VAULT00',
  labelType: 'backup',
  capacityBytes: 40_000_000_000,
  generation: generation(0),
  payloadBytes: 0,
  createdAtMs: AT_MS,
  writtenAtMs: undefined,
  mountedAtMs: undefined,
  dismountedAtMs: undefined,
  copiedFrom: undefined,
  owner: '',
  updatedAtMs: undefined,
  erasedAtMs: undefined,
  exportedAtMs: undefined,
  importedAtMs: undefined,
  migratedAtMs: undefined,
  migratedBy: undefined,
  restoredAtMs: undefined,
  userLocked: false,
  autoloadLocked: false,
  keyId: undefined,
};
const DRIVE: DriveRow = {
  name: 'VTD01',
  host: '\\LAB',
  device: '$TAPE0',
  serialNumber: 'CAP0000001',
};
const MOUNT = {
  tape: 'LAB001',
  drive: 'VTD01',
  host: '\\LAB',
  requestNumber: 7,
  ring: true,
  mountedAtMs: AT_MS + 1000,
} as const;
const REQUEST: MountRequestRow = {
  host: '\\LAB',
  requestNumber: 7,
  tape: 'LAB001',
  device: undefined,
  ring: true,
  receivedAtMs: AT_MS,
  reason: 'waiting for a drive',
};
const RULE: Omit<CopyRuleRow, 'id'> = {
  pool: 'DAILY',
  target: {
    server: 'west',
    address: '127.0.0.1',
    port: 2222,
    user: 'capstan',
    hostKey: 'SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU',
    transport: 'ssh2',
  },
  targetPool: 'DR',
  bytesPerSecond: undefined,
};
const CONTENT = {
  generation: generation(1),
  payloadBytes: 65_536,
  manifestDigest: 'ab'.repeat(32),
} as const;
const EVENT: Omit<EventRow, 'id'> = {
  atMs: AT_MS,
  severity: 'INFO',
  messageId: '220001',
  address: '127.0.0.1',
  user: 'operator',
  program: '',
  text: 'Cartridge LAB001 for read-write has been manually mounted',
};

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

    /** A vault, two pools, a tape, a drive. */
    async function furnish(): Promise<void> {
      await catalog.createVault({ name: 'VAULT00', path: '/vaults/0', createdAtMs: AT_MS });
      await catalog.createPool({ name: 'DAILY', vault: 'VAULT00', createdAtMs: AT_MS });
      await catalog.createPool({ name: 'ARCHIVE', vault: 'VAULT00', createdAtMs: AT_MS });
      await catalog.createTape(TAPE);
      await catalog.createDrive(DRIVE);
    }

    function jobOf(rule: CopyRuleRow, fields: Partial<CopyJobRow> = {}): CopyJobRow {
      return {
        tape: 'LAB001',
        ruleId: rule.id,
        generation: generation(1),
        state: 'due',
        attempts: 3,
        queuedAtMs: AT_MS,
        nextAttemptAtMs: AT_MS + 900_000,
        copiedGeneration: undefined,
        lastError: 'west cannot be reached: connection refused.',
        bytesSent: 12,
        ...fields,
      };
    }

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
        await furnish();
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
        await furnish();
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
        await furnish();
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
        await furnish();
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
        await furnish();
        const sentence = await refuses('ALREADY_EXISTS', () =>
          catalog.createTape({ ...TAPE, pool: 'ARCHIVE' }),
        );
        expect(sentence).toBe('A tape named LAB001 exists already in pool DAILY.');
      });

      it('are refused in a pool that is not there', async () => {
        await furnish();
        await refuses('NOT_FOUND', () => catalog.createTape({ ...TAPE, name: 'B', pool: 'NONE' }));
      });

      it('are deleted with their generations, mounts, requests and copy jobs, but not while mounted', async () => {
        await furnish();
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
        await furnish();
        await catalog.recordContent(copied, version);
        expect(await catalog.findTape('C00001')).toStrictEqual(copied);
        expect(await catalog.listGenerations('C00001')).toStrictEqual([version]);
      });

      it('changes a present tape in its content only, and keeps its older generations', async () => {
        await furnish();
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
        await furnish();
        await catalog.recordContent(copied, version);
        const again = { ...version, manifestDigest: 'ef'.repeat(32) };
        await catalog.recordContent(copied, again);
        expect(await catalog.listGenerations('C00001')).toStrictEqual([again]);
      });

      it('is refused, without effect, where the tape lies in another pool', async () => {
        await furnish();
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

    describe('mounts', () => {
      it('are open until the dismount, which is on the tape as well', async () => {
        await furnish();
        const mount = await catalog.recordMount(MOUNT);
        expect(mount).toStrictEqual({
          ...MOUNT,
          id: mount.id,
          dismountedAtMs: undefined,
          state: 'open',
        });
        expect(await catalog.listMounts({ open: true })).toStrictEqual([mount]);
        expect((await catalog.findTape('LAB001'))?.mountedAtMs).toBe(MOUNT.mountedAtMs);

        await dismount(catalog, mount.id, { atMs: AT_MS + 5000, state: 'interrupted' });
        expect(await catalog.listMounts({ open: true })).toStrictEqual([]);
        expect(await catalog.listMounts({ tape: 'LAB001' })).toStrictEqual([
          { ...mount, dismountedAtMs: AT_MS + 5000, state: 'interrupted' },
        ]);
        expect((await catalog.findTape('LAB001'))?.dismountedAtMs).toBe(AT_MS + 5000);
      });

      it("list a tape's mounts with the newest last", async () => {
        await furnish();
        const first = await catalog.recordMount({ ...MOUNT, ring: false, mountedAtMs: AT_MS + 9 });
        await dismount(catalog, first.id);
        const second = await catalog.recordMount({ ...MOUNT, requestNumber: undefined });
        const mounts = await catalog.listMounts({ tape: 'LAB001' });
        expect(mounts.map(({ id, ring }) => ({ id, ring }))).toStrictEqual([
          { id: first.id, ring: false },
          { id: second.id, ring: true },
        ]);
        expect(mounts[1]?.requestNumber).toBeUndefined();
      });

      it('take a tape once and a drive once', async () => {
        await furnish();
        await catalog.createTape({ ...TAPE, name: 'LAB002' });
        await catalog.createDrive({
          ...DRIVE,
          name: 'VTD02',
          device: '$TAPE1',
          serialNumber: 'CAP0000002',
        });
        await catalog.recordMount(MOUNT);
        expect(
          await refuses('IN_USE', () => catalog.recordMount({ ...MOUNT, drive: 'VTD02' })),
        ).toContain('VTD01');
        expect(
          await refuses('IN_USE', () => catalog.recordMount({ ...MOUNT, tape: 'LAB002' })),
        ).toContain('LAB001');
        expect(await catalog.listMounts({ open: true })).toHaveLength(1);
      });

      it('are refused for a tape or a drive that is not there', async () => {
        await furnish();
        await refuses('NOT_FOUND', () => catalog.recordMount({ ...MOUNT, tape: 'NONE' }));
        await refuses('NOT_FOUND', () => catalog.recordMount({ ...MOUNT, drive: 'NONE' }));
      });

      it('remove the request that they satisfy, and no other', async () => {
        await furnish();
        await catalog.putMountRequest(REQUEST);
        await catalog.putMountRequest({ ...REQUEST, requestNumber: 8 });
        await catalog.putMountRequest({ ...REQUEST, host: '\\DR' });
        await catalog.recordMount(MOUNT);
        const left = await catalog.listMountRequests();
        expect(left.map(({ host, requestNumber }) => [host, requestNumber])).toStrictEqual([
          ['\\LAB', 8],
          ['\\DR', 7],
        ]);
      });

      it('a refused mount leaves its request where it was', async () => {
        await furnish();
        await catalog.recordMount({ ...MOUNT, requestNumber: 1 });
        await catalog.putMountRequest(REQUEST);
        await refuses('IN_USE', () => catalog.recordMount(MOUNT));
        expect(await catalog.listMountRequests()).toStrictEqual([REQUEST]);
      });
    });

    describe('a dismount', () => {
      it('without new content leaves generation and times of writing as they were', async () => {
        await furnish();
        const mount = await catalog.recordMount(MOUNT);
        await dismount(catalog, mount.id);
        expect(await catalog.findTape('LAB001')).toMatchObject({ generation: 0, payloadBytes: 0 });
        expect((await catalog.findTape('LAB001'))?.writtenAtMs).toBeUndefined();
        expect(await catalog.listGenerations('LAB001')).toStrictEqual([]);
      });

      it('with new content makes the generation, as written by the host', async () => {
        await furnish();
        await catalog.recordContent(
          { ...TAPE, copiedFrom: 'east' },
          { tape: 'LAB001', atMs: AT_MS, origin: 'east', ...CONTENT, generation: generation(0) },
        );
        const mount = await catalog.recordMount(MOUNT);
        await dismount(catalog, mount.id, { atMs: AT_MS + 60, content: CONTENT });
        expect(await catalog.findTape('LAB001')).toStrictEqual({
          ...TAPE,
          generation: 1,
          payloadBytes: CONTENT.payloadBytes,
          writtenAtMs: AT_MS + 60,
          updatedAtMs: AT_MS + 60,
          mountedAtMs: MOUNT.mountedAtMs,
          dismountedAtMs: AT_MS + 60,
        });
        expect((await catalog.listGenerations('LAB001')).at(-1)).toStrictEqual({
          tape: 'LAB001',
          atMs: AT_MS + 60,
          origin: '\\LAB',
          ...CONTENT,
        });
      });

      it('queues a copy a rule, due at once and with no attempt made', async () => {
        await furnish();
        const rule = await catalog.createCopyRule(RULE);
        const mount = await catalog.recordMount(MOUNT);
        await dismount(catalog, mount.id, {
          atMs: AT_MS + 60,
          content: CONTENT,
          queueRuleIds: [rule.id],
        });
        expect(await catalog.listCopyJobs()).toStrictEqual([
          jobOf(rule, {
            attempts: 0,
            queuedAtMs: AT_MS + 60,
            nextAttemptAtMs: AT_MS + 60,
            lastError: undefined,
            bytesSent: 0,
          }),
        ]);
      });

      it('starts a failed copy anew and remembers what the target has', async () => {
        await furnish();
        const rule = await catalog.createCopyRule(RULE);
        await catalog.putCopyJob(
          jobOf(rule, { state: 'failed', attempts: 12, copiedGeneration: generation(1) }),
        );
        const mount = await catalog.recordMount(MOUNT);
        await dismount(catalog, mount.id, {
          atMs: AT_MS + 60,
          content: { ...CONTENT, generation: generation(2) },
          queueRuleIds: [rule.id],
        });
        expect(await catalog.listCopyJobs()).toStrictEqual([
          jobOf(rule, {
            generation: generation(2),
            attempts: 0,
            queuedAtMs: AT_MS + 60,
            nextAttemptAtMs: AT_MS + 60,
            copiedGeneration: generation(1),
            lastError: undefined,
            bytesSent: 0,
          }),
        ]);
      });

      it('queues nothing for a rule that was deleted in the meantime', async () => {
        await furnish();
        const rule = await catalog.createCopyRule(RULE);
        const mount = await catalog.recordMount(MOUNT);
        await catalog.deleteCopyRule(rule.id);
        await dismount(catalog, mount.id, { queueRuleIds: [rule.id] });
        expect(await catalog.listCopyJobs()).toStrictEqual([]);
        expect(await catalog.listMounts({ open: true })).toStrictEqual([]);
      });

      it('is refused for a mount that is closed or was never there', async () => {
        await furnish();
        const mount = await catalog.recordMount(MOUNT);
        await dismount(catalog, mount.id);
        await refuses('NOT_FOUND', () => dismount(catalog, mount.id, { content: CONTENT }));
        await refuses('NOT_FOUND', () => dismount(catalog, mount.id + 1));
        expect(await catalog.findTape('LAB001')).toMatchObject({ generation: 0 });
      });
    });

    describe('mount requests', () => {
      it('come in order of arrival, and a replaced one keeps its place', async () => {
        await furnish();
        const second = { ...REQUEST, requestNumber: 3, device: '$TAPE0', ring: false };
        await catalog.putMountRequest(REQUEST);
        await catalog.putMountRequest(second);
        const replaced = { ...REQUEST, reason: 'tape in use on VTD01', ring: false };
        await catalog.putMountRequest(replaced);
        expect(await catalog.listMountRequests()).toStrictEqual([replaced, second]);
      });

      it('are deleted by host and number, and once more without complaint', async () => {
        await furnish();
        await catalog.putMountRequest(REQUEST);
        await catalog.deleteMountRequest('\\DR', 7);
        expect(await catalog.listMountRequests()).toHaveLength(1);
        await catalog.deleteMountRequest('\\LAB', 7);
        await catalog.deleteMountRequest('\\LAB', 7);
        expect(await catalog.listMountRequests()).toStrictEqual([]);
      });

      it('are refused for a tape that is not there', () =>
        refuses('NOT_FOUND', () => catalog.putMountRequest(REQUEST)));
    });

    describe('copy rules and jobs', () => {
      it('a rule comes back with its target, under its own number', async () => {
        await furnish();
        const rule = await catalog.createCopyRule(RULE);
        const other = await catalog.createCopyRule({ ...RULE, pool: 'ARCHIVE' });
        expect(rule).toStrictEqual({ id: rule.id, ...RULE });
        expect(await catalog.listCopyRules()).toStrictEqual([rule, other]);
        expect(await catalog.listCopyRules('ARCHIVE')).toStrictEqual([other]);
      });

      it('a pool has one rule a target server, and must be there', async () => {
        await furnish();
        await catalog.createCopyRule(RULE);
        await refuses('ALREADY_EXISTS', () =>
          catalog.createCopyRule({ ...RULE, targetPool: 'OTHER' }),
        );
        await catalog.createCopyRule({ ...RULE, target: { ...RULE.target, server: 'north' } });
        await refuses('NOT_FOUND', () => catalog.createCopyRule({ ...RULE, pool: 'NONE' }));
      });

      it('a number is not given twice, so that a late job cannot hit another rule', async () => {
        await furnish();
        const rule = await catalog.createCopyRule(RULE);
        await catalog.deleteCopyRule(rule.id);
        expect((await catalog.createCopyRule(RULE)).id).not.toBe(rule.id);
      });

      it('a job replaces the one of the same tape and rule', async () => {
        await furnish();
        const rule = await catalog.createCopyRule(RULE);
        await catalog.putCopyJob(jobOf(rule));
        const done = jobOf(rule, { state: 'copied', copiedGeneration: generation(1) });
        await catalog.putCopyJob(done);
        expect(await catalog.listCopyJobs()).toStrictEqual([done]);
      });

      it('a deleted rule takes its jobs with it', async () => {
        await furnish();
        const rule = await catalog.createCopyRule(RULE);
        await catalog.putCopyJob(jobOf(rule));
        await catalog.deleteCopyRule(rule.id);
        expect(await catalog.listCopyJobs()).toStrictEqual([]);
        await refuses('NOT_FOUND', () => catalog.deleteCopyRule(rule.id));
      });

      it('a job and its event are written together or not at all', async () => {
        await furnish();
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
        await furnish();
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

function dismount(
  catalog: Catalog,
  mountId: number,
  fields: Partial<Parameters<Catalog['recordDismount']>[0]> = {},
): Promise<void> {
  return catalog.recordDismount({
    mountId,
    atMs: AT_MS + 60_000,
    state: 'dismounted',
    content: undefined,
    queueRuleIds: [],
    ...fields,
  });
}

/** Expects a rejection with `code`; gives its sentence. */
async function refuses(code: ErrorCode, call: () => Promise<unknown>): Promise<string> {
  const error: unknown = await call().then(
    () => new Error('nothing was refused'),
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: 'CapstanError', code });
  return (error as Error).message;
}
