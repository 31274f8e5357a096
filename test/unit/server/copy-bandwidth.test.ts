import { describe, expect, it } from 'vitest';
import { World } from '../../../harness/world/world.ts';
import type { DuplexStream } from '../../../src/ports/network.ts';
import { Bandwidth, throttled } from '../../../src/server/copy-bandwidth.ts';

/** A stream that notes when how many bytes were written. */
function sink(world: World): { stream: DuplexStream; writes: { atMs: number; bytes: number }[] } {
  const writes: { atMs: number; bytes: number }[] = [];
  const stream: DuplexStream = {
    peer: 'sink',
    read: () => Promise.resolve(undefined),
    write: (bytes) => {
      writes.push({ atMs: world.clock.elapsedMs, bytes: bytes.length });
      return Promise.resolve();
    },
    end: () => Promise.resolve(),
    destroy: () => undefined,
  };
  return { stream, writes };
}

const total = (writes: readonly { readonly bytes: number }[]): number =>
  writes.reduce((sum, { bytes }) => sum + bytes, 0);

describe('a limit on bandwidth', () => {
  it('lets a stream have its rate, and all of the bytes in their order', async () => {
    const world = new World(1);
    const { stream, writes } = sink(world);
    const limited = throttled(stream, [new Bandwidth(world.clock, 100_000)]);
    await world.finish(limited.write(new Uint8Array(1_000_000)), 60_000);
    expect(total(writes)).toBe(1_000_000);
    expect(world.clock.elapsedMs).toBeGreaterThan(9_500);
    expect(world.clock.elapsedMs).toBeLessThan(10_100);
    // A peer hears something all the time.
    const gaps = writes.slice(1).map(({ atMs }, index) => atMs - (writes[index]?.atMs ?? 0));
    expect(Math.max(...gaps)).toBeLessThan(400);
  });

  it('is shared by the streams under it, which take turns', async () => {
    const world = new World(1);
    const shared = new Bandwidth(world.clock, 100_000);
    const sinks = [sink(world), sink(world)];
    const writing = sinks.map(({ stream }) =>
      throttled(stream, [shared]).write(new Uint8Array(500_000)),
    );
    await world.advance(5_000);
    const [one = 0, other = 0] = sinks.map(({ writes }) => total(writes));
    expect(one + other).toBeLessThan(540_000);
    expect(Math.abs(one - other)).toBeLessThan(40_000);
    await world.finish(Promise.all(writing), 60_000);
  });

  it('is the least of several', async () => {
    const world = new World(1);
    const { stream, writes } = sink(world);
    const limits = [new Bandwidth(world.clock, 1_000_000), new Bandwidth(world.clock, 100_000)];
    await world.finish(throttled(stream, limits).write(new Uint8Array(500_000)), 60_000);
    expect(total(writes)).toBe(500_000);
    expect(world.clock.elapsedMs).toBeGreaterThan(4_500);
  });

  it('gives no credit for a pause', async () => {
    const world = new World(1);
    const { stream, writes } = sink(world);
    const limited = throttled(stream, [new Bandwidth(world.clock, 100_000)]);
    await world.advance(100_000);
    const writing = limited.write(new Uint8Array(500_000));
    await world.advance(1_000);
    expect(total(writes)).toBeLessThan(150_000);
    await world.finish(writing, 60_000);
  });

  it('leaves a stream without limits as it is', () => {
    const { stream } = sink(new World(1));
    expect(throttled(stream, [])).toBe(stream);
  });
});
