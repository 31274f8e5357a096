/**
 * Goal: what crosses the line is what the target lacks, in the form in which it lies at the source.
 * Method: a tape in a native store on a simulated disk, copied to another over a stream whose bytes are counted.
 */
import { describe, expect, it } from 'vitest';
import { SimulatedDisk, openSimulatedEngine } from '../../../src/platform/engine.ts';
import { generation } from '../../../src/base/units.ts';
import type { CopyReceiver } from '../../../src/ports/copy-receiver.ts';
import type { Engine } from '../../../src/ports/engine.ts';
import { SimulatedRandom } from '../../../harness/world/simulated-random.ts';
import { OFFER, runCopy, writeBlocks } from './copies.ts';
import { duplexPair } from './duplex-pair.ts';

const BLOCK_BYTES = 60_000;
const BLOCK_COUNT = 60;

const open = (): Promise<Engine> =>
  openSimulatedEngine(new SimulatedDisk({ seed: 1, profile: 'any' }), 'store', { mode: 'create' });

/** Bytes that no codec makes shorter. */
function noise(): Uint8Array[] {
  const random = new SimulatedRandom(3);
  return Array.from({ length: BLOCK_COUNT }, () => random.bytes(BLOCK_BYTES));
}

function receiverOf(engine: Engine): CopyReceiver {
  return {
    offer: async (offer) => ({
      kind: 'accept',
      copy: {
        engine,
        commit: async (manifest) => {
          await engine.stageImage('LAB001.NEW', manifest, { generation: offer.generation });
          await engine.sync();
          await engine.publishImage('LAB001.NEW', 'LAB001');
        },
        abandon: async () => {},
      },
    }),
  };
}

/** Copies the version; the bytes that the sender wrote. */
async function copy(source: Engine, target: Engine, version: number): Promise<number> {
  const pair = duplexPair();
  const offer = { ...OFFER, generation: generation(version) };
  const { result, error, log } = await runCopy(source, receiverOf(target), pair, offer);
  expect([error, log, result?.outcome]).toEqual([undefined, [], 'copied']);
  const manifest = await target.exportManifest('LAB001');
  expect(manifest).toEqual(await source.exportManifest('LAB001'));
  expect((await target.verify({})).damages).toEqual([]);
  return pair.bytesWritten().near;
}

describe('a copy between native stores', () => {
  it('of a changed tape costs the change, where the target has the version before', async () => {
    const [source, target, other] = await Promise.all([open(), open(), open()]);
    const blocks = noise();
    await writeBlocks(source, blocks, 1);
    const all = BLOCK_COUNT * BLOCK_BYTES;
    const first = await copy(source, target, 1);
    expect(first).toBeGreaterThan(all);
    expect(first).toBeLessThan(all * 1.01);
    // A byte in every fifth block: what it replaces, which the manifest does not name, is a delta's base.
    const changed = blocks.map((block, index) =>
      index % 5 === 4 ? block.with(9, (block[9] ?? 0) ^ 1) : block,
    );
    await writeBlocks(source, changed, 2);
    expect(await copy(source, target, 2)).toBeLessThan(10_000);
    const { storedBytes } = await target.statistics();
    expect(storedBytes).toBeLessThan(all * 1.02);
    // Whoever does not have the version before gets the blocks themselves.
    const whole = await copy(source, other, 2);
    expect(whole).toBeGreaterThan(all);
    expect(whole).toBeLessThan(all * 1.03);
    for (const engine of [source, target, other]) await engine.close();
  });
});
