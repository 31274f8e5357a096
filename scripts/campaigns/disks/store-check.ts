/** Opens what a worker left, and holds it against what the worker was told (journal.ts). */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { KIB, generation, logicalObjectNumber } from '../../../src/base/units.ts';
import { openEngine } from '../../../src/platform/engine.ts';
import type { Engine, TapeImage } from '../../../src/ports/engine.ts';
import { SimulatedRandom } from '../../../harness/world/simulated-random.ts';
import type { Finding, Journal } from './journal.ts';
import { openOptions } from './store-kind.ts';
import type { StoreKind } from './store-kind.ts';
import { digestOf, packed } from './tape-content.ts';
import type { TapeRecord } from './tape-content.ts';

const READ_BYTES_MAX = 1024 * KIB;
const READ_COUNT_MAX = 1000;
const CHECK_TAPE = 'CHECK';
const CHECK_GENERATION = generation(1);

/** The first thing that is not as it must be. */
export class Lost extends Error {
  override readonly name = 'Lost';
}

async function readPartition(image: TapeImage, partition: number): Promise<TapeRecord[]> {
  const records: TapeRecord[] = [];
  while (true) {
    const at = logicalObjectNumber(records.length);
    const limits = { countMax: READ_COUNT_MAX, bytesMax: READ_BYTES_MAX };
    const read = await image.read({ partition, at, direction: 'forward', ...limits });
    let offset = 0;
    for (const length of read.lengths) {
      records.push(read.data.slice(offset, offset + length));
      offset += length;
    }
    if (read.stoppedBy === 'end-of-data') return records;
    if (read.lengths.length === 0) throw new Lost(`${image.name}: no object at ${at}`);
  }
}

async function readTape(engine: Engine, name: string): Promise<TapeRecord[][]> {
  const image = await engine.openImage(name, 'read');
  const { partitions } = await image.info();
  const state: TapeRecord[][] = [];
  for (const partition of partitions.keys()) state.push(await readPartition(image, partition));
  await image.close();
  return state;
}

async function requireClean(engine: Engine, when: string): Promise<void> {
  const { damages } = await engine.verify({});
  const [first] = damages;
  if (first !== undefined) throw new Lost(`${when}, damage at ${first.place}: ${first.what}`);
}

/** Holds every tape against the journal; what was found. */
async function requireTapes(engine: Engine, journal: Journal): Promise<Map<string, Finding>> {
  const found = new Map<string, Finding>(journal.tapes.map((tape) => [tape, 'absent']));
  for (const { name, generation: at } of await engine.listImages()) {
    // What was staged and not published is nobody's.
    if (name.includes('.')) continue;
    found.set(name, `${at} ${digestOf(await readTape(engine, name))}`);
  }
  for (const [tape, state] of found) {
    const allowed = journal.allowed(tape);
    if (!allowed.includes(state)) {
      throw new Lost(`${tape} is ${state}, and must be ${allowed.join(' or ')}`);
    }
  }
  return found;
}

/** More of the same content and of new one, on a tape that was there and on a new one; then as before. */
async function requireWritable(engine: Engine, tape: string | undefined): Promise<void> {
  const records = [new SimulatedRandom(99).bytes(200 * KIB)];
  if (tape !== undefined) {
    const state = await readTape(engine, tape);
    const image = await engine.openImage(tape, 'write');
    const { generation: before } = await image.info();
    const kept = state[0] ?? [];
    records.push(...kept.filter((record) => record.length > 0).slice(0, 10));
    const at = logicalObjectNumber(kept.length);
    await image.append({ partition: 0, at, ...packed(records) });
    await image.sync({ generation: generation(before + 1) });
    const after = digestOf(await readTape(engine, tape));
    if (after !== digestOf([[...kept, ...records], ...state.slice(1)])) {
      throw new Lost(`${tape} does not read back as it was written on after the recovery`);
    }
    await image.truncate({ partition: 0, at });
    await image.sync({ generation: before });
    await image.close();
  }
  await engine.createImage(CHECK_TAPE, { partitionCount: 1 });
  const image = await engine.openImage(CHECK_TAPE, 'write');
  await image.append({ partition: 0, at: logicalObjectNumber(0), ...packed(records) });
  await image.sync({ generation: CHECK_GENERATION });
  await image.close();
  if (digestOf(await readTape(engine, CHECK_TAPE)) !== digestOf([records])) {
    throw new Lost('a tape written after the recovery does not read back');
  }
}

async function withEngine<T>(
  folder: string,
  options: Parameters<typeof openEngine>[1],
  use: (engine: Engine) => Promise<T>,
): Promise<T> {
  const engine = await openEngine(folder, options);
  try {
    return await use(engine);
  } finally {
    await engine.close();
  }
}

/**
 * Rejects with Lost, or with what the engine says, where anything acknowledged is not there, whole and
 * right, or where the store takes no more. Leaves the tapes as they were found, and the journal says so.
 */
export async function checkStore(folder: string, kind: StoreKind, journal: Journal): Promise<void> {
  if (journal.storeMade) {
    // As who comes to read only: nothing is mended before.
    await withEngine(folder, openOptions(kind, 'read'), (engine) => requireTapes(engine, journal));
  }
  const mode = journal.storeMade ? 'write' : 'create';
  const found = await withEngine(folder, openOptions(kind, mode), async (engine) => {
    await requireClean(engine, 'after the opening');
    const tapes = await requireTapes(engine, journal);
    for (const [tape, state] of tapes) journal.settle(tape, state);
    const present = [...tapes.keys()].find((tape) => tapes.get(tape) !== 'absent');
    await requireWritable(engine, present);
    await engine.collect({ liveShareMin: 1 });
    await requireClean(engine, 'after a collection');
    return tapes;
  });
  await withEngine(folder, openOptions(kind, 'write'), async (engine) => {
    await requireClean(engine, 'after another opening');
    await engine.removeImage(CHECK_TAPE);
    await requireTapes(engine, journal);
  });
  const lock = join(folder, 'lock');
  if (found.size > 0 && !existsSync(lock)) throw new Lost('the store has no lock');
}
