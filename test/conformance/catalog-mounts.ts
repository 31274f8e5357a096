/** The catalog's contract of mounts: mounts, dismounts, requests that wait. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { generation } from '../../src/base/units.ts';
import type { Catalog } from '../../src/ports/catalog.ts';
import {
  AT_MS,
  TAPE,
  DRIVE,
  MOUNT,
  REQUEST,
  RULE,
  CONTENT,
  dismount,
  furnish,
  jobOf,
  refuses,
} from './catalog-rows.ts';

/** What every catalog must do about mounts and mount requests. */
export function mountConformance(name: string, open: () => Catalog | Promise<Catalog>): void {
  describe(`${name} keeps the catalog's contract of mounts:`, () => {
    let catalog: Catalog;
    beforeEach(async () => {
      catalog = await open();
    });
    afterEach(() => catalog.close());

    describe('mounts', () => {
      it('are open until the dismount, which is on the tape as well', async () => {
        await furnish(catalog);
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
        await furnish(catalog);
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
        await furnish(catalog);
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
        await furnish(catalog);
        await refuses('NOT_FOUND', () => catalog.recordMount({ ...MOUNT, tape: 'NONE' }));
        await refuses('NOT_FOUND', () => catalog.recordMount({ ...MOUNT, drive: 'NONE' }));
      });

      it('remove the request that they satisfy, and no other', async () => {
        await furnish(catalog);
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
        await furnish(catalog);
        await catalog.recordMount({ ...MOUNT, requestNumber: 1 });
        await catalog.putMountRequest(REQUEST);
        await refuses('IN_USE', () => catalog.recordMount(MOUNT));
        expect(await catalog.listMountRequests()).toStrictEqual([REQUEST]);
      });
    });

    describe('a dismount', () => {
      it('without new content leaves generation and times of writing as they were', async () => {
        await furnish(catalog);
        const mount = await catalog.recordMount(MOUNT);
        await dismount(catalog, mount.id);
        expect(await catalog.findTape('LAB001')).toMatchObject({ generation: 0, payloadBytes: 0 });
        expect((await catalog.findTape('LAB001'))?.writtenAtMs).toBeUndefined();
        expect(await catalog.listGenerations('LAB001')).toStrictEqual([]);
      });

      it('with new content makes the generation, as written by the host', async () => {
        await furnish(catalog);
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
        await furnish(catalog);
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
        await furnish(catalog);
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
        await furnish(catalog);
        const rule = await catalog.createCopyRule(RULE);
        const mount = await catalog.recordMount(MOUNT);
        await catalog.deleteCopyRule(rule.id);
        await dismount(catalog, mount.id, { queueRuleIds: [rule.id] });
        expect(await catalog.listCopyJobs()).toStrictEqual([]);
        expect(await catalog.listMounts({ open: true })).toStrictEqual([]);
      });

      it('is refused for a mount that is closed or was never there', async () => {
        await furnish(catalog);
        const mount = await catalog.recordMount(MOUNT);
        await dismount(catalog, mount.id);
        await refuses('NOT_FOUND', () => dismount(catalog, mount.id, { content: CONTENT }));
        await refuses('NOT_FOUND', () => dismount(catalog, mount.id + 1));
        expect(await catalog.findTape('LAB001')).toMatchObject({ generation: 0 });
      });
    });

    describe('mount requests', () => {
      it('come in order of arrival, and a replaced one keeps its place', async () => {
        await furnish(catalog);
        const second = { ...REQUEST, requestNumber: 3, device: '$TAPE0', ring: false };
        await catalog.putMountRequest(REQUEST);
        await catalog.putMountRequest(second);
        const replaced = { ...REQUEST, reason: 'tape in use on VTD01', ring: false };
        await catalog.putMountRequest(replaced);
        expect(await catalog.listMountRequests()).toStrictEqual([replaced, second]);
      });

      it('are deleted by host and number, and once more without complaint', async () => {
        await furnish(catalog);
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
  });
}
