import { describe, expect, it } from 'vitest';
import { HEARD_MS_MAX } from '../../../src/server/unheard-dismounts.ts';
import { Bench, openMounts, waiting } from './bench.ts';
import { requestOf } from './requests.ts';

describe('a request that is satisfied by the tape in its drive, and unloaded at once,', () => {
  const asking = requestOf('LAB001', 8);
  const satisfied = { kind: 'mounted', requestNumber: 8, volume: 'LAB001' } as const;

  it('is not mounted a second time', async () => {
    const bench = await Bench.start();
    await bench.request('LAB001');
    bench.host.logZsvr(asking);
    // The request is heard, since another event follows it; that it is satisfied is not, yet.
    bench.host.logZsvr(satisfied);
    await bench.world.advance(100);
    expect(await waiting(bench)).toEqual(['LAB001: tape in use on VTD01']);
    await bench.unload();
    await bench.world.advance(60_000);
    expect(await waiting(bench)).toEqual([]);
    expect(await bench.east.catalog.listMounts({ tape: 'LAB001' })).toHaveLength(1);
    expect(await bench.east.log('220101')).toHaveLength(1);
  });

  it('is not mounted either where all of it is heard behind the UNLOAD', async () => {
    const bench = await Bench.start();
    await bench.request('LAB001');
    const drive = await bench.drive();
    bench.host.logZsvr(asking);
    bench.host.logZsvr(satisfied);
    const unloaded = drive.unload();
    await bench.finish(unloaded);
    await bench.world.advance(60_000);
    expect(await bench.east.catalog.listMounts({ tape: 'LAB001' })).toHaveLength(1);
  });

  it('is mounted for another request as soon as the host has told of the dismount', async () => {
    const bench = await Bench.start();
    await bench.request('LAB001');
    bench.host.logZsvr(asking);
    await bench.world.advance(1_000);
    await bench.unload();
    expect(await waiting(bench)).toEqual([
      "LAB001: waiting for \\LAB to tell of the tape's dismount",
    ]);
    await bench.world.advance(1_000);
    expect(await openMounts(bench)).toEqual(['LAB001 on VTD01']);
  });

  it('is mounted after a while where the host tells of no dismount', async () => {
    const bench = await Bench.start();
    await bench.request('LAB001');
    bench.host.logZsvr(asking);
    await bench.world.advance(1_000);
    await bench.finish((await bench.drive()).unload());
    await bench.world.advance(HEARD_MS_MAX - 1);
    expect(await openMounts(bench)).toEqual([]);
    // And the time of a timing mark to the host and back, and a short silence.
    await bench.world.advance(1_000);
    expect(await openMounts(bench)).toEqual(['LAB001 on VTD01']);
  });

  it.each(['stall', 'down'] as const)(
    'is not mounted a second time where the line to the host fails (%s) right behind the UNLOAD',
    async (fault) => {
      const bench = await Bench.start();
      await bench.request('LAB001');
      bench.host.logZsvr(asking);
      await bench.world.advance(1_000);
      const drive = await bench.drive();
      bench.hostWire.fail(fault);
      bench.host.logZsvr(satisfied);
      await bench.finish(drive.unload());
      bench.host.logZsvr({ kind: 'dismounted', device: '$TAPE0', volume: 'LAB001' });
      await bench.world.advance(4 * 60_000);
      expect(await waiting(bench)).toEqual([
        "LAB001: waiting for \\LAB to tell of the tape's dismount",
      ]);
      bench.hostWire.heal();
      await bench.world.advance(3 * 60_000);
      expect(await waiting(bench)).toEqual([]);
      expect(await bench.east.catalog.listMounts({ tape: 'LAB001' })).toHaveLength(1);
      expect(bench.east.faults).toEqual([]);
    },
  );

  it('is mounted once the host is heard again where it is open all the same', async () => {
    const bench = await Bench.start();
    await bench.request('LAB001');
    bench.host.logZsvr(asking);
    await bench.world.advance(1_000);
    const drive = await bench.drive();
    bench.hostWire.fail('stall');
    await bench.finish(drive.unload());
    await bench.world.advance(4 * 60_000);
    expect(await openMounts(bench)).toEqual([]);
    bench.hostWire.heal();
    await bench.world.advance(3 * 60_000);
    expect(await openMounts(bench)).toEqual(['LAB001 on VTD01']);
  });
});
