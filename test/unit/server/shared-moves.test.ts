import { describe, expect, it } from 'vitest';
import { newModelVault } from '../../../harness/world/simulated-vault.ts';
import type { SimulatedVault } from '../../../harness/world/simulated-vault.ts';
import { SharedBench } from './shared-bench.ts';
import type { Site } from './shared-bench.ts';

/** Each server has vault OWN with pool MINE besides the shared one. */
async function withOwnVaults(): Promise<SharedBench> {
  const bench = await SharedBench.start();
  for (const site of [bench.east, bench.west]) {
    const vaults = new Map<string, SimulatedVault>();
    Object.assign(site.view, {
      openScratch: (path: string) => {
        const vault = vaults.get(path) ?? newModelVault({ seed: 1, leftovers: 'any' });
        vaults.set(path, vault);
        return vault.open();
      },
    });
  }
  // From here on they have another disk.
  for (const site of [bench.west, bench.east]) {
    await bench.finish(site.server.stop());
    await bench.finish(site.server.start());
    await bench.world.advance(5_000);
  }
  for (const [site, pool] of [
    [bench.east, 'MINE'],
    [bench.west, 'THEIRS'],
  ] as const) {
    await bench.call(site, 'vault.create', { name: 'OWN', path: '/scratch-own' });
    await bench.call(site, 'pool.create', { name: pool, vault: 'OWN' });
  }
  await bench.world.advance(5_000);
  return bench;
}

/** The server that keeps the shared vault, and its guest. */
async function sides(bench: SharedBench): Promise<readonly [Site, Site, string]> {
  const isEast = (await vaultState(bench, bench.east)) === 'open, kept here';
  return isEast ? [bench.east, bench.west, 'MINE'] : [bench.west, bench.east, 'THEIRS'];
}

async function vaultState(bench: SharedBench, site: Site): Promise<string | undefined> {
  const rows = (await bench.call(site, 'vault.list')) as readonly {
    readonly name: string;
    readonly state: string;
  }[];
  return rows.find(({ name }) => name === 'VAULT00')?.state;
}

async function write(bench: SharedBench, site: Site, byte: number): Promise<void> {
  await bench.call(site, 'mount.create', { tape: 'LAB001', drive: 'VTD00', ring: true });
  const drive = await bench.drive(site);
  await bench.finish(drive.spaceToEndOfData());
  await bench.finish(drive.writeBlock(new Uint8Array(100).fill(byte)));
  await bench.finish(drive.unload());
  await bench.world.advance(1_000);
}

/** Where a server says that the tape is, and whether what it holds is whole. */
async function placeOf(bench: SharedBench, site: Site): Promise<string> {
  const [row] = await site.server.catalog.listTapes();
  if (row === undefined) return 'nowhere';
  const { damages } = (await bench.call(site, 'tape.verify', { name: row.name })) as {
    readonly damages: readonly unknown[];
  };
  const locks = await site.server.catalog.listLocks();
  return [`/${row.vault}/${row.pool}`, row.payloadBytes, damages.length, locks.length].join(' ');
}

const PAYLOAD = 5 * 80 + 100;

describe('a tape of a shared vault', () => {
  it('moves to a vault of the keeper and back, with all that it holds', async () => {
    const bench = await withOwnVaults();
    const [keeper, guest, pool] = await sides(bench);
    await write(bench, guest, 7);
    await bench.call(keeper, 'tape.move', { name: 'LAB001', pool });
    await bench.world.advance(1_000);
    expect(await placeOf(bench, keeper)).toBe(`/OWN/${pool} ${PAYLOAD} 0 0`);
    expect(await placeOf(bench, guest)).toBe('nowhere');
    await bench.call(keeper, 'tape.move', { name: 'LAB001', pool: 'POOL1' });
    await bench.world.advance(1_000);
    expect(await placeOf(bench, keeper)).toBe(`/VAULT00/POOL1 ${PAYLOAD} 0 0`);
    expect(await guest.server.catalog.listTapes()).toEqual(await keeper.server.catalog.listTapes());
    await write(bench, guest, 8);
    expect([...bench.east.server.faults, ...bench.west.server.faults]).toEqual([]);
  });

  it('is moved by the server that keeps the vault only, and a pool by none', async () => {
    const bench = await withOwnVaults();
    const [keeper, guest, pool] = await sides(bench);
    const other = pool === 'MINE' ? 'THEIRS' : 'MINE';
    await expect(bench.call(guest, 'tape.move', { name: 'LAB001', pool: other })).rejects.toThrow(
      'shared vault VAULT00 is kept by',
    );
    await bench.call(guest, 'tape.create', { name: 'OUR001', pool: other });
    await expect(bench.call(guest, 'tape.move', { name: 'OUR001', pool: 'POOL1' })).rejects.toThrow(
      'shared vault VAULT00 is kept by',
    );
    await expect(bench.call(keeper, 'pool.move', { name: pool, vault: 'VAULT00' })).rejects.toThrow(
      'make a pool there, and move its tapes',
    );
  });

  const steps = [
    ['before it is recorded', { of: 'moveTape', count: 0 }, 'source'],
    ['between the ledger and the catalog', { of: 'commit', count: 1 }, 'target'],
    ['once it is recorded', { of: 'atomically', count: 3 }, 'target'],
  ] as const;
  const cases = steps.flatMap((step) =>
    (['out', 'in'] as const).flatMap((way) =>
      (['the keeper', 'the other server'] as const).map((next) => [...step, way, next] as const),
    ),
  );

  it.each(cases)(
    'is in one place where the keeper dies %s (%o, %s) on its way %s, and %s has the vault next',
    async (_when, crash, end, way, next) => {
      const bench = await withOwnVaults();
      const [keeper, guest, pool] = await sides(bench);
      await write(bench, keeper, 7);
      if (way === 'in') await bench.call(keeper, 'tape.move', { name: 'LAB001', pool });
      await bench.world.advance(1_000);
      const target = way === 'in' ? 'POOL1' : pool;
      // The first transaction locks the tape.
      keeper.server.planCrash({ in: 'catalog', ...crash, kind: 'kill' });
      void keeper.server.server.operations.call('tape.move', { name: 'LAB001', pool: target });
      await bench.world.advance(0);
      if (next === 'the keeper') guest.server.crash('kill');
      await bench.world.advance(30_000);
      const isTaken =
        guest.server.running && (await vaultState(bench, guest)) === 'open, kept here';
      expect(isTaken).toBe(next === 'the other server');
      expect(keeper.server.running).toBe(false);
      await bench.finish(keeper.server.start());
      await bench.world.advance(20_000);
      if (!guest.server.running) await bench.finish(guest.server.start());
      await bench.world.advance(20_000);
      const isShared = (way === 'in') === (end === 'target');
      const place = isShared ? '/VAULT00/POOL1' : `/OWN/${pool}`;
      expect(await placeOf(bench, keeper)).toBe(`${place} ${PAYLOAD} 0 0`);
      expect(await placeOf(bench, guest)).toBe(isShared ? `${place} ${PAYLOAD} 0 0` : 'nowhere');
      for (const site of [keeper, guest]) {
        expect(site.server.faults).toEqual([]);
        expect(await bench.log(site, '820110')).toEqual([]);
      }
    },
  );
});
