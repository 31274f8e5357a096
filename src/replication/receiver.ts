/**
 * The receiving side of replication: answers offers, takes what this store lacks, commits.
 *
 * Nothing a peer sends names a path. What it says of a chunk is believed only once this side's engine
 * has computed the digest, and a copy is acknowledged only once it would survive a power cut.
 */
import { equalBytes } from '../base/bytes.ts';
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { checkName } from '../base/names.ts';
import { KIB, MIB } from '../base/units.ts';
import type {
  CopyReceiver,
  Holding,
  IncomingCopy,
  InstantDrReceiver,
  OfferAnswer,
  TapeOffer,
  TapePlace,
} from '../ports/copy-receiver.ts';
import type { Cancel } from '../ports/clock.ts';
import { DIGEST_BYTES, MANIFEST_BYTES_MAX } from '../ports/engine.ts';
import { Connection } from './connection.ts';
import type { ConnectionOptions } from './connection.ts';
import { CHUNK_COUNT_MAX, MANIFEST_PAGE_BYTES_MAX, PLACE_COUNT_MAX, violation } from './frame.ts';
import { needOf, neededDigests } from './messages.ts';
import type { Message, MessageOf, Offer, Parcels } from './messages.ts';
import { OutlineIntake, neededPlaces } from './outline.ts';
import { NeededChunks, chunksOfParcels } from './parcels.ts';

/** After so many bytes of chunks they are made durable: what a power cut takes is sent again. */
const SYNC_INTERVAL_BYTES = 256 * MIB;
/** A manifest shorter than this comes whole: its outline would cost a round trip and save little. */
const OUTLINED_BYTES_MIN = 16 * KIB;

export interface ReceiveOptions extends ConnectionOptions {
  readonly receiver: CopyReceiver;
  readonly serverName: string;
  /** Takes one sentence where a peer broke the protocol, was lost, or was refused. */
  readonly log?: (sentence: string) => void;
}

/**
 * Serves one connection until the peer ends it. Resolves also where that was the peer's fault: then
 * the connection has been dropped, nothing is left staged, and one sentence logged. Rejects with what
 * is no operating error.
 */
export async function receiveCopies(options: ReceiveOptions): Promise<void> {
  const connection = new Connection(options);
  try {
    await new Reception(connection, options).serve();
    await connection.end();
  } catch (error) {
    if (!isCapstanError(error)) throw error;
    options.log?.(error.message);
    connection.destroy();
  } finally {
    connection.close();
  }
}

/** Whether an error is of the connection or the peer, so that there is nobody left to answer. */
const endsConnection = (error: unknown): boolean =>
  !isCapstanError(error) || isCapstanError(error, 'CONNECTION_LOST', 'PROTOCOL_VIOLATION');

/** What a peer may still have under way when it is refused. */
const isOfCopy = (message: Message): boolean =>
  message.kind === 'outline' ||
  message.kind === 'manifest' ||
  message.kind === 'bases' ||
  message.kind === 'parcels' ||
  message.kind === 'commit';

type InstantDrMessage = MessageOf<'inquiry' | 'remove' | 'take-over'>;

const isInstantDr = (message: Message): message is InstantDrMessage =>
  message.kind === 'inquiry' || message.kind === 'remove' || message.kind === 'take-over';

class Reception {
  readonly #connection: Connection;
  readonly #options: ReceiveOptions;
  /** Where what comes next lies. */
  #places: TapePlace[] = [];
  #placesEnded = false;

  constructor(connection: Connection, options: ReceiveOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  async serve(): Promise<void> {
    const connection = this.#connection;
    const sourceServer = await connection.greet(this.#options.serverName);
    let refused = false;
    for (;;) {
      const message = await connection.receive();
      if (message === undefined) return;
      if (message.kind === 'place') {
        this.#hearPlace(message);
        continue;
      }
      this.#placesEnded = true;
      if (message.kind === 'offer') refused = !(await this.#answer(message, sourceServer));
      else if (isInstantDr(message)) await this.#serveInstantDr(message, sourceServer);
      else if (!refused || !isOfCopy(message)) {
        throw violation(connection.peer, `a ${message.kind} frame came in place of an offer`);
      }
    }
  }

  #hearPlace({ vault, fileSystem }: MessageOf<'place'>): void {
    if (this.#placesEnded) this.#places = [];
    this.#placesEnded = false;
    if (this.#places.length >= PLACE_COUNT_MAX) {
      throw violation(this.#connection.peer, `over ${PLACE_COUNT_MAX} PLACE frames came in a row`);
    }
    this.#places.push({ vault, fileSystem });
  }

  /** Answers what Instant DR asks; a refusal is an answer like others. */
  async #serveInstantDr(message: InstantDrMessage, sourceServer: string): Promise<void> {
    const connection = this.#connection;
    try {
      await connection.send(await this.#askInstantDr(message, sourceServer));
    } catch (error) {
      if (endsConnection(error) || !(error instanceof CapstanError)) throw error;
      const said = isCapstanError(error, 'PEER_REFUSED') ? error.fields['reason'] : undefined;
      const reason = said === undefined ? error.message : String(said);
      this.#options.log?.(`What ${sourceServer} asks for Instant DR is refused: ${reason}`);
      await connection.send({ kind: 'refuse', reason });
    }
  }

  async #askInstantDr(message: InstantDrMessage, sourceServer: string): Promise<Message> {
    const { instantDr } = this.#options.receiver;
    if (instantDr === undefined) {
      return { kind: 'refuse', reason: 'this server takes copies and nothing else' };
    }
    if (message.kind === 'inquiry') {
      return { kind: 'holdings', holdings: await this.#inquire(instantDr, message, sourceServer) };
    }
    if (message.kind === 'remove') {
      const { kind: _, ...removal } = message;
      await instantDr.remove({ ...removal, sourceServer });
    } else {
      const { kind: _, ...request } = message;
      await instantDr.takeOver({ ...request, sourceServer });
    }
    return { kind: 'done' };
  }

  /** To read whole tapes takes long: now and then PROGRESS says that it goes on. */
  async #inquire(
    instantDr: InstantDrReceiver,
    { scheme, thorough, tapes }: MessageOf<'inquiry'>,
    sourceServer: string,
  ): Promise<readonly (Holding | undefined)[]> {
    const { clock, stallTimeoutMs } = this.#options;
    let cancel: Cancel = () => undefined;
    const tell = (): void => {
      // A failure shows in what is sent next.
      this.#connection.send({ kind: 'progress', chunksStored: 0 }).catch(() => {});
      cancel = clock.after(stallTimeoutMs, tell);
    };
    if (thorough) cancel = clock.after(stallTimeoutMs, tell);
    try {
      const places = this.#places;
      return await instantDr.inquire({ sourceServer, scheme, thorough, tapes, places });
    } finally {
      cancel();
    }
  }

  /** Answers an offer and, where it is accepted, receives the copy; false where it was refused. */
  async #answer(message: Offer, sourceServer: string): Promise<boolean> {
    const { kind: _, ...what } = message;
    const place = this.#places.at(-1);
    const offer: TapeOffer = { ...what, sourceServer, ...(place && { place }) };
    const { generation, manifestDigest } = offer;
    try {
      const answer = await this.#ask(offer);
      switch (answer.kind) {
        case 'accept':
          await receiveCopy(this.#connection, offer, answer.copy);
          await this.#connection.send({
            kind: 'ack',
            outcome: 'copied',
            generation,
            manifestDigest,
          });
          return true;
        case 'present':
        case 'stale': {
          const found = answer.kind === 'stale' ? answer.generation : generation;
          const ack = { kind: 'ack', outcome: answer.kind, manifestDigest } as const;
          await this.#connection.send({ ...ack, generation: found });
          return true;
        }
        case 'refuse':
          await this.#refuse(offer, answer.reason);
          return false;
      }
    } catch (error) {
      if (endsConnection(error) || !(error instanceof CapstanError)) throw error;
      // The server's own refusal at the commit says the rest of the sentence already.
      const reason = isCapstanError(error, 'COPY_REFUSED') ? error.fields['reason'] : undefined;
      await this.#refuse(offer, reason === undefined ? error.message : String(reason));
      return false;
    }
  }

  async #ask(offer: TapeOffer): Promise<OfferAnswer> {
    checkName('tape', offer.tape);
    checkName('pool', offer.pool);
    if (offer.manifestBytes > MANIFEST_BYTES_MAX) {
      throw new CapstanError('LIMIT_EXCEEDED', {
        what: `The manifest of tape ${offer.tape}, bytes,`,
        value: offer.manifestBytes,
        limit: MANIFEST_BYTES_MAX,
      });
    }
    return this.#options.receiver.offer(offer);
  }

  async #refuse(offer: TapeOffer, reason: string): Promise<void> {
    this.#options.log?.(
      `Tape ${JSON.stringify(offer.tape)} of ${offer.sourceServer} is refused: ${reason}`,
    );
    await this.#connection.send({ kind: 'refuse', reason });
  }
}

/** Receives one copy and commits it; abandons it where anything fails before. */
async function receiveCopy(
  connection: Connection,
  offer: TapeOffer,
  copy: IncomingCopy,
): Promise<void> {
  let manifest: Uint8Array;
  try {
    manifest = await receiveManifest(connection, offer, copy);
    const digests = await readManifest(connection, offer, manifest, copy);
    const need = needOf(await copy.engine.lackingChunks(digests));
    await connection.send(need);
    await new ChunkIntake(connection, copy.engine, neededDigests(need, digests)).run();
    await receiveCommit(connection, offer, need.chunkCount);
  } catch (error) {
    await copy.abandon();
    throw error;
  }
  await copy.commit(manifest);
}

/** The manifest, of which only what an older one of the tape lacks has to come. */
async function receiveManifest(
  connection: Connection,
  { manifestBytes }: TapeOffer,
  copy: IncomingCopy,
): Promise<Uint8Array> {
  const older = manifestBytes < OUTLINED_BYTES_MIN ? undefined : await olderManifest(copy);
  if (older === undefined) {
    await connection.send({ kind: 'need-manifest', wants: 'whole' });
    return receivePages(connection, manifestBytes);
  }
  await connection.send({ kind: 'need-manifest', wants: 'outline' });
  const intake = new OutlineIntake(connection.peer, manifestBytes);
  while (!intake.isComplete) intake.add((await connection.expect('outline')).pieces);
  const outline = intake.outline();
  const { manifest, lacking } = await copy.engine.fillManifest(outline, older);
  const need = needOf(lacking);
  await connection.send(need);
  const places = [...neededPlaces(outline, need)];
  const lackingBytes = places.reduce((sum, { start, end }) => sum + end - start, 0);
  const pieces = await receivePages(connection, lackingBytes);
  let taken = 0;
  for (const { start, end } of places) {
    manifest.set(pieces.subarray(taken, taken + end - start), start);
    taken += end - start;
  }
  return manifest;
}

/** What the tape's image is here before the copy; undefined where there is none that can be read. */
async function olderManifest({
  engine,
  olderImage,
}: IncomingCopy): Promise<Uint8Array | undefined> {
  if (olderImage === undefined) return undefined;
  try {
    return await engine.exportManifest(olderImage);
  } catch (error) {
    if (isCapstanError(error, 'NOT_FOUND', 'STORE_CORRUPT', 'LIMIT_EXCEEDED')) return undefined;
    throw error;
  }
}

/** So many bytes of the manifest; the offer's length was checked against MANIFEST_BYTES_MAX. */
async function receivePages(connection: Connection, byteCount: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(byteCount);
  let received = 0;
  while (received < byteCount) {
    const { offset, page } = await connection.expect('manifest');
    const length = Math.min(MANIFEST_PAGE_BYTES_MAX, byteCount - received);
    if (offset !== received || page.length !== length) {
      const what = `a page of the manifest has ${page.length} bytes at ${offset}`;
      throw violation(connection.peer, `${what} in place of ${length} at ${received}`);
    }
    bytes.set(page, offset);
    received += length;
  }
  return bytes;
}

/** The unique chunks' digests of a manifest that is what was offered. */
async function readManifest(
  connection: Connection,
  offer: TapeOffer,
  manifest: Uint8Array,
  copy: IncomingCopy,
): Promise<Uint8Array> {
  try {
    const { digest, digests } = await copy.engine.readManifest(manifest);
    if (equalBytes(digest, offer.manifestDigest)) return digests;
  } catch (error) {
    if (!isCapstanError(error, 'STORE_CORRUPT', 'LIMIT_EXCEEDED', 'INVALID_ARGUMENT')) throw error;
    throw violation(connection.peer, `the manifest cannot be read: ${error.message}`, error);
  }
  throw violation(connection.peer, 'the manifest is not the one that was offered');
}

async function receiveCommit(
  connection: Connection,
  offer: TapeOffer,
  chunkCount: number,
): Promise<void> {
  const commit = await connection.expect('commit');
  const same =
    commit.generation === offer.generation &&
    commit.chunkCount === chunkCount &&
    equalBytes(commit.manifestDigest, offer.manifestDigest);
  if (!same) throw violation(connection.peer, 'it commits another copy than it offered');
}

/** Takes the chunks that were asked for; stores one frame's while it receives the next. */
class ChunkIntake {
  readonly #connection: Connection;
  readonly #engine: IncomingCopy['engine'];
  readonly #needed: NeededChunks;
  #basesAsked = 0;
  #unsyncedBytes = 0;

  constructor(connection: Connection, engine: IncomingCopy['engine'], needed: Uint8Array) {
    this.#connection = connection;
    this.#engine = engine;
    this.#needed = new NeededChunks(needed);
  }

  async run(): Promise<void> {
    let storing: Promise<void> = Promise.resolve();
    try {
      for (let received = 0; received < this.#needed.count;) {
        const parcels = await this.#next(received);
        this.#check(parcels, received);
        received += parcels.chunkCount;
        await storing;
        storing = this.#store(parcels);
        // Awaited in any case, but perhaps only after it has failed.
        storing.catch(() => {});
      }
    } finally {
      // Nothing may still be under way in the store when the copy is given up.
      await storing;
    }
  }

  /** The next parcels; ahead of the first the sender may ask for what deltas rest on. */
  async #next(received: number): Promise<Parcels> {
    if (received > 0) return this.#connection.expect('parcels');
    for (;;) {
      const message = await this.#connection.expect('bases', 'parcels');
      if (message.kind === 'parcels') return message;
      await this.#answerBases(message);
    }
  }

  async #answerBases({ digests }: MessageOf<'bases'>): Promise<void> {
    const count = digests.length / DIGEST_BYTES;
    this.#basesAsked += count;
    if (count === 0 || this.#basesAsked > CHUNK_COUNT_MAX) {
      throw violation(this.#connection.peer, `it asks for ${this.#basesAsked} bases`);
    }
    await this.#connection.send(needOf(await this.#engine.lackingChunks(digests)));
  }

  #check({ chunksBefore, chunkCount, parcels }: Parcels, received: number): void {
    const { peer } = this.#connection;
    if (chunksBefore !== received || chunkCount === 0) {
      const what = `${chunkCount} needed chunks came behind ${chunksBefore}`;
      throw violation(peer, `${what}, where ${received} had been received`);
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

  async #store({ chunksBefore, chunkCount, parcels }: Parcels): Promise<void> {
    await this.#add(parcels);
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
