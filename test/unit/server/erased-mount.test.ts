import { expect, it } from 'vitest';
import { parseLabel } from '../../../src/tape/labels.ts';
import { Bench, noSpace } from './bench.ts';

it('An erased tape has its label again at its next mount with ring, as a generation of its own', async () => {
  const bench = await Bench.start();
  await bench.backUp(1);
  await bench.east.call('tape.erase', { name: 'LAB001' });
  expect(await bench.east.catalog.findTape('LAB001')).toMatchObject({ generation: 2 });
  await bench.request('LAB001');
  const drive = await bench.drive();
  const read = await bench.finish(drive.readBlock(1_000));
  expect(read.kind === 'block' && parseLabel(read.data)).toMatchObject({ volume: 'LAB001' });
  await bench.unload();
  // The host wrote nothing: what it found is the third generation, and stays so.
  const row = await bench.east.catalog.findTape('LAB001');
  expect(row).toMatchObject({ generation: 3, payloadBytes: 400, erasedAtMs: expect.any(Number) });
  const generations = await bench.east.catalog.listGenerations('LAB001');
  expect(generations.map((each) => each.generation)).toEqual([1, 2, 3]);
  expect(await bench.east.log('221108')).toEqual([
    'Erased cartridge LAB001 in Pool POOL1 labelled again for a mount with ring',
  ]);
  await bench.backUp(7);
  expect(await bench.east.catalog.findTape('LAB001')).toMatchObject({ generation: 4 });
  await bench.east.restart();
  expect(await bench.east.log('820110')).toEqual([]);
});

it('An erased tape is mounted as it is without ring, and where it has no label', async () => {
  const bench = await Bench.start();
  await bench.east.call('tape.create', { name: 'RAW001', pool: 'POOL1', labelType: 'unlabelled' });
  for (const [tape, ring] of [
    ['LAB001', false],
    ['RAW001', true],
  ] as const) {
    await bench.east.call('tape.erase', { name: tape });
    await bench.request(tape, { ring });
    const drive = await bench.drive();
    expect((await bench.finish(drive.readBlock(1_000))).kind).not.toBe('block');
    await bench.unload();
    expect(await bench.east.catalog.findTape(tape)).toMatchObject({ payloadBytes: 0 });
  }
  expect(await bench.east.log('221108')).toEqual([]);
});

it('A pool over its quota is mounted without ring, and with ring once there is room', async () => {
  const bench = await Bench.start();
  await bench.backUp(1, 5_000);
  await bench.east.call('pool.modify', { name: 'POOL1', quotaBytes: 5_000 });
  await bench.request('LAB002');
  const waiting = await bench.east.catalog.listMountRequests();
  expect(waiting.map(({ reason }) => reason)).toEqual([
    'pool POOL1 holds 5800 bytes and may hold 5000',
  ]);
  await bench.request('LAB001', { ring: false });
  await bench.unload();
  expect((await bench.east.catalog.listMounts({ tape: 'LAB001' })).at(-1)?.ring).toBe(false);
  await bench.east.call('tape.erase', { name: 'LAB001' });
  await bench.world.advance(120_000);
  expect(await bench.east.catalog.listMounts({ open: true })).toMatchObject([{ tape: 'LAB002' }]);
});

it('A tape whose erasure finds no room is as it was, and can be mounted', async () => {
  const bench = await Bench.start();
  await bench.backUp(1);
  const { east } = bench;
  east.before = (call) => {
    if (call === 'engine.publishImage') throw noSpace();
  };
  await expect(east.call('tape.erase', { name: 'LAB001' })).rejects.toThrow('is full');
  east.before = () => undefined;
  expect(await east.catalog.findTape('LAB001')).toMatchObject({ generation: 1 });
  expect(await east.catalog.listLocks()).toEqual([]);
  expect((await bench.finish(east.engine.listImages())).map(({ name }) => name)).toEqual([
    'LAB001',
    'LAB002',
  ]);
  await bench.request('LAB001');
  expect(await east.catalog.listMounts({ open: true })).toMatchObject([{ tape: 'LAB001' }]);
});
