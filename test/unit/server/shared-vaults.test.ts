import { describe, expect, it } from 'vitest';
import { CapstanError } from '../../../src/base/errors.ts';
import { operateForPeer } from '../../../src/server/operations/elsewhere.ts';
import { VaultScope } from '../../../src/server/vault-access.ts';
import { FENCING_MS, NODE, SharedBench, peer } from './shared-bench.ts';

describe('shared vaults', () => {
  it('shows the same pools, tapes and locks on the keeper and on its guest', async () => {
    const bench = await SharedBench.start();
    const { east, west } = bench;
    expect(await bench.state(east)).toBe('open, kept here');
    expect(await bench.state(west)).toBe('kept by east');
    await bench.call(east, 'tape.create', { name: 'LAB002', pool: 'POOL1' });
    await bench.world.advance(10);
    await bench.call(west, 'tape.lock', { name: 'LAB002' });
    await bench.call(west, 'tape.create', { name: 'LAB003', pool: 'POOL1' });
    const tapes = await east.server.catalog.listTapes();
    expect(tapes.map(({ name, userLocked }) => [name, userLocked])).toEqual([
      ['LAB001', false],
      ['LAB002', true],
      ['LAB003', false],
    ]);
    expect(await west.server.catalog.listTapes()).toEqual(tapes);
    expect(await west.server.catalog.listPools()).toEqual(await east.server.catalog.listPools());
    expect([...east.server.faults, ...west.server.faults]).toEqual([]);
  });

  it('lets a guest operate on what lies in shared vaults, and on nothing else of the keeper', async () => {
    const bench = await SharedBench.start();
    const { catalog, server } = bench.east.server;
    await catalog.createVault({ name: 'OWN', path: '/own', createdAtMs: 0 });
    await catalog.createPool({ name: 'POOL2', vault: 'OWN', createdAtMs: 0 });
    const scope = () => new VaultScope(catalog, new Set(['VAULT00']));
    const operate = (name: string, parameters: object): Promise<unknown> =>
      bench.finish(operateForPeer(server.operations, scope(), { user: 'anne', name, parameters }));
    for (const [name, parameters] of [
      ['tape.create', { name: 'OWN001', pool: 'POOL2' }],
      ['tape.move', { name: 'LAB001', pool: 'POOL2' }],
      ['pool.delete', { name: 'POOL2' }],
      ['vault.collect', { name: 'OWN' }],
    ] as const) {
      await expect(operate(name, parameters)).rejects.toThrow(/^No \w+ is named (OWN|POOL2)/);
    }
    await expect(operate('tape.verify', {})).rejects.toThrow('about no pool or tape');
    await expect(operate('drive.delete', { name: 'VTD00' })).rejects.toThrow('none that is done');
    await operate('tape.lock', { name: 'LAB001' });
    expect((await catalog.findTape('LAB001'))?.userLocked).toBe(true);
    await expect(operate('tape.lock', { name: 'LAB009' })).rejects.toThrow('No tape is named');
  });

  it('has a guest write a tape, and the other server read what it wrote', async () => {
    const bench = await SharedBench.start();
    const { east, west } = bench;
    await bench.call(west, 'mount.create', { tape: 'LAB001', drive: 'VTD00', ring: true });
    await expect(
      bench.call(east, 'mount.create', { tape: 'LAB001', drive: 'VTD00', ring: true }),
    ).rejects.toThrow('mount on west');
    const writer = await bench.drive(west);
    await bench.finish(writer.spaceToEndOfData());
    expect(await bench.finish(writer.writeBlock(new Uint8Array(5000).fill(7)))).toEqual({
      kind: 'done',
    });
    expect((await bench.finish(writer.writeFilemarks(1))).kind).toBe('done');
    expect((await bench.finish(writer.unload())).kind).toBe('done');
    await bench.world.advance(1_000);
    const [row] = await east.server.catalog.listTapes();
    expect(row?.generation).toBe(1);
    expect(await west.server.catalog.listTapes()).toEqual([row]);
    expect(await west.server.catalog.listGenerations('LAB001')).toEqual(
      await east.server.catalog.listGenerations('LAB001'),
    );
    expect(await east.server.catalog.listLocks()).toEqual([]);
    await bench.call(east, 'mount.create', { tape: 'LAB001', drive: 'VTD01' });
    const reader = await bench.drive(east, 'VTD01');
    await bench.finish(reader.spaceToEndOfData());
    await bench.finish(reader.space('filemarks', -1));
    await bench.finish(reader.space('blocks', -1));
    const read = await bench.finish(reader.readBlock(6000));
    expect(read.kind === 'block' && read.data.every((byte) => byte === 7)).toBe(true);
    await bench.world.advance(10);
    expect(await west.server.catalog.listLocks()).toMatchObject([
      { tape: 'LAB001', process: 'mount on east', reason: `VTD01 has it without ring for ${NODE}` },
    ]);
    expect([...east.server.faults, ...west.server.faults]).toEqual([]);
  });

  it('goes on with the guest as keeper once the file system has fenced off a keeper that died', async () => {
    const bench = await SharedBench.start();
    const { east, west, world } = bench;
    const drive = await bench.write(west);
    await bench.finish(drive.writeFilemarks(1));
    await bench.finish(drive.writeBlock(new Uint8Array(100).fill(2)));
    east.server.crash('power-cut');
    await world.advance(FENCING_MS - 1_000);
    expect(await bench.state(west)).toBe('kept elsewhere, out of reach');
    expect(await bench.call(west, 'server.status', {})).toMatchObject({
      vaultsNotOpenHere: [expect.stringMatching(/: kept elsewhere, out of reach$/)],
    });
    await world.advance(10_000);
    expect(await bench.state(west)).toBe('open, kept here');
    expect(await bench.call(west, 'server.status', {})).toMatchObject({ vaultsNotOpenHere: [] });
    expect(await bench.log(west, '420103')).toHaveLength(1);
    expect(await west.server.catalog.listMounts({ open: true })).toEqual([]);
    const [row] = await west.server.catalog.listTapes();
    expect([row?.generation, row?.payloadBytes]).toEqual([1, 5 * 80 + 100]);
    await bench.finish(east.server.start());
    await world.advance(10_000);
    expect(await bench.state(east)).toBe('kept by west');
    expect(await east.server.catalog.listTapes()).toEqual([row]);
    expect([...east.server.faults, ...west.server.faults]).toEqual([]);
  });

  it('tries again to keep a vault where a look for it failed', async () => {
    const bench = await SharedBench.start();
    const { east, west, world } = bench;
    east.server.crash('power-cut');
    await world.advance(1_000);
    const { catalog } = west.server;
    const { listVaults } = catalog;
    catalog.listVaults = () =>
      Promise.reject(new CapstanError('DISK_IO', { place: 'x', what: 'EIO' }));
    await world.advance(3_000);
    catalog.listVaults = listVaults;
    await world.advance(FENCING_MS + 10_000);
    expect(await bench.state(west)).toBe('open, kept here');
  });

  it('takes the tapes of a guest back whose line is lost, with what it had synced', async () => {
    const bench = await SharedBench.start();
    const { east, west, world, wire } = bench;
    const drive = await bench.write(west);
    await bench.finish(drive.writeFilemarks(1));
    wire.stall();
    const late = drive.writeBlock(new Uint8Array(100).fill(2)).then(() => drive.writeFilemarks(1));
    await world.advance(30_000);
    expect((await bench.finish(late)).kind).not.toBe('done');
    expect(await bench.log(east, '426105')).toHaveLength(1);
    await bench.call(east, 'mount.create', { tape: 'LAB001', drive: 'VTD00', ring: true });
    wire.heal();
    await world.advance(30_000);
    expect(await bench.state(west)).toBe('kept by east');
    const [row] = await east.server.catalog.listTapes();
    expect([row?.generation, row?.payloadBytes]).toEqual([1, 5 * 80 + 100]);
    expect(await west.server.catalog.listTapes()).toEqual([row]);
    expect((await west.server.catalog.listLocks()).map(({ process }) => process)).toEqual([
      'mount on east',
    ]);
    expect([...east.server.faults, ...west.server.faults]).toEqual([]);
  });

  it.each(['cut', 'stall'] as const)(
    'goes on with the mount of a guest at its position where the line is lost for a while (%s)',
    async (fault) => {
      const bench = await SharedBench.start();
      const { east, west, world, wire } = bench;
      const drive = await bench.write(west);
      wire.fail(fault);
      const late = drive
        .writeBlock(new Uint8Array(100).fill(2))
        .then(() => drive.writeFilemarks(1));
      await world.advance(10_000);
      wire.heal();
      expect(await bench.finish(late)).toEqual({ kind: 'done' });
      await bench.finish(drive.space('filemarks', -1));
      await bench.finish(drive.space('blocks', -2));
      const read = [
        await bench.finish(drive.readBlock(200)),
        await bench.finish(drive.readBlock(200)),
      ];
      expect(read.map((block) => block.kind === 'block' && block.data[0])).toEqual([1, 2]);
      expect(await bench.finish(drive.unload())).toEqual({ kind: 'done' });
      await world.advance(1_000);
      const [row] = await east.server.catalog.listTapes();
      expect([row?.generation, row?.payloadBytes]).toEqual([1, 5 * 80 + 200]);
      expect(await west.server.catalog.listTapes()).toEqual([row]);
      expect(await east.server.catalog.listLocks()).toEqual([]);
      expect((await bench.log(west, '226113')).length).toBe(fault === 'cut' ? 1 : 0);
      expect([...east.server.faults, ...west.server.faults]).toEqual([]);
    },
  );

  it('gives a tape back once where the answer to its end is lost with the line', async () => {
    const bench = await SharedBench.start();
    const { east, west, world, wire } = bench;
    const drive = await bench.write(west);
    await bench.finish(drive.writeFilemarks(1));
    east.server.slowDownImages(1_000);
    const unloading = drive.unload();
    await world.advance(500);
    // The keeper is at it; its answer goes nowhere.
    wire.cut();
    await world.advance(1_500);
    expect(await bench.finish(unloading)).toEqual({ kind: 'done' });
    expect(await west.server.catalog.listMounts({ tape: 'LAB001' })).toMatchObject([
      { state: 'dismounted' },
    ]);
    expect(await east.server.catalog.listLocks()).toEqual([]);
    expect(await bench.log(east, '426105')).toEqual([]);
    expect([...east.server.faults, ...west.server.faults]).toEqual([]);
  });

  it('tells that a mount is over where its keeper was restarted, with what had been synced', async () => {
    const bench = await SharedBench.start();
    const { east, west, world } = bench;
    const drive = await bench.write(west);
    await bench.finish(drive.writeFilemarks(1));
    await bench.finish(drive.writeBlock(new Uint8Array(100).fill(2)));
    await bench.finish(east.server.stop());
    await bench.finish(east.server.start());
    await world.advance(5_000);
    expect(await bench.log(west, '426114')).toEqual([
      expect.stringMatching(
        /Mount of cartridge LAB001 on VTD00 is over: .*; what was synced is on it/,
      ),
    ]);
    expect(await bench.log(west, '420103')).toHaveLength(1);
    expect((await bench.finish(drive.writeFilemarks(1))).kind).not.toBe('done');
    await world.advance(10_000);
    const [row] = await east.server.catalog.listTapes();
    expect([row?.generation, row?.payloadBytes]).toEqual([1, 5 * 80 + 100]);
    expect(await west.server.catalog.listTapes()).toEqual([row]);
    expect([...east.server.faults, ...west.server.faults]).toEqual([]);
  });

  it('changes nothing where the ledger cannot be written, on a full disk', async () => {
    const bench = await SharedBench.start();
    const { east, west, world, disk } = bench;
    const before = await east.server.catalog.listTapes();
    disk.fill(true);
    await expect(bench.call(west, 'tape.lock', { name: 'LAB001' })).rejects.toThrow('is full');
    await expect(bench.call(east, 'pool.create', { name: 'P2', vault: 'VAULT00' })).rejects.toThrow(
      'is full',
    );
    expect(await east.server.catalog.listTapes()).toEqual(before);
    expect((await east.server.catalog.listPools()).map(({ name }) => name)).toEqual(['POOL1']);
    disk.fill(false);
    await bench.call(west, 'tape.lock', { name: 'LAB001' });
    await world.advance(1_000);
    for (const { server } of [east, west]) {
      expect(await server.catalog.listTapes()).toMatchObject([{ userLocked: true }]);
      expect(await server.catalog.listPools()).toHaveLength(1);
      expect(server.faults).toEqual([]);
    }
  });

  it.each(['guest', 'keeper'] as const)(
    'has the %s unload a tape once there is room to record it',
    async (who) => {
      const bench = await SharedBench.start();
      const { east, world, disk } = bench;
      const site = who === 'guest' ? bench.west : east;
      const drive = await bench.write(site);
      await bench.finish(drive.writeFilemarks(1));
      disk.fill(true);
      expect((await bench.finish(drive.unload())).kind).not.toBe('done');
      expect(await east.server.catalog.listLocks()).toHaveLength(1);
      disk.fill(false);
      await bench.finish(drive.unload());
      await world.advance(60_000);
      expect(await east.server.catalog.listLocks()).toEqual([]);
      expect(await site.server.catalog.listMounts({ open: true })).toEqual([]);
      const [row] = await east.server.catalog.listTapes();
      expect([row?.generation, row?.payloadBytes]).toEqual([1, 5 * 80 + 100]);
      expect([...east.server.faults, ...bench.west.server.faults]).toEqual([]);
    },
  );

  it.each([
    ['before the ledger has it', 'createTape', false],
    ['behind the ledger and before the commit', 'commit', true],
  ] as const)(
    'has a change whole or not at all where its keeper dies %s',
    async (_, of, isThere) => {
      const bench = await SharedBench.start();
      const { east, west, world } = bench;
      east.server.planCrash({ in: 'catalog', of, count: 0, kind: 'kill' });
      void east.server.server.operations.call('tape.create', { name: 'LAB002', pool: 'POOL1' });
      await world.advance(20_000);
      expect(east.server.running).toBe(false);
      expect((await west.server.catalog.listTapes()).map(({ name }) => name)).toEqual(
        isThere ? ['LAB001', 'LAB002'] : ['LAB001'],
      );
      await bench.finish(east.server.start());
      await world.advance(20_000);
      expect(await east.server.catalog.listTapes()).toEqual(await west.server.catalog.listTapes());
      expect([...east.server.faults, ...west.server.faults]).toEqual([]);
    },
  );

  it('leaves a shared vault to the others, and joins it again', async () => {
    const bench = await SharedBench.start();
    const { east, west, world } = bench;
    await bench.call(west, 'vault.leave', { name: 'VAULT00' });
    expect(await west.server.catalog.listTapes()).toEqual([]);
    expect(await bench.state(west)).toBe('none');
    await bench.call(west, 'vault.join', { name: 'VAULT00', path: '/shared' });
    await world.advance(5_000);
    await bench.call(east, 'vault.leave', { name: 'VAULT00' });
    await world.advance(5_000);
    expect(await bench.state(west)).toBe('open, kept here');
    expect((await west.server.catalog.listTapes()).map(({ name }) => name)).toEqual(['LAB001']);
    expect([...east.server.faults, ...west.server.faults]).toEqual([]);
  });

  it('refuses servers that it does not know', async () => {
    const bench = await SharedBench.start();
    const { east, west, world } = bench;
    await bench.call(east, 'isc.remove', { server: 'west' });
    west.server.crash('kill');
    await bench.finish(west.server.start());
    await world.advance(10_000);
    expect(await bench.state(west)).toBe('kept elsewhere, out of reach');
    expect(await bench.call(west, 'isc.list')).toMatchObject([
      { server: 'east', state: expect.stringContaining('west is not among the servers of east') },
    ]);
    await expect(
      bench.call(west, 'tape.create', { name: 'LAB009', pool: 'POOL1' }),
    ).rejects.toThrow('kept by another server');
    await bench.call(east, 'isc.add', peer('west'));
    await world.advance(10_000);
    expect(await bench.state(west)).toBe('kept by east');
    await expect(bench.call(west, 'isc.add', peer('west'))).rejects.toThrow('it is this one');
  });
});

describe('a server that is being reached', () => {
  it.each(['removed', 'reached otherwise'] as const)(
    'and is %s meanwhile gets no session',
    async (how) => {
      const bench = await SharedBench.start();
      const { east, world } = bench;
      const sessions = async (): Promise<number> => (await bench.log(east, '226103')).length;
      const before = await sessions();
      await bench.call(east, 'isc.add', peer('west'));
      const elsewhere = { ...peer('west'), address: '10.0.0.77' };
      await (how === 'removed'
        ? bench.call(east, 'isc.remove', { server: 'west' })
        : bench.call(east, 'isc.add', elsewhere));
      await world.advance(10_000);
      expect(await sessions()).toBe(before);
      expect(east.server.faults).toEqual([]);
    },
  );
});

describe('the key of a server of shared vaults', () => {
  const WEST = 'SHA256:of-10.0.0.2';

  it('is bound by the first call, and stays where how it is reached changes', async () => {
    const bench = await SharedBench.start();
    const { east, world } = bench;
    expect(await bench.log(east, '226115')).toEqual([`Key ${WEST} speaks for west from now on`]);
    await bench.call(east, 'isc.add', peer('west'));
    await world.advance(10_000);
    expect(await bench.call(east, 'isc.list')).toMatchObject([{ server: 'west', clientKey: WEST }]);
    expect(await bench.state(bench.west)).toBe('kept by east');
  });

  it('is the only one that is heard in its name, and ends the session of another at once', async () => {
    const bench = await SharedBench.start();
    const { east, west, world } = bench;
    await bench.call(west, 'mount.create', { tape: 'LAB001', drive: 'VTD00', ring: true });
    await bench.call(east, 'isc.add', { ...peer('west'), clientKey: 'SHA256:another' });
    await world.advance(5_000);
    expect(await bench.state(west)).toBe('kept elsewhere, out of reach');
    const refusal = `the key ${WEST} spoke for west, whose key is SHA256:another`;
    expect(await bench.call(west, 'isc.list')).toMatchObject([
      { server: 'east', state: expect.stringContaining(refusal) },
    ]);
    // It is tried again and again, and told of once.
    await world.advance(60_000);
    expect(await bench.log(east, '426116')).toEqual([
      `A call in the name of west refused: ${refusal}`,
    ]);
    expect(await east.server.catalog.listLocks()).toEqual([]);
    await bench.call(east, 'isc.add', { ...peer('west'), clientKey: WEST });
    await world.advance(10_000);
    expect(await bench.state(west)).toBe('kept by east');
  });

  it('speaks for no other server', async () => {
    const bench = await SharedBench.start();
    const { east } = bench;
    const north = { ...peer('west'), server: 'north' };
    await expect(bench.call(east, 'isc.add', { ...north, clientKey: WEST })).rejects.toThrow(
      `The key ${WEST} for north is refused: it is the key of west`,
    );
    await bench.call(east, 'isc.add', north);
    const { west, world } = bench;
    west.server.settings = { ...west.server.settings, serverName: 'north' };
    west.server.crash('kill');
    await bench.finish(west.server.start());
    await world.advance(10_000);
    expect(await bench.call(west, 'isc.list')).toMatchObject([
      { state: expect.stringContaining(`the key ${WEST} spoke for north, and is the key of west`) },
    ]);
  });
});

describe('copies of tapes in shared vaults', () => {
  const TARGET = { ...peer('west'), port: 2201 };

  it('are refused into the same vault when the rule or scheme is made, where the servers share it', async () => {
    const bench = await SharedBench.start();
    const { east } = bench;
    await expect(
      bench.call(east, 'autocopy.create', { pool: 'POOL1', target: TARGET, targetPool: 'POOL1' }),
    ).rejects.toThrow('both lie in the shared vault VAULT00');
    await expect(
      bench.call(east, 'idr.create', {
        name: 'NIGHTLY',
        target: TARGET,
        sources: [{ pool: 'POOL1', targetPool: 'POOL1' }],
      }),
    ).rejects.toThrow('both lie in the shared vault VAULT00');
    await bench.call(east, 'autocopy.create', { pool: 'POOL1', target: TARGET, targetPool: 'DR' });
  });

  it('are refused by the target where that could not be known', async () => {
    const bench = await SharedBench.start();
    const { east, world } = bench;
    // Under another name the target is not known to share the vault.
    const target = { ...TARGET, server: 'elsewhere' };
    const sources = [{ pool: 'POOL1', targetPool: 'POOL1' }];
    await bench.call(east, 'autocopy.create', { pool: 'POOL1', target, targetPool: 'POOL1' });
    await bench.call(east, 'autocopy.repeat', { name: 'LAB001' });
    await bench.call(east, 'idr.create', { name: 'NIGHTLY', target, sources });
    await bench.call(east, 'idr.dispatch', { name: 'NIGHTLY' });
    await world.advance(10_000);
    const [job] = await east.server.catalog.listCopyJobs();
    expect(job?.lastError).toContain('source and target are the same shared vault');
    const log = await bench.log(bench.west, '622104');
    expect(log).toHaveLength(2);
    expect(log[0]).toContain('same shared vault');
    const [run] = await east.server.catalog.listIdrRuns({ scheme: 'NIGHTLY', limit: 1 });
    expect(JSON.stringify(run)).toContain('same shared vault');
  });

  it('are verified by the server that keeps their vault', async () => {
    const bench = await SharedBench.start();
    await expect(bench.call(bench.west, 'tape.verify', { name: 'LAB001' })).resolves.toMatchObject({
      imageCount: 1,
      damages: [],
    });
  });

  it('are owed by the server that takes a vault over, by its own rules', async () => {
    const bench = await SharedBench.start();
    const { east, west, world } = bench;
    const target = { ...TARGET, server: 'north', address: '10.0.0.3' };
    await bench.call(west, 'autocopy.create', { pool: 'POOL1', target, targetPool: 'DR' });
    await bench.call(west, 'mount.create', { tape: 'LAB001', drive: 'VTD00', ring: true });
    const drive = await bench.drive(west);
    await bench.finish(drive.writeBlock(new Uint8Array(100).fill(1)));
    await bench.finish(drive.unload());
    await world.advance(60_000);
    expect(await west.server.catalog.listCopyJobs()).toEqual([]);
    east.server.crash('kill');
    await world.advance(20_000);
    expect(await west.server.catalog.listCopyJobs()).toMatchObject([
      { tape: 'LAB001', generation: 1, state: 'due', attempts: 1 },
    ]);
  });
});
