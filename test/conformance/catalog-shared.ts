/** What every implementation of the catalog's part about shared vaults keeps. */
import { describe, expect, it } from 'vitest';
import { generation } from '../../src/base/units.ts';
import type { Catalog, PoolRow, TapeRow } from '../../src/ports/catalog.ts';
import type { PeerRow, VaultChanges } from '../../src/ports/catalog-shared.ts';

const POOL: PoolRow = {
  name: 'POOL1',
  vault: 'SHARED',
  createdAtMs: 5,
  retentionMs: 60_000,
  encrypted: false,
  locked: true,
  quotaBytes: undefined,
};
const TAPE: TapeRow = {
  name: 'LAB001',
  pool: 'POOL1',
  vault: 'SHARED',
  labelType: 'ansi',
  capacityBytes: 1000,
  generation: generation(2),
  payloadBytes: 400,
  createdAtMs: 5,
  writtenAtMs: 6,
  mountedAtMs: 6,
  dismountedAtMs: 7,
  copiedFrom: undefined,
  owner: 'ME',
  updatedAtMs: 7,
  erasedAtMs: undefined,
  exportedAtMs: undefined,
  importedAtMs: undefined,
  migratedAtMs: undefined,
  migratedBy: undefined,
  restoredAtMs: undefined,
  userLocked: true,
  autoloadLocked: false,
  keyId: undefined,
};
const VERSION = {
  tape: 'LAB001',
  generation: generation(2),
  atMs: 7,
  payloadBytes: 400,
  manifestDigest: 'ab',
  origin: '\\LAB',
};
const LOCK = {
  tape: 'LAB001',
  pool: undefined,
  process: 'mount on west',
  sinceMs: 8,
  reason: 'VTD00 has it',
};
const NOTHING: VaultChanges = {
  pools: [],
  tapes: [],
  generations: [],
  gonePools: [],
  goneTapes: [],
};
const ALL: VaultChanges = {
  ...NOTHING,
  pools: [POOL],
  tapes: [TAPE],
  generations: [VERSION],
  locks: [LOCK],
};

export function sharedCatalogConformance(name: string, open: () => Catalog): void {
  const start = async (): Promise<Catalog> => {
    const catalog = open();
    await catalog.createVault({ name: 'OWN', path: '/own', createdAtMs: 1 });
    await catalog.createVault({ name: 'SHARED', path: '/shared', createdAtMs: 1 });
    return catalog;
  };

  describe(`${name} keeps shared vaults:`, () => {
    it('under which identity a vault is shared', async () => {
      const catalog = await start();
      await catalog.shareVault('SHARED', 'ab12');
      expect((await catalog.listVaults()).map(({ sharedId }) => sharedId)).toEqual([
        undefined,
        'ab12',
      ]);
      await catalog.shareVault('SHARED', undefined);
      expect((await catalog.listVaults())[1]?.sharedId).toBeUndefined();
      await expect(catalog.shareVault('NONE', 'ab')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    });

    it('their rows, as they are given, again and again', async () => {
      const catalog = await start();
      for (let time = 0; time < 2; time += 1) {
        expect(await catalog.applyVaultChanges('SHARED', ALL)).toEqual([]);
        expect(await catalog.listPools()).toEqual([POOL]);
        expect(await catalog.listTapes()).toEqual([TAPE]);
        expect(await catalog.listGenerations('LAB001')).toEqual([VERSION]);
        expect(await catalog.listLocks()).toEqual([LOCK]);
      }
      const later = { ...TAPE, userLocked: false, payloadBytes: 500, keyId: 'K1' };
      await catalog.applyVaultChanges('SHARED', { ...NOTHING, tapes: [later], locks: [] });
      expect(await catalog.listTapes()).toEqual([later]);
      expect(await catalog.listLocks()).toEqual([]);
      expect(await catalog.listGenerations('LAB001')).toEqual([VERSION]);
    });

    it('keeps locks where nothing is said of them', async () => {
      const catalog = await start();
      await catalog.applyVaultChanges('SHARED', ALL);
      await catalog.applyVaultChanges('SHARED', { ...NOTHING, pools: [POOL] });
      expect(await catalog.listLocks()).toEqual([LOCK]);
    });

    it('takes away what is gone, of that vault only', async () => {
      const catalog = await start();
      await catalog.applyVaultChanges('SHARED', ALL);
      const gone = { ...NOTHING, goneTapes: ['LAB001'], gonePools: ['POOL1'] };
      await catalog.applyVaultChanges('OWN', gone);
      expect(await catalog.listTapes()).toHaveLength(1);
      await catalog.applyVaultChanges('SHARED', gone);
      expect(await catalog.listTapes()).toEqual([]);
      expect(await catalog.listPools()).toEqual([]);
      expect(await catalog.listLocks()).toEqual([]);
    });

    it('leaves out what has a name that is taken in another vault', async () => {
      const catalog = await start();
      await catalog.createPool({ name: 'MINE', vault: 'OWN', createdAtMs: 1 });
      const { writtenAtMs, mountedAtMs, dismountedAtMs, copiedFrom, ...rest } = TAPE;
      const times = { writtenAtMs, mountedAtMs, dismountedAtMs, copiedFrom };
      await catalog.createTape({ ...rest, ...times, pool: 'MINE', vault: 'OWN' });
      const other = { ...TAPE, name: 'LAB002', pool: 'MINE' };
      const changes = { ...ALL, pools: [POOL, { ...POOL, name: 'MINE' }], tapes: [TAPE, other] };
      expect(await catalog.applyVaultChanges('SHARED', changes)).toEqual([
        'MINE',
        'LAB001',
        'LAB002',
      ]);
      expect((await catalog.listPools()).map(({ vault }) => vault)).toEqual(['OWN', 'SHARED']);
      expect((await catalog.listTapes()).map((tape) => [tape.name, tape.vault])).toEqual([
        ['LAB001', 'OWN'],
      ]);
      expect(await catalog.listGenerations('LAB001')).toEqual([]);
      expect(await catalog.listLocks()).toEqual([]);
    });

    it('keeps the servers that share vaults, one row each', async () => {
      const catalog = await start();
      const west: PeerRow = {
        server: 'west',
        address: '10.0.0.2',
        port: 4022,
        user: 'capstan',
        hostKey: 'SHA256:x',
        transport: 'ssh2',
      };
      await catalog.putPeer({ ...west, port: 1 });
      await catalog.putPeer(west);
      expect(await catalog.listPeers()).toEqual([west]);
      await catalog.putPeer({ ...west, clientKey: 'SHA256:y' });
      expect(await catalog.listPeers()).toEqual([{ ...west, clientKey: 'SHA256:y' }]);
      await catalog.deletePeer('west');
      await expect(catalog.deletePeer('west')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    });
  });
}
