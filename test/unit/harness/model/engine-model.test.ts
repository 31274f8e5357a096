import { describe, expect, it } from 'vitest';
import { EngineModel } from '../../../../harness/model/engine-model.ts';
import { ModelCrash, ModelStore } from '../../../../harness/model/model-store.ts';
import { readObjects } from '../../../../harness/checker/image-content.ts';
import { generation, logicalObjectNumber } from '../../../../src/base/units.ts';
import { FILEMARK, packObjects } from '../../../../src/tape/tape-object.ts';
import type { TapeObject } from '../../../../src/tape/tape-object.ts';
import { parcelsOf } from '../../../parcels.ts';

const OBJECTS: readonly TapeObject[] = [
  { kind: 'block', data: new Uint8Array(100).fill(7) },
  FILEMARK,
  { kind: 'block', data: new Uint8Array(3).fill(8) },
];

async function withTape(store: ModelStore, sync: boolean): Promise<EngineModel> {
  const engine = new EngineModel(store);
  await engine.createImage('LAB001', { partitionCount: 1 });
  const image = await engine.openImage('LAB001', 'write');
  await image.append({ partition: 0, at: logicalObjectNumber(0), ...packObjects(OBJECTS) });
  if (sync) await image.sync({ generation: generation(1) });
  return engine;
}

/** Everything a copy is: manifest and chunks of `from`, staged in `to` under a temporary name. */
async function stageCopy(from: EngineModel, to: EngineModel): Promise<void> {
  const manifest = await from.exportManifest('LAB001');
  const { digests } = await to.readManifest(manifest);
  await to.addParcels(await parcelsOf(from, digests));
  await to.stageImage('LAB001.NEW', manifest, { generation: generation(1) });
}

describe('the engine model', () => {
  it('keeps over a power cut what was synced, and nothing else', async () => {
    for (const sync of [true, false]) {
      const store = new ModelStore();
      await withTape(store, sync);
      store.cutPower();
      expect(await readObjects(new EngineModel(store), 'LAB001')).toEqual(sync ? OBJECTS : []);
    }
  });

  it('publishes a staged copy that reads as its source does and survives a power cut', async () => {
    const source = await withTape(new ModelStore(), true);
    const store = new ModelStore();
    const target = new EngineModel(store);
    await stageCopy(source, target);
    await target.sync();
    await target.publishImage('LAB001.NEW', 'LAB001');
    store.cutPower();
    const after = new EngineModel(store);
    expect(await readObjects(after, 'LAB001')).toEqual(OBJECTS);
    expect((await after.verify({})).damages).toEqual([]);
  });

  it('shows a copy that was published without a sync as damaged after a power cut', async () => {
    const source = await withTape(new ModelStore(), true);
    const store = new ModelStore();
    const target = new EngineModel(store);
    await stageCopy(source, target);
    await target.publishImage('LAB001.NEW', 'LAB001');
    store.cutPower();
    expect((await new EngineModel(store).verify({})).damages).toHaveLength(1);
  });

  it('crashes in the operation that it was told to, and never again', async () => {
    const store = new ModelStore();
    const engine = await withTape(store, true);
    store.crashAfter(1);
    await engine.createImage('LAB002', { partitionCount: 1 });
    await expect(engine.createImage('LAB003', { partitionCount: 1 })).rejects.toThrow(ModelCrash);
    await engine.createImage('LAB004', { partitionCount: 1 });
  });
});
