/**
 * What docs/formats/replication.md says of time and of lanes, seen on the network: nobody waits for a peer
 * that is silent, or that is alive and nothing else, for longer than the limits; a connection and its lanes
 * end together; and copies send no more in a second than they may.
 */
import { KIB, SECOND_MS } from '../../src/base/units.ts';
import { FRAMES } from '../../src/replication/frame.ts';
import type { SimulatedClock } from '../world/simulated-clock.ts';
import type { SimulatedStream } from '../world/simulated-stream.ts';
import { hold } from './violation.ts';

const SILENT_MS_MAX = 60 * SECOND_MS;
const IDLE_MS_MAX = 10 * SILENT_MS_MAX;
/** Within this the rest of a family follows. */
const TOGETHER_MS_MAX = SECOND_MS;
/** Milliseconds are rounded, and who was killed has forgotten what it owed. */
const FORGIVEN_BYTES = 8 * KIB;

/** A connection of a sender and its lanes. */
type Family = readonly SimulatedStream[];

export class LineRules {
  readonly #clock: SimulatedClock;
  readonly #name: string;
  readonly #bytesPerMs: number | undefined;
  #families: Family[] = [];
  /** Sent and not yet paid for by the time that went by, bytes. */
  #owedBytes = 0;
  #owedAtMs = 0;
  #largestBytes = 0;
  #excessBytes = 0;

  /** `bytesPerSecond`: what the server's copies may send together. */
  constructor(name: string, clock: SimulatedClock, bytesPerSecond: number | undefined) {
    this.#name = name;
    this.#clock = clock;
    this.#bytesPerMs = bytesPerSecond === undefined ? undefined : bytesPerSecond / SECOND_MS;
  }

  add(family: Family): void {
    this.#families.push(family);
  }

  sent(bytes: number): void {
    if (this.#bytesPerMs === undefined) return;
    const nowMs = this.#clock.elapsedMs;
    const paid = (nowMs - this.#owedAtMs) * this.#bytesPerMs;
    this.#owedBytes = Math.max(0, this.#owedBytes - paid) + bytes;
    this.#owedAtMs = nowMs;
    this.#largestBytes = Math.max(this.#largestBytes, bytes);
    this.#excessBytes = Math.max(this.#excessBytes, this.#owedBytes - this.#largestBytes);
  }

  /** Whether a connection that it made is still there. */
  get hasOpen(): boolean {
    return this.#families.some((family) => family.some((stream) => !stream.closed));
  }

  /** Throws InvariantViolation. */
  check(): void {
    hold(
      this.#excessBytes <= FORGIVEN_BYTES,
      () => `${this.#name} sends ${Math.round(this.#excessBytes)} bytes more than it may`,
    );
    for (const family of this.#families) {
      for (const [index, stream] of family.entries()) {
        this.#checkWaits(stream, index);
        this.#checkWaits(stream.other, index);
      }
      this.#checkTogether(family);
      this.#checkTogether(family.map(({ other }) => other));
    }
    this.#families = this.#families.filter((family) =>
      family.some((stream) => !stream.closed || !stream.other.closed),
    );
  }

  #checkWaits({ watch, life }: SimulatedStream, index: number): void {
    if (life.ended) return;
    watch.look(this.#clock.elapsedMs);
    const { longestWaitMs, longestIdleMs } = watch;
    const who = index === 0 ? 'a connection' : 'a lane';
    hold(
      longestWaitMs <= SILENT_MS_MAX,
      () => `${who} of ${this.#name} is silent for ${longestWaitMs} ms and has not ended`,
    );
    // Between two tapes there is nothing to be said over a lane.
    hold(
      index > 0 || longestIdleMs <= IDLE_MS_MAX,
      () => `${who} of ${this.#name} has nothing but keep-alives for ${longestIdleMs} ms`,
    );
  }

  /** One side's ends of a family: where one is lost before it has ended, none stays. */
  #checkTogether(ends: readonly SimulatedStream[]): void {
    const joined = ends.filter((end, index) => index === 0 || isLane(end));
    if (joined.some(({ hasEnded, life }) => hasEnded || life.ended)) return;
    const lost = joined.map(({ lostAtMs }) => lostAtMs).filter((atMs) => atMs !== undefined);
    if (lost.length === 0) return;
    const firstMs = Math.min(...lost);
    const lastMs = lost.length < joined.length ? this.#clock.elapsedMs : Math.max(...lost);
    hold(
      lastMs - firstMs <= TOGETHER_MS_MAX,
      () => `a connection of ${this.#name} and its lanes end ${lastMs - firstMs} ms apart`,
    );
  }
}

/** Whether the receiver has taken it as a lane, and the sender knows. */
function isLane(end: SimulatedStream): boolean {
  const done = FRAMES.done.type;
  return end.watch.began(done) || end.other.watch.began(done);
}
