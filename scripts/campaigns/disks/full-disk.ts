/**
 * A small disk is written full: the error is NO_SPACE, told before data is taken, and a tape still ends in
 * order then; nothing that was acknowledged is lost, reading goes on; once a tape is removed and the store collected, writing goes on, in this process and the next.
 */
import { CapstanError } from '../../../src/base/errors.ts';
import { generation, KIB, logicalObjectNumber } from '../../../src/base/units.ts';
import { openEngine } from '../../../src/platform/engine.ts';
import type { Engine } from '../../../src/ports/engine.ts';
import { SimulatedRandom } from '../../../harness/world/simulated-random.ts';
import { Journal } from './journal.ts';
import { Lost } from './store-check.ts';
import { openOptions } from './store-kind.ts';
import type { StoreKind } from './store-kind.ts';
import { digestOf, FILEMARK, packed } from './tape-content.ts';
import type { TapeRecord } from './tape-content.ts';

const BLOCK_BYTES = 64 * KIB;
const BLOCKS_A_CALL = 16;
/** More than the disk has room for, in tapes of so many calls. */
const TAPE_COUNT_MAX = 1000;
const CALLS_A_TAPE = 8;
/** After a collection, so many calls must find room. */
const CALLS_AFTERWARDS = 6;

export interface FullDiskTask {
  /** On the small disk; to be made. */
  readonly folder: string;
  readonly kind: StoreKind;
  readonly seed: number;
}

function isFull(error: unknown): boolean {
  return error instanceof CapstanError && error.code === 'NO_SPACE';
}

/** What a full disk must not refuse. */
async function kept(call: Promise<void>): Promise<void> {
  try {
    await call;
  } catch (error) {
    throw isFull(error) ? new Lost('there is no space for what was accepted') : error;
  }
}

class Filler {
  readonly #engine: Engine;
  readonly #journal: Journal;
  readonly #random: SimulatedRandom;

  constructor(engine: Engine, journal: Journal, seed: number) {
    this.#engine = engine;
    this.#journal = journal;
    this.#random = new SimulatedRandom(seed);
  }

  #say(word: 'try' | 'ack', action: string): void {
    this.#journal.add(`${word} ${action}\n`);
  }

  /** Writes a tape with a sync every other call; rejects NO_SPACE, once the tape is ended with a filemark. */
  async writeTape(name: string, calls: number): Promise<void> {
    const records: TapeRecord[] = [];
    const created = `sync ${name} 0 ${digestOf([records])}`;
    this.#say('try', created);
    await this.#engine.createImage(name, { partitionCount: 1 });
    this.#say('ack', created);
    const image = await this.#engine.openImage(name, 'write');
    const append = async (more: readonly TapeRecord[]): Promise<void> => {
      const at = logicalObjectNumber(records.length);
      await image.append({ partition: 0, at, ...packed(more) });
      records.push(...more);
    };
    const sync = async (call: number): Promise<void> => {
      const action = `sync ${name} ${call} ${digestOf([records])}`;
      this.#say('try', action);
      await image.sync({ generation: generation(call) });
      this.#say('ack', action);
    };
    try {
      for (let call = 1; call <= calls; call += 1) {
        const more = Array.from({ length: BLOCKS_A_CALL }, () => this.#random.bytes(BLOCK_BYTES));
        try {
          await append(more);
        } catch (error) {
          await kept(append([FILEMARK]));
          await kept(sync(call));
          throw error;
        }
        if (call % 2 === 0 || call === calls) await kept(sync(call));
      }
    } finally {
      await image.close();
    }
  }

  /** Until there is no room; the tapes begun. */
  async fill(prefix: string): Promise<string[]> {
    const names: string[] = [];
    try {
      while (names.length < TAPE_COUNT_MAX) {
        names.push(`${prefix}${names.length}`);
        await this.writeTape(names.at(-1) ?? '', CALLS_A_TAPE);
      }
    } catch (error) {
      if (isFull(error)) return names;
      throw error;
    }
    throw new Lost('the disk is never full');
  }

  /** Frees a tape's space; tells how many bytes. */
  async giveUp(name: string): Promise<number> {
    this.#say('try', `remove ${name}`);
    await this.#engine.removeImage(name);
    this.#say('ack', `remove ${name}`);
    return (await this.#engine.collect({ liveShareMin: 0.9 })).freedBytes;
  }
}

/** Writes the disk full, frees some, and writes it full again; the journal. Rejects what is wrong. */
export async function fillDisk({ folder, kind, seed }: FullDiskTask): Promise<Journal> {
  const journal = new Journal();
  journal.add('ack store\n');
  const engine = await openEngine(folder, openOptions(kind, 'create'));
  try {
    const filler = new Filler(engine, journal, seed);
    await filler.fill('A');
    const { damages } = await engine.verify({});
    if (damages.length > 0) throw new Lost(`damage on a full disk at ${damages[0]?.place}`);
    const freedBytes = (await filler.giveUp('A0')) + (await filler.giveUp('A1'));
    if (freedBytes < BLOCK_BYTES * BLOCKS_A_CALL) throw new Lost(`${freedBytes} bytes were freed`);
    await filler.writeTape('B', CALLS_AFTERWARDS);
    await filler.fill('C');
  } finally {
    await engine.close();
  }
  return journal;
}

/** In another process: opens the store on the full disk, frees some, and writes. */
export async function freeDisk(task: FullDiskTask, journal: Journal): Promise<void> {
  const { folder, kind, seed } = task;
  const engine = await openEngine(folder, openOptions(kind, 'write'));
  try {
    const filler = new Filler(engine, journal, seed + 1);
    await filler.giveUp('A2');
    await filler.giveUp('B');
    await filler.writeTape('D', CALLS_AFTERWARDS);
  } finally {
    await engine.close();
  }
}
