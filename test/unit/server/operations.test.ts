import { beforeEach, describe, expect, it } from 'vitest';
import { isCapstanError } from '../../../src/base/errors.ts';
import type { CapstanError } from '../../../src/base/errors.ts';
import { sleep } from '../../../src/ports/clock.ts';
import type { VerifyReport } from '../../../src/ports/engine.ts';
import { parseLabel } from '../../../src/tape/labels.ts';
import { OPERATIONS } from '../../../src/server/operations.ts';
import { Bench, NODE, TARGET, noSpace } from './bench.ts';

let bench: Bench;

beforeEach(async () => {
  bench = await Bench.start();
});

const call = (name: string, parameters?: object): Promise<unknown> =>
  bench.east.call(name, parameters);

/** The error's sentence. */
async function refusal(name: string, parameters: unknown): Promise<CapstanError> {
  try {
    await bench.finish(bench.east.server.operations.call(name, parameters));
  } catch (error) {
    if (isCapstanError(error)) return error;
    throw error;
  }
  throw new Error(`${name} is refused`);
}

describe('wrong parameters', () => {
  it.each(Object.keys(OPERATIONS))('of %s are refused in one sentence', async (name) => {
    for (const parameters of [
      { 'no\nsuch. thing': 1 },
      { name: 5, id: 'x', pool: {}, limit: -1, target: 7 },
      'text',
      [1],
      17,
    ]) {
      const error = await refusal(name, parameters);
      expect(error.code).toBe('INVALID_ARGUMENT');
      expect(error.message).toMatch(/^[^\n]{1,300} is refused: [^\n]{1,400}\.$/);
      expect(error.message).toContain(name);
    }
  });

  it('of long names and keys stay short', async () => {
    const long = 'x'.repeat(100_000);
    expect((await refusal('tape.show', { name: long })).message.length).toBeLessThan(300);
    expect((await refusal('tape.show', { [long]: 1 })).message.length).toBeLessThan(400);
    expect((await refusal(long, {})).message.length).toBeLessThan(200);
  });

  it('name the place that is wrong', async () => {
    const { message } = await refusal('autocopy.create', {
      pool: 'POOL1',
      targetPool: 'DR',
      target: { ...TARGET, port: 70_000 },
    });
    expect(message).toMatch(/^target\.port of autocopy\.create is refused: /);
  });

  it.each([
    ['vault.create', { name: 'a/b', path: '/x' }, 'vault', 'a/b'],
    ['pool.create', { name: '../P', vault: 'VAULT00' }, 'pool', '../P'],
    ['pool.create', { name: 'P', vault: '' }, 'vault', ''],
    ['pool.show', { name: "x'; DROP" }, 'pool', "x'; DROP"],
    ['tape.create', { name: 'LAB0001', pool: 'POOL1' }, 'tape', 'LAB0001'],
    ['tape.create', { name: 'LAB009', pool: 'pool' }, 'pool', 'pool'],
    ['tape.list', { pool: '*' }, 'pool', '*'],
    ['tape.show', { name: 'lab001' }, 'tape', 'lab001'],
    ['tape.delete', { name: 'LAB001.INCOMING' }, 'tape', 'LAB001.INCOMING'],
    ['tape.verify', { name: '..' }, 'tape', '..'],
    ['drive.create', { name: 'd', host: NODE, device: '$TAPE9' }, 'drive', 'd'],
    ['drive.create', { name: 'D', host: 'LAB', device: '$TAPE9' }, 'host', 'LAB'],
    ['drive.create', { name: 'D', host: NODE, device: 'TAPE9' }, 'device', 'TAPE9'],
    ['drive.delete', { name: '$' }, 'drive', '$'],
    ['autocopy.create', { pool: 'POOL1', target: TARGET, targetPool: 'd r' }, 'pool', 'd r'],
    [
      'autocopy.create',
      { pool: 'POOL1', target: { ...TARGET, server: 'w|st' }, targetPool: 'DR' },
      'server',
      'w|st',
    ],
  ])('%s refuses by name what is outside the pattern: %o', async (name, parameters, kind, bad) => {
    const error = await refusal(name, parameters);
    expect(error).toMatchObject({ code: 'NAME_INVALID', fields: { kind } });
    expect(error.message).toContain(`The ${kind} name ${JSON.stringify(bad)} is refused`);
  });

  it.each([
    ['vault.show', { name: 'V' }, 'No vault is named V.'],
    ['pool.create', { name: 'P', vault: 'V' }, 'No vault is named V.'],
    ['pool.show', { name: 'P' }, 'No pool is named P.'],
    ['tape.create', { name: 'LAB009', pool: 'P' }, 'No pool is named P.'],
    ['tape.list', { pool: 'P' }, 'No pool is named P.'],
    ['tape.show', { name: 'LAB009' }, 'No tape is named LAB009.'],
    ['tape.delete', { name: 'LAB009' }, 'No tape is named LAB009.'],
    ['tape.verify', { name: 'LAB009' }, 'No tape is named LAB009.'],
    ['drive.show', { name: 'D' }, 'No drive is named D.'],
    ['drive.delete', { name: 'D' }, 'No drive is named D.'],
    ['autocopy.create', { pool: 'P', target: TARGET, targetPool: 'DR' }, 'No pool is named P.'],
    ['autocopy.show', { id: 7 }, 'No AutoCopy rule is named 7.'],
    ['autocopy.delete', { id: 7 }, 'No AutoCopy rule is named 7.'],
  ])('%s says what is not there: %o', async (name, parameters, sentence) => {
    expect((await refusal(name, parameters)).message).toBe(sentence);
  });

  it('name an operation that there is none of', async () => {
    for (const name of ['tape.burn', 'constructor', '__proto__']) {
      expect((await refusal(name, {})).message).toContain(`The operation "${name}" is refused`);
    }
  });
});

describe('tape.create', () => {
  it.each(['ansi', 'backup', 'unlabelled'] as const)('makes an %s tape', async (labelType) => {
    await call('tape.create', { name: 'NEW001', pool: 'POOL1', labelType, capacityBytes: 5_000 });
    const shown = await call('tape.show', { name: 'NEW001' });
    expect(shown).toMatchObject({
      labelType,
      capacityBytes: 5_000,
      generation: 0,
      pool: 'POOL1',
      vault: 'VAULT00',
      payloadBytes: labelType === 'unlabelled' ? 0 : 400,
      copies: [],
      generations: [],
    });
    expect(await bench.east.log('221101')).toContain('Cartridge NEW001 created in Pool POOL1');
    await bench.request('NEW001');
    const read = await bench.finish((await bench.drive()).readBlock(80));
    const label = read.kind === 'block' ? parseLabel(read.data) : read;
    expect(label).toMatchObject(
      labelType === 'unlabelled'
        ? { kind: 'end-of-data' }
        : { kind: 'VOL1', volume: 'NEW001', type: labelType.toUpperCase() },
    );
  });

  it('is refused where the name is taken, also by a tape that is being made', async () => {
    const { message } = await refusal('tape.create', { name: 'LAB001', pool: 'POOL1' });
    expect(message).toBe('A tape named LAB001 exists already in pool POOL1.');
    const { operations } = bench.east.server;
    let delayMs = 1_000;
    bench.east.before = (what) => {
      if (what !== 'catalog.createTape') return undefined;
      const delay = sleep(bench.world.clock, delayMs);
      delayMs = 0;
      return delay;
    };
    const create = (): Promise<unknown> =>
      operations.call('tape.create', { name: 'NEW001', pool: 'POOL1' });
    const first = create();
    await bench.world.advance(500);
    const results = await bench.finish(Promise.allSettled([first, create()]));
    expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected']);
    expect(results[1]).toMatchObject({ reason: { code: 'ALREADY_EXISTS' } });
    await bench.request('NEW001');
    expect(await bench.east.call('tape.verify')).toMatchObject({ damages: [] });
  });

  it('that a crash broke off leaves nothing, and can be done again', async () => {
    bench.east.before = (what) => (what === 'catalog.createTape' ? bench.east.die() : undefined);
    void bench.east.server.operations.call('tape.create', { name: 'NEW001', pool: 'POOL1' });
    await bench.world.advance(0);
    await bench.east.restart();
    expect(await bench.east.catalog.findTape('NEW001')).toBeUndefined();
    const images = await bench.finish(bench.east.engine.listImages());
    expect(images.map((image) => image.name)).not.toContain('NEW001');
    await call('tape.create', { name: 'NEW001', pool: 'POOL1', labelType: 'unlabelled' });
    const info = await bench.finish(bench.east.engine.listImages());
    expect(info.find((image) => image.name === 'NEW001')?.partitions[0]?.objectCount).toBe(0);
  });
});

describe('tape.delete', () => {
  it('removes row and image, with an entry', async () => {
    await call('tape.delete', { name: 'LAB001' });
    expect(await call('tape.list', { pool: 'POOL1' })).toEqual([
      expect.objectContaining({ name: 'LAB002' }),
    ]);
    const images = await bench.finish(bench.east.engine.listImages());
    expect(images.map((image) => image.name)).toEqual(['LAB002']);
    expect(await bench.east.log('421102')).toEqual(['Cartridge LAB001 deleted from Pool POOL1']);
  });

  it('is refused while the tape is mounted', async () => {
    await bench.request('LAB001');
    const { message } = await refusal('tape.delete', { name: 'LAB001' });
    expect(message).toBe('The tape LAB001 is in use: it is mounted.');
    await bench.write(1);
    await bench.unload();
    await call('tape.delete', { name: 'LAB001' });
  });

  it('that the catalog refuses leaves the tape as it was', async () => {
    bench.east.before = (what) => {
      if (what === 'catalog.deleteTape') throw noSpace();
    };
    expect((await refusal('tape.delete', { name: 'LAB001' })).code).toBe('NO_SPACE');
    bench.east.before = () => undefined;
    await bench.backUp(1);
    expect(await bench.east.log('421102')).toEqual([]);
  });
});

describe('tape.verify', () => {
  it('finds nothing wrong with what is well, and says how much it read', async () => {
    await bench.backUp(1, 200_000);
    const report = await call('tape.verify');
    expect(report).toMatchObject({ imageCount: 2, damages: [] });
    expect(report).toMatchObject({ bytesRead: expect.any(Number) });
    expect(await call('tape.verify', { name: 'LAB001' })).toMatchObject({ imageCount: 1 });
  });

  it('names the place of data that rotted', async () => {
    await bench.backUp(1, 200_000);
    const pack = bench.east.disk.files().find(({ path }) => path.includes('/packs/'));
    if (pack === undefined) throw new Error('there is a pack');
    // What a sync wrote ends at a multiple of 4096: the last region is the backup's.
    bench.east.disk.rot({ path: pack.path, offset: pack.sizeBytes - 4096 + 100, bit: 1 });
    await bench.east.restart();
    for (const parameters of [{}, { name: 'LAB001' }]) {
      const { damages } = (await call('tape.verify', parameters)) as VerifyReport;
      expect(damages.length).toBeGreaterThan(0);
      for (const { place } of damages) expect(place).toMatch(/packs\/00000001\.pack at \d+$/);
      expect(damages.some(({ what }) => what.includes('image LAB001'))).toBe(true);
    }
  });

  it('names an image that rotted, once, and one that is missing', async () => {
    const image = bench.east.disk.files().find(({ path }) => path.endsWith('/images/LAB001'));
    if (image === undefined) throw new Error('there is an image');
    bench.east.disk.rot({ path: image.path, offset: image.sizeBytes >> 1, bit: 1 });
    await bench.finish(bench.east.engine.removeImage('LAB002'));
    await bench.east.restart();
    const places = (report: unknown): string[] =>
      (report as VerifyReport).damages.map((damage) => damage.place);
    expect(places(await call('tape.verify'))).toEqual([
      expect.stringMatching(/^VAULT00: images\/LAB001/),
      'VAULT00: images/LAB002',
    ]);
    expect(places(await call('tape.verify', { name: 'LAB002' }))).toEqual(['images/LAB002']);
  });
});

describe('drives', () => {
  it('have a serial number each, and their own device', async () => {
    const made = await call('drive.create', { name: 'VTD02', host: NODE, device: '$TAPE1' });
    expect(made).toMatchObject({ serialNumber: 'VTD00000002' });
    const twice = { name: 'VTD03', host: NODE, device: '$TAPE1' };
    expect((await refusal('drive.create', twice)).code).toBe('ALREADY_EXISTS');
    const drive = await bench.drive('VTD02');
    expect(await bench.finish(drive.serialNumber())).toMatchObject({ value: 'VTD00000002' });
  });

  it('show the tape that is in them', async () => {
    await bench.request('LAB001');
    expect(await call('drive.show', { name: 'VTD01' })).toMatchObject({ tape: 'LAB001' });
    await bench.unload();
    expect(await call('drive.list')).toEqual([
      { name: 'VTD01', host: NODE, device: '$TAPE0', serialNumber: 'VTD00000001' },
    ]);
  });

  it('are not deleted with a tape in them', async () => {
    await bench.request('LAB001');
    expect((await refusal('drive.delete', { name: 'VTD01' })).code).toBe('IN_USE');
    await bench.write(1);
    await bench.unload();
    expect(await call('drive.delete', { name: 'VTD01' })).toEqual({ name: 'VTD01' });
    expect(() => bench.east.server.driveTransport('VTD01')).toThrow('No drive is named VTD01.');
  });
});

describe('the rest', () => {
  it('lists pools, mounts and requests', async () => {
    await bench.request('LAB001');
    await bench.request('LAB002');
    expect(await call('mount.list')).toMatchObject({
      mounts: [{ tape: 'LAB001', drive: 'VTD01' }],
      requests: [{ tape: 'LAB002', reason: 'waiting for a drive' }],
    });
    expect(await call('pool.show', { name: 'POOL1' })).toMatchObject({ tapeCount: 2 });
    expect(await call('server.status')).toMatchObject({
      name: 'east',
      tapeCount: 2,
      openMountCount: 1,
      waitingRequestCount: 1,
      dueCopyCount: 0,
    });
  });

  it('keeps one AutoCopy rule a pool and target, and none to itself', async () => {
    const rule = { pool: 'POOL1', target: TARGET, targetPool: 'DR' };
    const made = await call('autocopy.create', rule);
    expect(made).toEqual({ id: 1, ...rule });
    expect((await refusal('autocopy.create', rule)).code).toBe('ALREADY_EXISTS');
    const own = { ...rule, target: { ...TARGET, server: 'east' } };
    expect((await refusal('autocopy.create', own)).message).toBe(
      'The target east is refused: a server does not copy tapes to itself.',
    );
    expect(await call('autocopy.show', { id: 1 })).toEqual(made);
    expect(await call('autocopy.delete', { id: 1 })).toEqual({ id: 1 });
    expect(await call('autocopy.list')).toEqual([]);
  });

  it('lists events behind one, or the newest', async () => {
    const newest = (await call('events.list', { limit: 2 })) as { id: number }[];
    expect(newest).toHaveLength(2);
    const [first] = newest;
    expect(await call('events.list', { afterId: first?.id })).toEqual(newest.slice(1));
  });
});
