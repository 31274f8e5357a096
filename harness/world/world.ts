/**
 * A simulated world: one clock, one network, one trace, chance from one seed.
 *
 * Time goes on only here, a timer at a time; between two timers every promise settles that can
 * (barrier.ts). What runs in a world is production code over ports that the world made.
 */
import { assert } from '../../src/base/assert.ts';
import { settle } from './barrier.ts';
import { SimulatedClock } from './simulated-clock.ts';
import { SimulatedNetwork } from './simulated-network.ts';
import { SimulatedRandom } from './simulated-random.ts';
import { Trace } from './trace.ts';

export class World {
  readonly clock = new SimulatedClock();
  readonly trace: Trace;
  readonly network: SimulatedNetwork;
  readonly random: SimulatedRandom;
  readonly #endings: (() => void)[] = [];

  constructor(seed: number) {
    this.trace = new Trace(() => this.clock.elapsedMs);
    this.network = new SimulatedNetwork(this.clock, this.trace);
    this.random = new SimulatedRandom(seed);
  }

  /** Lets `durationMs` go by. */
  async advance(durationMs: number): Promise<void> {
    const limitMs = this.clock.elapsedMs + durationMs;
    await settle();
    while (this.clock.step(limitMs)) await settle();
  }

  /** Lets time go by until `condition` holds, at most `limitMs`; whether it does. */
  async until(condition: () => boolean, limitMs: number): Promise<boolean> {
    const endMs = this.clock.elapsedMs + limitMs;
    await settle();
    while (!condition()) {
      const ran = this.clock.step(endMs);
      await settle();
      if (!ran) return condition();
    }
    return true;
  }

  /**
   * Lets time go by until `promise` has settled, and answers what it gave. That it settles within
   * `limitMs` must hold.
   */
  async finish<Value>(promise: Promise<Value>, limitMs: number): Promise<Value> {
    let settled = false;
    const note = (): void => {
      settled = true;
    };
    promise.then(note, note);
    const inTime = await this.until(() => settled, limitMs);
    assert(inTime, `what was asked is answered within ${limitMs / 1000} s`);
    return promise;
  }

  /** Calls `ending` when the world ends. */
  onEnd(ending: () => void): void {
    this.#endings.push(ending);
  }

  /**
   * Ends the world: what its servers were made of is free for the next one. What is read of it after
   * is its trace and its clock.
   */
  async end(): Promise<void> {
    await settle();
    for (const ending of this.#endings.splice(0)) ending();
  }
}
