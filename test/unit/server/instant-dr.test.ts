import { beforeEach, describe, expect, it } from 'vitest';
import { SimulatedRandom } from '../../../harness/world/simulated-random.ts';
import type { IdrRunRow } from '../../../src/ports/catalog-instant-dr.ts';
import { TARGET } from './bench.ts';
import { DrBench } from './instant-dr-bench.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

let dr: DrBench;

describe('a run of a scheme', () => {
  beforeEach(async () => {
    dr = await DrBench.start();
  });

  it('copies every tape of its pools, and finds them unchanged the next time', async () => {
    await dr.write(dr.east, 'LAB001', 1);
    const run = await dr.run();
    expect(run).toMatchObject({ state: 'done', cause: 'dispatch', kind: 'synchronise' });
    expect(await dr.results(run.id)).toEqual(['LAB001 copied', 'LAB002 copied']);
    expect(await dr.west.catalog.findTape('LAB001')).toMatchObject({
      pool: 'DR',
      generation: 1,
      copiedFrom: 'east',
    });
    const attempts = dr.east.attemptsMs.length;
    expect(await dr.dispatch()).toEqual(['LAB001 unchanged', 'LAB002 unchanged']);
    // One connection, to ask.
    expect(dr.east.attemptsMs).toHaveLength(attempts + 1);
    expect(await dr.east.log('223102')).toEqual([
      expect.stringMatching(
        /has ended, run 1: 2 copied, 0 unchanged, 0 skipped, 0 failed, .* bytes sent$/,
      ),
      'Instant DR NIGHTLY has ended, run 2: 0 copied, 2 unchanged, 0 skipped, 0 failed, 0 deleted, 0 bytes sent',
    ]);
    expect(dr.east.faults).toEqual([]);
  });

  it('copies only what was changed since', async () => {
    await dr.dispatch();
    await dr.write(dr.east, 'LAB002', 1);
    await dr.east.call('tape.create', { name: 'LAB003', pool: 'POOL1' });
    expect(await dr.dispatch()).toEqual(['LAB001 unchanged', 'LAB002 copied', 'LAB003 copied']);
    expect(await dr.generation('LAB002', dr.west)).toBe(1);
  });

  it('leaves the copy alone of a tape that is migrated and erased here', async () => {
    await dr.write(dr.east, 'LAB001', 1);
    await dr.dispatch();
    const copy = await dr.west.catalog.findTape('LAB001');
    const migratedAtMs = dr.bench.world.clock.nowMs();
    await dr.east.catalog.updateTape('LAB001', { migratedAtMs });
    await dr.east.call('tape.erase', { name: 'LAB001' });
    const left = 'LAB001 skipped: it is migrated and erased here: nothing is sent';
    expect(await dr.dispatch()).toEqual([left, 'LAB002 unchanged']);
    const verification = await dr.run(dr.east, 'idr.verify');
    expect(await dr.results(verification.id)).toEqual([left, 'LAB002 unchanged']);
    expect(await dr.west.catalog.findTape('LAB001')).toEqual(copy);
    expect(copy?.payloadBytes).toBeGreaterThan(3000);
  });

  it('keeps the copy of a tape that is erased here, until a host writes it again', async () => {
    await dr.write(dr.east, 'LAB001', 1);
    await dr.dispatch();
    const copy = await dr.west.catalog.findTape('LAB001');
    await dr.east.call('tape.erase', { name: 'LAB001' });
    const kept = 'LAB001 skipped: it is erased here, and the scheme keeps its copy';
    expect(await dr.dispatch()).toEqual([kept, 'LAB002 unchanged']);
    const verification = await dr.run(dr.east, 'idr.verify');
    expect(await dr.results(verification.id)).toEqual([kept, 'LAB002 unchanged']);
    expect(await dr.west.catalog.findTape('LAB001')).toEqual(copy);
    await dr.write(dr.east, 'LAB001', 2);
    expect(await dr.dispatch()).toEqual(['LAB001 copied', 'LAB002 unchanged']);
    expect(await dr.generation('LAB001', dr.west)).toBe(3);
  });

  it('sends an erased tape that the target has not', async () => {
    await dr.write(dr.east, 'LAB001', 1);
    await dr.east.call('tape.erase', { name: 'LAB001' });
    expect(await dr.dispatch()).toEqual(['LAB001 copied', 'LAB002 copied']);
  });

  it('empties the copy of an erased tape where deletions are brought over, after the days of grace', async () => {
    await dr.east.call('idr.change', {
      name: 'NIGHTLY',
      deletions: 'delete',
      deletionGraceDays: 2,
    });
    await dr.write(dr.east, 'LAB001', 1);
    await dr.dispatch();
    await dr.east.call('tape.erase', { name: 'LAB001' });
    const left =
      'LAB001 skipped: it is erased here; its copy is emptied when the days of grace are over';
    await dr.bench.world.advance(47 * HOUR_MS);
    expect(await dr.dispatch()).toEqual([left, 'LAB002 unchanged']);
    await dr.bench.world.advance(HOUR_MS);
    expect(await dr.dispatch()).toEqual(['LAB001 copied', 'LAB002 unchanged']);
    expect(await dr.west.catalog.findTape('LAB001')).toMatchObject({ payloadBytes: 0 });
  });

  it('passes over a mounted tape, and the next run takes it', async () => {
    await dr.bench.request('LAB001');
    expect(await dr.dispatch()).toEqual(['LAB001 skipped: it is mounted', 'LAB002 copied']);
    await dr.bench.write(3);
    await dr.bench.unload();
    expect(await dr.dispatch()).toEqual(['LAB001 copied', 'LAB002 unchanged']);
  });

  it('is ended for a tape by its mount, and goes on with the others', async () => {
    const wire = dr.bench.world.network.wire('10.0.0.1', TARGET.address);
    const { id } = (await dr.east.call('idr.dispatch', { name: 'NIGHTLY' })) as IdrRunRow;
    const copying = (): boolean => dr.east.server.progress().length > 0;
    expect(await dr.bench.world.until(copying, 5000)).toBe(true);
    wire.stall();
    await dr.bench.request('LAB001');
    expect(dr.east.server.progress().map(({ tape }) => tape)).toEqual(['LAB002']);
    wire.heal();
    await dr.bench.world.advance(MINUTE_MS);
    expect(await dr.results(id)).toEqual([
      'LAB001 skipped: a mount ended its copy',
      'LAB002 copied',
    ]);
  });

  it('fails for a tape that the target has in another pool, with an event, and no other', async () => {
    await dr.west.call('pool.create', { name: 'OTHER', vault: 'VAULT00' });
    await dr.west.call('tape.create', { name: 'LAB001', pool: 'OTHER' });
    const reason = 'the target has it in pool OTHER';
    expect(await dr.dispatch()).toEqual([`LAB001 failed: ${reason}`, 'LAB002 copied']);
    expect(await dr.east.log('623104')).toEqual([
      `Instant DR of cartridge LAB001 to west failed in run 1: ${reason}`,
    ]);
  });

  it('replaces neither version where both servers changed a tape', async () => {
    await dr.dispatch();
    await dr.write(dr.east, 'LAB001', 1);
    await dr.write(dr.east, 'LAB001', 2);
    await dr.write(dr.west, 'LAB001', 3);
    const reason = 'both servers have changed it since they were in step';
    expect(await dr.dispatch()).toEqual([`LAB001 failed: ${reason}`, 'LAB002 unchanged']);
    expect(await dr.generation('LAB001', dr.west)).toBe(1);
  });

  it('skips a tape that is newer on the target', async () => {
    await dr.dispatch();
    await dr.write(dr.west, 'LAB001', 3);
    const reason = 'the target has generation 1, which was written there';
    expect(await dr.dispatch()).toEqual([`LAB001 skipped: ${reason}`, 'LAB002 unchanged']);
    expect(await dr.generation('LAB001', dr.west)).toBe(1);
  });

  it('does not overlap itself, and takes one pool where that is asked for', async () => {
    await dr.east.call('pool.create', { name: 'POOL2', vault: 'VAULT00' });
    await dr.east.call('tape.create', { name: 'OTHER1', pool: 'POOL2' });
    const sources = [{ pool: 'POOL1', targetPool: 'DR' }, { pool: 'POOL2' }];
    await dr.east.call('idr.change', { name: 'NIGHTLY', sources });
    await dr.east.call('idr.dispatch', { name: 'NIGHTLY', pool: 'POOL2' });
    await expect(dr.east.call('idr.dispatch', { name: 'NIGHTLY' })).rejects.toThrow(
      'The scheme NIGHTLY is in use: its run 1 is not over.',
    );
    await dr.bench.world.advance(MINUTE_MS);
    expect(await dr.results(1)).toEqual(['OTHER1 copied']);
    await expect(dr.east.call('idr.dispatch', { name: 'NIGHTLY', pool: 'POOL9' })).rejects.toThrow(
      'No pool in the scheme NIGHTLY is named POOL9.',
    );
  });

  it('goes on behind what it has done after a crash', async () => {
    for (let index = 3; index < 9; index += 1) {
      await dr.east.call('tape.create', { name: `LAB00${index}`, pool: 'POOL1' });
    }
    const { id } = (await dr.east.call('idr.dispatch', { name: 'NIGHTLY' })) as IdrRunRow;
    const some = (): boolean =>
      dr.east.events.filter((event) => event.kind === 'idr-tape').length >= 3;
    expect(await dr.bench.world.until(some, MINUTE_MS)).toBe(true);
    const before = await dr.results(id);
    expect(before.length).toBeLessThan(8);
    await dr.east.restart();
    await dr.bench.world.advance(MINUTE_MS);
    expect(await dr.find(id)).toMatchObject({ state: 'done' });
    expect((await dr.results(id)).filter((text) => text.includes('failed'))).toEqual([]);
    expect(await dr.results(id)).toHaveLength(8);
    // What had a result was not looked at again.
    const told = dr.east.events.flatMap((event) => (event.kind === 'idr-tape' ? [event.tape] : []));
    expect(new Set(told).size).toBe(told.length);
  });

  it('tries twelve times, 300 s apart, and is given up with one event', async () => {
    dr.bench.setLink(false);
    const run = await dr.run();
    expect(run).toMatchObject({ state: 'failed', attempts: 12 });
    await dr.bench.world.advance(HOUR_MS);
    const gaps = dr.east.attemptsMs.slice(1).map((ms, i) => ms - (dr.east.attemptsMs[i] ?? 0));
    expect(gaps).toHaveLength(11);
    for (const gap of gaps) expect(gap).toBeGreaterThanOrEqual(5 * MINUTE_MS);
    expect(await dr.east.log('423105')).toHaveLength(11);
    expect(await dr.east.log('623103')).toHaveLength(1);
    dr.bench.setLink(true);
    expect(await dr.dispatch()).toEqual(['LAB001 copied', 'LAB002 copied']);
  });

  it('is cancelled for good', async () => {
    dr.bench.setLink(false);
    await dr.east.call('idr.dispatch', { name: 'NIGHTLY' });
    await dr.bench.world.advance(MINUTE_MS);
    expect(await dr.east.call('idr.cancel', { name: 'NIGHTLY' })).toMatchObject({
      state: 'cancelled',
    });
    dr.bench.setLink(true);
    await dr.bench.world.advance(HOUR_MS);
    expect(await dr.results(1)).toEqual([]);
    await expect(dr.east.call('idr.cancel', { name: 'NIGHTLY' })).rejects.toThrow('NIGHTLY');
    expect(await dr.dispatch()).toEqual(['LAB001 copied', 'LAB002 copied']);
  });

  it('and AutoCopy of the same tape do not send it twice', async () => {
    await dr.east.call('autocopy.create', { pool: 'POOL1', target: TARGET, targetPool: 'DR' });
    await dr.write(dr.east, 'LAB001', 5);
    await dr.east.call('idr.dispatch', { name: 'NIGHTLY' });
    await dr.east.call('autocopy.repeat', { name: 'LAB001' });
    await dr.bench.world.advance(MINUTE_MS);
    const received = (await dr.west.log('222105')).filter((text) => text.includes('LAB001'));
    expect(received).toHaveLength(1);
    expect(await dr.bench.job()).toMatchObject({ state: 'copied' });
    expect(dr.east.faults).toEqual([]);
  });
});

describe('deletions', () => {
  const deleted = async (): Promise<readonly string[]> => {
    await dr.dispatch();
    await dr.east.call('tape.delete', { name: 'LAB002' });
    return dr.dispatch();
  };

  it('are kept on the target unless the scheme says otherwise', async () => {
    dr = await DrBench.start();
    expect(await deleted()).toEqual(['LAB001 unchanged']);
    expect(await dr.generation('LAB002', dr.west)).toBe(0);
  });

  it('are done there too where it does', async () => {
    dr = await DrBench.start({ deletions: 'delete' });
    expect(await deleted()).toEqual(['LAB001 unchanged', 'LAB002 deleted']);
    expect(await dr.generation('LAB002', dr.west)).toBeUndefined();
    expect(await dr.west.log('423111')).toEqual([
      'Cartridge LAB002 deleted from Pool DR, since east has deleted it (Instant DR NIGHTLY)',
    ]);
    expect(await dr.dispatch()).toEqual(['LAB001 unchanged']);
  });

  it('wait for the time of grace', async () => {
    dr = await DrBench.start({ deletions: 'delete', deletionGraceDays: 2 });
    expect(await deleted()).toEqual(['LAB001 unchanged']);
    await dr.bench.world.advance(47 * HOUR_MS);
    expect(await dr.dispatch()).toEqual(['LAB001 unchanged']);
    await dr.bench.world.advance(2 * HOUR_MS);
    expect(await dr.dispatch()).toEqual(['LAB001 unchanged', 'LAB002 deleted']);
  });

  it('spare a copy that was written on the target', async () => {
    dr = await DrBench.start({ deletions: 'delete' });
    await dr.dispatch();
    await dr.write(dr.west, 'LAB002', 7);
    await dr.east.call('tape.delete', { name: 'LAB002' });
    expect(await dr.dispatch()).toEqual([
      'LAB001 unchanged',
      'LAB002 failed: the virtual tape is no longer what the source copied',
    ]);
    expect(await dr.generation('LAB002', dr.west)).toBe(1);
  });
});

describe('a verification', () => {
  beforeEach(async () => {
    dr = await DrBench.start();
    await dr.write(dr.east, 'LAB001', 1);
    await dr.dispatch();
  });
  const verify = async (): Promise<readonly string[]> =>
    dr.results((await dr.run(dr.east, 'idr.verify')).id);

  it('finds what is in step, and sends nothing', async () => {
    expect(await verify()).toEqual(['LAB001 unchanged', 'LAB002 unchanged']);
    expect(await dr.east.catalog.countIdrResults(2)).toMatchObject({ bytesSent: 0 });
  });

  it('finds what is behind or missing on the target', async () => {
    await dr.write(dr.east, 'LAB001', 2);
    await dr.west.call('tape.delete', { name: 'LAB002' });
    expect(await verify()).toEqual([
      'LAB001 failed: the target has generation 1, here is 2',
      'LAB002 failed: the target does not have it',
    ]);
    expect(await dr.generation('LAB001', dr.west)).toBe(1);
  });

  it('finds what is damaged on the target', async () => {
    const { engine } = dr.west;
    const real = engine.verify.bind(engine);
    engine.verify = async (options) => {
      const report = await real(options);
      const damaged = options.images?.includes('LAB001') === true;
      return damaged ? { ...report, damages: [{ place: 'packs/1', what: 'rot' }] } : report;
    };
    expect(await verify()).toEqual([
      'LAB001 failed: it is damaged on the target',
      'LAB002 unchanged',
    ]);
  });
});

describe('schedules', () => {
  const times = async (id = '223101'): Promise<readonly string[]> =>
    (await dr.east.catalog.listEvents({ limit: 1000 }))
      .filter((row) => row.messageId === id)
      .map((row) => new Date(row.atMs).toISOString().slice(5, 16));

  it('start runs at their times', async () => {
    dr = await DrBench.start({
      schedules: ['daily at 02:00, 14:00', '30 5 * * 5'],
      timeZone: 'Europe/Berlin',
    });
    await dr.bench.world.advance(48 * HOUR_MS);
    // The world begins on Thursday, 2026-01-01, at 00:00 UTC.
    expect(await times()).toEqual([
      '01-01T01:00',
      '01-01T13:00',
      '01-02T01:00',
      '01-02T04:30',
      '01-02T13:00',
    ]);
    expect(await dr.east.catalog.listIdrRuns({ limit: 9 })).toHaveLength(5);
  });

  it('pass an occurrence over while a run goes', async () => {
    dr = await DrBench.start({ schedules: ['*/10 * * * *'] });
    dr.bench.setLink(false);
    await dr.bench.world.advance(25 * MINUTE_MS);
    expect(await times()).toEqual(['01-01T00:10']);
    expect(await dr.east.log('423106')).toEqual([
      'Instant DR NIGHTLY was due and is passed over: The scheme NIGHTLY is in use: its run 1 is not over.',
    ]);
    dr.bench.setLink(true);
    await dr.bench.world.advance(20 * MINUTE_MS);
    // At 00:30 the run's next attempt comes, too, and is not over when the schedule is looked at.
    expect(await times()).toEqual(['01-01T00:10', '01-01T00:40']);
  });

  it('make up one run for what was missed while no server ran', async () => {
    dr = await DrBench.start({ schedules: ['daily at 02:00'] });
    await dr.east.stop();
    await dr.bench.world.advance(80 * HOUR_MS);
    dr.east.simulated.crash('kill');
    await dr.east.start();
    await dr.bench.world.advance(20 * HOUR_MS);
    expect(await times()).toEqual(['01-04T08:00', '01-05T02:00']);
  });

  it('rest while the scheme is disabled, and are not made up', async () => {
    dr = await DrBench.start({ schedules: ['daily at 02:00'] });
    await dr.east.call('idr.change', { name: 'NIGHTLY', enabled: false });
    await dr.bench.world.advance(30 * HOUR_MS);
    await dr.east.call('idr.change', { name: 'NIGHTLY', enabled: true });
    await dr.bench.world.advance(24 * HOUR_MS);
    expect(await times()).toEqual(['01-03T02:00']);
  });
});

describe('a scheme', () => {
  beforeEach(async () => {
    dr = await DrBench.start();
  });

  it.each([
    [{ schedules: ['sometimes'] }, 'it must be'],
    [{ timeZone: 'Mars' }, "no name of the IANA's"],
    [{ sources: [{ pool: 'NONE' }] }, 'No pool is named NONE.'],
    [{ sources: [{ vault: 'VAULT09' }] }, 'No vault is named VAULT09.'],
    [{ sources: [{ pool: 'POOL1', vault: 'VAULT00' }] }, 'it is a pool'],
    [{ sources: [] }, 'sources'],
    [{ target: { ...TARGET, server: 'east' } }, 'does not copy tapes to itself'],
    [{ name: 'NIGHTLY' }, 'A scheme named NIGHTLY exists already'],
    [{ name: 'a b' }, 'scheme name'],
    [{ bytesPerSecond: 10 }, 'at least 65536'],
  ])('%j is refused: %s', async (wrong, reason) => {
    const right = { name: 'OTHER', target: TARGET, sources: [{ pool: 'POOL1' }] };
    await expect(dr.east.call('idr.create', { ...right, ...wrong })).rejects.toThrow(reason);
  });

  it('may name a vault, for all its pools', async () => {
    await dr.east.call('pool.create', { name: 'POOL2', vault: 'VAULT00' });
    await dr.east.call('tape.create', { name: 'OTHER1', pool: 'POOL2' });
    await dr.east.call('idr.change', { name: 'NIGHTLY', sources: [{ vault: 'VAULT00' }] });
    expect(await dr.dispatch()).toHaveLength(3);
    expect(await dr.west.catalog.findTape('OTHER1')).toMatchObject({ pool: 'POOL2' });
  });

  it('needs a licence: to be made, to be dispatched, and when its schedule comes', async () => {
    await dr.east.call('idr.change', { name: 'NIGHTLY', schedules: ['daily at 02:00'] });
    await dr.east.call('licence.remove', { number: 'LABORATORY' });
    await expect(
      dr.east.call('idr.create', { name: 'B', target: TARGET, sources: [{ pool: 'POOL1' }] }),
    ).rejects.toThrow('Instant DR');
    await expect(dr.east.call('idr.dispatch', { name: 'NIGHTLY' })).rejects.toThrow('Instant DR');
    await dr.bench.world.advance(30 * HOUR_MS);
    expect(await dr.east.log('623108')).toHaveLength(2);
    expect(await dr.east.catalog.listIdrRuns({ limit: 9 })).toEqual([]);
  });

  it('is deleted with its run', async () => {
    dr.bench.setLink(false);
    await dr.east.call('idr.dispatch', { name: 'NIGHTLY' });
    await dr.bench.world.advance(MINUTE_MS);
    await dr.east.call('idr.delete', { name: 'NIGHTLY' });
    await dr.bench.world.advance(HOUR_MS);
    expect(dr.east.faults).toEqual([]);
    expect(await dr.east.call('idr.list')).toEqual([]);
  });

  it('sends no more than its limit', async () => {
    await dr.east.call('idr.change', { name: 'NIGHTLY', bytesPerSecond: 65_536 });
    await dr.bench.request('LAB001');
    const drive = await dr.bench.drive();
    const random = new SimulatedRandom(1);
    for (let count = 0; count < 10; count += 1) {
      await dr.bench.finish(drive.writeBlock(random.bytes(60_000)));
    }
    await dr.bench.unload();
    const startMs = dr.bench.world.clock.elapsedMs;
    const { id } = (await dr.east.call('idr.dispatch', { name: 'NIGHTLY' })) as IdrRunRow;
    const over = (): boolean =>
      dr.east.events.some((event) => event.kind === 'idr-run' && event.run.state === 'done');
    expect(await dr.bench.world.until(over, HOUR_MS)).toBe(true);
    const { bytesSent } = await dr.east.catalog.countIdrResults(id);
    expect(bytesSent).toBeGreaterThan(400_000);
    const seconds = (dr.bench.world.clock.elapsedMs - startMs) / 1000;
    expect(bytesSent / seconds).toBeLessThan(70_000);
    expect(bytesSent / seconds).toBeGreaterThan(40_000);
  });
});
