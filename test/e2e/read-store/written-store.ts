/** Stores that have all that the format has, written by the engine. */
import { createCipheriv } from 'node:crypto';
import { generation, logicalObjectNumber } from '../../../src/base/units.ts';
import { openEngine } from '../../../src/platform/engine.ts';
import type { Engine, TapeImage } from '../../../src/ports/engine.ts';
import { chunkLengths } from './page-rules.ts';

export const PACK_BYTES_MAX = 3 * 2 ** 20;
export const FILEMARK = Buffer.alloc(0);

export type Objects = readonly Buffer[];
/** What a tape's partitions should have, by tape. */
export type Tapes = Map<string, Buffer[][]>;

/** Bytes that nothing compresses, the same for the same seed. */
export function noise(seed: number, byteCount: number): Buffer {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16));
  return cipher.update(Buffer.alloc(byteCount));
}

export function blocksOf(bytes: Buffer, blockBytes: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / blockBytes) }, (_, i) =>
    bytes.subarray(i * blockBytes, (i + 1) * blockBytes),
  );
}

/** As Bacula wraps a file: blocks of 64,512 bytes, three records in each, the last padded. */
function baculaBlocks(file: Buffer, sessionId: number): Buffer[] {
  const blockBytes = 64_512;
  const recordBytes = 21_000;
  const records = blocksOf(file, recordBytes);
  return Array.from({ length: Math.ceil(records.length / 3) }, (_, number) => {
    const block = Buffer.alloc(blockBytes);
    let at = 24;
    records.slice(3 * number, 3 * number + 3).forEach((record, i) => {
      block.writeInt32BE(3 * number + i + 1, at);
      block.writeInt32BE(2, at + 4);
      block.writeUInt32BE(record.length, at + 8);
      at += 12 + record.copy(block, at + 12);
    });
    noise(sessionId + number, 4).copy(block);
    block.writeUInt32BE(at, 4);
    block.writeUInt32BE(number, 8);
    block.write('BB02', 12, 'latin1');
    block.writeUInt32BE(sessionId, 16);
    block.writeUInt32BE(1_700_000_000 + sessionId, 20);
    return block;
  });
}

/** Writes from object `at` on, cutting what was there, and syncs. */
export async function write(
  image: TapeImage,
  partitions: Buffer[][],
  call: { readonly at: number; readonly objects: Objects; readonly partition?: number },
): Promise<void> {
  const { at, objects, partition = 0 } = call;
  const before = partitions[partition] ?? [];
  partitions[partition] = [...before.slice(0, at), ...objects];
  await image.append({
    partition,
    at: logicalObjectNumber(at),
    lengths: Uint32Array.from(objects, ({ length }) => length),
    data: Buffer.concat(objects),
  });
}

async function writeTape(
  engine: Engine,
  tapes: Tapes,
  name: string,
  fill: (image: TapeImage, partitions: Buffer[][]) => Promise<void>,
  partitionCount = 1,
): Promise<void> {
  const partitions: Buffer[][] = Array.from({ length: partitionCount }, () => []);
  tapes.set(name, partitions);
  await engine.createImage(name, { partitionCount });
  const image = await engine.openImage(name, 'write');
  await fill(image, partitions);
  await image.sync({ generation: generation(7) });
  await image.close();
}

/** Begins like a formatted dictionary of zstd, which it is not. */
export const FILES = Buffer.concat([Buffer.from([0x37, 0xa4, 0x30, 0xec]), noise(1, 3 * 2 ** 20)]);

/** Every kind of run of the object map, and a chunk again and again. */
function mixedObjects(): Buffer[] {
  const lengths = [1, 32, 33, 8192, 8193, 2 ** 21, 2 ** 21 + 1, 80, 512, 80, 512, 512, 80, 7, 7];
  const singles = lengths.map((length, i) => noise(20 + i, length));
  const many = blocksOf(noise(40, 40 * 100), 100);
  const filemarks = Array.from({ length: 20 }, () => FILEMARK);
  const zeros = Array.from({ length: 80 }, () => Buffer.alloc(65_536));
  return [...singles, FILEMARK, ...many, ...filemarks, ...zeros, FILEMARK, FILEMARK];
}

/** A store with all that the format has; `tapes` is what was synced of each tape. */
export async function writeStore(folder: string, key?: Buffer): Promise<Tapes> {
  const tapes: Tapes = new Map();
  const options = { packBytesMax: PACK_BYTES_MAX, ...(key && { key }) };
  const engine = await openEngine(folder, { mode: 'create', ...options });
  await writeTape(engine, tapes, 'BLANK', async () => {});
  await writeTape(engine, tapes, 'MIXED', (image, partitions) =>
    write(image, partitions, { at: 0, objects: mixedObjects() }),
  );
  await writeTape(engine, tapes, 'FIRST', (image, partitions) =>
    write(image, partitions, { at: 0, objects: [...blocksOf(FILES, 65_536), FILEMARK] }),
  );
  await engine.close();

  const again = await openEngine(folder, { mode: 'write', ...options });
  const edited = Buffer.from(FILES);
  const [firstChunk = 0] = chunkLengths(FILES);
  // In the second chunk, so that the first is what begins the prefix of a delta.
  for (let at = firstChunk + 5_000; at < edited.length; at += 700_000)
    edited.write('edited here', at);
  await writeTape(again, tapes, 'SECOND', (image, partitions) =>
    write(image, partitions, { at: 0, objects: [...blocksOf(edited, 30_000), FILEMARK] }),
  );
  for (const [name, session] of [
    ['BACULA1', 11],
    ['BACULA2', 90],
  ] as const)
    await writeTape(again, tapes, name, (image, partitions) =>
      write(image, partitions, { at: 0, objects: baculaBlocks(FILES, session) }),
    );
  await writeTape(again, tapes, 'OVER', async (image, partitions) => {
    await write(image, partitions, { at: 0, objects: blocksOf(noise(60, 2 ** 21), 5_000) });
    await image.sync({ generation: generation(1) });
    await write(image, partitions, { at: 301, objects: [FILEMARK, ...mixedObjects()] });
    await image.sync({ generation: generation(2) });
    await write(image, partitions, { at: 320, objects: [noise(61, 100), FILEMARK] });
    await image.sync({ generation: generation(3) });
    await write(image, partitions, { at: 322, objects: baculaBlocks(noise(62, 300_000), 5) });
  });
  await writeTape(
    again,
    tapes,
    'PARTS',
    async (image, partitions) => {
      await write(image, partitions, { at: 0, objects: [noise(70, 999)] });
      await write(image, partitions, { at: 0, objects: [FILEMARK, noise(71, 99)], partition: 1 });
    },
    2,
  );
  await again.close();
  return tapes;
}
