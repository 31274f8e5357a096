/**
 * The receiving side's lanes: parcels come over the connection and over its lanes in any order, and are put
 * together here.
 *
 * Memory: what waits for its turn is at most HELD_BYTES_MAX, and beyond that one frame of each lane, and one
 * that is being received. A lane that nothing of waits here may always be read, so that the frame whose turn
 * it is always comes.
 */
import { toHex } from '../base/encodings.ts';
import { CapstanError } from '../base/errors.ts';
import { KIB, MIB } from '../base/units.ts';
import type { Connection } from './connection.ts';
import { violation } from './frame.ts';
import type { Parcels } from './messages.ts';

/** Lanes of a connection, besides itself. */
export const LANE_COUNT_MAX = 7;
/** Memory of the parcels that wait for their turn, bytes. */
export const HELD_BYTES_MAX = 16 * MIB;
/** What a frame takes besides. */
const HELD_FRAME_BYTES = 1 * KIB;

/** A frame of parcels, and what it came over. */
export interface Held {
  readonly parcels: Parcels;
  readonly from: Connection;
}

export class ParcelQueue {
  readonly #main: Connection;
  readonly #heldBytesMax: number;
  readonly #lanes = new Set<Connection>();
  /** By what comes before them. */
  readonly #held = new Map<number, Held>();
  #heldBytes = 0;
  /** Of the connection's OFFERs, from 1; parcels of those before are passed over. */
  #offer = 0;
  #open = false;
  #chunksTaken = 0;
  #failure: CapstanError | undefined;
  #wakeIntake: (() => void) | undefined;
  #wakeLanes: (() => void)[] = [];

  constructor(main: Connection, heldBytesMax = HELD_BYTES_MAX) {
    this.#main = main;
    this.#heldBytesMax = heldBytesMax;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get hasLanes(): boolean {
    return this.#lanes.size > 0;
  }

  /** Takes a lane, unless there are enough. */
  join(lane: Connection): boolean {
    if (this.#lanes.size >= LANE_COUNT_MAX) return false;
    this.#lanes.add(lane);
    return true;
  }

  /** A lane has ended; with `failure` so has the connection. */
  leave(lane: Connection, failure?: CapstanError): void {
    this.#lanes.delete(lane);
    if (failure === undefined) return;
    this.#failure ??= failure;
    this.#main.destroy();
    this.#wake();
  }

  /** Why a lane failed, where one did. */
  get failure(): CapstanError | undefined {
    return this.#failure;
  }

  /** The connection has ended, and its lanes with it. */
  close(): void {
    this.end();
    for (const lane of this.#lanes) lane.destroy();
  }

  /** The next OFFER has come. */
  count(): void {
    this.#offer += 1;
  }

  /** Parcels of the offer may come. */
  begin(): void {
    this.#open = true;
    this.#chunksTaken = 0;
  }

  /** None may any more; what still comes of them is passed over. Idempotent. */
  end(): void {
    this.#open = false;
    this.#held.clear();
    this.#heldBytes = 0;
    this.#wake();
  }

  /** Parcels that came over a lane; resolves when the lane may be read again. Throws PROTOCOL_VIOLATION. */
  async put(lane: Connection, offer: number, parcels: Parcels): Promise<void> {
    if (offer === 0 || offer > this.#offer) {
      throw violation(lane.peer, `parcels of offer ${offer} came where there were ${this.#offer}`);
    }
    if (offer < this.#offer || !this.#open) return;
    this.hold(lane, parcels);
    while (!this.mayRead(lane)) {
      await new Promise<void>((resolve) => {
        this.#wakeLanes.push(resolve);
      });
    }
  }

  /** Parcels that came, to wait for their turn. Throws PROTOCOL_VIOLATION. */
  hold(from: Connection, parcels: Parcels): void {
    const { chunksBefore } = parcels;
    if (chunksBefore < this.#chunksTaken || this.#held.has(chunksBefore)) {
      throw violation(from.peer, `two frames bring the chunks behind ${chunksBefore}`);
    }
    this.#held.set(chunksBefore, { parcels, from });
    this.#heldBytes += memoryOf(parcels);
    this.#wakeIntake?.();
  }

  /** Whether there is room for another frame of `from`. */
  mayRead(from: Connection): boolean {
    if (this.#heldBytes < this.#heldBytesMax) return true;
    for (const held of this.#held.values()) if (held.from === from) return false;
    return true;
  }

  /** The parcels whose turn it is; undefined where they have not come. */
  take(chunksBefore: number): Held | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    const held = this.#held.get(chunksBefore);
    if (held === undefined) return undefined;
    const { parcels } = held;
    this.#held.delete(chunksBefore);
    this.#heldBytes -= memoryOf(parcels);
    this.#chunksTaken = chunksBefore + Math.max(1, parcels.chunkCount);
    for (const wake of this.#wakeLanes.splice(0)) wake();
    return held;
  }

  /** Resolves when there may be something new for {@link take}. */
  arrival(): Promise<void> {
    return new Promise((resolve) => {
      this.#wakeIntake = resolve;
    });
  }

  #wake(): void {
    this.#wakeIntake?.();
    for (const wake of this.#wakeLanes.splice(0)) wake();
  }
}

/** What keeping a frame costs: its parcels may be a small part of the memory that they came in, or nothing at all. */
const memoryOf = ({ parcels }: Parcels): number => HELD_FRAME_BYTES + parcels.buffer.byteLength;

/** The connections of one server that take lanes, by the token that their senders chose. */
export class LaneRegistry {
  readonly #queues = new Map<string, ParcelQueue>();

  /** Throws PROTOCOL_VIOLATION where another connection has the token. */
  add(peer: string, token: Uint8Array, queue: ParcelQueue): void {
    const name = toHex(token);
    if (this.#queues.has(name)) throw violation(peer, 'another connection has the token');
    this.#queues.set(name, queue);
  }

  find(token: Uint8Array): ParcelQueue | undefined {
    return this.#queues.get(toHex(token));
  }

  delete(queue: ParcelQueue): void {
    for (const [name, each] of this.#queues) if (each === queue) this.#queues.delete(name);
  }
}

/**
 * Serves a connection that showed `token`: its parcels go where those of the connection go that chose the
 * token. What goes wrong here ends that one, which tells of it.
 */
export async function serveLane(
  lane: Connection,
  registry: LaneRegistry,
  token: Uint8Array,
): Promise<void> {
  const queue = registry.find(token);
  if (queue === undefined || !queue.join(lane)) {
    const reason = queue === undefined ? 'no connection has this token' : 'there are enough lanes';
    await lane.send({ kind: 'refuse', reason });
    return;
  }
  try {
    await lane.send({ kind: 'done' });
    let offer = 0;
    for (;;) {
      // Between two tapes there is nothing to be said here, for as long as it takes.
      const message = await lane.receive(true);
      if (message === undefined) break;
      if (message.kind === 'lane-copy') ({ offer } = message);
      else if (message.kind === 'parcels') await queue.put(lane, offer, message);
      else throw violation(lane.peer, `a ${message.kind} frame came over a lane`);
    }
    queue.leave(lane);
  } catch (error) {
    lane.destroy();
    if (!(error instanceof CapstanError)) throw error;
    queue.leave(lane, error);
  }
}
