/**
 * The receiving side of replication: answers offers, takes what this store lacks, commits.
 *
 * Nothing a peer sends names a path. What it says of a chunk is believed only once this side's engine
 * has computed the digest, and a copy is acknowledged only once it would survive a power cut.
 */
import { equalBytes } from '../base/bytes.ts';
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { checkName } from '../base/names.ts';
import { KIB } from '../base/units.ts';
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
import { MANIFEST_BYTES_MAX } from '../ports/engine.ts';
import { ChunkIntake } from './chunk-intake.ts';
import { Connection } from './connection.ts';
import type { ConnectionOptions } from './connection.ts';
import { FEATURE_LANES, MANIFEST_PAGE_BYTES_MAX, PLACE_COUNT_MAX, violation } from './frame.ts';
import { needOf, neededDigests } from './need.ts';
import type { Message, MessageOf, Offer } from './messages.ts';
import { OutlineIntake, neededPlaces } from './outline.ts';
import { ParcelQueue, serveLane } from './parcel-queue.ts';
import type { LaneRegistry } from './parcel-queue.ts';

/** A manifest shorter than this comes whole: its outline would cost a round trip and save little. */
const OUTLINED_BYTES_MIN = 16 * KIB;

export interface ReceiveOptions extends ConnectionOptions {
  readonly receiver: CopyReceiver;
  readonly serverName: string;
  /** Of the server that receives; without one it takes no lanes. */
  readonly lanes?: LaneRegistry;
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
  readonly #queue: ParcelQueue;

  constructor(connection: Connection, options: ReceiveOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#queue = new ParcelQueue(connection);
  }

  /** The connection to its end; it may turn out to be a lane of another. */
  async serve(): Promise<void> {
    const connection = this.#connection;
    const { serverName, lanes } = this.#options;
    const greeting = await connection.greet(serverName, lanes === undefined ? 0 : FEATURE_LANES);
    if (lanes === undefined || greeting.version < 3) {
      await this.#serveCopies(greeting.serverName, await connection.receive());
      return;
    }
    const first = await connection.receive();
    if (first?.kind === 'join') {
      await serveLane(connection, lanes, first.token);
      return;
    }
    if (first?.kind === 'lanes') lanes.add(connection.peer, first.token, this.#queue);
    try {
      const next = first?.kind === 'lanes' ? await connection.receive() : first;
      await this.#serveCopies(greeting.serverName, next);
    } catch (error) {
      throw this.#queue.failure ?? error;
    } finally {
      lanes.delete(this.#queue);
      this.#queue.close();
    }
  }

  async #serveCopies(sourceServer: string, first: Message | undefined): Promise<void> {
    const connection = this.#connection;
    let refused = false;
    for (let message = first; message !== undefined; message = await connection.receive()) {
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
    this.#queue.count();
    const place = this.#places.at(-1);
    const offer: TapeOffer = { ...what, sourceServer, ...(place && { place }) };
    const { generation, manifestDigest } = offer;
    try {
      const answer = await this.#ask(offer);
      switch (answer.kind) {
        case 'accept':
          await receiveCopy(this.#connection, this.#queue, offer, answer.copy);
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
  queue: ParcelQueue,
  offer: TapeOffer,
  copy: IncomingCopy,
): Promise<void> {
  let manifest: Uint8Array;
  try {
    manifest = await receiveManifest(connection, offer, copy);
    const digests = await readManifest(connection, offer, manifest, copy);
    const need = needOf(await copy.engine.lackingChunks(digests));
    await connection.send(need);
    await new ChunkIntake(connection, queue, copy.engine, neededDigests(need, digests)).run();
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
