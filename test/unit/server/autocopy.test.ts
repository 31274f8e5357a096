import { describe, expect, it } from 'vitest';
import type { Wire } from '../../../harness/world/simulated-wire.ts';
import { sleep } from '../../../src/ports/clock.ts';
import { Bench, TARGET, noSpace } from './bench.ts';

const FIVE_MINUTES_MS = 300_000;

/** Between each two attempts. */
const intervalsMs = (bench: Bench): number[] =>
  bench.east.attemptsMs.slice(1).map((atMs, index) => atMs - (bench.east.attemptsMs[index] ?? 0));

/** What west has of LAB001. */
const replica = (bench: Bench) => bench.west.catalog.findTape('LAB001');

/** Writes 2 MiB and gives the tape back: its copy is under way, and hangs there until {@link heal}. */
async function copyUnderWay(bench: Bench, salt = 1): Promise<void> {
  await bench.request('LAB001');
  heal(bench);
  const drive = await bench.drive();
  for (let count = 0; count < 32; count += 1) {
    const block = Uint8Array.from(
      { length: 65_536 },
      (_, index) => (index * index * 7 + (count + salt * 99) * index) >> 5,
    );
    await bench.finish(drive.writeBlock(block));
  }
  await bench.finish(drive.writeFilemarks(1));
  await bench.unload();
  const begun = (): boolean => bench.east.server.progress().some((copy) => copy.chunksSent > 0);
  expect(await bench.world.until(begun, 1_000)).toBe(true);
  wireOf(bench).stall();
}

const wireOf = (bench: Bench): Wire => bench.world.network.wire('10.0.0.1', TARGET.address);

function heal(bench: Bench): void {
  wireOf(bench).heal();
}

describe('AutoCopy', () => {
  it('copies a tape at its dismount, and the target has the same content', async () => {
    const bench = await Bench.start({ copies: true });
    await bench.backUp(1);
    const dismountedAtMs = bench.world.clock.elapsedMs;
    await bench.world.advance(1_000);
    expect(bench.east.attemptsMs).toEqual([dismountedAtMs]);
    expect(await bench.job()).toMatchObject({
      state: 'copied',
      attempts: 1,
      generation: 1,
      copiedGeneration: 1,
    });
    const here = await bench.finish(bench.east.engine.exportManifest('LAB001'));
    const there = await bench.finish(bench.west.engine.exportManifest('LAB001'));
    expect(there).toEqual(here);
    expect(await replica(bench)).toMatchObject({ pool: 'DR', generation: 1, copiedFrom: 'east' });
    expect(await bench.east.log('222101')).toEqual([
      expect.stringMatching(
        /^AutoCopy of cartridge LAB001 to west succeeded: generation 1, \d+ bytes/,
      ),
    ]);
    expect(bench.east.faults).toEqual([]);
  });

  it('begins no copy while a tape is erased: no empty image goes under the generation before', async () => {
    const bench = await Bench.start({ copies: true });
    await bench.backUp(1);
    // The copy has just begun to connect.
    expect(bench.east.attemptsMs).toHaveLength(1);
    await bench.east.call('tape.erase', { name: 'LAB001' });
    await bench.world.advance(10_000);
    expect(await bench.job()).toMatchObject({ state: 'copied', copiedGeneration: 2 });
    expect(await replica(bench)).toMatchObject({ generation: 2, payloadBytes: 0 });
    expect(bench.east.faults).toEqual([]);
  });

  it.each(['owed when it is', 'asked for after it was'] as const)(
    'is not made %s migrated and erased here: the copy keeps its content',
    async (when) => {
      const bench = await Bench.start({ copies: true });
      await bench.backUp(1);
      await bench.world.advance(10_000);
      const copy = await replica(bench);
      bench.setLink(false);
      if (when === 'owed when it is') await bench.backUp(2);
      const migratedAtMs = bench.world.clock.nowMs();
      await bench.east.catalog.updateTape('LAB001', { migratedAtMs });
      await bench.east.call('tape.erase', { name: 'LAB001' });
      bench.setLink(true);
      const text = 'VTSPolicy IDR "/VAULT00/POOL1"';
      if (when !== 'owed when it is') await bench.east.call('policy.run', { text });
      await bench.world.advance(FIVE_MINUTES_MS);
      expect(await replica(bench)).toEqual(copy);
      expect(copy?.payloadBytes).toBeGreaterThan(0);
      const state = when === 'owed when it is' ? 'cancelled' : 'copied';
      expect(await bench.job()).toMatchObject({ state, copiedGeneration: 1 });
    },
  );

  it('makes twelve attempts exactly 300 s apart and logs one failure', async () => {
    const bench = await Bench.start({ copies: true });
    bench.setLink(false);
    await bench.backUp(1);
    await bench.world.advance(24 * FIVE_MINUTES_MS);
    expect(intervalsMs(bench)).toEqual(Array.from({ length: 11 }, () => FIVE_MINUTES_MS));
    expect(await bench.east.log('422102')).toHaveLength(11);
    expect(await bench.east.log('622103')).toEqual([
      expect.stringMatching(/^AutoCopy of cartridge LAB001 to west failed after 12 attempts: /),
    ]);
    expect(await bench.job()).toMatchObject({ state: 'failed', attempts: 12 });
  });

  it('starts anew with the next dismount of a ring mount after it has failed, not of another', async () => {
    const bench = await Bench.start({ copies: true });
    bench.setLink(false);
    await bench.backUp(1);
    await bench.world.advance(13 * FIVE_MINUTES_MS);
    await bench.request('LAB001', { ring: false });
    await bench.unload();
    expect(await bench.job()).toMatchObject({ state: 'failed', attempts: 12 });
    bench.setLink(true);
    await bench.backUp(2);
    await bench.world.advance(1_000);
    expect(await bench.job()).toMatchObject({ state: 'copied', attempts: 1 });
  });

  it.each(['restart', 'crash'] as const)('keeps its count and its time over a %s', async (how) => {
    const bench = await Bench.start({ copies: true });
    bench.setLink(false);
    await bench.backUp(1);
    await bench.world.advance(4 * FIVE_MINUTES_MS + 100_000);
    expect(await bench.job()).toMatchObject({ state: 'due', attempts: 5 });
    if (how === 'restart') await bench.east.stop();
    await bench.east.restart();
    await bench.world.advance(20 * FIVE_MINUTES_MS);
    expect(intervalsMs(bench)).toEqual(Array.from({ length: 11 }, () => FIVE_MINUTES_MS));
    expect(await bench.east.log('622103')).toHaveLength(1);
  });

  it('does not count an attempt that a crash broke off, and makes it again at the start', async () => {
    const bench = await Bench.start({ copies: true });
    await copyUnderWay(bench);
    heal(bench);
    await bench.east.restart();
    await bench.world.advance(10_000);
    expect(bench.east.attemptsMs).toHaveLength(2);
    expect(await bench.job()).toMatchObject({ state: 'copied', attempts: 1 });
  });

  it('moves the next attempt to the following multiple where one lasts longer', async () => {
    const bench = await Bench.start({ copies: true, copyPolicy: { stallTimeoutMs: 650_000 } });
    // The target thinks for long, and then cannot.
    bench.west.before = async (call) => {
      if (call !== 'catalog.findTape') return;
      await sleep(bench.world.clock, 640_000);
      throw noSpace();
    };
    await bench.backUp(1);
    await bench.world.advance(6 * FIVE_MINUTES_MS);
    expect(intervalsMs(bench)[0]).toBe(3 * FIVE_MINUTES_MS);
  });

  it('is ended by a mount, does not count that, and starts anew with the dismount', async () => {
    const bench = await Bench.start({ copies: true });
    bench.setLink(false);
    await bench.backUp(1);
    await bench.world.advance(FIVE_MINUTES_MS + 1_000);
    expect(await bench.job()).toMatchObject({ attempts: 2 });
    await copyUnderWay(bench);
    await bench.request('LAB001', { ring: false });
    heal(bench);
    expect(await bench.job()).toMatchObject({ state: 'due', attempts: 0 });
    expect(await bench.east.log('222108')).toHaveLength(1);
    expect(await replica(bench)).toBeUndefined();
    const attempts = bench.east.attemptsMs.length;
    await bench.world.advance(3 * FIVE_MINUTES_MS);
    expect(bench.east.attemptsMs).toHaveLength(attempts);
    await bench.unload();
    await bench.world.advance(1_000);
    expect(bench.east.attemptsMs).toHaveLength(attempts + 1);
    expect(await bench.job()).toMatchObject({ state: 'copied', attempts: 1, generation: 2 });
    expect(bench.east.faults).toEqual([]);
  });

  it('owes anew, from attempt 1, what a mount without ring kept waiting', async () => {
    const bench = await Bench.start({ copies: true });
    bench.setLink(false);
    await bench.backUp(1);
    await bench.world.advance(2 * FIVE_MINUTES_MS + 1_000);
    expect(await bench.job()).toMatchObject({ attempts: 3 });
    await bench.request('LAB001', { ring: false });
    await bench.unload();
    await bench.world.advance(1_000);
    expect(await bench.job()).toMatchObject({ state: 'due', attempts: 1 });
    expect(intervalsMs(bench).at(-1)).toBeLessThan(FIVE_MINUTES_MS);
    expect(await bench.east.log('622103')).toEqual([]);
  });

  it('lets go of a connection that is not there yet when the tape is mounted', async () => {
    const bench = await Bench.start({ copies: true });
    wireOf(bench).stall();
    await bench.backUp(1);
    await bench.request('LAB001');
    heal(bench);
    await bench.write(2);
    await bench.unload();
    await bench.world.advance(1_000);
    expect(await replica(bench)).toMatchObject({ generation: 2 });
    expect(await bench.job()).toMatchObject({ state: 'copied', attempts: 1 });
  });

  it('has one copy of a tape in flight, and the newest generation wins', async () => {
    const bench = await Bench.start({ copies: true });
    for (const salt of [1, 2, 3]) await copyUnderWay(bench, salt);
    heal(bench);
    await bench.world.advance(10_000);
    expect(bench.east.server.progress()).toEqual([]);
    expect(await bench.west.log('222105')).toEqual([
      'Cartridge LAB001 received from east into Pool DR, generation 3',
    ]);
    expect(await bench.east.log('222108')).toHaveLength(2);
    expect(await bench.job()).toMatchObject({ state: 'copied', copiedGeneration: 3, attempts: 1 });
  });

  it('takes a newer generation on the target for an answer', async () => {
    const bench = await Bench.start({ copies: true });
    await bench.backUp(1);
    await bench.world.advance(1_000);
    const there = await replica(bench);
    if (there === undefined) throw new Error('the copy is there');
    const newer = { ...there, generation: 9 as never };
    const row = { tape: 'LAB001', generation: 9 as never, atMs: 0, payloadBytes: 0 };
    await bench.west.catalog.recordContent(newer, { ...row, manifestDigest: '00', origin: 'x' });
    await bench.backUp(2);
    await bench.world.advance(1_000);
    expect(await bench.job()).toMatchObject({ state: 'copied', attempts: 1 });
    expect(await bench.east.log('422107')).toHaveLength(1);
    expect(await replica(bench)).toMatchObject({ generation: 9 });
  });

  it('sends nothing of a tape that the target has', async () => {
    const bench = await Bench.start({ copies: true });
    await bench.backUp(1);
    await bench.world.advance(1_000);
    await bench.request('LAB001');
    await bench.unload();
    await bench.world.advance(1_000);
    const finished = bench.east.events.filter((event) => event.kind === 'copy-finished');
    expect(finished).toEqual([
      expect.objectContaining({ outcome: 'copied' }),
      expect.objectContaining({ outcome: 'present', chunksSent: 0 }),
    ]);
  });

  it("is refused at each attempt, in the manual's words, where the tape lies in another pool", async () => {
    const bench = await Bench.start({ copies: true });
    await bench.west.call('pool.create', { name: 'OTHER', vault: 'VAULT00' });
    await bench.west.call('tape.create', { name: 'LAB001', pool: 'OTHER' });
    await bench.backUp(1);
    await bench.world.advance(13 * FIVE_MINUTES_MS);
    const sentence = 'the virtual tape already exists in another pool on the target';
    expect(await bench.east.log('622103')).toEqual([expect.stringContaining(sentence)]);
    expect(await bench.west.log('622104')).toEqual(
      Array.from({ length: 12 }, () => `Copy of cartridge LAB001 from east refused: ${sentence}`),
    );
    expect(await replica(bench)).toMatchObject({ pool: 'OTHER', generation: 0 });
  });

  it('is refused at its end, in one sentence, where the tape appeared on the target meanwhile', async () => {
    const bench = await Bench.start({ copies: true });
    await copyUnderWay(bench);
    await bench.west.call('pool.create', { name: 'OTHER', vault: 'VAULT00' });
    await bench.west.call('tape.create', { name: 'LAB001', pool: 'OTHER' });
    heal(bench);
    await bench.world.advance(1_000);
    const { attempts, lastError } = (await bench.job()) ?? {};
    expect(attempts).toBe(1);
    expect(lastError).toMatch(
      /^\S+ refuses tape LAB001: the virtual tape already exists in another pool on the target\.$/,
    );
    expect(await replica(bench)).toMatchObject({ pool: 'OTHER', generation: 0 });
    expect(await bench.west.call('tape.verify')).toMatchObject({ imageCount: 1, damages: [] });
  });

  it('copies no more than four tapes at once, and all of them', async () => {
    const bench = await Bench.start({ copies: true });
    const names = ['A', 'B', 'C', 'D', 'E', 'F'];
    for (const name of names) await bench.east.call('tape.create', { name, pool: 'POOL1' });
    bench.setLink(false);
    for (const name of names) {
      await bench.request(name);
      await bench.unload();
    }
    // All become due while the target cannot answer, and hang there.
    await bench.world.advance(FIVE_MINUTES_MS - 30_000);
    bench.setLink(true);
    let underWayMax = 0;
    bench.east.server.onEvent(() => {
      underWayMax = Math.max(underWayMax, bench.east.server.progress().length);
    });
    bench.west.before = (call) =>
      call === 'catalog.findTape' ? sleep(bench.world.clock, 30_000) : undefined;
    await bench.world.advance(2 * FIVE_MINUTES_MS);
    expect(underWayMax).toBe(4);
    const jobs = await bench.east.catalog.listCopyJobs();
    expect(jobs.map((job) => `${job.tape} ${job.state}`)).toEqual(
      names.map((name) => `${name} copied`),
    );
  });

  it('ends with the tape, without a fault and without an entry of its own', async () => {
    const bench = await Bench.start({ copies: true });
    await copyUnderWay(bench);
    const logged = (await bench.east.log()).length;
    await bench.east.call('tape.delete', { name: 'LAB001' });
    heal(bench);
    await bench.world.advance(2 * FIVE_MINUTES_MS);
    expect(bench.east.server.progress()).toEqual([]);
    expect(bench.east.faults).toEqual([]);
    expect((await bench.east.log()).slice(logged)).toEqual([
      'Cartridge LAB001 deleted from Pool POOL1',
    ]);
    expect(await replica(bench)).toBeUndefined();
  });

  it('whose tape is deleted while it is being recorded is no fault', async () => {
    const bench = await Bench.start({ copies: true });
    bench.east.before = (call) =>
      call === 'catalog.putCopyJob' ? sleep(bench.world.clock, 5_000) : undefined;
    await bench.backUp(1);
    await bench.world.advance(1_000);
    await bench.east.call('tape.delete', { name: 'LAB001' });
    await bench.world.advance(10_000);
    expect(bench.east.faults).toEqual([]);
    expect(bench.east.server.progress()).toEqual([]);
  });

  it('ends with its rule', async () => {
    const bench = await Bench.start({ copies: true });
    await copyUnderWay(bench);
    await bench.east.call('autocopy.delete', { id: 1 });
    heal(bench);
    await bench.world.advance(2 * FIVE_MINUTES_MS);
    expect(bench.east.attemptsMs).toHaveLength(1);
    expect(bench.east.faults).toEqual([]);
    expect(await replica(bench)).toBeUndefined();
  });

  it('of a tape that a rule finds in its pool waits for the next dismount', async () => {
    const bench = await Bench.start();
    await bench.backUp(1);
    await bench.east.call('autocopy.create', { pool: 'POOL1', target: TARGET, targetPool: 'DR' });
    await bench.world.advance(2 * FIVE_MINUTES_MS);
    expect(bench.east.attemptsMs).toEqual([]);
    await bench.request('LAB001');
    await bench.unload();
    expect(bench.east.attemptsMs).toHaveLength(1);
  });

  it('does not act on what the catalog said before an attempt ended', async () => {
    const bench = await Bench.start({ copies: true });
    bench.west.before = async (call) => {
      if (call !== 'catalog.findTape') return;
      await sleep(bench.world.clock, 3_000);
      throw noSpace();
    };
    await bench.backUp(1);
    await bench.request('LAB002');
    // The look at the queue that this dismount brings about takes until the attempt has failed.
    bench.east.after = (call) =>
      call === 'catalog.listCopyJobs' ? sleep(bench.world.clock, 5_000) : undefined;
    await bench.unload();
    await bench.world.advance(20_000);
    expect(await bench.job()).toMatchObject({ state: 'due', attempts: 1 });
    expect(
      bench.east.events.filter((event) => event.kind === 'copy-started' && event.tape === 'LAB001'),
    ).toHaveLength(1);
  });

  it('goes on once the catalog is well again', async () => {
    const bench = await Bench.start({ copies: true });
    bench.east.before = (call) => {
      if (call === 'catalog.listCopyJobs') throw noSpace();
    };
    await bench.backUp(1);
    await bench.world.advance(1_000);
    expect(bench.east.attemptsMs).toEqual([]);
    expect(bench.east.faults).toEqual([expect.stringContaining('look at the AutoCopy queue')]);
    bench.east.before = () => undefined;
    await bench.world.advance(FIVE_MINUTES_MS);
    expect(await bench.job()).toMatchObject({ state: 'copied' });
  });

  it('copies again what it could not record', async () => {
    const bench = await Bench.start({ copies: true });
    bench.east.before = (call) => {
      if (call === 'catalog.putCopyJob') throw noSpace();
    };
    await bench.backUp(1);
    await bench.world.advance(1_000);
    expect(bench.east.faults).toEqual([expect.stringContaining('record the copy of LAB001')]);
    bench.east.before = () => undefined;
    await bench.world.advance(FIVE_MINUTES_MS);
    expect(bench.east.attemptsMs).toHaveLength(2);
    expect(await bench.job()).toMatchObject({ state: 'copied', attempts: 1 });
  });

  it('does not put another tape off for what it could not record', async () => {
    const bench = await Bench.start({ copies: true });
    bench.setLink(false);
    await bench.request('LAB002');
    await bench.unload();
    await bench.world.advance(200_000);
    bench.east.before = (call) => {
      if (call === 'catalog.putCopyJob') throw noSpace();
    };
    await bench.backUp(1);
    bench.east.before = () => undefined;
    await bench.world.advance(100_000);
    const jobs = await bench.east.catalog.listCopyJobs();
    expect(jobs.find((job) => job.tape === 'LAB002')).toMatchObject({ attempts: 2 });
  });

  it('that is under way ends with the server, and is owed at the next start', async () => {
    const bench = await Bench.start({ copies: true });
    await copyUnderWay(bench);
    await bench.east.stop();
    heal(bench);
    expect(await bench.job()).toMatchObject({ state: 'due', attempts: 0 });
    await bench.east.restart();
    await bench.world.advance(10_000);
    expect(await bench.job()).toMatchObject({ state: 'copied', attempts: 1 });
  });
});
