/**
 * Limits on what copies send: a token bucket in bytes a second, and a stream that heeds several.
 *
 * Bytes go out in slices, so that several copies under one limit take turns and a peer never waits long
 * for a sign of life.
 */
import { KIB, SECOND_MS } from '../base/units.ts';
import type { Clock } from '../ports/clock.ts';
import { sleep } from '../ports/clock.ts';
import type { DuplexStream } from '../ports/network.ts';

/** Least limit: below this the largest frame would take longer than a peer waits for it. */
export const BYTES_PER_SECOND_MIN = 64 * KIB;
export const BYTES_PER_SECOND_MAX = 1_000_000_000_000;
/** A stream's bytes take their turn so many at a time; as many may go at once after a pause. */
const SLICE_BYTES = 32 * KIB;

export class Bandwidth {
  readonly bytesPerSecond: number;
  readonly #clock: Clock;
  /** When all that was taken so far has gone at the limit's pace. */
  #paidUntilMs = -Infinity;

  constructor(clock: Clock, bytesPerSecond: number) {
    this.#clock = clock;
    this.bytesPerSecond = bytesPerSecond;
  }

  /** Resolves when `bytes` more may go; who asks first is first. */
  async take(bytes: number): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    const startMs = Math.max(nowMs, this.#paidUntilMs);
    this.#paidUntilMs = startMs + (bytes / this.bytesPerSecond) * SECOND_MS;
    if (startMs > nowMs) await sleep(this.#clock, startMs - nowMs);
  }
}

/** `stream`, whose writes heed every one of `limits`; itself where there is none. */
export function throttled(stream: DuplexStream, limits: readonly Bandwidth[]): DuplexStream {
  if (limits.length === 0) return stream;
  return {
    peer: stream.peer,
    read: () => stream.read(),
    write: async (bytes) => {
      for (let offset = 0; offset < bytes.length; offset += SLICE_BYTES) {
        const slice = bytes.subarray(offset, offset + SLICE_BYTES);
        for (const limit of limits) await limit.take(slice.length);
        await stream.write(slice);
      }
    },
    end: () => stream.end(),
    destroy: () => stream.destroy(),
  };
}
