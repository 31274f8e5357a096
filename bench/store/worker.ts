/**
 * One operation of the store in a process of its own, through the engine's port as the drives use it:
 * `node worker.ts JOB` prints a {@link Sample} as JSON.
 */
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { generation, logicalObjectNumber } from '../../src/base/units.ts';
import { openEngine } from '../../src/platform/engine.ts';
import type { Engine, TapeImage } from '../../src/ports/engine.ts';
import type {
  IdleSyncsJob,
  Job,
  LibraryJob,
  LocateJob,
  OpenJob,
  ReadJob,
  Sample,
  TinyRecordsJob,
  WriteJob,
} from './jobs.ts';
import { BATCH_BYTES, openStream } from './records.ts';
import type { OpenStream } from './records.ts';

const FILEMARK = { lengths: Uint32Array.of(0), data: new Uint8Array(0) };
const TINY_RECORDS_PER_CALL = 1_000_000;

function openStore(job: Exclude<Job, LibraryJob>, mode: 'create' | 'read'): Promise<Engine> {
  return openEngine(job.store, {
    mode,
    ...(job.compression === undefined ? {} : { compression: job.compression }),
    ...(job.keyHex === undefined ? {} : { key: Uint8Array.from(Buffer.from(job.keyHex, 'hex')) }),
    ...(job.indexBytesMax === undefined ? {} : { indexBytesMax: job.indexBytesMax }),
  });
}

/** A line of /proc/self/status, in bytes. Of this process only: rusage has its parent's, too. */
function memoryBytes(field: 'VmHWM' | 'VmRSS'): number {
  const status = readFileSync('/proc/self/status', 'utf8');
  return Number(new RegExp(`^${field}:\\s*(\\d+)`, 'm').exec(status)?.[1]) * 1024;
}

/** Measures `work`, which opens the store and closes it. */
async function measured(
  work: () => Promise<Omit<Partial<Sample>, 'wallMs' | 'cpuMs' | 'peakBytes'>>,
): Promise<Sample> {
  const idleBytes = memoryBytes('VmRSS');
  const cpuBefore = process.cpuUsage();
  const javascriptBefore = process.threadCpuUsage();
  const startedAtMs = performance.now();
  const found = await work();
  const wallMs = performance.now() - startedAtMs;
  const cpu = process.cpuUsage(cpuBefore);
  const javascript = process.threadCpuUsage(javascriptBefore);
  return {
    wallMs,
    cpuMs: (cpu.user + cpu.system) / 1000,
    javascriptMs: (javascript.user + javascript.system) / 1000,
    peakBytes: memoryBytes('VmHWM'),
    idleBytes,
    ...found,
  };
}

async function openForWriting(engine: Engine, name: string): Promise<TapeImage> {
  await engine.createImage(name, { partitionCount: 1 });
  return engine.openImage(name, 'write');
}

/** Writes records from the beginning of partition 0. */
class Writer {
  readonly #image: TapeImage;
  #at = 0;

  constructor(image: TapeImage) {
    this.#image = image;
  }

  async append(batch: { readonly lengths: Uint32Array; readonly data: Uint8Array }) {
    const at = logicalObjectNumber(this.#at);
    this.#at = (await this.#image.append({ partition: 0, at, ...batch })).objectCount;
  }

  async finish(): Promise<void> {
    await this.#image.sync({ generation: generation(1) });
    await this.#image.close();
  }
}

async function writeTape(engine: Engine, name: string, source: OpenStream): Promise<number> {
  const writer = new Writer(await openForWriting(engine, name));
  let bytes = 0;
  for await (const batch of source.batches()) {
    await writer.append(batch);
    bytes += batch.data.length;
  }
  await writer.append(FILEMARK);
  await writer.finish();
  return bytes;
}

async function write(job: WriteJob): Promise<Sample> {
  const openAll = () =>
    Promise.all(
      job.streams.map(async (stream) => ({
        image: stream.image,
        source: await openStream(stream, job.recordBytes, job.source),
      })),
    );
  const inMemory = job.source === 'memory' ? await openAll() : undefined;
  return measured(async () => {
    const streams = inMemory ?? (await openAll());
    const engine = await openStore(job, 'create');
    const written = await Promise.all(
      streams.map(({ image, source }) => writeTape(engine, image, source)),
    );
    const { chunkCount, newChunkBytes } = await engine.statistics();
    await engine.close();
    await Promise.all(streams.map(({ source }) => source.close()));
    const bytes = written.reduce((sum, each) => sum + each, 0);
    return { bytes, chunkCount, newChunkBytes };
  });
}

/** Everything on the tape, in batches; `take` gets what is to be dropped. */
async function readTape(
  image: TapeImage,
  take: (data: Uint8Array) => Promise<void> | undefined,
): Promise<number> {
  const into = new Uint8Array(BATCH_BYTES);
  let at = 0;
  let bytes = 0;
  for (;;) {
    const reply = await image.read({
      partition: 0,
      at: logicalObjectNumber(at),
      direction: 'forward',
      countMax: BATCH_BYTES,
      bytesMax: BATCH_BYTES,
      into,
    });
    at += reply.lengths.length;
    bytes += reply.data.length;
    await take(reply.data);
    if (reply.stoppedBy === 'damaged') throw new Error(`Object ${at} of the tape is damaged.`);
    if (reply.stoppedBy === 'end-of-data') return bytes;
  }
}

async function read(job: ReadJob): Promise<Sample> {
  const original = job.compareWith === undefined ? undefined : await open(job.compareWith);
  let at = 0;
  const compare = async (data: Uint8Array): Promise<void> => {
    const expected = new Uint8Array(data.length);
    await original?.read(expected, 0, data.length, at);
    if (Buffer.compare(expected, data) !== 0) {
      throw new Error(`What was restored differs from ${job.compareWith} behind byte ${at}.`);
    }
    at += data.length;
  };
  const sample = await measured(async () => {
    const engine = await openStore(job, 'read');
    const image = await engine.openImage(job.image, 'read');
    const bytes = await readTape(image, original === undefined ? () => undefined : compare);
    await image.close();
    await engine.close();
    return { bytes };
  });
  if (original !== undefined && sample.bytes !== (await original.stat()).size) {
    throw new Error(`${sample.bytes} bytes were restored of ${job.compareWith}.`);
  }
  await original?.close();
  return sample;
}

function idleSyncs(job: IdleSyncsJob): Promise<Sample> {
  return measured(async () => {
    const engine = await openStore(job, 'create');
    const image = await openForWriting(engine, 'IDLE');
    const record = { lengths: Uint32Array.of(1000), data: new Uint8Array(1000) };
    await image.append({ partition: 0, at: logicalObjectNumber(0), ...record });
    for (let sync = 0; sync <= job.syncCount; sync += 1) {
      await image.sync({ generation: generation(1 + sync) });
    }
    await image.close();
    await engine.close();
    return {};
  });
}

function tinyRecords(job: TinyRecordsJob): Promise<Sample> {
  const lengths = new Uint32Array(TINY_RECORDS_PER_CALL).fill(1);
  const data = new Uint8Array(TINY_RECORDS_PER_CALL).map((_, index) => index * 31);
  return measured(async () => {
    const engine = await openStore(job, 'create');
    const writer = new Writer(await openForWriting(engine, 'TINY'));
    let left = job.recordCount;
    for (; left > 0; left -= TINY_RECORDS_PER_CALL) await writer.append({ lengths, data });
    await writer.append(FILEMARK);
    await writer.finish();
    await engine.close();
    return { bytes: job.recordCount };
  });
}

/** Numbers that look drawn, the same ones each time (Numerical Recipes' generator). */
function* drawnNumbers(): Generator<number, never> {
  let state = 20240601;
  for (;;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

/** Files of 1 to 255 records of 1 to 3 bytes, all of one file equally long, with filemarks between. */
function* manyObjects(objectCount: number): Generator<Uint32Array> {
  const drawn = drawnNumbers();
  for (let done = 0; done < objectCount; done += TINY_RECORDS_PER_CALL) {
    const lengths = new Uint32Array(Math.min(TINY_RECORDS_PER_CALL, objectCount - done));
    for (let at = 0; at < lengths.length;) {
      const end = at + 1 + Math.floor(drawn.next().value * 255);
      lengths.fill(1 + Math.floor(drawn.next().value * 3), at, end);
      at = end + 1;
    }
    yield lengths;
  }
}

function locate(job: LocateJob): Promise<Sample> {
  return measured(async () => {
    const engine = await openStore(job, 'create');
    const writer = new Writer(await openForWriting(engine, 'OBJECTS'));
    for (const lengths of manyObjects(job.objectCount)) {
      const bytes = lengths.reduce((sum, length) => sum + length, 0);
      await writer.append({ lengths, data: new Uint8Array(bytes) });
    }
    await writer.finish();
    const openedAtMs = performance.now();
    const image = await engine.openImage('OBJECTS', 'read');
    const openMs = performance.now() - openedAtMs;
    const drawn = drawnNumbers();
    const times: number[] = [];
    for (let probe = 0; probe < job.probeCount; probe += 1) {
      const at = logicalObjectNumber(Math.floor(drawn.next().value * job.objectCount));
      const askedAtMs = performance.now();
      await image.locate({ partition: 0, at });
      times.push(performance.now() - askedAtMs);
    }
    await image.close();
    await engine.close();
    times.sort((one, other) => one - other);
    const share = (part: number) => times[Math.floor(part * (times.length - 1))] ?? Number.NaN;
    return { extra: { medianMs: share(0.5), p99Ms: share(0.99), maxMs: share(1), openMs } };
  });
}

function openAndClose(job: OpenJob): Promise<Sample> {
  return measured(async () => {
    const startedAtMs = performance.now();
    const engine = await openStore(job, 'create');
    const openMs = performance.now() - startedAtMs;
    const { chunkCount } = await engine.statistics();
    await engine.close();
    return { chunkCount, extra: { openMs } };
  });
}

/** The library is C++ for this process to load: so it runs on the very zstd that the engine uses. */
function runLibrary(job: LibraryJob): Promise<Sample> {
  const library = createRequire(import.meta.url)(job.library) as {
    measure(...names: readonly string[]): string;
  };
  return measured(() =>
    Promise.resolve({
      extra: JSON.parse(library.measure(...job.arguments)) as Record<string, number>,
    }),
  );
}

function run(job: Job): Promise<Sample> {
  switch (job.kind) {
    case 'write':
      return write(job);
    case 'read':
      return read(job);
    case 'idle-syncs':
      return idleSyncs(job);
    case 'tiny-records':
      return tinyRecords(job);
    case 'locate':
      return locate(job);
    case 'open':
      return openAndClose(job);
    case 'library':
      return runLibrary(job);
  }
}

console.log(JSON.stringify(await run(JSON.parse(process.argv[2] ?? '') as Job)));
