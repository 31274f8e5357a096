import { describe, expect, it } from 'vitest';
import { CapstanError } from '../../../src/base/errors.ts';
import { Bench, NODE, TARGET } from './bench.ts';

const openMounts = async (bench: Bench): Promise<number> =>
  (await bench.east.catalog.listMounts({ open: true })).length;

describe('a tape server', () => {
  it('logs its start and its stop', async () => {
    const bench = await Bench.start();
    expect(await bench.east.log('220130')).toEqual(['TapeServer east started']);
    await bench.east.stop();
    expect((await bench.east.log()).at(-1)).toBe('TapeServer east stopped');
  });

  it('that was killed marks its mounts as interrupted and adopts what was synced', async () => {
    const bench = await Bench.start({ copies: true });
    await bench.request('LAB001');
    await bench.write(1);
    const drive = await bench.drive();
    await bench.finish(drive.writeBlock(new Uint8Array(70).fill(2)));
    await bench.east.restart();
    expect(await openMounts(bench)).toBe(0);
    const [mount] = await bench.east.catalog.listMounts({ tape: 'LAB001' });
    expect(mount).toMatchObject({ state: 'interrupted' });
    // The block that was not synced is gone, the other one is there.
    expect(await bench.east.catalog.findTape('LAB001')).toMatchObject({
      generation: 1,
      payloadBytes: 5 * 80 + 1_000,
    });
    expect(await bench.east.log('420112')).toHaveLength(1);
    expect(await bench.east.log('420103')).toEqual([
      'Mount of cartridge LAB001 on VTD01 was interrupted; it queues no copy',
    ]);
    await bench.world.advance(600_000);
    expect(bench.east.attemptsMs).toEqual([]);
    await bench.backUp(3);
    expect(await bench.east.catalog.findTape('LAB001')).toMatchObject({ generation: 2 });
  });

  it('that was killed during a mount still owes the copy of the dismount before', async () => {
    const bench = await Bench.start({ copies: true });
    bench.setLink(false);
    await bench.backUp(1);
    await bench.world.advance(1_000);
    await bench.request('LAB001');
    await bench.write(2);
    await bench.east.restart();
    bench.setLink(true);
    await bench.world.advance(300_000);
    expect(await bench.job()).toMatchObject({ state: 'copied', copiedGeneration: 2 });
    expect(await bench.west.catalog.findTape('LAB001')).toMatchObject({ generation: 2 });
  });

  it('looks at the requests that waited when it starts', async () => {
    const bench = await Bench.start();
    await bench.request('LAB001');
    await bench.request('LAB002');
    await bench.east.restart();
    await bench.world.advance(5_000);
    const [mount] = await bench.east.catalog.listMounts({ open: true });
    expect(mount).toMatchObject({ tape: 'LAB002', drive: 'VTD01' });
  });

  it('that is killed while it records a mount has not mounted', async () => {
    const bench = await Bench.start();
    bench.east.before = (call) => (call === 'catalog.recordMount' ? bench.east.die() : undefined);
    await bench.request('LAB001');
    await bench.east.restart();
    expect(await bench.east.catalog.listMounts({ tape: 'LAB001' })).toEqual([]);
    // The host, which was never heard before, still has the request.
    await bench.world.advance(5_000);
    expect(await bench.east.catalog.listMounts({ tape: 'LAB001' })).toMatchObject([
      { requestNumber: 101, state: 'open' },
    ]);
    await bench.write(1);
    await bench.unload();
    expect(await bench.east.catalog.findTape('LAB001')).toMatchObject({ generation: 1 });
  });

  it('that is killed while it records a dismount ends the mount at its start', async () => {
    const bench = await Bench.start();
    await bench.request('LAB001');
    await bench.write(1);
    bench.east.before = (call) =>
      call === 'catalog.recordDismount' ? bench.east.die() : undefined;
    await expect(bench.unload()).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    await bench.east.restart();
    await bench.world.advance(5_000);
    expect(await openMounts(bench)).toBe(0);
    await bench.backUp(2);
    expect(await bench.east.catalog.findTape('LAB001')).toMatchObject({ generation: 2 });
  });

  it('that is there for a single command mounts, copies and logs nothing of its own', async () => {
    const bench = await Bench.start({ copies: true });
    bench.setLink(false);
    await bench.backUp(1);
    await bench.world.advance(1_000);
    await bench.request('LAB002', { device: '$TAPE1' });
    await bench.east.stop();
    const logged = (await bench.east.log()).length;
    const attempts = bench.east.attemptsMs.length;
    bench.east.offline = true;
    await bench.east.restart();
    await bench.east.call('drive.create', { name: 'VTD02', host: NODE, device: '$TAPE1' });
    await bench.world.advance(600_000);
    await bench.east.stop();
    expect(await bench.east.catalog.listMounts({ tape: 'LAB002' })).toEqual([]);
    expect(bench.east.attemptsMs).toHaveLength(attempts);
    expect((await bench.east.log()).length).toBe(logged);
    bench.east.offline = false;
    await bench.east.restart();
    await bench.world.advance(5_000);
    expect(await openMounts(bench)).toBe(1);
  });

  it('mounts nothing any more once it stops', async () => {
    const bench = await Bench.start();
    await bench.request('LAB001');
    await bench.request('LAB002');
    const unloading = (await bench.drive()).unload();
    await bench.east.stop();
    await bench.finish(unloading);
    expect(await openMounts(bench)).toBe(0);
    expect(await bench.east.catalog.listMounts({ tape: 'LAB002' })).toEqual([]);
    expect(await bench.east.catalog.listMountRequests()).toHaveLength(1);
  });

  it('stops at once while a target does not answer', async () => {
    const bench = await Bench.start({ copies: true });
    bench.world.network.wire('10.0.0.1', TARGET.address).stall();
    await bench.backUp(1);
    expect(bench.east.server.progress()).toHaveLength(1);
    const startedMs = bench.world.clock.elapsedMs;
    await bench.east.stop();
    expect(bench.world.clock.elapsedMs).toBe(startedMs);
    expect(await bench.job()).toMatchObject({ state: 'due', attempts: 0 });
  });

  it('closes its vaults even where the catalog fails at its stop', async () => {
    const bench = await Bench.start();
    await bench.request('LAB001');
    await bench.write(1);
    const closed: string[] = [];
    bench.east.before = (call) => {
      if (call.endsWith('.close')) closed.push(call);
      else if (call.startsWith('catalog.')) {
        throw new CapstanError('DISK_IO', { place: 'catalog.sqlite', what: 'EIO' });
      }
    };
    await expect(bench.east.stop()).rejects.toMatchObject({ code: 'DISK_IO' });
    expect(closed).toEqual(['engine.close']);
    await bench.east.restart();
    expect(await openMounts(bench)).toBe(0);
    expect(await bench.east.catalog.findTape('LAB001')).toMatchObject({ generation: 1 });
  });

  it('tells its listeners what happens until they cancel', async () => {
    const bench = await Bench.start({ copies: true });
    const kinds = new Set<string>();
    const cancel = bench.east.server.onEvent((event) => kinds.add(event.kind));
    await bench.backUp(1);
    await bench.world.advance(1_000);
    expect([...kinds].toSorted()).toEqual([
      'copy-finished',
      'copy-progress',
      'copy-started',
      'dismounted',
      'ems-line',
      'event-logged',
      'mounted',
    ]);
    cancel();
    kinds.clear();
    await bench.backUp(2);
    expect([...kinds]).toEqual([]);
  });

  it('knows its drives by name, and its EMS sessions', async () => {
    const bench = await Bench.start();
    expect(() => bench.east.server.driveTransport('VTD09')).toThrow('No drive is named VTD09.');
    expect(bench.east.server.emsStatus()).toMatchObject([
      { host: NODE, state: 'established', lastFailure: undefined },
    ]);
  });

  it('does the same twice where the same happens', async () => {
    const run = async (): Promise<string> => {
      const bench = await Bench.start({ copies: true });
      bench.setLink(false);
      await bench.backUp(1);
      await bench.request('LAB002');
      await bench.request('LAB001', { ring: false });
      await bench.world.advance(400_000);
      bench.setLink(true);
      await bench.unload();
      await bench.unload();
      await bench.world.advance(400_000);
      await bench.east.stop();
      return JSON.stringify([bench.east.events, await bench.east.log(), await bench.west.log()]);
    };
    expect(await run()).toBe(await run());
  });
});
