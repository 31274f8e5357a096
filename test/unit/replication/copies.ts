/** A source with a tape, a target that takes copies, and a clock that runs while both wait. */
import type { CapstanError } from '../../../src/base/errors.ts';
import { generation, logicalObjectNumber } from '../../../src/base/units.ts';
import type { CopyReceiver, OfferAnswer, TapeOffer } from '../../../src/ports/copy-receiver.ts';
import type { Engine } from '../../../src/ports/engine.ts';
import { receiveCopies } from '../../../src/replication/receiver.ts';
import { sendTape } from '../../../src/replication/sender.ts';
import type { SendResult, TapeToSend } from '../../../src/replication/sender.ts';
import { FILEMARK, packObjects } from '../../../src/tape/tape-object.ts';
import { SimulatedClock } from '../../../harness/world/simulated-clock.ts';
import { EngineModel } from '../../../harness/model/engine-model.ts';
import { ModelStore } from '../../../harness/model/model-store.ts';
import { duplexPair } from './duplex-pair.ts';
import type { DuplexPair } from './duplex-pair.ts';

export const STALL_TIMEOUT_MS = 60_000;

export const OFFER: TapeToSend = {
  image: 'LAB001',
  tape: 'LAB001',
  pool: 'DR',
  labelType: 'backup',
  capacityBytes: 10_000_000,
  generation: generation(3),
};

/** `count` blocks of `sizeBytes`, each with bytes of its own, and a filemark. */
export async function writeTape(engine: Engine, count: number, sizeBytes: number): Promise<void> {
  await engine.createImage('LAB001', { partitionCount: 1 });
  const image = await engine.openImage('LAB001', 'write');
  const blocks = Array.from({ length: count }, (_, index) => ({
    kind: 'block' as const,
    data: new Uint8Array(sizeBytes).fill(index + 1),
  }));
  const objects = packObjects([...blocks, FILEMARK]);
  await image.append({ partition: 0, at: logicalObjectNumber(0), ...objects });
  await image.sync({ generation: generation(3) });
  await image.close();
}

/** What a server's receiver does, with a tape's newest generation in place of a catalog. */
export class TargetServer implements CopyReceiver {
  readonly engine = new EngineModel(new ModelStore());
  readonly offers: TapeOffer[] = [];
  /** Copies that it took. */
  accepted = 0;
  committed = 0;
  abandoned = 0;
  /** Given in place of what the offer would get. */
  answer: OfferAnswer | undefined;
  commitError: CapstanError | undefined;
  #generation = generation(0);

  async offer(offer: TapeOffer): Promise<OfferAnswer> {
    this.offers.push(offer);
    if (this.answer !== undefined) return this.answer;
    if (offer.generation < this.#generation) return { kind: 'stale', generation: this.#generation };
    if (offer.generation === this.#generation) return { kind: 'present' };
    this.accepted += 1;
    return {
      kind: 'accept',
      copy: {
        engine: this.engine,
        olderImage: this.#generation > 0 ? offer.tape : undefined,
        commit: async (manifest) => {
          this.committed += 1;
          if (this.commitError !== undefined) throw this.commitError;
          const staged = `${offer.tape}.INCOMING`;
          await this.engine.stageImage(staged, manifest, { generation: offer.generation });
          await this.engine.sync();
          await this.engine.publishImage(staged, offer.tape);
          this.#generation = offer.generation;
        },
        abandon: async () => {
          this.abandoned += 1;
        },
      },
    };
  }
}

const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

/** Waits for `work`; where nothing but time could end it, lets time pass. */
export async function settle<Value>(clock: SimulatedClock, work: Promise<Value>): Promise<Value> {
  const state = { settled: false };
  const noteSettled = (): void => {
    state.settled = true;
  };
  // Whoever awaits `work` hears of its failure.
  void work.then(noteSettled, noteSettled);
  for (let idle = 0; !state.settled; idle += 1) {
    await turn();
    if (idle > 20 && !state.settled) clock.step(clock.elapsedMs + 3_600_000);
  }
  return work;
}

export interface CopyRun {
  readonly result: SendResult | undefined;
  readonly error: unknown;
  readonly log: readonly string[];
  readonly elapsedMs: number;
}

/** Runs one copy from `source` to `target` over `pair` to the end of both sides. */
export async function runCopy(
  source: Engine,
  target: CopyReceiver,
  pair: DuplexPair = duplexPair(),
  offer: TapeToSend = OFFER,
): Promise<CopyRun> {
  const clock = new SimulatedClock();
  const log: string[] = [];
  const receiving = receiveCopies({
    stream: pair.far,
    receiver: target,
    clock,
    serverName: 'west',
    stallTimeoutMs: STALL_TIMEOUT_MS,
    log: (sentence) => log.push(sentence),
  });
  const sending = sendTape({
    stream: pair.near,
    engine: source,
    clock,
    offer,
    sourceServer: 'east',
    stallTimeoutMs: STALL_TIMEOUT_MS,
  }).then(
    (result) => ({ result, error: undefined }),
    (error: unknown) => ({ result: undefined, error }),
  );
  const end = await settle(clock, sending);
  await settle(clock, receiving);
  return { ...end, log, elapsedMs: clock.elapsedMs };
}

/** Version `version` of the tape LAB001, in order from 1. Each block is a chunk: a filemark ends it. */
export async function writeBlocks(
  engine: Engine,
  blocks: readonly Uint8Array[],
  version: number,
): Promise<void> {
  if (version === 1) await engine.createImage('LAB001', { partitionCount: 1 });
  const image = await engine.openImage('LAB001', 'write');
  const objects = blocks.flatMap((data) => [{ kind: 'block' as const, data }, FILEMARK]);
  const at = logicalObjectNumber(0);
  await image.append({ partition: 0, at, ...packObjects(objects) });
  await image.sync({ generation: generation(version) });
  await image.close();
}
