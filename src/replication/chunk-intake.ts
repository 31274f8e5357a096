/** Takes the chunks that a copy needs, over the connection and its lanes; stores one frame's while it receives the next. */
import { isCapstanError } from '../base/errors.ts';
import { MIB } from '../base/units.ts';
import type { IncomingCopy } from '../ports/copy-receiver.ts';
import { DIGEST_BYTES } from '../ports/engine.ts';
import type { Connection } from './connection.ts';
import { CHUNK_COUNT_MAX, recycle, violation } from './frame.ts';
import { needOf } from './need.ts';
import type { MessageOf, Parcels } from './messages.ts';
import type { Held, ParcelQueue } from './parcel-queue.ts';
import { NeededChunks, chunksOfParcels } from './parcels.ts';

/** After so many bytes of chunks they are made durable: what a power cut takes is sent again. */
const SYNC_INTERVAL_BYTES = 256 * MIB;

export class ChunkIntake {
  readonly #connection: Connection;
  readonly #queue: ParcelQueue;
  readonly #engine: IncomingCopy['engine'];
  readonly #needed: NeededChunks;
  #basesAsked = 0;
  #parcelsCame = false;
  #unsyncedBytes = 0;

  constructor(
    connection: Connection,
    queue: ParcelQueue,
    engine: IncomingCopy['engine'],
    needed: Uint8Array,
  ) {
    this.#connection = connection;
    this.#queue = queue;
    this.#engine = engine;
    this.#needed = new NeededChunks(needed);
  }

  async run(): Promise<void> {
    let storing: Promise<void> = Promise.resolve();
    this.#queue.begin();
    try {
      for (let received = 0; received < this.#needed.count;) {
        const next = await this.#next(received);
        this.#check(next.parcels);
        received += next.parcels.chunkCount;
        await storing;
        storing = this.#store(next);
        // Awaited in any case, but perhaps only after it has failed.
        storing.catch(() => {});
      }
    } finally {
      this.#queue.end();
      // Nothing may still be under way in the store when the copy is given up.
      await storing;
    }
  }

  /** The parcels behind `received` chunks; ahead of the first the sender may ask for what deltas rest on. */
  async #next(received: number): Promise<Held> {
    const connection = this.#connection;
    const queue = this.#queue;
    for (;;) {
      const held = queue.take(received);
      if (held !== undefined) return held;
      const arrivals = [queue.arrival()];
      if (queue.mayRead(connection)) arrivals.push(connection.arrival());
      await Promise.race(arrivals).catch((error: unknown) => {
        throw queue.failure ?? error;
      });
      if (connection.hasArrived) await this.#takeMessage(received);
    }
  }

  /** What came over the connection itself. */
  async #takeMessage(received: number): Promise<void> {
    const kinds = this.#parcelsCame || received > 0 ? [] : (['bases'] as const);
    const message = await this.#connection.expect(...kinds, 'parcels');
    if (message.kind === 'bases') {
      await this.#answerBases(message);
      return;
    }
    this.#parcelsCame = true;
    // Without lanes there is one order only.
    if (!this.#queue.hasLanes && message.chunksBefore !== received) {
      const what = `${message.chunkCount} needed chunks came behind ${message.chunksBefore}`;
      throw violation(this.#connection.peer, `${what}, where ${received} had been received`);
    }
    this.#queue.hold(this.#connection, message);
  }

  async #answerBases({ digests }: MessageOf<'bases'>): Promise<void> {
    const count = digests.length / DIGEST_BYTES;
    this.#basesAsked += count;
    if (count === 0 || this.#basesAsked > CHUNK_COUNT_MAX) {
      throw violation(this.#connection.peer, `it asks for ${this.#basesAsked} bases`);
    }
    await this.#connection.send(needOf(await this.#engine.lackingChunks(digests)));
  }

  #check({ chunksBefore, chunkCount, parcels }: Parcels): void {
    const { peer } = this.#connection;
    if (chunkCount === 0) {
      throw violation(peer, `0 needed chunks came behind ${chunksBefore}`);
    }
    const places = chunksOfParcels(parcels);
    if (places === undefined) throw violation(peer, 'a parcel does not end within its frame');
    const counts = places.map(
      (offsets) => offsets.filter((offset) => this.#needed.take(parcels, offset)).length,
    );
    // So what a peer can have stored is bounded by what was asked for.
    if (counts.includes(0)) throw violation(peer, 'a parcel brings nothing that was asked for');
    if (counts.reduce((sum, count) => sum + count, 0) !== chunkCount) {
      throw violation(peer, `a frame's needed chunks are not the ${chunkCount} it announces`);
    }
  }

  async #store({ parcels: { chunksBefore, chunkCount, parcels } }: Held): Promise<void> {
    await this.#add(parcels);
    recycle(parcels);
    this.#unsyncedBytes += parcels.length;
    if (this.#unsyncedBytes >= SYNC_INTERVAL_BYTES) {
      await this.#engine.sync();
      this.#unsyncedBytes = 0;
    }
    await this.#connection.send({ kind: 'progress', chunksStored: chunksBefore + chunkCount });
  }

  async #add(parcels: Uint8Array): Promise<void> {
    try {
      await this.#engine.addParcels(parcels);
    } catch (error) {
      if (!isCapstanError(error, 'LIMIT_EXCEEDED', 'INVALID_ARGUMENT')) throw error;
      throw violation(this.#connection.peer, `a parcel is not as it says: ${error.message}`, error);
    }
  }
}
