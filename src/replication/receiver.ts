/**
 * The receiving side of replication: answers offers, takes what this store lacks, commits.
 *
 * Nothing a peer sends names a path. What it says of a chunk is believed only once this side's engine
 * has computed the digest, and a copy is acknowledged only once it would survive a power cut.
 */
import { equalBytes } from '../base/bytes.ts';
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { checkName } from '../base/names.ts';
import { MIB } from '../base/units.ts';
import type { CopyReceiver, IncomingCopy, OfferAnswer, TapeOffer } from '../ports/copy-receiver.ts';
import { DIGEST_BYTES, MANIFEST_BYTES_MAX } from '../ports/engine.ts';
import { Connection } from './connection.ts';
import type { ConnectionOptions } from './connection.ts';
import { chunkEnds } from './encoded-chunks.ts';
import { MANIFEST_PAGE_BYTES_MAX, violation } from './frame.ts';
import { needOf, neededDigests } from './messages.ts';
import type { Chunks, Message, Offer } from './messages.ts';

/** After so many bytes of chunks they are made durable: what a power cut takes is sent again. */
const SYNC_INTERVAL_BYTES = 256 * MIB;

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
  message.kind === 'manifest' || message.kind === 'chunks' || message.kind === 'commit';

class Reception {
  readonly #connection: Connection;
  readonly #options: ReceiveOptions;

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
      if (message.kind === 'offer') refused = !(await this.#answer(message, sourceServer));
      else if (!refused || !isOfCopy(message)) {
        throw violation(connection.peer, `a ${message.kind} frame came in place of an offer`);
      }
    }
  }

  /** Answers an offer and, where it is accepted, receives the copy; false where it was refused. */
  async #answer(message: Offer, sourceServer: string): Promise<boolean> {
    const { kind: _, ...what } = message;
    const offer: TapeOffer = { ...what, sourceServer };
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
    await connection.send({ kind: 'need-manifest' });
    manifest = await receiveManifest(connection, offer.manifestBytes);
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

async function receiveManifest(connection: Connection, manifestBytes: number): Promise<Uint8Array> {
  // The offer's length was checked against MANIFEST_BYTES_MAX.
  const manifest = new Uint8Array(manifestBytes);
  let received = 0;
  while (received < manifestBytes) {
    const { offset, page } = await connection.expect('manifest');
    const length = Math.min(MANIFEST_PAGE_BYTES_MAX, manifestBytes - received);
    if (offset !== received || page.length !== length) {
      const what = `a page of the manifest has ${page.length} bytes at ${offset}`;
      throw violation(connection.peer, `${what} in place of ${length} at ${received}`);
    }
    manifest.set(page, offset);
    received += length;
  }
  return manifest;
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
  readonly #needed: Uint8Array;
  #unsyncedBytes = 0;

  constructor(connection: Connection, engine: IncomingCopy['engine'], needed: Uint8Array) {
    this.#connection = connection;
    this.#engine = engine;
    this.#needed = needed;
  }

  async run(): Promise<void> {
    const neededCount = this.#needed.length / DIGEST_BYTES;
    let storing: Promise<void> = Promise.resolve();
    try {
      for (let received = 0; received < neededCount;) {
        const chunks = await this.#connection.expect('chunks');
        this.#check(chunks, received, neededCount);
        received += chunks.count;
        await storing;
        storing = this.#store(chunks);
        // Awaited in any case, but perhaps only after it has failed.
        storing.catch(() => {});
      }
    } finally {
      // Nothing may still be under way in the store when the copy is given up.
      await storing;
    }
  }

  #check({ firstIndex, count, encoded }: Chunks, received: number, neededCount: number): void {
    const { peer } = this.#connection;
    if (firstIndex !== received || count === 0 || count > neededCount - received) {
      const what = `${count} chunks came from number ${firstIndex} of those needed`;
      throw violation(peer, `${what}, where ${received} of ${neededCount} had been received`);
    }
    const ends = chunkEnds(encoded);
    if (ends?.length !== count) {
      throw violation(peer, `a frame's chunks are not the ${count} it announces`);
    }
  }

  async #store({ firstIndex, count, encoded }: Chunks): Promise<void> {
    const expected = this.#needed.subarray(
      firstIndex * DIGEST_BYTES,
      (firstIndex + count) * DIGEST_BYTES,
    );
    if (!equalBytes(await this.#add(encoded), expected)) {
      throw violation(this.#connection.peer, 'a chunk has another digest than the one asked for');
    }
    this.#unsyncedBytes += encoded.length;
    if (this.#unsyncedBytes >= SYNC_INTERVAL_BYTES) {
      await this.#engine.sync();
      this.#unsyncedBytes = 0;
    }
    await this.#connection.send({ kind: 'progress', chunksStored: firstIndex + count });
  }

  async #add(encoded: Uint8Array): Promise<Uint8Array> {
    try {
      return await this.#engine.addEncodedChunks(encoded);
    } catch (error) {
      if (!isCapstanError(error, 'STORE_CORRUPT', 'LIMIT_EXCEEDED', 'INVALID_ARGUMENT'))
        throw error;
      throw violation(this.#connection.peer, `a chunk cannot be decoded: ${error.message}`, error);
    }
  }
}
