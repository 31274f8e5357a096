/** A copy over several lanes, on a clean line and on bad ones; and what a receiver takes over a lane. */
import { beforeAll, describe, expect, it } from 'vitest';
import { KIB } from '../../../src/base/units.ts';
import { CapstanError, isCapstanError } from '../../../src/base/errors.ts';
import type { CopyReceiver } from '../../../src/ports/copy-receiver.ts';
import type { Engine } from '../../../src/ports/engine.ts';
import { Connection } from '../../../src/replication/connection.ts';
import { LANE_POLICY } from '../../../src/replication/lanes.ts';
import type { LanePolicy } from '../../../src/replication/lanes.ts';
import {
  LANE_COUNT_MAX,
  LaneRegistry,
  ParcelQueue,
} from '../../../src/replication/parcel-queue.ts';
import type { Message, Parcels } from '../../../src/replication/messages.ts';
import { receiveCopies } from '../../../src/replication/receiver.ts';
import { CopySender } from '../../../src/replication/sender.ts';
import type { SendResult } from '../../../src/replication/sender.ts';
import { EngineModel } from '../../../harness/model/engine-model.ts';
import { ModelStore } from '../../../harness/model/model-store.ts';
import { SimulatedClock } from '../../../harness/world/simulated-clock.ts';
import { OFFER, STALL_TIMEOUT_MS, TargetServer, settle, writeTape } from './copies.ts';
import { duplexPair } from './duplex-pair.ts';
import { helloOf, said } from './hostile-peer.ts';
import type { DuplexPair, Faults } from './duplex-pair.ts';

const TOKEN = new Uint8Array(16).fill(7);
/** Many small frames, and lanes as soon as there is a reason. */
const EAGER: LanePolicy = { countMax: 4, trialBytes: 1, frameBytes: 4000 };
const CHUNKS = 120;

const source = new EngineModel(new ModelStore());
let manifest: Uint8Array;

beforeAll(async () => {
  await writeTape(source, CHUNKS, 1500);
  manifest = await source.exportManifest('LAB001');
});

interface Line {
  readonly target?: CopyReceiver;
  readonly takesLanes?: boolean;
  readonly policy?: LanePolicy;
  /** Of the connection, and of the lanes in their order. */
  readonly faults?: readonly { readonly near?: Faults; readonly far?: Faults }[];
  readonly openLane?: () => Promise<never>;
}

/** A sender's and a receiver's side, connected as often as it is asked for. */
class Site {
  readonly clock = new SimulatedClock();
  readonly log: string[] = [];
  /** When the copy's end was told. */
  toldAtMs = 0;
  readonly pairs: DuplexPair[] = [];
  readonly receiving: Promise<void>[] = [];
  readonly registry = new LaneRegistry();
  readonly #line: Line;

  constructor(line: Line) {
    this.#line = line;
  }

  connect(): DuplexPair {
    const pair = duplexPair(this.#line.faults?.[this.pairs.length]);
    this.pairs.push(pair);
    const receiving = receiveCopies({
      stream: pair.far,
      receiver: this.#line.target ?? new TargetServer(),
      clock: this.clock,
      serverName: 'west',
      stallTimeoutMs: STALL_TIMEOUT_MS,
      ...(this.#line.takesLanes !== false && { lanes: this.registry }),
      log: (sentence) => this.log.push(sentence),
    });
    this.receiving.push(receiving);
    return pair;
  }

  open(): Promise<CopySender> {
    const options = {
      stream: this.connect().near,
      clock: this.clock,
      stallTimeoutMs: STALL_TIMEOUT_MS,
      lanes: {
        token: TOKEN,
        open: this.#line.openLane ?? (async () => this.connect().near),
        policy: this.#line.policy ?? EAGER,
      },
    };
    return CopySender.open(options, 'east');
  }

  /** One copy, and what became of it. */
  async copy(engine: Engine = source): Promise<{ result?: SendResult; error?: unknown }> {
    const sending = this.open()
      .then((sender) => sender.during(() => sender.send(engine, OFFER)))
      .then(
        (result) => ({ result }),
        (error: unknown) => ({ error }),
      );
    const end = await settle(this.clock, sending);
    this.toldAtMs = this.clock.elapsedMs;
    await settle(this.clock, Promise.all(this.receiving));
    return end;
  }

  /** Bytes that the sender wrote, of the connection and of each lane. */
  get sentBytes(): number[] {
    return this.pairs.map((pair) => pair.bytesWritten().near);
  }
}

describe('a copy over lanes', () => {
  it('arrives whole, and goes over all of them', async () => {
    const target = new TargetServer();
    const site = new Site({ target });
    const { result, error } = await site.copy();
    expect(error).toBeUndefined();
    expect(result).toMatchObject({ outcome: 'copied', chunksSent: CHUNKS });
    expect(site.log).toEqual([]);
    expect(site.sentBytes).toHaveLength(EAGER.countMax);
    for (const bytes of site.sentBytes) expect(bytes).toBeGreaterThan(EAGER.frameBytes);
    expect(await target.engine.exportManifest('LAB001')).toEqual(manifest);
    const written = site.sentBytes.reduce((sum, bytes) => sum + bytes, 0);
    expect(result?.bytesSent).toBeGreaterThan(0.97 * written);
  });

  const slow = { near: { pieceBytesMax: 10 } };
  it.each([
    ['the connection itself is much slower than they are', [slow]],
    ['they are much slower than the connection itself', [{}, slow, slow, slow]],
  ])('arrives whole where %s', async (_, faults) => {
    const target = new TargetServer();
    const site = new Site({ target, faults });
    expect((await site.copy()).result).toMatchObject({ outcome: 'copied' });
    expect(site.log).toEqual([]);
    expect(await target.engine.exportManifest('LAB001')).toEqual(manifest);
  });

  it('does not put down to them that it gets faster by itself', async () => {
    const target = new TargetServer();
    const site = new Site({ target, policy: { ...EAGER, countMax: 8, trialBytes: 4000 } });
    const { addParcels } = target.engine;
    let calls = 0;
    target.engine.addParcels = async (parcels) => {
      calls += 1;
      await new Promise<void>((resolve) => {
        site.clock.after(calls <= 3 ? 100 : 10, resolve);
      });
      return addParcels.call(target.engine, parcels);
    };
    expect((await site.copy()).result).toMatchObject({ outcome: 'copied' });
    expect(site.pairs).toHaveLength(2);
  });

  it('needs none where the tape is short, or the line not asked for more', async () => {
    for (const policy of [LANE_POLICY, { ...EAGER, countMax: 1 }]) {
      const site = new Site({ policy });
      expect((await site.copy()).result).toMatchObject({ outcome: 'copied' });
      expect(site.pairs).toHaveLength(1);
    }
  });

  it('goes without them to a receiver that takes none', async () => {
    const site = new Site({ takesLanes: false });
    expect((await site.copy()).result).toMatchObject({ outcome: 'copied' });
    expect(site.pairs).toHaveLength(1);
  });

  it('goes on with those that there are where more cannot be had', async () => {
    const refusal = new CapstanError('CONNECTION_REFUSED', { peer: 'west', reason: 'full' });
    const site = new Site({ openLane: () => Promise.reject(refusal) });
    expect((await site.copy()).result).toMatchObject({ outcome: 'copied' });
  });

  it('is whole or not there, whichever lane is cut at whatever byte', async () => {
    let [whole, lost] = [0, 0];
    for (let lane = 0; lane < EAGER.countMax; lane += 1) {
      for (const side of ['near', 'far'] as const) {
        for (let cutAfterBytes = 5; cutAfterBytes < 40_000; cutAfterBytes *= 3) {
          const target = new TargetServer();
          const faults = Array.from({ length: EAGER.countMax }, (_, index) =>
            index === lane ? { [side]: { cutAfterBytes } } : {},
          );
          const site = new Site({ target, faults });
          const { result, error } = await site.copy();
          const there = (await target.engine.listImages()).length === 1;
          const what = there ? await target.engine.exportManifest('LAB001') : undefined;
          expect(target.committed + target.abandoned).toBe(target.offers.length);
          // An answer may be lost behind the commit; success is told of what is there only.
          expect(what).toEqual(there ? manifest : undefined);
          expect(there || result === undefined).toBe(true);
          expect(isCapstanError(error, 'CONNECTION_LOST')).toBe(result === undefined);
          if (result === undefined) lost += 1;
          else whole += 1;
        }
      }
    }
    expect(Math.min(whole, lost)).toBeGreaterThan(5);
  });

  it('ends in time, on both sides, where one lane falls silent', async () => {
    const target = new TargetServer();
    const faults = [{}, { near: { silentAfterBytes: 6000 } }];
    const site = new Site({ target, faults, policy: { ...EAGER, countMax: 2 } });
    const { error } = await site.copy();
    expect(error).toMatchObject({ code: 'CONNECTION_LOST' });
    expect([target.committed, target.abandoned]).toEqual([0, 1]);
    expect(site.log.length).toBeGreaterThan(0);
  });

  it('that was acknowledged waits for no lane that hangs', async () => {
    const silent = { near: { silentAfterBytes: 0 }, far: { silentAfterBytes: 0 } };
    const site = new Site({ faults: [{}, silent], policy: { ...EAGER, countMax: 2 } });
    expect((await site.copy()).result).toMatchObject({ outcome: 'copied' });
    expect(site.pairs).toHaveLength(2);
    expect(site.toldAtMs).toBeLessThan(10_000);
  });

  it('that the target refuses in the middle leaves nothing in the way of the next', async () => {
    const target = new TargetServer();
    const site = new Site({ target });
    const { addParcels } = target.engine;
    let calls = 0;
    target.engine.addParcels = async (parcels) => {
      calls += 1;
      if (calls === 20) throw new CapstanError('NO_SPACE', { path: '/vault' });
      await addParcels.call(target.engine, parcels);
    };
    const sender = await settle(site.clock, site.open());
    const sending = sender.during(async () => {
      await expect(sender.send(source, OFFER)).rejects.toMatchObject({ code: 'COPY_REFUSED' });
      return sender.send(source, OFFER);
    });
    const result = await settle(site.clock, sending);
    expect(result).toMatchObject({ outcome: 'copied' });
    expect(await target.engine.exportManifest('LAB001')).toEqual(manifest);
    expect(site.pairs.length).toBeGreaterThan(1);
    await settle(site.clock, Promise.all(site.receiving));
  });
});

/** A connection that follows no protocol but its frames. */
async function strange(site: Site, ...messages: Message[]): Promise<Connection> {
  const connection = new Connection({
    stream: site.connect().near,
    clock: site.clock,
    stallTimeoutMs: STALL_TIMEOUT_MS,
  });
  await connection.greet('east');
  for (const message of messages) await connection.send(message);
  return connection;
}

const announced: Message = { kind: 'lanes', token: TOKEN };
const join: Message = { kind: 'join', token: TOKEN };
const parcels = (chunksBefore: number, bytes = 1): Parcels => ({
  kind: 'parcels',
  chunksBefore,
  chunkCount: 1,
  parcels: new Uint8Array(bytes),
});

describe('a receiver', () => {
  it('refuses a lane of nobody, and more than it takes', async () => {
    const site = new Site({});
    const lost = await strange(site, join);
    expect(await lost.expect('refuse', 'done')).toMatchObject({ kind: 'refuse' });
    await strange(site, announced);
    for (let count = 1; count <= LANE_COUNT_MAX + 1; count += 1) {
      const lane = await strange(site, join);
      const { kind } = await lane.expect('refuse', 'done');
      expect(kind).toBe(count <= LANE_COUNT_MAX ? 'done' : 'refuse');
    }
  });

  it.each<[string, Message[], RegExp]>([
    ['an offer', [{ kind: 'lanes', token: TOKEN }], /came over a lane/],
    ['parcels of no offer', [parcels(0)], /offer 0/],
    ['parcels ahead of their offer', [{ kind: 'lane-copy', offer: 1 }, parcels(0)], /offer 1/],
  ])('ends the connection where %s comes over a lane', async (_, messages, what) => {
    const site = new Site({});
    const main = await strange(site, announced);
    const lane = await strange(site, join);
    await lane.expect('done');
    for (const message of messages) await lane.send(message);
    await expect(main.receive()).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    await settle(site.clock, Promise.all(site.receiving));
    expect(site.log.join()).toMatch(what);
    expect(site.log).toHaveLength(1);
  });
});

describe('parcels that wait for their turn', () => {
  const clock = new SimulatedClock();
  const connection = (): Connection =>
    new Connection({ stream: duplexPair().far, clock, stallTimeoutMs: STALL_TIMEOUT_MS });
  const begun = (): { queue: ParcelQueue; main: Connection; lane: Connection } => {
    const main = connection();
    const queue = new ParcelQueue(main, 100 * KIB);
    queue.count();
    queue.begin();
    return { queue, main, lane: connection() };
  };

  it('are no more than the limit and one frame of each lane', async () => {
    const { queue, lane, main } = begun();
    let [first, second] = [false, false];
    void queue.put(lane, 1, parcels(1, 60 * KIB)).then(() => (first = true));
    void queue.put(lane, 1, parcels(2, 60 * KIB)).then(() => (second = true));
    await Promise.resolve();
    await Promise.resolve();
    expect([first, second, queue.heldBytes]).toEqual([true, false, 122 * KIB]);
    // Nothing of the connection itself waits: what everything waits for may come over it.
    expect([queue.mayRead(lane), queue.mayRead(main)]).toEqual([false, true]);
    queue.hold(main, parcels(0, 60 * KIB));
    expect(queue.mayRead(main)).toBe(false);
    for (const [turn, held] of [122 * KIB, 61 * KIB, 0].entries()) {
      expect(queue.take(turn)?.parcels.chunksBefore).toBe(turn);
      expect(queue.heldBytes).toBe(held);
    }
    await settle(clock, Promise.resolve());
    expect(second).toBe(true);
  });

  it('count as what they keep of memory, however little of it they are', () => {
    const { queue, lane } = begun();
    const held: number[] = [];
    for (const bytes of [new Uint8Array(0), new Uint8Array(90 * KIB).subarray(0, 1)]) {
      queue.hold(lane, { ...parcels(held.length), parcels: bytes });
      held.push(queue.heldBytes);
    }
    expect(held).toEqual([KIB, 92 * KIB]);
    for (let at = 2; queue.mayRead(lane); at += 1) {
      expect(at).toBeLessThan(100);
      queue.hold(lane, { ...parcels(at), parcels: new Uint8Array(0) });
    }
  });

  it('are of one frame for each place', () => {
    const { queue, lane } = begun();
    queue.hold(lane, parcels(3));
    expect(() => queue.hold(lane, parcels(3))).toThrow(/two frames bring the chunks behind 3/);
    queue.hold(lane, parcels(0));
    queue.take(0);
    expect(() => queue.hold(lane, parcels(0))).toThrow(/two frames/);
  });

  it('of a copy that is over are passed over', async () => {
    const { queue, lane } = begun();
    queue.end();
    await queue.put(lane, 1, parcels(0));
    queue.count();
    queue.begin();
    await queue.put(lane, 1, parcels(0));
    expect([queue.take(0), queue.heldBytes]).toEqual([undefined, 0]);
  });
});

describe('a sender', () => {
  it('asks a receiver of version 2 for no lanes', async () => {
    const pair = duplexPair();
    const clock = new SimulatedClock();
    const hello: Message = { ...helloOf('west'), features: 3 };
    await pair.far.write(said(hello));
    const lanes = { token: TOKEN, open: async () => duplexPair().near, policy: EAGER };
    const options = { stream: pair.near, clock, stallTimeoutMs: STALL_TIMEOUT_MS, lanes };
    const sender = await CopySender.open(options, 'east');
    const greeting = said({ ...helloOf('east', 3), features: 1 });
    expect(pair.bytesWritten().near).toBe(greeting.length);
    sender.destroy();
  });
});
