import { beforeEach, describe, expect, it } from 'vitest';
import { generation, logicalObjectNumber } from '../../../src/base/units.ts';
import { SimulatedDisk, openSimulatedEngine } from '../../../src/platform/engine.ts';
import type { Engine, VerifyReport } from '../../../src/ports/engine.ts';
import { Sequence } from '../../../src/server/context.ts';
import { repairTape } from '../../../src/server/repair.ts';
import type { RepairParameters, RepairReport } from '../../../src/server/repair.ts';
import type { TapeServices } from '../../../src/server/tapes.ts';
import { FILEMARK, packObjects } from '../../../src/tape/tape-object.ts';
import { Bench } from './bench.ts';

const FILE_COUNT = 8;
const FILE_BYTES = 20_000;

/** Bytes that nothing compresses or repeats; the same for the same number. */
function noise(number: number): Uint8Array {
  let state = number * 1_000_003;
  return Uint8Array.from({ length: FILE_BYTES }, () => {
    state = (state + 0x9e37_79b9) | 0;
    const mixed = Math.imul(state ^ (state >>> 16), 0x21f0_aaad);
    const again = Math.imul(mixed ^ (mixed >>> 15), 0x735a_2d97);
    return (again ^ (again >>> 15)) & 0xff;
  });
}

/** Writes files of one block each, synced one by one, so that each lies in a region of its own. */
async function write(engine: Engine, name: string, numbers: readonly number[]): Promise<void> {
  await engine.createImage(name, { partitionCount: 1 });
  const image = await engine.openImage(name, 'write');
  let at = 0;
  for (const number of numbers) {
    const file = packObjects([{ kind: 'block', data: noise(number) }, FILEMARK]);
    await image.append({ partition: 0, at: logicalObjectNumber(at), ...file });
    at += 2;
    await image.sync({ generation: generation(1) });
  }
  await image.close();
}

const open = (disk: SimulatedDisk, mode: 'create' | 'read' = 'create'): Promise<Engine> =>
  openSimulatedEngine(disk, '/vault', { mode, packBytesMax: 60_000 });

/** Turns a bit over in the middle of the last file. */
function rot(disk: SimulatedDisk, nth = 0): void {
  const packs = disk.files().filter(({ path }) => path.endsWith('.pack'));
  const pack = packs[nth];
  if (pack === undefined) throw new Error('there is such a pack');
  disk.rot({ path: pack.path, offset: 4096 + 10_000, bit: 1 });
}

let disk: SimulatedDisk;
let engine: Engine;
let otherDisk: SimulatedDisk;
let other: Engine;
let busyTapes: Set<string>;
const numbers = Array.from({ length: FILE_COUNT }, (_, index) => index);

beforeEach(async () => {
  disk = new SimulatedDisk({ seed: 1, profile: 'ordered' });
  otherDisk = new SimulatedDisk({ seed: 2, profile: 'ordered' });
  engine = await open(disk);
  other = await open(otherDisk);
  busyTapes = new Set();
  await write(engine, 'LAB001', numbers);
  // Opened anew, so that nothing is in memory.
  await engine.close();
  engine = await open(disk);
});

function services(): TapeServices {
  const engines = new Map([
    ['VAULT00', engine],
    ['VAULT01', other],
  ]);
  const parts: unknown = {
    context: {
      decisions: new Sequence(),
      ports: {
        clock: { nowMs: () => 0 },
        catalog: {
          findTape: async (name: string) =>
            name === 'LAB001' ? { name, vault: 'VAULT00', generation: generation(1) } : undefined,
        },
        openEngine: async (row: { readonly path: string }, mode: string) => {
          expect([row.path, mode]).toEqual(['/mnt/store', 'read']);
          return open(otherDisk, 'read');
        },
      },
    },
    vaults: { engine: (name: string) => engines.get(name) },
    busyTapes,
  };
  return parts as TapeServices;
}

const repair = (more: Partial<RepairParameters> = {}): Promise<RepairReport> =>
  repairTape(services(), { name: 'LAB001', ...more });
const verify = (): Promise<VerifyReport> => engine.verify({});

async function expectWhole(): Promise<void> {
  expect((await verify()).damages).toEqual([]);
  const image = await engine.openImage('LAB001', 'read');
  for (const number of numbers) {
    const at = logicalObjectNumber(number * 2);
    const read = await image.read({
      partition: 0,
      at,
      direction: 'forward',
      countMax: 1,
      bytesMax: FILE_BYTES,
    });
    expect(read.data).toEqual(noise(number));
  }
  await image.close();
}

describe('the repair of a tape', () => {
  it('finds nothing to do where nothing is damaged', async () => {
    expect(await repair({ fromVault: 'VAULT01' })).toMatchObject({
      damagedChunkCount: 0,
      healedChunkCount: 0,
      lackingChunkCount: 0,
      damages: [],
    });
    await expectWhole();
  });

  it('heals from another vault, where the same data has another name and order', async () => {
    await write(other, 'OTHER1', numbers.toReversed());
    rot(disk);
    expect((await verify()).damages).not.toEqual([]);
    const report = await repair({ fromVault: 'VAULT01' });
    expect(report).toMatchObject({ lackingChunkCount: 0, damages: [] });
    expect(report.healedChunkCount).toBeGreaterThan(0);
    expect(report.healedChunkCount).toBe(report.damagedChunkCount);
    await expectWhole();
    await engine.close();
    engine = await open(disk);
    await expectWhole();
    expect((await engine.listImages()).map((image) => image.name)).toEqual(['LAB001']);
  });

  it("heals from a store's folder, beside the server that writes it", async () => {
    await write(other, 'OTHER1', numbers);
    rot(disk);
    const report = await repair({ fromStore: '/mnt/store' });
    expect(report).toMatchObject({ damagedChunkCount: 1, healedChunkCount: 1, damages: [] });
    await expectWhole();
    await other.close();
  });

  it('heals from the same backup written once more', async () => {
    rot(disk);
    expect(await repair()).toMatchObject({ damagedChunkCount: 1, lackingChunkCount: 1 });
    await write(engine, 'LAB002', numbers);
    expect(await repair()).toMatchObject({ lackingChunkCount: 0, damages: [] });
    await expectWhole();
    await engine.removeImage('LAB002');
    await engine.collect({ liveShareMin: 1 });
    await expectWhole();
  });

  it('says what nobody has, keeps it, and goes on with the next source', async () => {
    rot(disk, 0);
    rot(disk, 1);
    const damaged = (await engine.damagedChunks(['LAB001'])).length / 32;
    expect(damaged).toBe(2);
    // Half of it, and of another source the other half; each has damage of its own.
    await write(other, 'OTHER1', numbers.slice(0, 1));
    const first = await repair({ fromVault: 'VAULT01' });
    expect(first).toMatchObject({
      damagedChunkCount: 2,
      healedChunkCount: 1,
      lackingChunkCount: 1,
    });
    expect(first.damages).not.toEqual([]);
    await write(other, 'OTHER2', numbers);
    const second = await repair({ fromVault: 'VAULT01' });
    expect(second).toMatchObject({ damagedChunkCount: 1, healedChunkCount: 1, damages: [] });
    await expectWhole();
  });

  it('takes nothing from a source that is damaged in the same place', async () => {
    await write(other, 'OTHER1', numbers);
    await other.close();
    other = await open(otherDisk);
    rot(disk);
    rot(otherDisk);
    expect(await repair({ fromVault: 'VAULT01' })).toMatchObject({
      healedChunkCount: 0,
      lackingChunkCount: 1,
    });
    expect((await verify()).damages).not.toEqual([]);
  });

  it('is refused for a mounted tape, and for the vault that the tape lies in', async () => {
    await expect(repair({ fromVault: 'VAULT00' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    await expect(repair({ fromVault: 'VAULT01', fromStore: '/x' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    busyTapes.add('LAB001');
    await expect(repair()).rejects.toMatchObject({ code: 'IN_USE' });
    await expect(repair({ name: 'LAB009' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('a copy that rotted', () => {
  it('is sent again by its source, and whole afterwards', async () => {
    const bench = await Bench.start({ copies: true });
    await bench.backUp(1, 200_000);
    await bench.world.advance(1_000);
    const pack = bench.west.disk.files().find(({ path }) => path.endsWith('.pack'));
    if (pack === undefined) throw new Error('there is a pack');
    await bench.west.restart();
    bench.west.disk.rot({ path: pack.path, offset: 4096 + 200, bit: 1 });

    // Nobody knows yet: the same generation is there.
    await bench.east.call('autocopy.repeat', { name: 'LAB001' });
    await bench.world.advance(1_000);
    expect(await bench.job()).toMatchObject({ state: 'copied', bytesSent: expect.any(Number) });
    const outcomes = (): unknown[] =>
      bench.east.events.flatMap((event) => (event.kind === 'copy-finished' ? [event.outcome] : []));
    expect(outcomes()).toEqual(['copied', 'present']);

    expect(await bench.west.call('tape.verify')).not.toMatchObject({ damages: [] });
    await bench.east.call('autocopy.repeat', { name: 'LAB001' });
    await bench.world.advance(1_000);
    expect(outcomes()).toEqual(['copied', 'present', 'copied']);
    expect(await bench.west.call('tape.verify')).toMatchObject({ damages: [] });
    const here = await bench.finish(bench.east.engine.exportManifest('LAB001'));
    expect(await bench.finish(bench.west.engine.exportManifest('LAB001'))).toEqual(here);
    // Whole again, it is not taken once more.
    await bench.east.call('autocopy.repeat', { name: 'LAB001' });
    await bench.world.advance(1_000);
    expect(outcomes()).toEqual(['copied', 'present', 'copied', 'present']);
  });

  it('cannot be repeated where its pool is copied nowhere', async () => {
    const bench = await Bench.start();
    await expect(bench.east.call('autocopy.repeat', { name: 'LAB001' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });
});
