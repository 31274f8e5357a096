import { describe, expect, it } from 'vitest';
import { EngineModel } from '../../../harness/model/engine-model.ts';
import { ModelStore } from '../../../harness/model/model-store.ts';
import { logicalObjectNumber, generation } from '../../../src/base/units.ts';
import { SharedLedger } from '../../../src/server/shared-ledger.ts';
import type { VaultRecord } from '../../../src/server/shared-records.ts';

const VAULT = { id: 'a'.repeat(32), name: 'VAULT05' };
const LEDGER = 'SHARED-LEDGER';

const pool = (name: string, retentionMs?: number): VaultRecord => ({
  is: 'pool',
  row: {
    name,
    vault: VAULT.name,
    createdAtMs: 1,
    encrypted: false,
    locked: false,
    ...(retentionMs !== undefined && { retentionMs }),
  },
});

async function reopened(store: ModelStore): Promise<SharedLedger> {
  return SharedLedger.open(new EngineModel(store));
}

describe('the ledger of a shared vault', () => {
  it('tells who opens the vault next what its last keeper recorded, also after a power cut', async () => {
    const store = new ModelStore();
    const ledger = await SharedLedger.create(new EngineModel(store), VAULT, [pool('ONE')]);
    await ledger.append([pool('TWO', 5), pool('ONE', 7)]);
    await ledger.append([{ is: 'no-pool', name: 'TWO' }, pool('DREI')]);
    store.cutPower();
    const again = await reopened(store);
    expect([again.id, again.name]).toEqual([VAULT.id, VAULT.name]);
    expect([...again.rows.pools.values()].map((row) => [row.name, row.retentionMs])).toEqual([
      ['ONE', 7],
      ['DREI', undefined],
    ]);
  });

  it('is written anew where it has grown, and says the same', async () => {
    const store = new ModelStore();
    const ledger = await SharedLedger.create(new EngineModel(store), VAULT, []);
    const lines = async (): Promise<number> => {
      const images = await new EngineModel(store).listImages();
      return images.find(({ name }) => name === LEDGER)?.partitions[0]?.objectCount ?? 0;
    };
    for (let count = 0; count < 60; count += 1) {
      await ledger.append(Array.from({ length: 100 }, (_, index) => pool('ONE', count + index)));
    }
    expect(await lines()).toBeLessThan(20);
    await ledger.append([pool('TWO')]);
    const again = await reopened(store);
    expect([...again.rows.pools.values()].map((row) => [row.name, row.retentionMs])).toEqual([
      ['ONE', 158],
      ['TWO', undefined],
    ]);
  });

  it('names the block that is no list of records', async () => {
    const store = new ModelStore();
    const engine = new EngineModel(store);
    const ledger = await SharedLedger.create(engine, VAULT, []);
    await ledger.close();
    const image = await engine.openImage(LEDGER, 'write');
    const { objectCount = 0 } = (await image.info()).partitions[0] ?? {};
    const data = Uint8Array.from([0x5b, 0x31, 0x5d]);
    const lengths = Uint32Array.of(3);
    await image.append({ partition: 0, at: logicalObjectNumber(objectCount), lengths, data });
    await image.sync({ generation: generation(9) });
    await image.close();
    await expect(reopened(store)).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      message: expect.stringContaining(`block ${objectCount} is no list of records`),
    });
  });

  it('is not there in a vault of one server', async () => {
    await expect(reopened(new ModelStore())).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
