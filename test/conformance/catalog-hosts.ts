/** What every catalog does for tape hosts: the contract of src/ports/catalog-hosts.ts. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { generation } from '../../src/base/units.ts';
import type { Catalog } from '../../src/ports/catalog.ts';

export function hostCatalogConformance(name: string, open: () => Catalog): void {
  describe(`${name} knows how far a host's events have been heard:`, () => {
    let catalog: Catalog;
    beforeEach(() => {
      catalog = open();
    });
    afterEach(() => catalog.close());

    it('nothing of a host that was never heard', async () => {
      expect(await catalog.findEmsPosition('\\LAB')).toBeUndefined();
    });

    it('the last position of each host', async () => {
      const east = { host: '\\EAST', localTimeMs: 1, seen: '[]' };
      await catalog.putEmsPosition({ host: '\\LAB', localTimeMs: 5000, seen: '["a"]' });
      await catalog.putEmsPosition(east);
      // A host's clock may go back.
      await catalog.putEmsPosition({ host: '\\LAB', localTimeMs: 4000, seen: '["b"]' });
      expect(await catalog.findEmsPosition('\\LAB')).toEqual({
        host: '\\LAB',
        localTimeMs: 4000,
        seen: '["b"]',
      });
      expect(await catalog.findEmsPosition('\\EAST')).toEqual(east);
    });

    it('which mounts a host was heard to have had', async () => {
      const atMs = 1_000;
      await catalog.createVault({ name: 'VAULT00', path: '/v', createdAtMs: atMs });
      await catalog.createPool({ name: 'DAILY', vault: 'VAULT00', createdAtMs: atMs });
      for (const tape of ['LAB001', 'LAB002']) {
        await catalog.createTape({
          name: tape,
          pool: 'DAILY',
          vault: 'VAULT00',
          labelType: 'ansi',
          capacityBytes: 1_000,
          generation: generation(0),
          payloadBytes: 0,
          createdAtMs: atMs,
          writtenAtMs: undefined,
          mountedAtMs: undefined,
          dismountedAtMs: undefined,
          copiedFrom: undefined,
        });
      }
      const mount = async (tape: string, drive: string, requestNumber: number): Promise<number> => {
        await catalog.createDrive({
          name: drive,
          host: '\\LAB',
          device: `$${drive}`,
          serialNumber: drive,
        });
        const base = { host: '\\LAB', ring: true, mountedAtMs: atMs };
        return (await catalog.recordMount({ tape, drive, requestNumber, ...base })).id;
      };
      const first = await mount('LAB001', 'A', 7);
      const second = await mount('LAB002', 'B', 8);
      await catalog.acceptMount('\\LAB', 7);
      await catalog.acceptMount('\\LAB', 7);
      await catalog.acceptMount('\\EAST', 8);
      await catalog.acceptMount('\\LAB', 99);
      expect(await catalog.isMountAccepted(first)).toBe(true);
      expect(await catalog.isMountAccepted(second)).toBe(false);
      await catalog.recordDismount({
        mountId: second,
        atMs,
        state: 'dismounted',
        content: undefined,
        queueRuleIds: [],
      });
      // The host may be heard late. Of two mounts for a number, the newer one is meant.
      const { id: third } = await catalog.recordMount({
        tape: 'LAB002',
        drive: 'B',
        requestNumber: 8,
        host: '\\LAB',
        ring: true,
        mountedAtMs: atMs,
      });
      await catalog.acceptMount('\\LAB', 8);
      expect(await catalog.isMountAccepted(second)).toBe(false);
      expect(await catalog.isMountAccepted(third)).toBe(true);
      await catalog.recordDismount({
        mountId: third,
        atMs,
        state: 'dismounted',
        content: undefined,
        queueRuleIds: [],
      });
      expect(await catalog.isMountAccepted(third)).toBe(true);
      await catalog.deleteTape('LAB002');
      expect(await catalog.isMountAccepted(third)).toBe(false);
    });
  });
}
