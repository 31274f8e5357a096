import { describe, expect, it } from 'vitest';
import { isCapstanError } from '../../../../src/base/errors.ts';
import type { DuplexStream } from '../../../../src/ports/network.ts';
import { Life } from '../../../../harness/world/life.ts';
import { World } from '../../../../harness/world/world.ts';

const HERE = '10.0.0.1';
const THERE = '10.0.0.2';
const PORT = 22;

interface Pair {
  readonly world: World;
  readonly near: DuplexStream;
  readonly far: DuplexStream;
  readonly farLife: Life;
}

async function connectedPair(): Promise<Pair> {
  const world = new World(1);
  const farLife = new Life();
  const accepted: DuplexStream[] = [];
  await world.network
    .port(THERE, farLife)
    .listen({ address: THERE, port: PORT }, (stream) => accepted.push(stream));
  const connecting = world.network.port(HERE, new Life()).connect({ address: THERE, port: PORT });
  const near = await world.finish(connecting, 100);
  const far = accepted[0];
  if (far === undefined) throw new Error('nobody was connected');
  return { world, near, far, farLife };
}

/** What became of a promise when `limitMs` had gone by. */
async function outcomeOf(
  world: World,
  promise: Promise<unknown>,
  limitMs: number,
): Promise<string> {
  let outcome = 'pending';
  promise.then(
    () => (outcome = 'kept'),
    (error: unknown) => (outcome = isCapstanError(error) ? error.code : 'unknown'),
  );
  await world.advance(limitMs);
  return outcome;
}

describe('the simulated network', () => {
  it('brings bytes over in order, late, and says when the peer has ended', async () => {
    const { world, near, far } = await connectedPair();
    const startMs = world.clock.elapsedMs;
    void near.write(new Uint8Array([1, 2]));
    void near.write(new Uint8Array([3])).then(() => near.end());
    expect(await world.finish(far.read(), 100)).toEqual(new Uint8Array([1, 2]));
    expect(world.clock.elapsedMs).toBeGreaterThan(startMs);
    expect(await world.finish(far.read(), 100)).toEqual(new Uint8Array([3]));
    expect(await world.finish(far.read(), 100)).toBeUndefined();
  });

  it('holds a writer back while the reader does not read', async () => {
    const { world, near, far } = await connectedPair();
    const writing = near.write(new Uint8Array(1024 * 1024));
    expect(await outcomeOf(world, writing, 60_000)).toBe('pending');
    let received = 0;
    while (received < 1024 * 1024) received += (await world.finish(far.read(), 1000))?.length ?? 0;
    expect(await outcomeOf(world, writing, 0)).toBe('kept');
    expect(received).toBe(1024 * 1024);
  });

  it('tells both sides of a cut, and takes new connections after', async () => {
    const { world, near, far } = await connectedPair();
    const nearOutcome = outcomeOf(world, near.read(), 0);
    const farOutcome = outcomeOf(world, far.read(), 0);
    world.network.wire(HERE, THERE).cut();
    expect([await nearOutcome, await farOutcome]).toEqual(['CONNECTION_LOST', 'CONNECTION_LOST']);
    expect(await outcomeOf(world, near.write(new Uint8Array(1)), 0)).toBe('CONNECTION_LOST');
    const port = world.network.port(HERE, new Life());
    const again = port.connect({ address: THERE, port: PORT });
    expect(await outcomeOf(world, again, 10)).toBe('kept');
  });

  it('holds everything back in silence while stalled, and lets it arrive when healed', async () => {
    const { world, near, far } = await connectedPair();
    const wire = world.network.wire(HERE, THERE);
    wire.stall();
    await near.write(new Uint8Array([7]));
    const reading = far.read();
    expect(await outcomeOf(world, reading, 3_600_000)).toBe('pending');
    wire.heal();
    expect(await world.finish(reading, 10)).toEqual(new Uint8Array([7]));
  });

  it('refuses a connection where nobody listens, the wire is down, or it stays silent', async () => {
    const { world, farLife } = await connectedPair();
    const wire = world.network.wire(HERE, THERE);
    const port = world.network.port(HERE, new Life());
    const connect = (to: number): Promise<unknown> => port.connect({ address: THERE, port: to });
    expect(await outcomeOf(world, connect(PORT + 1), 100)).toBe('CONNECTION_REFUSED');
    wire.stall();
    expect(await outcomeOf(world, connect(PORT), 29_000)).toBe('pending');
    expect(await outcomeOf(world, connect(PORT), 40_000)).toBe('CONNECTION_REFUSED');
    wire.takeDown();
    expect(await outcomeOf(world, connect(PORT), 100)).toBe('CONNECTION_REFUSED');
    wire.heal();
    expect(await outcomeOf(world, connect(PORT), 100)).toBe('kept');
    farLife.end();
    expect(await outcomeOf(world, connect(PORT), 100)).toBe('CONNECTION_REFUSED');
  });

  it('changes exactly the byte that an ambush waits for', async () => {
    const { world, near, far } = await connectedPair();
    world.network.wire(HERE, THERE).ambush('corrupt', 5);
    void near.write(new Uint8Array(4));
    expect(await world.finish(far.read(), 10)).toEqual(new Uint8Array(4));
    void near.write(new Uint8Array(4));
    const changed = (await world.finish(far.read(), 10)) ?? new Uint8Array(0);
    expect([...changed].map((byte) => byte !== 0)).toEqual([false, true, false, false]);
  });

  it('stalls in the middle of what is sent, behind so many bytes or lines, and goes on with the rest', async () => {
    const { world, near, far } = await connectedPair();
    const wire = world.network.wire(HERE, THERE);
    const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);
    for (const [count, unit, before] of [
      [2, 'lines', 'one\ntwo\n'],
      [6, 'bytes', 'one\ntw'],
    ] as const) {
      let stalled = 0;
      wire.stallBehind(count, unit, () => (stalled += 1));
      void near.write(new TextEncoder().encode('one\ntwo\nthree\n'));
      expect(text(await world.finish(far.read(), 10))).toBe(before);
      const rest = far.read();
      expect(await outcomeOf(world, rest, 1000)).toBe('pending');
      expect(stalled).toBe(1);
      wire.heal();
      expect(text(await world.finish(rest, 10))).toBe('one\ntwo\nthree\n'.slice(before.length));
    }
  });
});

describe('the end of a life', () => {
  it('leaves its promises unsettled and its timers unrun, and cuts its connections', async () => {
    const { world, near, far, farLife } = await connectedPair();
    const pending = far.read();
    let ran = false;
    farLife.clock(world.clock).after(10, () => (ran = true));
    farLife.end();
    expect(await outcomeOf(world, pending, 1000)).toBe('pending');
    expect(await outcomeOf(world, far.write(new Uint8Array(1)), 1000)).toBe('pending');
    expect(await outcomeOf(world, near.read(), 1000)).toBe('CONNECTION_LOST');
    expect(ran).toBe(false);
  });
});

describe('a connection dropped over a stalled wire', () => {
  it('is half open: the other side learns of it once the wire is healed', async () => {
    const { world, near, far } = await connectedPair();
    const wire = world.network.wire(HERE, THERE);
    wire.stall();
    near.destroy();
    expect(await outcomeOf(world, near.read(), 0)).toBe('CONNECTION_LOST');
    let outcome = 'pending';
    far.read().catch(() => (outcome = 'lost'));
    await world.advance(60_000);
    expect(outcome).toBe('pending');
    wire.heal();
    await world.advance(0);
    expect(outcome).toBe('lost');
  });
});
