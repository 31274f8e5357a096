/** What every engine must do, whatever disk is under it: the port's contract, as far as bytes and positions go. */
import { describe, expect, it } from 'vitest';
import { generation, logicalObjectNumber } from '../../src/base/units.ts';
import { parcelsOf } from '../parcels.ts';
import type { Engine, TapeImage } from '../../src/ports/engine.ts';

const BLOCK_BYTES_LARGEST = 16 * 1024 * 1024;

function block(length: number, seed: number): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state >> 16;
  });
}

function append(image: TapeImage, at: number, lengths: readonly number[], data: Uint8Array) {
  return image.append({
    partition: 0,
    at: logicalObjectNumber(at),
    lengths: Uint32Array.from(lengths),
    data,
  });
}

function read(image: TapeImage, at: number, direction: 'forward' | 'reverse' = 'forward') {
  const limits = { countMax: 100, bytesMax: 2 * BLOCK_BYTES_LARGEST };
  return image.read({ partition: 0, at: logicalObjectNumber(at), direction, ...limits });
}

async function written(engine: Engine, name: string): Promise<TapeImage> {
  await engine.createImage(name, { partitionCount: 1 });
  return engine.openImage(name, 'write');
}

/** `open` gives an engine over a store of its own each time. */
export function engineConformance(name: string, open: () => Promise<Engine>): void {
  describe(`engine conformance: ${name}`, () => {
    it('reads blocks of 1 byte and of 16 MiB back, up to a filemark, in both directions', async () => {
      const image = await written(await open(), 'T1');
      const data = block(BLOCK_BYTES_LARGEST + 2, 1);
      await append(image, 0, [1, BLOCK_BYTES_LARGEST, 0, 1], data);
      const forward = await read(image, 0);
      expect([...forward.lengths]).toEqual([1, BLOCK_BYTES_LARGEST, 0]);
      expect(forward.stoppedBy).toBe('filemark');
      expect(Buffer.compare(forward.data, data.subarray(0, -1))).toBe(0);
      const reverse = await read(image, 2, 'reverse');
      expect([...reverse.lengths]).toEqual([BLOCK_BYTES_LARGEST, 1]);
      expect(reverse.stoppedBy).toBe('beginning-of-partition');
      expect(reverse.data.at(-1)).toBe(data[0]);
    });

    it('spaces with the residual and the reason, and locates no farther than the end of data', async () => {
      const image = await written(await open(), 'T1');
      await append(image, 0, [2, 2, 0, 2], block(6, 2));
      const space = (at: number, over: 'blocks' | 'filemarks', count: number) =>
        image.space({ partition: 0, at: logicalObjectNumber(at), over, count });
      expect(await space(0, 'blocks', 3)).toEqual({ at: 3, residual: 1, stoppedBy: 'filemark' });
      expect(await space(4, 'blocks', -2)).toEqual({ at: 2, residual: 1, stoppedBy: 'filemark' });
      expect(await space(0, 'filemarks', 2)).toMatchObject({ at: 4, stoppedBy: 'end-of-data' });
      const at = logicalObjectNumber(Number.MAX_SAFE_INTEGER);
      const located = await image.locate({ partition: 0, at });
      expect(located).toEqual({ at: 4, objectCount: 4, filemarksBefore: 1, bytesBefore: 6 });
    });

    it('drops what was behind an overwriting, and knows its last sync after it was closed', async () => {
      const engine = await open();
      const image = await written(engine, 'T1');
      await append(image, 0, [3, 0, 3], block(6, 3));
      await append(image, 1, [4], block(4, 4));
      await image.sync({ generation: generation(7) });
      await append(image, 2, [5], block(5, 5));
      await image.close();
      const again = await engine.openImage('T1', 'read');
      expect([...(await read(again, 0)).lengths]).toEqual([3, 4]);
      expect((await again.info()).generation).toBe(7);
    });

    it('carries an image to another store by what that lacks, block for block', async () => {
      const [source, target] = [await open(), await open()];
      const data = block(300_000, 6);
      const image = await written(source, 'T1');
      await append(image, 0, [100_000, 200_000, 0], data);
      await image.sync({ generation: generation(1) });
      const manifest = await source.exportManifest('T1');
      const { digests } = await source.readManifest(manifest);
      const stage = () => target.stageImage('T1.NEW', manifest, { generation: generation(1) });
      await expect(stage()).rejects.toMatchObject({ code: 'NOT_FOUND' });
      expect((await target.lackingChunks(digests)).every((lacks) => lacks === 1)).toBe(true);
      const parcels = await parcelsOf(source, digests);
      const damaged = parcels.with(parcels.length - 1, (parcels.at(-1) ?? 0) ^ 1);
      const refusal = { code: 'INVALID_ARGUMENT' };
      await expect(target.addParcels(damaged)).rejects.toMatchObject(refusal);
      await expect(target.addParcels(parcels.subarray(1))).rejects.toMatchObject(refusal);
      await target.addParcels(parcels);
      expect((await target.lackingChunks(digests)).includes(1)).toBe(false);
      await stage();
      await target.sync();
      await target.publishImage('T1.NEW', 'T1');
      const copy = await read(await target.openImage('T1', 'read'), 0);
      expect(Buffer.compare(copy.data, data)).toBe(0);
      expect((await target.verify({})).damages).toEqual([]);
    });

    it('opens an image for writing once, and refuses names that are none', async () => {
      const engine = await open();
      await written(engine, 'T1');
      await expect(engine.openImage('T1', 'write')).rejects.toMatchObject({ code: 'IN_USE' });
      const made = engine.createImage('../T1', { partitionCount: 1 });
      await expect(made).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    });
  });
}
