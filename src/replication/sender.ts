/**
 * The sending side of replication: offers a tape, sends what the receiver lacks of it, commits.
 *
 * Rejections: COPY_REFUSED (the receiver's word), CONNECTION_LOST, PROTOCOL_VIOLATION, NAME_INVALID,
 * LIMIT_EXCEEDED (the manifest), and what the source's own engine rejects with.
 */
import { equalBytes } from '../base/bytes.ts';
import { toHex } from '../base/encodings.ts';
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { checkName } from '../base/names.ts';
import { MIB } from '../base/units.ts';
import type { Holding, InstantDrReceiver, TapeOffer, TapePlace } from '../ports/copy-receiver.ts';
import { DIGEST_BYTES, MANIFEST_BYTES_MAX, OUTLINE_PIECE_BYTES } from '../ports/engine.ts';
import type { Engine, Transfer, TransferBatch } from '../ports/engine.ts';
import { Connection } from './connection.ts';
import type { ConnectionOptions } from './connection.ts';
import {
  BASE_COUNT_MAX,
  CHUNK_COUNT_MAX,
  FEATURE_PLACE,
  MANIFEST_PAGE_BYTES_MAX,
  PIECE_COUNT_MAX,
  PLACE_COUNT_MAX,
  memoryFor,
  recycle,
  violation,
} from './frame.ts';
import { Lanes } from './lanes.ts';
import type { LaneOptions } from './lanes.ts';
import { countOf, isNeeded, neededDigests } from './need.ts';
import type { Ack, MessageOf, Need } from './messages.ts';
import { neededPieces } from './outline.ts';
import { SendWindow } from './window.ts';

/** Parcels sent and not yet acknowledged, bytes for each lane: 160 MB/s where a round trip takes 50 ms. */
const WINDOW_BYTES_MAX = 8 * MIB;

/** A tape's version to be sent; `image` is what the source's engine calls it. */
export type TapeToSend = Omit<TapeOffer, 'sourceServer' | 'manifestBytes' | 'manifestDigest'> & {
  readonly image: string;
};

export interface SendProgress {
  readonly bytesSent: number;
  readonly chunksSent: number;
  /** Unique chunks that the receiver lacked. */
  readonly chunksNeeded: number;
}

export interface SendResult {
  /** 'present': the receiver had this version; 'stale': it has a newer one. */
  readonly outcome: Ack['outcome'];
  /** Bytes of frames, without what the transport adds. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Unique chunks of the tape. */
  readonly chunkCount: number;
  readonly chunksSent: number;
  /** Hexadecimal BLAKE3 of the manifest. */
  readonly manifestDigest: string;
}

/** How a receiver is reached. */
export interface ReachOptions extends ConnectionOptions {
  /** Without them all goes over the one stream. */
  readonly lanes?: LaneOptions;
}

export interface SendOptions extends ReachOptions {
  readonly engine: Engine;
  readonly offer: TapeToSend;
  readonly sourceServer: string;
  readonly onProgress?: (progress: SendProgress) => void;
}

/** What a receiver is asked, without who asks: the greeting says that. */
type Asked<Method extends keyof InstantDrReceiver> = Omit<
  Parameters<InstantDrReceiver[Method]>[0],
  'sourceServer'
>;

/** Sends one tape over `stream` and ends it; destroys it where that fails. */
export async function sendTape(options: SendOptions): Promise<SendResult> {
  const sender = await CopySender.open(options, options.sourceServer);
  return sender.during(() => sender.send(options.engine, options.offer, options.onProgress));
}

/** A connection on which tapes are sent one after another. */
export class CopySender {
  readonly #connection: Connection;
  readonly #lanes: Lanes;
  #offerCount = 0;

  private constructor(connection: Connection, lanes: Lanes) {
    this.#connection = connection;
    this.#lanes = lanes;
  }

  /** Greets the receiver; destroys the stream where that fails. */
  static async open(options: ReachOptions, sourceServer: string): Promise<CopySender> {
    const { lanes, ...connectionOptions } = options;
    const connection = new Connection(connectionOptions);
    try {
      const serverName = checkName('server', sourceServer);
      const greeting = await connection.greet(serverName);
      const prepared = { connection: connectionOptions, serverName, greeting, lanes };
      return new CopySender(connection, await Lanes.prepare(connection, prepared));
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  /** Does `work`, and ends the connection; destroys it where either fails. */
  async during<Result>(work: (sender: CopySender) => Promise<Result>): Promise<Result> {
    try {
      const result = await work(this);
      await this.end();
      return result;
    } catch (error) {
      // A refusal is an answer like others; the receiver need not wonder where the sender went.
      if (isCapstanError(error, 'COPY_REFUSED', 'PEER_REFUSED')) await this.end();
      throw error;
    } finally {
      this.destroy();
    }
  }

  /** Sends one tape. After COPY_REFUSED the next may be sent; after any other error none. */
  async send(
    engine: Engine,
    offer: TapeToSend,
    onProgress?: (progress: SendProgress) => void,
  ): Promise<SendResult> {
    checkName('tape', offer.tape);
    checkName('pool', offer.pool);
    const manifest = await engine.exportManifest(offer.image);
    checkLimit(`The manifest of tape ${offer.tape}, bytes,`, manifest.length, MANIFEST_BYTES_MAX);
    const { digest, digests } = await engine.readManifest(manifest);
    const chunkCount = digests.length / DIGEST_BYTES;
    checkLimit(`Tape ${offer.tape}'s count of chunks`, chunkCount, CHUNK_COUNT_MAX);
    if (offer.place !== undefined) await this.#tell([offer.place]);
    this.#offerCount += 1;
    const copy = {
      connection: this.#connection,
      lanes: this.#lanes,
      offerNumber: this.#offerCount,
      engine,
      offer,
      manifest,
      digest,
      digests,
    };
    return new Copy(copy, onProgress).run();
  }

  /**
   * What the receiver has of these tapes, at most INQUIRY_COUNT_MAX: one round trip, or as long as it
   * takes to read them all where that is asked for. PEER_REFUSED leaves the connection usable.
   */
  async inquire(inquiry: Asked<'inquire'>): Promise<readonly (Holding | undefined)[]> {
    const connection = this.#connection;
    const { places, ...asked } = inquiry;
    if (places !== undefined) await this.#tell(places);
    await connection.send({ kind: 'inquiry', ...asked });
    for (;;) {
      const answer = await connection.expect('holdings', 'progress', 'refuse');
      if (answer.kind === 'progress') continue;
      if (answer.kind === 'refuse') throw this.#refused('an inquiry', answer.reason);
      if (answer.holdings.length === inquiry.tapes.length) return answer.holdings;
      const what = `it tells of ${answer.holdings.length} tapes, asked for ${inquiry.tapes.length}`;
      throw violation(connection.peer, what);
    }
  }

  /** Says where what follows lies, to a receiver that understands it. */
  async #tell(places: readonly TapePlace[]): Promise<void> {
    if (!this.#connection.has(FEATURE_PLACE)) return;
    for (const place of places.slice(0, PLACE_COUNT_MAX)) {
      await this.#connection.send({ kind: 'place', ...place });
    }
  }

  /** Has the receiver delete a tape that still is this version. */
  async remove(removal: Asked<'remove'>): Promise<void> {
    await this.#connection.send({ kind: 'remove', ...removal });
    await this.#expectDone(`to delete tape ${removal.tape}`);
  }

  /** Has the receiver become the source of the scheme. */
  async takeOver(request: Asked<'takeOver'>): Promise<void> {
    await this.#connection.send({ kind: 'take-over', ...request });
    await this.#expectDone(`the scheme ${request.scheme}`);
  }

  async #expectDone(what: string): Promise<void> {
    const answer = await this.#connection.expect('done', 'refuse');
    if (answer.kind === 'refuse') throw this.#refused(what, answer.reason);
  }

  #refused(what: string, reason: string): CapstanError {
    return new CapstanError('PEER_REFUSED', { peer: this.#connection.peer, what, reason });
  }

  /** Ends the connection, once the receiver has read all. What was acknowledged stands either way. */
  async end(): Promise<void> {
    try {
      await this.#lanes.end();
      await this.#connection.end();
      await this.#connection.receive();
    } catch (error) {
      // There is nothing left to be told: each tape's answer had come.
      if (!isCapstanError(error, 'CONNECTION_LOST', 'PROTOCOL_VIOLATION')) throw error;
    } finally {
      this.destroy();
    }
  }

  /** Drops the connection. Idempotent. */
  destroy(): void {
    this.#lanes.destroy();
  }
}

function checkLimit(what: string, value: number, limit: number): void {
  if (value > limit) throw new CapstanError('LIMIT_EXCEEDED', { what, value, limit });
}

/** As {@link Transfer.read}, into memory that is used again once what lies there has been sent. */
async function readInto(transfer: Transfer, bytesMax: number): Promise<TransferBatch | undefined> {
  const into = memoryFor(bytesMax);
  const batch = await transfer.read({ bytesMax, into });
  if (batch?.parcels.buffer !== into.buffer) recycle(into);
  return batch;
}

/** What `transfer` sends, a frame's at a time; reads the next while one is being sent. */
async function* batchesOf(transfer: Transfer, bytesMax: number): AsyncGenerator<TransferBatch> {
  const read = (): Promise<TransferBatch | undefined> => {
    const reading = readInto(transfer, bytesMax);
    // Looked at when its turn comes, or not at all where the copy has failed before.
    reading.catch(() => {});
    return reading;
  };
  for (let next = read(); ;) {
    const batch = await next;
    if (batch === undefined) return;
    next = read();
    yield batch;
  }
}

type Refusal = MessageOf<'refuse'>;

interface CopyParts {
  readonly connection: Connection;
  readonly lanes: Lanes;
  /** Of the connection's offers, from 1. */
  readonly offerNumber: number;
  readonly engine: Engine;
  readonly offer: TapeToSend;
  readonly manifest: Uint8Array;
  readonly digest: Uint8Array;
  /** Of all unique chunks. */
  readonly digests: Uint8Array;
}

/** One tape on its way. */
class Copy {
  readonly #parts: CopyParts;
  readonly #onProgress: ((progress: SendProgress) => void) | undefined;
  readonly #window: SendWindow;
  readonly #bytesSentBefore: number;
  readonly #bytesReceivedBefore: number;
  #committed = false;

  constructor(parts: CopyParts, onProgress: ((progress: SendProgress) => void) | undefined) {
    this.#parts = parts;
    this.#onProgress = onProgress;
    this.#window = new SendWindow(parts.connection.peer, WINDOW_BYTES_MAX);
    this.#bytesSentBefore = parts.lanes.bytesSent;
    this.#bytesReceivedBefore = parts.connection.bytesReceived;
  }

  async run(): Promise<SendResult> {
    const { connection, offer, manifest, digest } = this.#parts;
    const { tape, pool, labelType, capacityBytes, generation, keyId, replaces } = offer;
    const what = {
      tape,
      pool,
      labelType,
      capacityBytes,
      generation,
      ...(keyId !== undefined && { keyId }),
      ...(replaces !== undefined && { replaces }),
    };
    const size = { manifestBytes: manifest.length, manifestDigest: digest };
    await connection.send({ kind: 'offer', ...what, ...size });
    const answer = await connection.expect('ack', 'refuse', 'need-manifest');
    if (answer.kind === 'refuse') throw this.#refused(answer.reason);
    if (answer.kind === 'ack') {
      if (answer.outcome === 'copied')
        throw violation(connection.peer, 'it copied what was not sent');
      return this.#result(this.#checkAck(answer));
    }
    await this.#sendManifest(
      answer.wants === 'outline' ? await this.#lackingOfManifest() : manifest,
    );
    const need = await connection.expect('need', 'refuse');
    if (need.kind === 'refuse') throw this.#refused(need.reason);
    const needed = this.#checkNeed(need, this.#parts.digests.length / DIGEST_BYTES);
    const transfer = await this.#parts.engine.openTransfer(
      neededDigests(need, this.#parts.digests),
    );
    await this.#askForBases(transfer);
    const end = await this.#sendChunks(transfer, needed);
    if (end.kind === 'refuse') throw this.#refused(end.reason);
    return this.#result(end);
  }

  /** Sends the manifest's outline; what the receiver lacks of its pieces. */
  async #lackingOfManifest(): Promise<Uint8Array> {
    const { connection, engine, manifest } = this.#parts;
    const outline = await engine.outlineManifest(manifest);
    const partBytes = PIECE_COUNT_MAX * OUTLINE_PIECE_BYTES;
    for (let offset = 0; offset < outline.length; offset += partBytes) {
      const pieces = outline.subarray(offset, offset + partBytes);
      await connection.send({ kind: 'outline', pieces });
    }
    const need = await connection.expect('need', 'refuse');
    if (need.kind === 'refuse') throw this.#refused(need.reason);
    this.#checkNeed(need, outline.length / OUTLINE_PIECE_BYTES);
    return neededPieces(manifest, outline, need);
  }

  async #sendManifest(bytes: Uint8Array): Promise<void> {
    for (let offset = 0; offset < bytes.length; offset += MANIFEST_PAGE_BYTES_MAX) {
      const page = bytes.subarray(offset, offset + MANIFEST_PAGE_BYTES_MAX);
      await this.#parts.connection.send({ kind: 'manifest', offset, page });
    }
  }

  /** How many of `count` chunks, or pieces, `need` asks for. */
  #checkNeed(need: Need, count: number): number {
    if (need.chunkCount !== count) {
      const what = `it needs some of ${need.chunkCount} chunks, where there are ${count}`;
      throw violation(this.#parts.connection.peer, what);
    }
    return countOf(need);
  }

  /** Asks which chunks that deltas rest on the receiver has: one round trip for 32,768 of them. */
  async #askForBases(transfer: Transfer): Promise<void> {
    const { connection } = this.#parts;
    const { bases } = transfer;
    const lacking = new Uint8Array(bases.length / DIGEST_BYTES);
    for (let first = 0; first < lacking.length; first += BASE_COUNT_MAX) {
      const count = Math.min(BASE_COUNT_MAX, lacking.length - first);
      const digests = bases.subarray(first * DIGEST_BYTES, (first + count) * DIGEST_BYTES);
      await connection.send({ kind: 'bases', digests });
      const need = await connection.expect('need', 'refuse');
      if (need.kind === 'refuse') throw this.#refused(need.reason);
      this.#checkNeed(need, count);
      for (let i = 0; i < count; i += 1) lacking[first + i] = isNeeded(need, i) ? 1 : 0;
    }
    transfer.useBases(lacking);
  }

  /** Writes and reads side by side, so that a receiver that has enough or says no is heard. */
  async #sendChunks(transfer: Transfer, chunksNeeded: number): Promise<Ack | Refusal> {
    const { lanes } = this.#parts;
    lanes.begin();
    const writing = this.#write(transfer, chunksNeeded);
    const reading = this.#readAnswers(chunksNeeded);
    try {
      const [answer] = await Promise.all([reading, writing]);
      return answer;
    } catch (error) {
      // The connection is of no use after this; both sides of the work end before the caller hears.
      lanes.destroy();
      this.#window.close();
      await Promise.allSettled([reading, writing]);
      throw lanes.failure ?? error;
    }
  }

  async #write(transfer: Transfer, chunksNeeded: number): Promise<void> {
    const { connection, lanes, offerNumber, digest, digests, offer } = this.#parts;
    for await (const { chunkCount, parcels } of batchesOf(transfer, lanes.frameBytes)) {
      this.#window.widen(WINDOW_BYTES_MAX * lanes.count);
      if (!(await this.#window.room(parcels.length))) return;
      const chunksBefore = this.#window.chunksSent;
      this.#window.add(chunkCount, parcels.length);
      await lanes.send(offerNumber, { kind: 'parcels', chunksBefore, chunkCount, parcels });
      this.#onProgress?.({
        bytesSent: lanes.bytesSent - this.#bytesSentBefore,
        chunksSent: chunksBefore + chunkCount,
        chunksNeeded,
      });
    }
    // What goes over lanes could be overtaken.
    if (!(await this.#window.room(lanes.count > 1 ? Infinity : 0))) return;
    this.#committed = true;
    const chunkCount = digests.length / DIGEST_BYTES;
    const { generation } = offer;
    await connection.send({ kind: 'commit', generation, chunkCount, manifestDigest: digest });
  }

  /** Reads until the receiver says how it ended: its ACK, or why it refused. */
  async #readAnswers(chunksNeeded: number): Promise<Ack | Refusal> {
    const { connection } = this.#parts;
    for (;;) {
      const answer = await connection.expect('progress', 'ack', 'refuse');
      if (answer.kind === 'progress') {
        this.#parts.lanes.stored(this.#window.acknowledge(answer.chunksStored));
      } else if (answer.kind === 'refuse') {
        this.#window.close();
        return answer;
      } else {
        const complete = this.#committed && this.#window.chunksSent === chunksNeeded;
        if (complete && answer.outcome !== 'present') return this.#checkAck(answer);
        throw violation(connection.peer, 'it acknowledges a copy that is not complete');
      }
    }
  }

  #checkAck(ack: Ack): Ack {
    const { connection, offer, digest } = this.#parts;
    const { generation } = offer;
    const fits =
      ack.outcome === 'stale' ? ack.generation > generation : ack.generation === generation;
    if (fits && equalBytes(ack.manifestDigest, digest)) return ack;
    throw violation(
      connection.peer,
      `it acknowledges another version than generation ${generation}`,
    );
  }

  #refused(reason: string): CapstanError {
    const { connection, offer } = this.#parts;
    return new CapstanError('COPY_REFUSED', { peer: connection.peer, tape: offer.tape, reason });
  }

  #result({ outcome }: Ack): SendResult {
    const { connection, lanes, digest, digests } = this.#parts;
    return {
      outcome,
      bytesSent: lanes.bytesSent - this.#bytesSentBefore,
      bytesReceived: connection.bytesReceived - this.#bytesReceivedBefore,
      chunkCount: digests.length / DIGEST_BYTES,
      chunksSent: this.#window.chunksSent,
      manifestDigest: toHex(digest),
    };
  }
}
