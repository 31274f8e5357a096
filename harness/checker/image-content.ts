/** What an image holds, read through the engine: objects, digest, generation. */
import { assert } from '../../src/base/assert.ts';
import { toHex } from '../../src/base/encodings.ts';
import { logicalObjectNumber } from '../../src/base/units.ts';
import type { Engine, ImageInfo } from '../../src/ports/engine.ts';
import { unpackObjects } from '../../src/tape/tape-object.ts';
import type { TapeObject } from '../../src/tape/tape-object.ts';
import type { TapeVersion } from '../model/tape-model.ts';

const BATCH_OBJECTS_MAX = 256;
const BATCH_BYTES_MAX = 1024 * 1024;

/** The objects of partition 0, all of them. */
export async function readObjects(engine: Engine, name: string): Promise<readonly TapeObject[]> {
  const image = await engine.openImage(name, 'read');
  const objects: TapeObject[] = [];
  try {
    for (;;) {
      const reply = await image.read({
        partition: 0,
        at: logicalObjectNumber(objects.length),
        direction: 'forward',
        countMax: BATCH_OBJECTS_MAX,
        bytesMax: BATCH_BYTES_MAX,
      });
      objects.push(...unpackObjects(reply.lengths, reply.data));
      if (reply.stoppedBy === 'end-of-data') return objects;
      assert(reply.lengths.length > 0, 'a batch that does not end the data holds an object');
    }
  } finally {
    await image.close();
  }
}

/** Hexadecimal digest of a manifest. */
async function digestOf(engine: Engine, manifest: Uint8Array): Promise<string> {
  const { digest } = await engine.readManifest(manifest);
  return toHex(digest);
}

/** Hexadecimal digest of the image's manifest. */
export async function manifestDigest(engine: Engine, name: string): Promise<string> {
  return digestOf(engine, await engine.exportManifest(name));
}

async function findImage(engine: Engine, name: string): Promise<ImageInfo | undefined> {
  return (await engine.listImages()).find((image) => image.name === name);
}

/** The image as a version; it must exist. */
export async function readVersion(engine: Engine, name: string): Promise<TapeVersion> {
  const info = await findImage(engine, name);
  assert(info !== undefined, `the engine has the image ${name}`);
  const manifest = await engine.exportManifest(name);
  return {
    generation: info.generation,
    manifestDigest: await digestOf(engine, manifest),
    manifest,
    objects: await readObjects(engine, name),
  };
}
