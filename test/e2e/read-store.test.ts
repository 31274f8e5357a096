/**
 * Goal: docs/formats/store.md is enough to get one's tapes back without the engine.
 * Method: the engine writes stores, scripts/read-store.mjs, which shares nothing with it, lists and extracts them.
 */
import { execFile } from 'node:child_process';
import { cp, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dir } from 'tmp-promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generation } from '../../src/base/units.ts';
import { openEngine } from '../../src/platform/engine.ts';
import { chunkLengths, sliceLengths } from './read-store/page-rules.ts';
import {
  blocksOf,
  FILEMARK,
  FILES,
  noise,
  PACK_BYTES_MAX,
  write,
  writeStore,
} from './read-store/written-store.ts';
import type { Objects, Tapes } from './read-store/written-store.ts';

const SCRIPT = join(import.meta.dirname, '../../scripts/read-store.mjs');
const KEY = Buffer.alloc(32, 0x5a);
const HEADER = 'TAPE\tPARTITION\tGENERATION\tBLOCKS\tFILEMARKS\tBYTES\tSTATE';
const REGION_DELTA = 2;

function tapOf(objects: Objects): Buffer {
  return Buffer.concat(
    objects.flatMap((object) => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(object.length);
      return object.length === 0
        ? [length]
        : [length, object, Buffer.alloc(object.length % 2), length];
    }),
  );
}

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

function read(...args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, [SCRIPT, ...args], (failure, out, error) => {
      resolve({ code: failure === null ? 0 : Number(failure.code), out, error });
    });
  });
}

function listLine(name: string, partition: number, objects: Objects, state = 'closed'): string {
  const filemarks = objects.filter(({ length }) => length === 0).length;
  const bytes = objects.reduce((sum, { length }) => sum + length, 0);
  return [name, partition, 7, objects.length - filemarks, filemarks, bytes, state].join('\t');
}

function listing(tapes: Tapes): string {
  const lines = [...tapes.keys()]
    .sort()
    .flatMap((name) => (tapes.get(name) ?? []).map((objects, i) => listLine(name, i, objects)));
  return [HEADER, ...lines, ''].join('\n');
}

async function regionCodecs(folder: string): Promise<Set<number>> {
  const codecs = new Set<number>();
  for (const name of await readdir(join(folder, 'packs'))) {
    const bytes = await readFile(join(folder, 'packs', name));
    for (let at = bytes.indexOf('REGN'); at >= 0; at = bytes.indexOf('REGN', at + 1))
      codecs.add(bytes.readUInt8(at + 16));
  }
  return codecs;
}

async function flipBit(path: string, offset: number): Promise<void> {
  const bytes = await readFile(path);
  bytes.writeUInt8(bytes.readUInt8(offset) ^ 4, offset);
  await writeFile(path, bytes);
}

let folder: string;
let removeFolder: () => Promise<void>;
let store: string;
let tapes: Tapes;
let copies = 0;

/** A store of one's own to do harm to. */
async function copyOf(original: string): Promise<string> {
  copies += 1;
  const copy = join(folder, `copy${copies}`);
  await cp(original, copy, { recursive: true });
  return copy;
}

/** The file that the script makes of a tape, after it said that it could. */
async function extracted(from: string, name: string, ...args: readonly string[]): Promise<Buffer> {
  copies += 1;
  const out = join(folder, `out${copies}`);
  const outcome = await read(from, 'extract', name, '--out', out, ...args);
  expect(outcome).toMatchObject({ code: 0, error: '' });
  return readFile(out);
}

beforeAll(async () => {
  const made = await dir({ unsafeCleanup: true });
  folder = made.path;
  removeFolder = made.cleanup;
  store = join(folder, 'store');
  tapes = await writeStore(store);
});
afterAll(() => removeFolder());

describe('a store that the engine wrote', () => {
  it('has several packs, and regions of every codec', async () => {
    const packs = (await readdir(join(store, 'packs'))).filter((name) => name.endsWith('.pack'));
    expect(packs.length).toBeGreaterThan(3);
    expect([...(await regionCodecs(store))].sort()).toEqual([0, 1, REGION_DELTA]);
  });

  it('has framing apart: the blocks of one file under two session ids share its chunks', async () => {
    const engine = await openEngine(store, { mode: 'read' });
    const summaries = ['BACULA1', 'BACULA2'].map(async (name) => {
      const { digests } = await engine.readManifest(await engine.exportManifest(name));
      return blocksOf(Buffer.from(digests), 32).map((digest) => digest.toString('hex'));
    });
    const [first = [], second = []] = await Promise.all(summaries);
    await engine.close();
    const shared = first.filter((digest) => second.includes(digest));
    expect(shared.length).toBeGreaterThan(first.length / 2);
    expect(shared.length).toBeLessThan(first.length);
  });

  it('is whole for the engine, too', async () => {
    const engine = await openEngine(store, { mode: 'read' });
    const { damages } = await engine.verify({});
    await engine.close();
    expect(damages).toEqual([]);
  });

  it('is cut where the page says', async () => {
    const engine = await openEngine(store, { mode: 'read' });
    const manifest = Buffer.from(await engine.exportManifest('FIRST'));
    await engine.close();
    expect(manifest.toString('latin1', 0, 8)).toBe('CAPSMANI');
    const lengths = sliceLengths(manifest);
    expect(lengths.length).toBeGreaterThan(20);
    expect(lengths).toEqual(chunkLengths(FILES));
  });

  it('is listed as it was written, and verifies', async () => {
    const outcome = await read(store, 'list', '--verify');
    expect(outcome).toMatchObject({ code: 0, out: listing(tapes) });
    expect(outcome.error).toMatch(/^read-store: \d+ chunks are whole\.\n$/);
  });

  it('gives back every tape to the byte', async () => {
    expect(tapes.size).toBe(8);
    for (const [name, [objects = []]] of tapes)
      expect((await extracted(store, name)).equals(tapOf(objects)), name).toBe(true);
  });

  it('gives back the other partition, and blocks alone', async () => {
    const partition = tapes.get('PARTS')?.[1] ?? [];
    expect(await extracted(store, 'PARTS', '--partition', '1')).toEqual(tapOf(partition));
    expect((await extracted(store, 'FIRST', '--raw', '--verify')).equals(FILES)).toBe(true);
  });

  it('reads the same where no table is left', async () => {
    const copy = await copyOf(store);
    for (const name of await readdir(join(copy, 'packs'))) {
      const path = join(copy, 'packs', name);
      const bytes = await readFile(path);
      if (bytes.toString('latin1', bytes.length - 128).startsWith('CAPSTABL'))
        await truncate(path, bytes.length - 128);
    }
    expect(await read(copy, 'list', '--verify')).toMatchObject({ code: 0, out: listing(tapes) });
  });

  it('reads the same after a collection, and with a pack that a crash left behind', async () => {
    const copy = await copyOf(store);
    const engine = await openEngine(copy, { mode: 'write', packBytesMax: PACK_BYTES_MAX });
    const removed = ['MIXED', 'OVER'];
    for (const name of removed) await engine.removeImage(name);
    const { packsRemoved, copiedBytes } = await engine.collect({ liveShareMin: 1 });
    expect(packsRemoved).toBeGreaterThan(1);
    expect(copiedBytes).toBeGreaterThan(0);
    await engine.close();
    const left = new Map([...tapes].filter(([name]) => !removed.includes(name)));
    expect(await read(copy, 'list', '--verify')).toMatchObject({ code: 0, out: listing(left) });
    await cp(join(store, 'packs'), join(copy, 'packs'), { recursive: true, force: false });
    expect(await read(copy, 'list', '--verify')).toMatchObject({ code: 0, out: listing(left) });
  });
});

describe('an encrypted store', () => {
  let encrypted: string;
  let keyFile: string;
  let sealedTapes: Tapes;
  beforeAll(async () => {
    encrypted = join(folder, 'encrypted');
    keyFile = join(folder, 'key');
    await writeFile(keyFile, KEY);
    sealedTapes = await writeStore(encrypted, KEY);
  });

  it('is read with its key', async () => {
    const args = ['--verify', '--key-file', keyFile];
    const listed = await read(encrypted, 'list', ...args);
    expect(listed).toMatchObject({ code: 0, out: listing(sealedTapes) });
    for (const name of ['SECOND', 'BACULA2', 'OVER']) {
      const [objects = []] = sealedTapes.get(name) ?? [];
      expect((await extracted(encrypted, name, ...args)).equals(tapOf(objects)), name).toBe(true);
    }
  });

  it('says so where the key is missing or another', async () => {
    const other = join(folder, 'other');
    await writeFile(other, Buffer.alloc(32));
    expect(await read(encrypted, 'list')).toEqual({
      code: 1,
      out: '',
      error: `read-store: ${join(encrypted, 'store')}: the store is encrypted: give --key-file.\n`,
    });
    expect(await read(encrypted, 'list', '--key-file', other)).toMatchObject({
      code: 1,
      error: expect.stringContaining('the key is not the one of this store'),
    });
  });
});

describe('a tape that was not closed', () => {
  it('reads as of its last sync, whatever the crash left of the next', async () => {
    const written: Tapes = new Map();
    const running = join(folder, 'running');
    const engine = await openEngine(running, { mode: 'create' });
    const partitions: Buffer[][] = [[]];
    written.set('OPEN', partitions);
    await engine.createImage('OPEN', { partitionCount: 1 });
    const image = await engine.openImage('OPEN', 'write');
    await write(image, partitions, { at: 0, objects: [noise(80, 70_000), FILEMARK] });
    await image.sync({ generation: generation(7) });
    const [synced = []] = partitions;
    await write(image, [[]], { at: 2, objects: [noise(81, 70_000)] });
    const copy = await copyOf(running);
    await image.close();
    await engine.close();

    const lineOf = (state: string): string => `${HEADER}\n${listLine('OPEN', 0, synced, state)}\n`;
    expect(await read(copy, 'list', '--verify')).toMatchObject({ code: 0, out: lineOf('open') });
    const path = join(copy, 'images/OPEN');
    await writeFile(path, Buffer.concat([await readFile(path), Buffer.from('FRAM torn')]));
    expect(await read(copy, 'list', '--verify')).toMatchObject({ code: 0, out: lineOf('torn') });
    expect(await extracted(copy, 'OPEN')).toEqual(tapOf(synced));
  });
});

describe('damage', () => {
  it('in a region is named, and what lies before it is written', async () => {
    const copy = await copyOf(store);
    await flipBit(join(copy, 'packs/00000001.pack'), 4096 + 64 + 3 * 36);
    const out = join(folder, 'damaged.tap');
    const outcome = await read(copy, 'extract', 'MIXED', '--out', out);
    expect(outcome.code).toBe(1);
    expect(outcome.error).toContain(
      "read-store: packs/00000001.pack at 4096: the region's checksum does not match.\n",
    );
    const written = await readFile(out);
    const whole = tapOf(tapes.get('MIXED')?.[0] ?? []);
    expect(whole.subarray(0, written.length).equals(written)).toBe(true);
    expect(await read(copy, 'list', '--verify')).toMatchObject({ code: 1, out: listing(tapes) });
  });

  it('in a frame that others follow is named, and the other tapes are listed', async () => {
    const copy = await copyOf(store);
    await flipBit(join(copy, 'images/OVER'), 64 + 70);
    const left = new Map([...tapes].filter(([name]) => name !== 'OVER'));
    expect(await read(copy, 'list')).toEqual({
      code: 1,
      out: listing(left),
      error: 'read-store: images/OVER at 64: a frame is damaged.\n',
    });
  });

  it('in a closing frame costs nothing, before other frames or behind all', async () => {
    const copy = await copyOf(store);
    const path = join(copy, 'images/OVER');
    const bytes = await readFile(path);
    const marks: number[] = [];
    for (let at = bytes.indexOf('CLSD'); at >= 0; at = bytes.indexOf('CLSD', at + 1))
      marks.push(at);
    expect(marks.length).toBeGreaterThan(0);
    for (const at of marks) await flipBit(path, at + 30);
    expect(await read(copy, 'list')).toMatchObject({ code: 0, out: listing(tapes) });
  });

  it('is a file that took the place of another tape’s, and no other tape', async () => {
    const copy = await copyOf(store);
    await cp(join(store, 'images/FIRST'), join(copy, 'images/SECOND'));
    const left = new Map([...tapes].filter(([name]) => name !== 'SECOND'));
    expect(await read(copy, 'list')).toEqual({
      code: 1,
      out: listing(left),
      error:
        'read-store: images/SECOND at 0: the file is the image of another tape, or of another store.\n',
    });
  });

  it('of the superblock is named', async () => {
    const copy = await copyOf(store);
    await flipBit(join(copy, 'store'), 20);
    expect(await read(copy, 'list')).toMatchObject({
      code: 1,
      error: `read-store: ${join(copy, 'store')}: the superblock is damaged.\n`,
    });
  });
});

describe('the command', () => {
  it('explains itself', async () => {
    const { code, out } = await read('--help');
    expect(code).toBe(0);
    expect(out).toMatch(/^Usage: node scripts\/read-store\.mjs STORE list/);
  });

  it('ends with 2 where it is used wrongly, and never overwrites a file', async () => {
    expect(await read()).toMatchObject({ code: 2 });
    expect(await read(store, 'print')).toMatchObject({ code: 2 });
    expect(await read(store, 'list', '--nonsense')).toMatchObject({ code: 2 });
    expect(await read(store, 'extract', 'PARTS', '--partition', '2')).toMatchObject({ code: 2 });
    expect(await read(store, 'extract', 'FIRST', '--out', SCRIPT)).toEqual({
      code: 2,
      out: '',
      error: `read-store: ${SCRIPT} exists already (see --help).\n`,
    });
  });
});
