import { describe, expect, it } from 'vitest';
import { sleep } from '../../../src/ports/clock.ts';
import { Bench, noSpace } from './bench.ts';

const EJECT_FAILED = { kind: 'sense', sense: { key: 4, asc: 0x53, ascq: 0x00 } };

/** Calls of the engine's images as they come: `sync 1`, `append`, …; the mount comes after this. */
function watchImages(bench: Bench): string[] {
  const calls: string[] = [];
  bench.east.watchImages((method, call, [options]) => {
    const { generation } = (options ?? {}) as { generation?: number };
    calls.push(generation === undefined ? method : `${method} ${generation}`);
    return call();
  });
  return calls;
}

describe('a virtual drive', () => {
  it('syncs at WRITE FILEMARKS, with the generation that the mount makes', async () => {
    const bench = await Bench.start();
    await bench.backUp(1);
    const calls = watchImages(bench);
    await bench.request('LAB001');
    const drive = await bench.drive();
    await bench.finish(drive.spaceToEndOfData());
    await bench.finish(drive.writeBlock(new Uint8Array(100)));
    expect(calls.filter((call) => call.startsWith('sync'))).toEqual([]);
    await bench.finish(drive.writeFilemarks(1));
    expect(calls.filter((call) => call.startsWith('sync'))).toEqual(['sync 2']);
    const info = await bench.finish(bench.east.engine.listImages());
    expect(info.find((image) => image.name === 'LAB001')).toMatchObject({ generation: 2 });
    expect(await bench.east.catalog.findTape('LAB001')).toMatchObject({ generation: 1 });
    await bench.unload();
    expect(await bench.east.catalog.findTape('LAB001')).toMatchObject({ generation: 2 });
    expect(calls.at(-1)).toBe('close');
  });

  it('of a mount that only reads syncs nothing', async () => {
    const bench = await Bench.start();
    const calls = watchImages(bench);
    await bench.request('LAB001');
    const drive = await bench.drive();
    await bench.finish(drive.readBlock(80));
    await bench.unload();
    expect(calls).not.toContain('sync 0');
    expect(calls).not.toContain('sync 1');
  });

  it('runs one command after another', async () => {
    const bench = await Bench.start();
    const calls = watchImages(bench);
    await bench.request('LAB001');
    const drive = await bench.drive();
    calls.length = 0;
    await bench.finish(
      Promise.all([
        drive.writeBlock(new Uint8Array(10).fill(1)),
        drive.writeFilemarks(1),
        drive.rewind(),
        drive.readBlock(10),
      ]),
    );
    expect(calls).toEqual(['append', 'append', 'sync 1', 'read']);
  });

  it('keeps the tape where the dismount cannot be recorded, and the next command retries', async () => {
    const bench = await Bench.start();
    await bench.request('LAB001');
    await bench.write(1);
    bench.east.before = (call) => {
      if (call === 'catalog.recordDismount') throw noSpace();
    };
    expect(await bench.unload()).toMatchObject(EJECT_FAILED);
    expect(await bench.east.catalog.listMounts({ open: true })).toHaveLength(1);
    expect(await bench.east.call('drive.show', { name: 'VTD01' })).toMatchObject({
      tape: 'LAB001',
    });
    expect(await bench.east.log('620107')).toEqual([
      expect.stringMatching(/^The dismount of cartridge LAB001 from VTD01 failed: The disk under/),
    ]);
    await expect(bench.east.call('tape.delete', { name: 'LAB001' })).rejects.toMatchObject({
      code: 'IN_USE',
    });
    bench.east.before = () => undefined;
    const drive = await bench.drive();
    await bench.finish(drive.testUnitReady());
    expect(await bench.east.catalog.listMounts({ open: true })).toEqual([]);
    expect(await bench.east.catalog.findTape('LAB001')).toMatchObject({ generation: 1 });
    expect(await bench.east.log('220102')).toHaveLength(1);
    expect(bench.east.faults).toEqual([]);
  });

  it('may be loaded again after a failed UNLOAD, and written on', async () => {
    const bench = await Bench.start();
    await bench.request('LAB001');
    await bench.write(1);
    bench.east.before = (call) => {
      if (call === 'catalog.recordDismount') throw noSpace();
    };
    expect(await bench.unload()).toMatchObject(EJECT_FAILED);
    const drive = await bench.drive();
    await bench.finish(drive.load());
    bench.east.before = () => undefined;
    await bench.write(2);
    expect((await bench.unload()).kind).toBe('done');
    expect(await bench.east.catalog.findTape('LAB001')).toMatchObject({
      generation: 1,
      payloadBytes: 5 * 80 + 2_000,
    });
  });

  it('keeps the tape where the disk is full at UNLOAD, and gives it back once there is room', async () => {
    const bench = await Bench.start();
    await bench.request('LAB001');
    await bench.write(1);
    const drive = await bench.drive();
    await bench.finish(drive.writeBlock(new Uint8Array(50_000).fill(3)));
    const usedBytes = bench.east.disk.files().reduce((sum, file) => sum + file.sizeBytes, 0);
    bench.east.disk.setQuotaBytes(usedBytes);
    const outcome = await bench.unload();
    expect(outcome).toMatchObject({ kind: 'sense', sense: { key: 3, asc: 0x0c } });
    expect(await bench.east.catalog.listMounts({ open: true })).toHaveLength(1);
    bench.east.disk.setQuotaBytes(undefined);
    expect((await bench.unload()).kind).toBe('done');
    expect(await bench.east.catalog.findTape('LAB001')).toMatchObject({ generation: 1 });
    expect(await bench.east.call('tape.verify')).toMatchObject({ damages: [] });
  });

  it('answers UNLOAD only when the dismount is recorded', async () => {
    const bench = await Bench.start();
    await bench.request('LAB001');
    const drive = await bench.drive();
    bench.east.before = (call) =>
      call === 'catalog.recordDismount' ? sleep(bench.world.clock, 5_000) : undefined;
    const startedMs = bench.world.clock.elapsedMs;
    await bench.finish(drive.unload());
    expect(bench.world.clock.elapsedMs - startedMs).toBe(5_000);
  });

  it('takes no command once its server stops', async () => {
    const bench = await Bench.start();
    await bench.request('LAB001');
    const drive = bench.east.server.driveTransport('VTD01');
    await bench.east.stop();
    const command = { cdb: new Uint8Array(6), dataInLength: 0, timeoutMs: 1_000 };
    await expect(drive.execute(command)).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
  });

  it('reads damaged data as an error that names it, never as data', async () => {
    const bench = await Bench.start();
    await bench.backUp(1, 60_000);
    for (const { path, sizeBytes } of bench.east.disk.files()) {
      if (!path.includes('/packs/')) continue;
      for (let offset = 100; offset < sizeBytes; offset += 37) {
        bench.east.disk.rot({ path, offset, bit: 3 });
      }
    }
    await bench.east.restart();
    await bench.world.advance(5_000);
    await bench.request('LAB001', { ring: false });
    const drive = await bench.drive();
    const outcome = await bench.finish(drive.readBlock(100));
    expect(outcome).toMatchObject({ kind: 'sense', sense: { key: 3, asc: 0x11 } });
  });
});
