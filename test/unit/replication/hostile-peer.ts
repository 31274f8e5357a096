/** A peer that says what a test has written down, whatever it hears; and what either side makes of that. */
import { concatBytes } from '../../../src/base/bytes.ts';
import type { CopyReceiver } from '../../../src/ports/copy-receiver.ts';
import type { Engine } from '../../../src/ports/engine.ts';
import type { DuplexStream } from '../../../src/ports/network.ts';
import { PREAMBLE } from '../../../src/replication/frame.ts';
import { encodeMessage } from '../../../src/replication/messages.ts';
import type { Message, MessageOf } from '../../../src/replication/messages.ts';
import { LaneRegistry } from '../../../src/replication/parcel-queue.ts';
import { receiveCopies } from '../../../src/replication/receiver.ts';
import { sendTape } from '../../../src/replication/sender.ts';
import { EngineModel } from '../../../harness/model/engine-model.ts';
import { ModelStore } from '../../../harness/model/model-store.ts';
import { SimulatedClock } from '../../../harness/world/simulated-clock.ts';
import { parcelsOf } from '../../parcels.ts';
import { OFFER, STALL_TIMEOUT_MS, settle, writeTape } from './copies.ts';
import { duplexPair } from './duplex-pair.ts';

/** A greeting; from version 3 on a peer may speak of lanes. */
export const helloOf = (serverName: string, version = 2): MessageOf<'hello'> => ({
  kind: 'hello',
  version,
  features: 0,
  serverName,
});

/** Offers LAB001 with such a manifest. */
export function offerOf(manifest: Uint8Array, manifestDigest: Uint8Array): MessageOf<'offer'> {
  const { image: _, ...tape } = OFFER;
  return { kind: 'offer', ...tape, manifestBytes: manifest.length, manifestDigest };
}

/** LAB001 of so many chunks, and what a sender says of it, the chunks aside. */
export async function tapeToOffer(chunkCount: number): Promise<{
  readonly source: EngineModel;
  readonly parcels: Uint8Array;
  readonly offer: MessageOf<'offer'>;
  /** The whole manifest. */
  readonly page: MessageOf<'manifest'>;
  readonly commit: MessageOf<'commit'>;
}> {
  const source = new EngineModel(new ModelStore());
  await writeTape(source, chunkCount, 20);
  const manifest = await source.exportManifest('LAB001');
  const { digest, digests } = await source.readManifest(manifest);
  const { generation } = OFFER;
  return {
    source,
    parcels: await parcelsOf(source, digests),
    offer: offerOf(manifest, digest),
    page: { kind: 'manifest', offset: 0, page: manifest },
    commit: { kind: 'commit', generation, chunkCount, manifestDigest: digest },
  };
}

/** A stream that begins as it has to. */
export const said = (...messages: Message[]): Uint8Array =>
  concatBytes([PREAMBLE, ...messages.map(encodeMessage)]);

export interface Reception {
  readonly log: readonly string[];
  readonly elapsedMs: number;
  /** A timer is still set. */
  readonly waits: boolean;
}

/** Writes the streams' bytes by turns, so many at a time. */
async function writeByTurns(
  streams: readonly DuplexStream[],
  bytes: readonly Uint8Array[],
  pieceBytes: number,
): Promise<void> {
  const longest = Math.max(...bytes.map(({ length }) => length));
  for (let offset = 0; offset < longest; offset += pieceBytes) {
    for (const [index, stream] of streams.entries()) {
      const piece = bytes[index]?.subarray(offset, offset + pieceBytes) ?? new Uint8Array();
      // It may have been dropped, or not read any more.
      if (piece.length > 0) await stream.write(piece).catch(() => {});
    }
  }
}

/** A receiver that is sent these bytes over the connection, and over its lanes, and then the end of each. */
export async function receiveSaid(
  bytes: Uint8Array | readonly Uint8Array[],
  {
    receiver,
    ending = 'end',
    pieceBytes = 1e6,
  }: {
    readonly receiver: CopyReceiver;
    readonly ending?: 'end' | 'silence';
    readonly pieceBytes?: number;
  },
): Promise<Reception> {
  const streams = bytes instanceof Uint8Array ? [bytes] : bytes;
  const clock = new SimulatedClock();
  const log: string[] = [];
  const lanes = new LaneRegistry();
  const pairs = streams.map(() => duplexPair());
  const receiving = pairs.map(({ far }) =>
    receiveCopies({
      stream: far,
      receiver,
      clock,
      serverName: 'west',
      stallTimeoutMs: STALL_TIMEOUT_MS,
      lanes,
      log: (sentence) => log.push(sentence),
    }),
  );
  const nears = pairs.map(({ near }) => near);
  const writing = writeByTurns(nears, streams, pieceBytes);
  const ended = writing.then(async () => {
    if (ending === 'end') for (const near of nears) await near.end();
  });
  await settle(clock, Promise.all([...receiving, ended]));
  return { log, elapsedMs: clock.elapsedMs, waits: clock.step(clock.elapsedMs + 3_600_000) };
}

/** A sender whose receiver says these bytes, whatever it is sent: its result, or its error. */
export async function sendToSaid(
  engine: Engine,
  bytes: Uint8Array,
): Promise<{ readonly outcome: unknown; readonly elapsedMs: number; readonly waits: boolean }> {
  const { near, far } = duplexPair();
  const clock = new SimulatedClock();
  const answering = answer(far, bytes);
  const sending = sendTape({
    stream: near,
    engine,
    clock,
    offer: OFFER,
    sourceServer: 'east',
    stallTimeoutMs: STALL_TIMEOUT_MS,
  }).catch((error: unknown) => error);
  const outcome = await settle(clock, sending);
  const { elapsedMs } = clock;
  far.destroy();
  await answering;
  return { outcome, elapsedMs, waits: clock.step(elapsedMs + 3_600_000) };
}

async function answer(stream: DuplexStream, bytes: Uint8Array): Promise<void> {
  try {
    await stream.write(bytes);
    while ((await stream.read()) !== undefined);
  } catch {
    // The sender dropped the connection.
  }
}
