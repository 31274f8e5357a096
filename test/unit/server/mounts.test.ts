import { describe, expect, it } from 'vitest';
import { sleep } from '../../../src/ports/clock.ts';
import { Bench, NODE, noSpace, openMounts, waiting } from './bench.ts';
import { requestOf } from './requests.ts';

const secondDrive = { name: 'VTD02', host: NODE, device: '$TAPE1' };

describe('a mount request', () => {
  it('is satisfied on the device that it names', async () => {
    const bench = await Bench.start();
    await bench.east.call('drive.create', secondDrive);
    await bench.request('LAB001', { device: '$TAPE1' });
    expect(await openMounts(bench)).toEqual(['LAB001 on VTD02']);
    const [mount] = await bench.east.catalog.listMounts({ open: true });
    expect(mount).toMatchObject({ host: NODE, requestNumber: 101, state: 'open' });
    expect(await bench.east.log('220101')).toEqual([
      'Cartridge LAB001 for read-write has been mounted on VTD02 for \\LAB $TAPE1, request 101',
    ]);
    expect(bench.east.events.filter((event) => event.kind === 'mounted')).toHaveLength(1);
  });

  it('that names no device is satisfied on the first free drive of that host', async () => {
    const bench = await Bench.start();
    await bench.east.call('drive.create', secondDrive);
    await bench.east.call('drive.create', { name: 'A', host: '\\OTHER', device: '$TAPE0' });
    await bench.request('LAB001');
    await bench.request('LAB002');
    expect(await openMounts(bench)).toEqual(['LAB001 on VTD01', 'LAB002 on VTD02']);
  });

  it('for an unknown volume leaves nothing behind', async () => {
    const bench = await Bench.start();
    const logged = await bench.east.log();
    await bench.request('LAB009');
    expect(await openMounts(bench)).toEqual([]);
    expect(await waiting(bench)).toEqual([]);
    expect(await bench.east.log()).toEqual(logged);
    expect(bench.east.faults).toEqual([]);
  });

  it('for a scratch tape, an unlabelled one or any is left open, and told to the operator', async () => {
    const bench = await Bench.start();
    await bench.log({ kind: 'scratch-request', requestNumber: 1, labelType: 'ansi', ring: true });
    await bench.log({ kind: 'unlabelled-request', requestNumber: 2, device: '$TAPE0' });
    await bench.log({ kind: 'bypass-request', requestNumber: 3, device: '$TAPE0' });
    expect(await openMounts(bench)).toEqual([]);
    expect(await waiting(bench)).toEqual([]);
    expect(await bench.east.log('220108')).toEqual([
      'Request 1 of \\LAB for a scratch tape is left to the operator',
      'Request 2 of \\LAB for no label on $TAPE0 is left to the operator',
      'Request 3 of \\LAB for any tape on $TAPE0 is left to the operator',
    ]);
    expect(bench.east.events.filter((event) => event.kind === 'ems-line')).toHaveLength(3);
  });

  it('for a tape in a vault that the host may not mount leaves nothing behind', async () => {
    const bench = await Bench.start({ host: { vaults: ['VAULT09'] } });
    await bench.request('LAB001');
    expect(await openMounts(bench)).toEqual([]);
    expect(await waiting(bench)).toEqual([]);
  });

  it('waits with its reason, which the event log has once', async () => {
    const bench = await Bench.start();
    await bench.request('LAB001', { device: '$TAPE7' });
    await bench.request('LAB001');
    await bench.request('LAB001');
    await bench.request('LAB002');
    expect(await openMounts(bench)).toEqual(['LAB001 on VTD01']);
    expect(await waiting(bench)).toEqual([
      'LAB001: tape in use on VTD01',
      'LAB001: tape in use on VTD01',
      'LAB002: waiting for a drive',
    ]);
    expect(await bench.east.log('220104')).toEqual([
      'Request 101 of \\LAB for cartridge LAB001 waits: no drive is connected as $TAPE7',
      'Request 103 of \\LAB for cartridge LAB001 waits: tape in use on VTD01',
      'Request 104 of \\LAB for cartridge LAB002 waits: waiting for a drive',
    ]);
  });

  it('is looked at again on each dismount, those that came first first', async () => {
    const bench = await Bench.start();
    await bench.request('LAB001');
    await bench.request('LAB002');
    await bench.world.advance(5_000);
    await bench.request('LAB001', { ring: false });
    // A second telling of the older one does not put it behind the other.
    await bench.log(requestOf('LAB002', 102));
    await bench.unload();
    expect(await openMounts(bench)).toEqual(['LAB002 on VTD01']);
    expect(await waiting(bench)).toEqual(['LAB001: waiting for a drive']);
    await bench.world.advance(1_000);
    await bench.unload();
    expect(await openMounts(bench)).toEqual(['LAB001 on VTD01 no ring']);
    expect(await waiting(bench)).toEqual([]);
  });

  it('that comes while another waits for the same drive is served after it', async () => {
    const bench = await Bench.start();
    await bench.request('LAB001');
    await bench.request('LAB002');
    // It is heard while the dismount is being recorded, before anybody looks at the queue again.
    bench.east.before = async (call) => {
      if (call !== 'catalog.recordDismount') return;
      bench.host.logZsvr(requestOf('LAB001', 900, { ring: false }));
      await sleep(bench.world.clock, 2_000);
    };
    await bench.unload();
    expect(await openMounts(bench)).toEqual(['LAB002 on VTD01']);
    expect(await waiting(bench)).toEqual(['LAB001: waiting for a drive']);
  });

  it('is served as soon as the drive that it waits for is made', async () => {
    const bench = await Bench.start();
    await bench.request('LAB001', { device: '$TAPE1' });
    expect(await waiting(bench)).toEqual(['LAB001: no drive is connected as $TAPE1']);
    await bench.east.call('drive.create', secondDrive);
    await bench.world.advance(0);
    expect(await openMounts(bench)).toEqual(['LAB001 on VTD02']);
  });

  it.each([
    ['request-cancelled', 'the host cancelled it'],
    ['request-rejected', 'the operator rejected it'],
    ['mounted', 'it was mounted'],
  ] as const)('that waits ends with the event %s', async (kind, reason) => {
    const bench = await Bench.start();
    await bench.request('LAB001');
    const requestNumber = await bench.request('LAB002');
    await bench.log({ kind, requestNumber, volume: 'LAB002' });
    expect(await waiting(bench)).toEqual([]);
    expect(await bench.east.log('220105')).toEqual([
      `Request 102 of \\LAB for cartridge LAB002 has ended: ${reason}`,
    ]);
    await bench.unload();
    expect(await openMounts(bench)).toEqual([]);
  });

  it('told twice is mounted once', async () => {
    const bench = await Bench.start();
    await bench.east.call('drive.create', secondDrive);
    const event = requestOf('LAB001', 7);
    await bench.log(event);
    await bench.log(event);
    expect(await openMounts(bench)).toEqual(['LAB001 on VTD01']);
    expect(await waiting(bench)).toEqual([]);
  });

  it('whose tape cannot be opened waits, logged once, and holds up nobody', async () => {
    const bench = await Bench.start();
    await bench.finish(bench.east.engine.removeImage('LAB001'));
    await bench.request('LAB001');
    expect(await openMounts(bench)).toEqual([]);
    await bench.request('LAB002');
    await bench.unload();
    expect(await bench.east.log('620106')).toHaveLength(1);
    expect(await waiting(bench)).toEqual([expect.stringMatching(/^LAB001: the mount failed: /)]);
    // The tape is not taken for busy: it can be deleted.
    await bench.east.call('tape.delete', { name: 'LAB001' });
    expect(await waiting(bench)).toEqual([]);
  });

  it('that the catalog cannot record is not mounted and leaves drive and tape free', async () => {
    const bench = await Bench.start();
    bench.east.before = (call) => {
      if (call === 'catalog.recordMount') throw noSpace();
    };
    await bench.request('LAB001');
    bench.east.before = () => undefined;
    expect(await openMounts(bench)).toEqual([]);
    await bench.request('LAB002');
    expect(await openMounts(bench)).toEqual(['LAB001 on VTD01']);
  });
});

describe('a mount', () => {
  it('without ring is protected, and changes and queues nothing', async () => {
    const bench = await Bench.start({ copies: true });
    await bench.request('LAB001', { ring: false });
    const drive = await bench.drive();
    const outcome = await bench.finish(drive.writeBlock(new Uint8Array(10)));
    expect(outcome).toMatchObject({ kind: 'sense', sense: { key: 7, asc: 0x27, ascq: 0 } });
    await bench.unload();
    await bench.world.advance(10_000);
    expect(await bench.east.catalog.listCopyJobs()).toEqual([]);
    expect(bench.east.attemptsMs).toEqual([]);
    expect(await bench.east.catalog.findTape('LAB001')).toMatchObject({ generation: 0 });
    expect(await bench.east.log('220101')).toEqual([expect.stringContaining('for read-only')]);
  });

  it('with ring that changed the tape makes the next generation, one that did not none', async () => {
    const bench = await Bench.start();
    await bench.backUp(1);
    expect(await bench.east.catalog.findTape('LAB001')).toMatchObject({ generation: 1 });
    await bench.request('LAB001');
    await bench.unload();
    expect(await bench.east.catalog.findTape('LAB001')).toMatchObject({ generation: 1 });
    await bench.backUp(2);
    const generations = await bench.east.catalog.listGenerations('LAB001');
    expect(generations.map((row) => row.generation)).toEqual([1, 2]);
    expect(generations.map((row) => row.origin)).toEqual([NODE, NODE]);
    expect(new Set(generations.map((row) => row.manifestDigest)).size).toBe(2);
    expect(await bench.east.log('220102')).toEqual([
      'Cartridge LAB001 has been dismounted from VTD01, generation 1',
      'Cartridge LAB001 has been dismounted from VTD01, generation 1',
      'Cartridge LAB001 has been dismounted from VTD01, generation 2',
    ]);
  });

  it('is recorded as dismounted together with the copy that it owes', async () => {
    const bench = await Bench.start({ copies: true });
    const records: unknown[] = [];
    bench.east.before = (call, [record]) => {
      if (call === 'catalog.recordDismount') records.push(record);
    };
    await bench.backUp(1);
    expect(records).toEqual([
      expect.objectContaining({
        state: 'dismounted',
        queueRuleIds: [1],
        content: expect.objectContaining({ generation: 1 }),
      }),
    ]);
  });

  it('queues a copy although nothing was changed, because a ring mount counts as one', async () => {
    const bench = await Bench.start({ copies: true });
    await bench.request('LAB001');
    await bench.unload();
    expect(await bench.job()).toMatchObject({ generation: 0 });
  });

  it('never uses a generation twice where its image went back', async () => {
    const bench = await Bench.start();
    await bench.backUp(1);
    await bench.backUp(2);
    const image = await bench.finish(bench.east.engine.openImage('LAB001', 'write'));
    await bench.finish(image.sync({ generation: 0 as never }));
    await bench.finish(image.close());
    await bench.backUp(3);
    expect(await bench.east.catalog.findTape('LAB001')).toMatchObject({ generation: 3 });
  });

  it('that the host did not end is ended by a stop, its tape synced and not copied', async () => {
    const bench = await Bench.start({ copies: true });
    await bench.request('LAB001');
    await bench.write(1);
    const drive = await bench.drive();
    await bench.finish(drive.writeBlock(new Uint8Array(100).fill(2)));
    await bench.east.stop();
    expect(await openMounts(bench)).toEqual([]);
    const [mount] = await bench.east.catalog.listMounts({ tape: 'LAB001' });
    expect(mount).toMatchObject({ state: 'interrupted' });
    expect(await bench.east.log('420103')).toEqual([
      'Mount of cartridge LAB001 on VTD01 was interrupted; it queues no copy',
    ]);
    const row = await bench.east.catalog.findTape('LAB001');
    expect(row).toMatchObject({ generation: 1 });
    await bench.east.restart();
    await bench.world.advance(10_000);
    expect(await bench.east.catalog.listCopyJobs()).toEqual([]);
    // The label, and both blocks: also the one that was only in the drive's buffer.
    expect(row?.payloadBytes).toBe(5 * 80 + 1_000 + 100);
  });

  it('ends in order where the server stops in the middle of an UNLOAD', async () => {
    const bench = await Bench.start();
    bench.east.watchImages(async (method, call) => {
      if (method === 'sync') await sleep(bench.world.clock, 5_000);
      return call();
    });
    await bench.request('LAB001');
    const drive = await bench.drive();
    await bench.finish(drive.writeBlock(new Uint8Array(100).fill(1)));
    const unloading = drive.unload();
    await bench.world.advance(100);
    await bench.east.stop();
    expect((await bench.finish(unloading)).kind).toBe('done');
    const [mount] = await bench.east.catalog.listMounts({ tape: 'LAB001' });
    expect(mount).toMatchObject({ state: 'dismounted' });
    expect(bench.east.faults).toEqual([]);
  });
});
