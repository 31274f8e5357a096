/**
 * Time in the simulated world: it stands still while code runs and jumps to the next timer after.
 *
 * Timers of the same millisecond run in the order in which they were set: (time, sequence) orders
 * all events of a world, and nothing else does.
 */
import { assert } from '../../src/base/assert.ts';
import type { Cancel, Clock } from '../../src/ports/clock.ts';

interface Timer {
  readonly atMs: number;
  readonly sequence: number;
  callback: (() => void) | undefined;
}

/** Wall clock at the beginning of every world: 2026-01-01T00:00:00Z. */
const WALL_START_MS = 1_767_225_600_000;
/** The monotonic clock starts elsewhere, so that code which mixes the two up is found out. */
const MONOTONIC_START_MS = 7_000_000;

const isBefore = (left: Timer, right: Timer): boolean =>
  left.atMs < right.atMs || (left.atMs === right.atMs && left.sequence < right.sequence);

export class SimulatedClock implements Clock {
  /** Milliseconds since the world began. */
  #elapsedMs = 0;
  #sequence = 0;
  #wallStartMs = WALL_START_MS;
  readonly #heap: Timer[] = [];

  get elapsedMs(): number {
    return this.#elapsedMs;
  }

  nowMs(): number {
    return this.#wallStartMs + this.#elapsedMs;
  }

  /** Somebody sets the wall clock: it goes forward by so much, or back. Timers do not care. */
  stepWall(byMs: number): void {
    this.#wallStartMs += byMs;
  }

  monotonicMs(): number {
    return MONOTONIC_START_MS + this.#elapsedMs;
  }

  after(delayMs: number, callback: () => void): Cancel {
    assert(Number.isFinite(delayMs), 'a delay is a finite number of milliseconds');
    const atMs = this.#elapsedMs + Math.max(0, Math.ceil(delayMs));
    const timer: Timer = { atMs, sequence: this.#sequence, callback };
    this.#sequence += 1;
    this.#push(timer);
    return () => {
      timer.callback = undefined;
    };
  }

  /**
   * Runs the next timer, if it is due at `limitMs` (of {@link elapsedMs}) or before; else moves to
   * `limitMs`. Whether a timer ran.
   */
  step(limitMs: number): boolean {
    let next = this.#heap[0];
    while (next !== undefined && next.callback === undefined) {
      this.#pop();
      next = this.#heap[0];
    }
    if (next === undefined || next.atMs > limitMs) {
      this.#elapsedMs = Math.max(this.#elapsedMs, limitMs);
      return false;
    }
    this.#pop();
    this.#elapsedMs = next.atMs;
    next.callback?.();
    return true;
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let index = heap.push(timer) - 1;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = heap[parentIndex];
      if (parent === undefined || !isBefore(timer, parent)) break;
      heap[index] = parent;
      index = parentIndex;
    }
    heap[index] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      const left = heap[2 * index + 1];
      const right = heap[2 * index + 2];
      const child =
        left !== undefined && right !== undefined && isBefore(right, left) ? right : left;
      if (child === undefined || !isBefore(child, last)) break;
      heap[index] = child;
      index = child === right ? 2 * index + 2 : 2 * index + 1;
    }
    heap[index] = last;
  }
}
