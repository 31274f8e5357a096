import { beforeEach, describe, expect, it } from 'vitest';
import { TARGET } from './bench.ts';
import { DrBench } from './instant-dr-bench.ts';

let dr: DrBench;
beforeEach(async () => {
  dr = await DrBench.startPair();
  await dr.write(dr.east, 'LAB001', 1);
  await dr.dispatch();
});

const swap = (on = dr.east, takeover = false): Promise<unknown> =>
  on.call('idr.swap', { name: 'NIGHTLY', takeover });
const roles = async (): Promise<readonly unknown[]> => [
  (await dr.scheme(dr.east))?.role,
  (await dr.scheme(dr.west))?.role,
];
const generations = (tape = 'LAB001'): Promise<readonly unknown[]> =>
  Promise.all([dr.generation(tape, dr.east), dr.generation(tape, dr.west)]);

describe('a swap of roles', () => {
  it('makes the target the source, brings its work back, and swaps back again', async () => {
    await swap();
    expect(await roles()).toEqual(['standby', 'source']);
    await dr.write(dr.west, 'LAB001', 2);
    expect(await dr.dispatch(dr.west)).toEqual(['LAB001 copied', 'LAB002 unchanged']);
    expect(await generations()).toEqual([2, 2]);
    await swap(dr.west);
    expect(await roles()).toEqual(['source', 'standby']);
    await dr.write(dr.east, 'LAB001', 3);
    expect(await dr.dispatch()).toEqual(['LAB001 copied', 'LAB002 unchanged']);
    expect(await generations()).toEqual([3, 3]);
    expect(await dr.east.log('423110')).toHaveLength(1);
    expect(await dr.west.log('423109')).toEqual([
      'This server is now the source of Instant DR NIGHTLY, and east its target: east has handed it over',
    ]);
    expect([...dr.east.faults, ...dr.west.faults]).toEqual([]);
  });

  it('first brings over what only the source changed', async () => {
    await dr.write(dr.east, 'LAB002', 9);
    await swap();
    expect(await generations('LAB002')).toEqual([1, 1]);
    expect(await roles()).toEqual(['standby', 'source']);
  });

  it('leaves the copy of an erased tape what it is: it is the tape from then on', async () => {
    await dr.east.call('tape.erase', { name: 'LAB001' });
    await swap();
    expect(await roles()).toEqual(['standby', 'source']);
    expect(await dr.west.catalog.findTape('LAB001')).toMatchObject({ payloadBytes: 3400 });
    await dr.dispatch(dr.west);
    expect(await generations()).toEqual([2, 1]);
    await dr.write(dr.west, 'LAB001', 2);
    expect((await dr.dispatch(dr.west))[0]).toMatch(/^LAB001 failed: both servers have changed it/);
    await dr.east.call('tape.delete', { name: 'LAB001' });
    expect((await dr.dispatch(dr.west))[0]).toBe('LAB001 copied');
    expect(await generations()).toEqual([2, 2]);
  });

  it('keeps what only the target changed: its first run as the source brings it back', async () => {
    await dr.write(dr.west, 'LAB001', 2);
    await swap();
    expect(await generations()).toEqual([1, 2]);
    await dr.dispatch(dr.west);
    expect(await generations()).toEqual([2, 2]);
  });

  it('is refused where both changed a tape, and names it; nothing changes', async () => {
    await dr.write(dr.east, 'LAB001', 2);
    await dr.write(dr.west, 'LAB001', 3);
    await expect(swap()).rejects.toThrow(
      'The swap of the scheme NIGHTLY is refused: both this server and west have changed LAB001 since they were in step',
    );
    expect(await roles()).toEqual(['source', 'standby']);
    expect(await generations()).toEqual([2, 2]);
  });

  it('is refused where both changed a tape by another count of generations', async () => {
    await dr.write(dr.east, 'LAB001', 2);
    await dr.write(dr.west, 'LAB001', 3);
    await dr.write(dr.west, 'LAB001', 4);
    await expect(swap()).rejects.toThrow('have changed LAB001');
    expect(await generations()).toEqual([2, 3]);
  });

  it('is refused while a host has a tape', async () => {
    await dr.bench.request('LAB001');
    await expect(swap()).rejects.toThrow('LAB001 is mounted on this server');
    expect(await roles()).toEqual(['source', 'standby']);
  });

  it('is refused where the target was not set up as the standby; the source stays it', async () => {
    await dr.west.call('idr.delete', { name: 'NIGHTLY' });
    await expect(swap()).rejects.toThrow('no scheme NIGHTLY with target east is set up there');
    expect((await dr.scheme(dr.east))?.role).toBe('source');
  });

  it("is refused where the standby's scheme would not bring all pools back", async () => {
    await dr.west.call('idr.change', { name: 'NIGHTLY', sources: [{ pool: 'DR' }] });
    await expect(swap()).rejects.toThrow('the scheme there does not bring back DR');
    expect(await roles()).toEqual(['source', 'standby']);
  });

  it('is done on the source, not on the standby', async () => {
    await expect(swap(dr.west)).rejects.toThrow('its source is east: swap there');
    await expect(dr.west.call('idr.dispatch', { name: 'NIGHTLY' })).rejects.toThrow(
      'this server is its standby; its source is east',
    );
  });

  it('goes on where the answer was lost: the two are never both the source', async () => {
    let asked = false;
    dr.west.after = (call) => {
      if (call !== 'catalog.putIdrScheme' || asked) return;
      asked = true;
      dr.bench.setLink(false);
    };
    await expect(swap()).rejects.toThrow('was lost');
    expect(await roles()).toEqual(['handing-over', 'source']);
    await expect(dr.east.call('idr.dispatch', { name: 'NIGHTLY' })).rejects.toThrow('handed over');
    dr.bench.setLink(true);
    await dr.write(dr.west, 'LAB001', 5);
    await swap();
    expect(await roles()).toEqual(['standby', 'source']);
  });

  it('leaves the source what it is where the target is out of reach', async () => {
    dr.bench.setLink(false);
    await expect(swap()).rejects.toThrow('cannot be reached');
    expect(await roles()).toEqual(['source', 'standby']);
  });
});

describe('a takeover', () => {
  it('makes the standby the source without the other, which gives its role up once it is back', async () => {
    dr.bench.setLink(false);
    await swap(dr.west, true);
    await dr.write(dr.west, 'LAB001', 7);
    dr.bench.setLink(true);
    expect(await roles()).toEqual(['source', 'source']);
    const run = await dr.run();
    expect(run).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('this server is the source of NIGHTLY itself'),
    });
    await swap();
    expect(await roles()).toEqual(['standby', 'source']);
    expect(await dr.dispatch(dr.west)).toEqual(['LAB001 copied', 'LAB002 unchanged']);
    expect(await generations()).toEqual([2, 2]);
  });

  it('loses nothing that the old source wrote and never sent', async () => {
    await dr.write(dr.east, 'LAB002', 4);
    dr.bench.setLink(false);
    await swap(dr.west, true);
    dr.bench.setLink(true);
    await swap();
    expect(await generations('LAB002')).toEqual([1, 1]);
  });

  it('is refused on the source', async () => {
    await expect(swap(dr.east, true)).rejects.toThrow('this server is its source already');
  });
});

describe('AutoCopy', () => {
  it('replaces what was written on the target only where its own version descends from that', async () => {
    await dr.write(dr.west, 'LAB001', 2);
    await swap();
    await dr.dispatch(dr.west);
    expect(await generations()).toEqual([2, 2]);
    await dr.east.call('autocopy.create', { pool: 'POOL1', target: TARGET, targetPool: 'DR' });
    await dr.write(dr.east, 'LAB001', 3);
    await dr.east.call('autocopy.repeat', { name: 'LAB001' });
    await dr.bench.world.advance(60_000);
    expect(await generations()).toEqual([3, 3]);
    await dr.write(dr.east, 'LAB001', 4);
    await dr.write(dr.west, 'LAB001', 5);
    await dr.write(dr.east, 'LAB001', 6);
    await dr.east.call('autocopy.repeat', { name: 'LAB001' });
    await dr.bench.world.advance(60_000);
    expect(await generations()).toEqual([5, 4]);
    expect((await dr.bench.job())?.lastError).toContain('was written on the target');
  });
});
