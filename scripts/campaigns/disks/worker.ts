/**
 * A process that writes tapes into a store and says what it was told is safe (journal.ts):
 * `node worker.ts FOLDER KIND STOCK-SEED LIFE ROUNDS`.
 *
 * What it does depends on its arguments alone. LIFE counts the processes that were let loose on one
 * store: each writes tapes of its own out of the same stock. ROUNDS over 1 go on with drawn actions.
 * It ends with 0 and the line `done`, or with 3 where the engine rejects with an error of its contract.
 */
import { writeSync } from 'node:fs';
import { CapstanError } from '../../../src/base/errors.ts';
import { generation, KIB, logicalObjectNumber } from '../../../src/base/units.ts';
import { openEngine } from '../../../src/platform/engine.ts';
import { PARCEL_BYTES_MAX } from '../../../src/ports/engine.ts';
import type { Engine, TapeImage } from '../../../src/ports/engine.ts';
import { SimulatedRandom } from '../../../harness/world/simulated-random.ts';
import { openOptions, STORE_KINDS } from './store-kind.ts';
import type { StoreKind } from './store-kind.ts';
import { ContentSource, digestOf, FILEMARK, packed } from './tape-content.ts';
import type { Fill, TapeRecord } from './tape-content.ts';

const STDOUT = 1;
const EXIT_REJECTED = 3;
/** A full disk may have room again: so often a call is made anew. */
const NO_SPACE_RETRIES = 3;
const RECORD_COUNT_MAX = 60;
const ERRORS_EXPECTED = ['NO_SPACE', 'DISK_IO', 'STORE_FAILED'];

interface Tape {
  readonly name: string;
  readonly image: TapeImage;
  readonly partitions: TapeRecord[][];
  generation: number;
}

/** Its arguments. */
export interface WorkerArguments {
  readonly folder: string;
  readonly kind: StoreKind;
  readonly stockSeed: number;
  readonly life: number;
  readonly rounds: number;
}

function say(line: string): void {
  writeSync(STDOUT, `${line}\n`);
}

async function unlessFull<T>(call: () => Promise<T>): Promise<T> {
  for (let retry = 0; ; retry += 1) {
    try {
      return await call();
    } catch (error) {
      const isFull = error instanceof CapstanError && error.code === 'NO_SPACE';
      if (!isFull || retry === NO_SPACE_RETRIES) throw error;
    }
  }
}

class Worker {
  readonly #engine: Engine;
  readonly #random: SimulatedRandom;
  readonly #content: ContentSource;
  readonly #life: number;
  readonly #tapes = new Map<string, Tape>();
  #nameCount = 0;

  constructor(engine: Engine, stockSeed: number, life: number) {
    this.#engine = engine;
    this.#life = life;
    this.#random = new SimulatedRandom(stockSeed * 1000 + life);
    this.#content = new ContentSource(stockSeed, this.#random);
  }

  async #acknowledged(action: string, call: () => Promise<void>): Promise<void> {
    say(`try ${action}`);
    await unlessFull(call);
    say(`ack ${action} ${process.hrtime.bigint()}`);
  }

  async #adopt(name: string, partitions: TapeRecord[][], at: number): Promise<Tape> {
    const image = await this.#engine.openImage(name, 'write');
    const tape = { name, image, partitions, generation: at };
    this.#tapes.set(name, tape);
    return tape;
  }

  #newName(): string {
    this.#nameCount += 1;
    return `L${this.#life}T${this.#nameCount}`;
  }

  async create(partitionCount: number): Promise<Tape> {
    const name = this.#newName();
    const partitions = Array.from({ length: partitionCount }, (): TapeRecord[] => []);
    await this.#acknowledged(`sync ${name} 0 ${digestOf(partitions)}`, () =>
      this.#engine.createImage(name, { partitionCount }),
    );
    return this.#adopt(name, partitions, 0);
  }

  async append(tape: Tape, records: readonly TapeRecord[], at?: number, partition = 0) {
    const kept = tape.partitions[partition]?.slice(0, at) ?? [];
    const place = logicalObjectNumber(kept.length);
    await unlessFull(() => tape.image.append({ partition, at: place, ...packed(records) }));
    tape.partitions[partition] = [...kept, ...records];
  }

  draw(fill: Fill, count: number, bytes: number): TapeRecord[] {
    return this.#content.records(fill, count, bytes + this.#random.below(500));
  }

  async truncate(tape: Tape, at: number): Promise<void> {
    await unlessFull(() => tape.image.truncate({ partition: 0, at: logicalObjectNumber(at) }));
    tape.partitions[0]?.splice(at);
  }

  sync(tape: Tape): Promise<void> {
    tape.generation += 1;
    const at = generation(tape.generation);
    const action = `sync ${tape.name} ${at} ${digestOf(tape.partitions)}`;
    return this.#acknowledged(action, () => tape.image.sync({ generation: at }));
  }

  /** A copy of the tape, as one that comes from a peer: staged, made durable, published. */
  async copy(tape: Tape): Promise<void> {
    const name = this.#newName();
    const staged = `${name}.NEW`;
    // A manifest is as of the last sync.
    await this.sync(tape);
    const at = generation(tape.generation);
    const manifest = await this.#engine.exportManifest(tape.name);
    const { digests } = await this.#engine.readManifest(manifest);
    const transfer = await this.#engine.openTransfer(digests);
    for (;;) {
      const batch = await transfer.read({ bytesMax: PARCEL_BYTES_MAX });
      if (batch === undefined) break;
      await unlessFull(() => this.#engine.addParcels(batch.parcels));
    }
    await unlessFull(() => this.#engine.stageImage(staged, manifest, { generation: at }));
    await unlessFull(() => this.#engine.sync());
    const partitions = tape.partitions.map((records) => [...records]);
    await this.#acknowledged(`sync ${name} ${at} ${digestOf(partitions)}`, () =>
      this.#engine.publishImage(staged, name),
    );
    await this.#adopt(name, partitions, at);
  }

  async remove(tape: Tape): Promise<void> {
    await tape.image.close();
    this.#tapes.delete(tape.name);
    await this.#acknowledged(`remove ${tape.name}`, () => this.#engine.removeImage(tape.name));
  }

  async collect(): Promise<void> {
    await unlessFull(() => this.#engine.collect({ liveShareMin: 0.9 }));
  }

  /** All that there is, once. */
  async firstRound(): Promise<void> {
    const first = await this.create(2);
    await this.append(first, [...this.draw('noise', 8, 40 * KIB), FILEMARK]);
    await this.sync(first);
    const second = await this.create(1);
    await this.append(second, this.draw('text', 12, 16 * KIB));
    await this.sync(second);
    await this.append(first, this.draw('fresh', 20, 700), undefined, 1);
    await this.append(second, this.draw('noise', 8, 40 * KIB));
    await this.append(second, this.draw('edited', 8, 40 * KIB));
    await this.sync(first);
    await this.sync(second);
    const third = await this.create(1);
    await this.append(third, this.draw('framed', 6, 64 * KIB));
    await this.sync(third);
    await this.append(first, this.draw('edited', 4, 40 * KIB), 4);
    await this.sync(first);
    await Promise.all([
      this.append(second, this.draw('fresh', 4, 50 * KIB)),
      this.append(third, this.draw('framed', 4, 64 * KIB)),
    ]);
    await Promise.all([this.sync(second), this.sync(third), this.sync(first)]);
    await this.copy(third);
    await this.remove(second);
    await this.collect();
    await this.append(third, this.draw('fresh', 6, 60 * KIB));
    await this.sync(third);
    await this.truncate(first, 3);
    await this.sync(first);
  }

  async drawnRound(): Promise<void> {
    const tapes = [...this.#tapes.values()];
    const tape = tapes[this.#random.below(tapes.length)] ?? (await this.create(1));
    const length = tape.partitions[0]?.length ?? 0;
    const action = this.#random.below(20);
    if (action === 0) await this.collect();
    else if (action === 1 && tapes.length < 6) await this.copy(tape);
    else if (action === 2 && tapes.length > 3) await this.remove(tape);
    else if (action === 3 && tapes.length < 6) await this.create(1);
    else if (action < 6 || length > RECORD_COUNT_MAX) await this.truncate(tape, length >> 1);
    else if (action < 14) {
      const fill = (['noise', 'text', 'edited', 'fresh', 'framed'] as const)[this.#random.below(5)];
      const at = action < 9 ? this.#random.below(length + 1) : length;
      const records = this.draw(fill ?? 'noise', 1 + this.#random.below(6), 30 * KIB);
      await this.append(tape, records, at);
    } else await this.sync(tape);
  }

  async end(): Promise<void> {
    for (const { image } of this.#tapes.values()) await image.close();
    await this.#engine.close();
    say('done');
  }
}

const [folder = '', kindName = '', stockSeed = '', life = '', rounds = ''] = process.argv.slice(2);
const kind = STORE_KINDS.find((each) => each === kindName);
if (kind === undefined) throw new Error(`No kind of store is named ${kindName}.`);
try {
  say('try store');
  const engine = await openEngine(folder, openOptions(kind, 'create'));
  say(`ack store ${process.hrtime.bigint()}`);
  const worker = new Worker(engine, Number(stockSeed), Number(life));
  await worker.firstRound();
  for (let round = 1; round < Number(rounds); round += 1) await worker.drawnRound();
  await worker.end();
} catch (error) {
  if (!(error instanceof CapstanError) || !ERRORS_EXPECTED.includes(error.code)) throw error;
  say(`rejected ${error.code} ${error.message}`);
  process.exit(EXIT_REJECTED);
}
