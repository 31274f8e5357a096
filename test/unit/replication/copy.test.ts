import { beforeAll, describe, expect, it } from 'vitest';
import { CapstanError } from '../../../src/base/errors.ts';
import { generation } from '../../../src/base/units.ts';
import { EngineModel } from '../../../harness/model/engine-model.ts';
import { ModelStore } from '../../../harness/model/model-store.ts';
import { OFFER, STALL_TIMEOUT_MS, TargetServer, runCopy, writeTape } from './copies.ts';
import type { CopyRun } from './copies.ts';
import { duplexPair } from './duplex-pair.ts';

/** Small enough that a fault can be put at each byte of a copy. */
const SMALL = { count: 6, sizeBytes: 20 };

const source = new EngineModel(new ModelStore());
let manifest: Uint8Array;
/** Bytes that each side writes in a copy without faults. */
let bytes: { readonly near: number; readonly far: number };

beforeAll(async () => {
  await writeTape(source, SMALL.count, SMALL.sizeBytes);
  manifest = await source.exportManifest('LAB001');
  const pair = duplexPair();
  await runCopy(source, new TargetServer(), pair);
  bytes = pair.bytesWritten();
});

/** The copy is whole where it was committed, and else not there; success was only told of a whole one. */
async function expectWholeOrNothing(target: TargetServer, run: CopyRun): Promise<void> {
  const names = (await target.engine.listImages()).map((image) => image.name);
  // Exactly one of both: a result that says 'copied', or an operating error.
  expect([run.result?.outcome === 'copied', run.error instanceof CapstanError]).toEqual([
    run.error === undefined,
    run.result === undefined,
  ]);
  expect(target.committed + target.abandoned).toBe(target.offers.length);
  expect(names).toEqual(target.committed === 1 ? ['LAB001'] : []);
  expect(names.length).toBeGreaterThanOrEqual(run.result === undefined ? 0 : 1);
  if (names.length === 0) return;
  expect(await target.engine.exportManifest('LAB001')).toEqual(manifest);
  expect((await target.engine.verify({})).damages).toEqual([]);
}

describe('a copy', () => {
  it('arrives whole, and its result counts what went over', async () => {
    const target = new TargetServer();
    const pair = duplexPair();
    const run = await runCopy(source, target, pair);
    expect(run.error).toBeUndefined();
    expect(run.result).toMatchObject({ outcome: 'copied', chunkCount: 6, chunksSent: 6 });
    expect(run.result?.bytesSent).toBeLessThanOrEqual(pair.bytesWritten().near);
    expect(run.log).toEqual([]);
    expect(target.offers[0]).toMatchObject({ sourceServer: 'east', tape: 'LAB001', pool: 'DR' });
    await expectWholeOrNothing(target, run);
  });

  it('of several megabytes goes in many frames and over a stream of small pieces', async () => {
    const large = new EngineModel(new ModelStore());
    await writeTape(large, 200, 50_000);
    const target = new TargetServer();
    const run = await runCopy(large, target, duplexPair({ near: { pieceBytesMax: 1000 } }));
    expect(run.result).toMatchObject({ outcome: 'copied', chunksSent: 200 });
    expect(await target.engine.exportManifest('LAB001')).toEqual(
      await large.exportManifest('LAB001'),
    );
  });

  it('sends only the chunks that the target lacks', async () => {
    const target = new TargetServer();
    target.engine.addChunk(new Uint8Array(SMALL.sizeBytes).fill(2));
    target.engine.addChunk(new Uint8Array(SMALL.sizeBytes).fill(5));
    const run = await runCopy(source, target);
    expect(run.result).toMatchObject({ outcome: 'copied', chunkCount: 6, chunksSent: 4 });
    await expectWholeOrNothing(target, run);
  });

  it('of an empty tape needs no chunks', async () => {
    const empty = new EngineModel(new ModelStore());
    await empty.createImage('LAB001', { partitionCount: 1 });
    const run = await runCopy(empty, new TargetServer());
    expect(run.result).toMatchObject({ outcome: 'copied', chunkCount: 0, chunksSent: 0 });
  });

  it('of a version that is there is acknowledged without sending it', async () => {
    const target = new TargetServer();
    await runCopy(source, target);
    const run = await runCopy(source, target);
    expect(run.result).toMatchObject({ outcome: 'present', chunksSent: 0 });
    expect(target.committed).toBe(1);
  });

  it('of an older version than the target has is acknowledged as stale', async () => {
    const target = new TargetServer();
    await runCopy(source, target);
    const offer = { ...OFFER, generation: generation(2) };
    const run = await runCopy(source, target, duplexPair(), offer);
    expect(run.result).toMatchObject({ outcome: 'stale', chunksSent: 0 });
    expect(target.committed).toBe(1);
  });
});

describe('a copy that the target refuses', () => {
  it('at the offer is rejected with the reason', async () => {
    const target = new TargetServer();
    target.answer = { kind: 'refuse', reason: 'tape LAB001 exists in pool DAILY' };
    const { error, log } = await runCopy(source, target);
    expect(error).toMatchObject({
      code: 'COPY_REFUSED',
      message: 'west refuses tape LAB001: tape LAB001 exists in pool DAILY.',
    });
    expect(log).toHaveLength(1);
  });

  it('for lack of space in the middle is rejected with the reason and abandoned', async () => {
    const target = new TargetServer();
    target.engine.addParcels = async () => {
      throw new CapstanError('NO_SPACE', { path: '/vault' });
    };
    const { error } = await runCopy(source, target);
    expect(error).toMatchObject({ code: 'COPY_REFUSED' });
    expect(String(error)).toContain('The disk under /vault is full');
    expect([target.committed, target.abandoned]).toEqual([0, 1]);
  });

  it('at the commit is rejected with the reason', async () => {
    const target = new TargetServer();
    target.commitError = new CapstanError('IN_USE', {
      kind: 'tape',
      name: 'LAB001',
      by: 'a mount',
    });
    const { error } = await runCopy(source, target);
    expect(String(error)).toContain('The tape LAB001 is in use: a mount.');
    expect([target.committed, target.abandoned]).toEqual([1, 0]);
  });

  it('is not even offered where a name is none', async () => {
    const target = new TargetServer();
    const offer = { ...OFFER, pool: '../etc' };
    const { error } = await runCopy(source, target, duplexPair(), offer);
    expect(error).toMatchObject({ code: 'NAME_INVALID' });
    expect(target.offers).toEqual([]);
  });
});

describe('a fault at every byte', () => {
  it.each(['near', 'far'] as const)('cut after any byte of %s: whole or nothing', async (side) => {
    let failed = 0;
    for (let cutAfterBytes = 1; cutAfterBytes < bytes[side]; cutAfterBytes += 1) {
      const target = new TargetServer();
      const run = await runCopy(source, target, duplexPair({ [side]: { cutAfterBytes } }));
      await expectWholeOrNothing(target, run);
      if (run.error !== undefined) failed += 1;
    }
    expect(failed).toBeGreaterThan(bytes[side] / 2);
  });

  it.each(['near', 'far'] as const)('any byte of %s changed: never a wrong copy', async (side) => {
    let failed = 0;
    for (let offset = 0; offset < bytes[side]; offset += 1) {
      const flip = { offset, bits: 1 << (offset % 8) };
      const target = new TargetServer();
      const run = await runCopy(source, target, duplexPair({ [side]: { flip } }));
      await expectWholeOrNothing(target, run);
      if (run.error !== undefined) failed += 1;
    }
    // All of a message that decides is under a checksum, all of a chunk under a digest.
    expect(failed).toBe(bytes[side]);
  });

  it.each(['near', 'far'] as const)('silence of %s ends both sides in time', async (side) => {
    for (let silentAfterBytes = 1; silentAfterBytes < bytes[side]; silentAfterBytes += 7) {
      const target = new TargetServer();
      const pair = duplexPair({ [side]: { silentAfterBytes } });
      const run = await runCopy(source, target, pair);
      await expectWholeOrNothing(target, run);
      expect(run.error).toMatchObject({ code: 'CONNECTION_LOST' });
      expect(run.elapsedMs).toBeLessThanOrEqual(2 * STALL_TIMEOUT_MS);
    }
  });

  it('a copy that was cut goes on where it was', async () => {
    const large = new EngineModel(new ModelStore());
    await writeTape(large, 100, 100_000);
    const target = new TargetServer();
    const cut = await runCopy(large, target, duplexPair({ near: { cutAfterBytes: 7_000_000 } }));
    expect(cut.error).toMatchObject({ code: 'CONNECTION_LOST' });
    const run = await runCopy(large, target);
    expect(run.result?.outcome).toBe('copied');
    expect(run.result?.chunksSent).toBeGreaterThan(20);
    expect(run.result?.chunksSent).toBeLessThan(60);
  });
});
