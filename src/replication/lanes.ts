/**
 * The sending side's lanes: other connections to the same receiver, over which parcels go, too.
 *
 * One stream moves no more than its window in a round trip: 2 MiB with SSH. How many lanes a line wants is
 * found by trying: their number, with the connection itself, is doubled as long as that makes the copy faster
 * by a quarter. The receiver puts the parcels together. A lane that is lost ends the copy, as the connection does.
 */
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { MIB, SECOND_MS } from '../base/units.ts';
import { PARCEL_BYTES_MAX } from '../ports/engine.ts';
import type { Cancel } from '../ports/clock.ts';
import type { DuplexStream } from '../ports/network.ts';
import { Connection } from './connection.ts';
import type { ConnectionOptions, Greeting } from './connection.ts';
import { FEATURE_LANES, FRAME_HEADER_BYTES, PARCELS_FIELDS_BYTES, recycle } from './frame.ts';
import type { Parcels } from './messages.ts';

export interface LanePolicy {
  /** The connection and its lanes; 1 for none. */
  readonly countMax: number;
  /** The receiver has stored so many bytes for each before their number is thought about. */
  readonly trialBytes: number;
  /** Of parcels in one frame. */
  readonly frameBytes: number;
}

export const LANE_POLICY: LanePolicy = {
  countMax: 8,
  trialBytes: 8 * MIB,
  frameBytes: PARCEL_BYTES_MAX,
};

/** Of a PARCELS frame, what is not parcels. */
const PARCELS_FRAME_BYTES = FRAME_HEADER_BYTES + PARCELS_FIELDS_BYTES;
/** What was acknowledged is told of after this, whatever lanes hang. */
const END_PATIENCE_MS = 5 * SECOND_MS;
/** More lanes have to make a copy so much faster. */
const SPEED_UP_MIN = 1.25;

export interface LaneOptions {
  /** LANE_TOKEN_BYTES that nobody can guess. */
  readonly token: Uint8Array;
  /** Another stream to the receiver. */
  readonly open: () => Promise<DuplexStream>;
  readonly policy: LanePolicy;
}

interface Lane {
  readonly connection: Connection;
  /** The OFFER that its parcels are of, as the receiver was told. */
  offer: number;
  busy: boolean;
  /** Settles when the receiver has ended it, too. */
  readonly ended: Promise<void>;
}

/** How many lanes are worth their while, found by trying. */
class Trial {
  readonly #policy: LanePolicy;
  #sinceMs: number | undefined;
  #bytes = 0;
  /** Of the number of lanes before; 0 where there was none, undefined until a copy has got going. */
  #bytesPerSecondBefore: number | undefined;
  #isOver = false;

  constructor(policy: LanePolicy) {
    this.#policy = policy;
  }

  /** What was measured until now counts no more. */
  restart(): void {
    this.#sinceMs = undefined;
    this.#bytes = 0;
  }

  end(): void {
    this.#isOver = true;
  }

  /** The receiver has stored `bytes` more, over `count` lanes; how many lanes there should be now. */
  advise(bytes: number, count: number, nowMs: number): number {
    if (this.#isOver || count >= this.#policy.countMax) return count;
    if (this.#sinceMs === undefined) {
      // How long the first took to arrive says nothing.
      this.#sinceMs = nowMs;
      return count;
    }
    this.#bytes += bytes;
    if (this.#bytes < this.#policy.trialBytes * count) return count;
    const bytesPerSecond = (this.#bytes / (nowMs - this.#sinceMs)) * SECOND_MS;
    this.restart();
    if (this.#bytesPerSecondBefore === undefined) {
      // A program that has just begun gets faster by itself: that is not to be put down to lanes.
      this.#bytesPerSecondBefore = 0;
      return count;
    }
    if (bytesPerSecond < SPEED_UP_MIN * this.#bytesPerSecondBefore) {
      this.#isOver = true;
      return count;
    }
    this.#bytesPerSecondBefore = bytesPerSecond;
    return Math.min(2 * count, this.#policy.countMax);
  }
}

/** A connection and its lanes, as parcels go over them. */
export class Lanes {
  readonly #main: Connection;
  readonly #connection: ConnectionOptions;
  readonly #serverName: string;
  readonly #options: LaneOptions | undefined;
  readonly #trial: Trial;
  readonly #lanes: Lane[];
  /** Not lanes yet. */
  readonly #joining = new Set<Connection>();
  /** Where to look first for one that is free. */
  #turn = 0;
  #laneBytesSent = 0;
  #opening: Promise<void> | undefined;
  #ending = false;
  #failure: CapstanError | undefined;
  #wake: () => void = () => undefined;

  private constructor(
    main: Connection,
    connection: ConnectionOptions,
    serverName: string,
    options: LaneOptions | undefined,
  ) {
    this.#main = main;
    this.#connection = connection;
    this.#serverName = serverName;
    this.#options = options;
    this.#trial = new Trial(options?.policy ?? LANE_POLICY);
    this.#lanes = [{ connection: main, offer: 0, busy: false, ended: Promise.resolve() }];
  }

  /** Tells a receiver that takes lanes how to know them. */
  static async prepare(
    main: Connection,
    {
      connection,
      serverName,
      greeting,
      lanes,
    }: {
      readonly connection: ConnectionOptions;
      readonly serverName: string;
      readonly greeting: Greeting;
      readonly lanes: LaneOptions | undefined;
    },
  ): Promise<Lanes> {
    const takes = greeting.version >= 3 && main.has(FEATURE_LANES);
    const used = takes && lanes !== undefined && lanes.policy.countMax > 1 ? lanes : undefined;
    if (used !== undefined) await main.send({ kind: 'lanes', token: used.token });
    return new Lanes(main, connection, serverName, used);
  }

  /** The connection itself, too. */
  get count(): number {
    return this.#lanes.length;
  }

  get frameBytes(): number {
    return this.#options?.policy.frameBytes ?? LANE_POLICY.frameBytes;
  }

  /** Of frames, without what it takes to open lanes: as many as without them. */
  get bytesSent(): number {
    return this.#main.bytesSent + this.#laneBytesSent;
  }

  /** Why a lane was lost, where one was: the connection has been dropped then. */
  get failure(): CapstanError | undefined {
    return this.#failure;
  }

  /** Begins to send parcels over a lane that is free, each in its turn; resolves when one was. Their memory is recycled. */
  async send(offer: number, parcels: Parcels): Promise<void> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      const lane = this.#takeTurn();
      if (lane !== undefined) {
        void this.#sendOver(lane, offer, parcels);
        return;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #takeTurn(): Lane | undefined {
    for (let tries = 0; tries < this.count; tries += 1) {
      this.#turn = (this.#turn + 1) % this.count;
      const lane = this.#lanes[this.#turn];
      if (lane?.busy === false) return lane;
    }
    return undefined;
  }

  async #sendOver(lane: Lane, offer: number, parcels: Parcels): Promise<void> {
    lane.busy = true;
    try {
      if (lane.connection !== this.#main && lane.offer !== offer) {
        lane.offer = offer;
        await lane.connection.send({ kind: 'lane-copy', offer });
      }
      await lane.connection.send(parcels);
      if (lane.connection !== this.#main) {
        this.#laneBytesSent += PARCELS_FRAME_BYTES + parcels.parcels.length;
      }
      recycle(parcels.parcels);
    } catch (error) {
      this.#fail(error);
    } finally {
      lane.busy = false;
      this.#wake();
    }
  }

  /** A copy begins. */
  begin(): void {
    this.#trial.restart();
  }

  /** The receiver has stored `bytes` more; opens lanes where they may help. */
  stored(bytes: number): void {
    const options = this.#options;
    if (options === undefined || this.#opening !== undefined || this.#ending) return;
    const count = this.#trial.advise(bytes, this.count, this.#connection.clock.monotonicMs());
    if (count > this.count) this.#opening = this.#open(options, count);
  }

  async #open(options: LaneOptions, count: number): Promise<void> {
    try {
      const opened = Array.from({ length: count - this.count }, () => this.#openOne(options));
      for (const result of await Promise.allSettled(opened)) {
        // The copy goes on with the lanes that there are.
        if (result.status === 'rejected') this.#trial.end();
        if (result.status === 'rejected' && !isCapstanError(result.reason)) throw result.reason;
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#opening = undefined;
      this.#trial.restart();
    }
  }

  async #openOne({ open, token }: LaneOptions): Promise<void> {
    const connection = new Connection({ ...this.#connection, stream: await open() });
    this.#joining.add(connection);
    try {
      if (this.#ending) throw this.#lost('it has ended');
      await connection.greet(this.#serverName);
      await connection.send({ kind: 'join', token });
      const answer = await connection.expect('done', 'refuse');
      if (answer.kind === 'refuse') {
        const fields = { peer: connection.peer, what: 'another lane', reason: answer.reason };
        throw new CapstanError('PEER_REFUSED', fields);
      }
      if (this.#ending || this.#failure !== undefined) throw this.#lost('it has ended');
    } catch (error) {
      connection.destroy();
      throw error;
    } finally {
      this.#joining.delete(connection);
    }
    this.#lanes.push({ connection, offer: 0, busy: false, ended: this.#watch(connection) });
    this.#wake();
  }

  /** A receiver says nothing over a lane, and ends it only after us. */
  async #watch(connection: Connection): Promise<void> {
    try {
      await connection.receive(true);
      if (!this.#ending) this.#fail(this.#lost('the peer ended a lane'));
    } catch (error) {
      if (!this.#ending) this.#fail(error);
    }
  }

  #lost(reason: string): CapstanError {
    return new CapstanError('CONNECTION_LOST', { peer: this.#main.peer, reason });
  }

  #fail(error: unknown): void {
    // What fails because it was dropped is no reason.
    if (this.#ending) return;
    this.#failure = error instanceof CapstanError ? error : this.#lost(String(error));
    this.destroy();
  }

  /** Ends the lanes in order, and drops those that hang; the connection itself stays. */
  async end(): Promise<void> {
    const ended = this.#endInOrder();
    let cancel: Cancel = () => undefined;
    const patience = new Promise<void>((resolve) => {
      cancel = this.#connection.clock.after(END_PATIENCE_MS, resolve);
    });
    try {
      await Promise.race([ended, patience]);
    } finally {
      cancel();
      this.#ending = true;
      ended.catch(() => {
        // They are dropped here, if they were not lost before.
      });
      for (const { connection } of this.#lanes.slice(1)) connection.destroy();
      for (const connection of this.#joining) connection.destroy();
    }
  }

  async #endInOrder(): Promise<void> {
    await this.#opening;
    this.#ending = true;
    const [, ...lanes] = this.#lanes;
    await Promise.all(lanes.map(({ connection }) => connection.end()));
    await Promise.all(lanes.map(({ ended }) => ended));
  }

  /** Drops the connection and its lanes. Idempotent. */
  destroy(): void {
    this.#ending = true;
    for (const { connection } of this.#lanes) connection.destroy();
    for (const connection of this.#joining) connection.destroy();
    this.#wake();
  }
}
