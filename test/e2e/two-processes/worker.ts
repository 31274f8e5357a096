/**
 * A process that has a store open and does what it is told: `node worker.ts FOLDER MODE`. It says one JSON line
 * for its opening and one for each request on its standard input (requests.ts).
 */
import { createInterface } from 'node:readline';
import { CapstanError } from '../../../src/base/errors.ts';
import { generation, logicalObjectNumber } from '../../../src/base/units.ts';
import { openEngine } from '../../../src/platform/engine.ts';
import type { Engine, TapeImage } from '../../../src/ports/engine.ts';
import { blockOf } from './requests.ts';
import type { Reply, Request } from './requests.ts';

/** Small, so that a few blocks make several packs. */
const PACK_BYTES_MAX = 1024 * 1024;

const kept = new Map<string, TapeImage>();

async function write(engine: Engine, name: string, fromBlock: number, blockCount: number) {
  const image = await engine.openImage(name, 'write');
  await append(image, name, fromBlock, blockCount);
  await image.close();
}

async function append(image: TapeImage, name: string, fromBlock: number, blockCount: number) {
  for (let block = fromBlock; block < fromBlock + blockCount; block += 1) {
    const data = blockOf(name, block);
    const lengths = Uint32Array.of(data.length);
    await image.append({ partition: 0, at: logicalObjectNumber(block), lengths, data });
  }
  await image.sync({ generation: generation(fromBlock + blockCount) });
}

/** How many blocks there are, each compared with what was written. */
async function compare(image: TapeImage): Promise<number> {
  for (let block = 0; ; block += 1) {
    const at = logicalObjectNumber(block);
    const limits = { countMax: 1, bytesMax: 1024 * 1024 };
    const { lengths, data, stoppedBy } = await image.read({
      partition: 0,
      at,
      direction: 'forward',
      ...limits,
    });
    if (stoppedBy === 'end-of-data' && lengths.length === 0) return block;
    if (lengths.length === 0) throw new Error(`block ${block} of ${image.name}: ${stoppedBy}`);
    if (!blockOf(image.name, block).equals(data)) {
      throw new Error(`block ${block} of ${image.name} is not what was written`);
    }
  }
}

async function answer(engine: Engine, request: Request): Promise<unknown> {
  switch (request.do) {
    case 'create':
      return engine.createImage(request.name, { partitionCount: 1 });
    case 'write':
      return write(engine, request.name, request.fromBlock, request.blockCount);
    case 'write-on': {
      const image = await engine.openImage(request.name, 'write');
      for (let block = request.fromBlock; ; block += 1) {
        await append(image, request.name, block, 1);
        say({ result: block + 1 });
      }
    }
    case 'keep':
      kept.set(request.name, await engine.openImage(request.name, 'read'));
      return undefined;
    case 'compare-kept': {
      const image = kept.get(request.name);
      if (image === undefined) throw new Error(`${request.name} was not kept`);
      return compare(image);
    }
    case 'compare': {
      const image = await engine.openImage(request.name, 'read');
      const blockCount = await compare(image);
      await image.close();
      return blockCount;
    }
    case 'remove':
      return engine.removeImage(request.name);
    case 'collect':
      return (await engine.collect({ liveShareMin: 0.9 })).packsRemoved;
    case 'list':
      return (await engine.listImages()).map(({ name }) => name);
    case 'verify':
      return (await engine.verify({})).damages;
  }
}

function say(reply: Reply): void {
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}

async function answered(work: () => Promise<unknown>): Promise<void> {
  try {
    say({ result: (await work()) ?? null });
  } catch (error) {
    const code = error instanceof CapstanError ? error.code : 'none';
    say({ error: { code, message: error instanceof Error ? error.message : String(error) } });
  }
}

const [folder = '', mode] = process.argv.slice(2);
let opened: Engine | undefined;
await answered(async () => {
  opened = await openEngine(folder, {
    mode: mode === 'read' ? 'read' : mode === 'create' ? 'create' : 'write',
    packBytesMax: PACK_BYTES_MAX,
  });
});
if (opened !== undefined) {
  const engine = opened;
  for await (const line of createInterface({ input: process.stdin })) {
    await answered(() => answer(engine, JSON.parse(line) as Request));
  }
  await engine.close();
}
