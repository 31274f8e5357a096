import { beforeEach, describe, expect, it } from 'vitest';
import { CapstanError } from '../../../src/base/errors.ts';
import { generation, logicalObjectNumber } from '../../../src/base/units.ts';
import {
  SimulatedCrash,
  SimulatedDisk,
  openSimulatedEngine,
} from '../../../src/platform/engine.ts';
import type { Engine } from '../../../src/ports/engine.ts';
import { collectVault } from '../../../src/server/collect.ts';
import type { ServerEvent } from '../../../src/server/context.ts';
import type { TapeServices } from '../../../src/server/tapes.ts';
import { packObjects } from '../../../src/tape/tape-object.ts';

const TAPE_COUNT = 2;
const BLOCK_COUNT = 24;
const BLOCK_BYTES = 20_000;
const PACK_BYTES_MAX = 50_000;

/** Bytes that nothing compresses or repeats; the same for the same number. */
function noise(number: number): Uint8Array {
  let state = number * 1_000_003;
  return Uint8Array.from({ length: BLOCK_BYTES }, () => {
    state = (state + 0x9e37_79b9) | 0;
    const mixed = Math.imul(state ^ (state >>> 16), 0x21f0_aaad);
    const again = Math.imul(mixed ^ (mixed >>> 15), 0x735a_2d97);
    return (again ^ (again >>> 15)) & 0xff;
  });
}

let disk: SimulatedDisk;
let engine: Engine;
let events: ServerEvent[];
let nowMs: number;
let closed: boolean;

const open = (): Promise<Engine> =>
  openSimulatedEngine(disk, '/vault', { mode: 'create', packBytesMax: PACK_BYTES_MAX });

/** Two tapes, block by block in turn, so that every pack has something of both; then the first goes. */
async function fill(seed: number): Promise<void> {
  disk = new SimulatedDisk({ seed, profile: 'ext4' });
  engine = await open();
  for (let tape = 0; tape < TAPE_COUNT; tape += 1) {
    await engine.createImage(`LAB00${tape}`, { partitionCount: 1 });
  }
  const images = await Promise.all(
    Array.from({ length: TAPE_COUNT }, (_, tape) => engine.openImage(`LAB00${tape}`, 'write')),
  );
  for (let at = 0; at < BLOCK_COUNT; at += 1) {
    for (const [tape, image] of images.entries()) {
      const block = packObjects([{ kind: 'block', data: noise(at * TAPE_COUNT + tape) }]);
      await image.append({ partition: 0, at: logicalObjectNumber(at), ...block });
      await image.sync({ generation: generation(at + 1) });
    }
  }
  for (const image of images) await image.close();
  await engine.removeImage('LAB000');
}

beforeEach(async () => {
  events = [];
  nowMs = 0;
  closed = false;
  await fill(1);
});

function services(rate?: number): TapeServices {
  const parts: unknown = {
    context: {
      settings: { collectRateBytesPerSecond: rate },
      ballasts: { rescue: (work: () => Promise<unknown>) => work(), holdAgain: () => {} },
      emit: (event: ServerEvent) => events.push(event),
      ports: {
        clock: {
          monotonicMs: () => nowMs,
          after: (delayMs: number, callback: () => void) => {
            nowMs += delayMs;
            queueMicrotask(callback);
          },
        },
      },
    },
    vaults: {
      engine: (name: string) => {
        if (closed) throw new CapstanError('NOT_FOUND', { kind: 'vault', name });
        return engine;
      },
    },
  };
  return parts as TapeServices;
}

const parameters = { name: 'VAULT00', liveShare: 0.9 };

async function expectWhole(): Promise<void> {
  expect((await engine.verify({})).damages).toEqual([]);
  const image = await engine.openImage('LAB001', 'read');
  for (let at = 0; at < BLOCK_COUNT; at += 1) {
    const call = { partition: 0, at: logicalObjectNumber(at), countMax: 1, bytesMax: BLOCK_BYTES };
    const { data } = await image.read({ ...call, direction: 'forward' });
    expect(data).toEqual(noise(at * TAPE_COUNT + 1));
  }
  await image.close();
}

describe('the collection of a vault', () => {
  it('gives back what nothing refers to, and says how much, step by step', async () => {
    const before = (await engine.statistics()).storedBytes;
    const report = await collectVault(services(), parameters);
    expect(report.name).toBe('VAULT00');
    expect(report.packsRemoved).toBeGreaterThan(10);
    const { storedBytes } = await engine.statistics();
    // Every other block went; what stays is padded at each sync, as it was.
    expect(storedBytes).toBeLessThan(before * 0.6);
    expect(report.freedBytes - report.copiedBytes).toBeGreaterThanOrEqual(before - storedBytes);
    expect(events.length).toBeGreaterThan(1);
    const { name: vault, ...totals } = report;
    expect(events.at(-1)).toEqual({ kind: 'collect-progress', vault, ...totals });
    expect(nowMs).toBe(0);
    await expectWhole();
  });

  it('keeps to a rate, on average, of the call or of the settings', async () => {
    const rate = 10_000;
    const { copiedBytes } = await collectVault(services(rate), parameters);
    const lastPackBytes = PACK_BYTES_MAX;
    expect(nowMs).toBeGreaterThan(((copiedBytes - lastPackBytes) / rate) * 1000);
    expect(nowMs).toBeLessThanOrEqual(Math.ceil((copiedBytes / rate) * 1000));
    await expectWhole();
  });

  it('takes the rate of the call before that of the settings', async () => {
    await collectVault(services(1), { ...parameters, rateBytesPerSecond: 1_000_000_000 });
    expect(nowMs).toBeLessThan(10);
  });

  it('takes nothing of a copy that comes in meanwhile, however many steps it makes', async () => {
    const { digests } = await engine.readManifest(await engine.exportManifest('LAB001'));
    await engine.lackingChunks(digests);
    await engine.removeImage('LAB001');
    const { packsRemoved } = await collectVault(services(1_000_000), parameters);
    expect(packsRemoved).toBeGreaterThan(10);
    expect((await engine.lackingChunks(digests)).every((lacking) => lacking === 0)).toBe(true);
  });

  it('goes on where it was after its process was killed, and loses nothing', async () => {
    const whole = await collectVault(services(), parameters);
    for (const [operations, packsDone] of [
      [2, 0],
      [20, 1],
      [45, 3],
    ] as const) {
      await fill(operations);
      disk.crashAtOperation(operations);
      await expect(collectVault(services(1_000_000), parameters)).rejects.toBeInstanceOf(
        SimulatedCrash,
      );
      disk.powerCut();
      disk.restart();
      engine = await open();
      await expectWhole();
      const rest = await collectVault(services(), parameters);
      expect(rest.packsRemoved).toBeLessThanOrEqual(whole.packsRemoved - packsDone);
      await expectWhole();
      const again = await collectVault(services(), parameters);
      expect(again.packsRemoved).toBe(0);
    }
  });

  it('ends where the server stops during a pause', async () => {
    const running = services(1000);
    const collection = collectVault(running, parameters);
    closed = true;
    await expect(collection).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
