import { describe, expect, it } from 'vitest';
import { SimulatedClock } from '../../../../harness/world/simulated-clock.ts';
import { SimulatedRandom } from '../../../../harness/world/simulated-random.ts';

describe('the simulated clock', () => {
  it('runs timers in the order of their times, and of their setting within a millisecond', () => {
    const clock = new SimulatedClock();
    const random = new SimulatedRandom(1);
    const expected: [number, number][] = [];
    const ran: [number, number][] = [];
    for (let index = 0; index < 500; index += 1) {
      const delayMs = random.below(50);
      expected.push([delayMs, index]);
      clock.after(delayMs, () => ran.push([clock.elapsedMs, index]));
    }
    while (clock.step(100));
    expected.sort((left, right) => left[0] - right[0] || left[1] - right[1]);
    expect(ran).toEqual(expected);
    expect(clock.elapsedMs).toBe(100);
  });

  it('does not run what was cancelled, and stands still while code runs', () => {
    const clock = new SimulatedClock();
    const ran: string[] = [];
    const cancel = clock.after(5, () => ran.push('cancelled'));
    clock.after(3, () => {
      cancel();
      clock.after(0, () => ran.push(`at once, at ${clock.elapsedMs} ms`));
    });
    while (clock.step(10));
    expect(ran).toEqual(['at once, at 3 ms']);
  });

  it('moves the wall clock and the monotonic clock alike, from different beginnings', () => {
    const clock = new SimulatedClock();
    const wallMs = clock.nowMs();
    const monotonicMs = clock.monotonicMs();
    expect(wallMs).not.toBe(monotonicMs);
    clock.step(1234);
    expect([clock.nowMs() - wallMs, clock.monotonicMs() - monotonicMs]).toEqual([1234, 1234]);
  });
});
