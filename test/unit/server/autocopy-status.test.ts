import { beforeEach, describe, expect, it } from 'vitest';
import type { AutoCopyStatus } from '../../../src/server/autocopy-status.ts';
import { render } from '../../../src/cli/render.ts';
import { Bench, TARGET } from './bench.ts';

const MINUTE_MS = 60_000;
const NORTH = { ...TARGET, server: 'north', address: '10.0.0.7' };

let bench: Bench;
beforeEach(async () => {
  bench = await Bench.start({ copies: true });
});

const status = async (filter: object = {}): Promise<AutoCopyStatus> =>
  (await bench.east.call('autocopy.status', filter)) as AutoCopyStatus;
const states = async (): Promise<readonly string[]> =>
  (await status()).tapes.map(({ tape, server, state }) => `${tape} ${server} ${state}`);
const ask = (verb: string, which: object = {}): Promise<unknown> =>
  bench.east.call(`autocopy.${verb}`, which);

describe("AutoCopy's status", () => {
  it('has a row for every tape and target, and sums by state', async () => {
    await bench.east.call('autocopy.create', { pool: 'POOL1', target: NORTH, targetPool: 'DR' });
    await bench.backUp(1);
    await bench.world.advance(MINUTE_MS);
    expect(await states()).toEqual([
      'LAB001 west in step',
      'LAB001 north retrying',
      'LAB002 west never',
      'LAB002 north never',
    ]);
    const { tapes, summary } = await status();
    expect(tapes[1]).toMatchObject({ attempt: 2, attemptsMax: 12, generation: 1 });
    expect(summary.map(({ state, tapeCount }) => `${state} ${tapeCount}`)).toEqual([
      'in step 1',
      'retrying 1',
      'never 2',
    ]);
    expect(summary[0]?.payloadBytes).toBe(tapes[0]?.payloadBytes);
    expect((await status({ server: 'north' })).tapes).toHaveLength(2);
    await expect(ask('status', { pool: 'NONE' })).rejects.toThrow('No pool is named NONE');
  });

  it('is printed as an operator reads it', async () => {
    bench.setLink(false);
    await bench.backUp(1);
    await bench.world.advance(MINUTE_MS);
    const text = render('copy', await status());
    expect(text).toMatch(/LAB001 +POOL1 +west +retry 2 of 12 at \d\d:\d\d +1 /);
    expect(text).toMatch(/\n\nretrying 1 \(.*B\), never 1 \(.*B\)$/);
  });

  it('tells of a copy under way, of one whose tape is mounted, and of one that failed', async () => {
    const wire = bench.world.network.wire('10.0.0.1', TARGET.address);
    wire.stall();
    await bench.backUp(1);
    expect(await states()).toEqual(['LAB001 west copying', 'LAB002 west never']);
    await bench.request('LAB001');
    expect(await states()).toEqual(['LAB001 west mounted', 'LAB002 west never']);
    wire.takeDown();
    await bench.unload();
    await bench.world.advance(70 * MINUTE_MS);
    expect(await states()).toEqual(['LAB001 west failed', 'LAB002 west never']);
  });

  it('says that a tape is behind where a restart ended its mount', async () => {
    await bench.backUp(1);
    await bench.world.advance(MINUTE_MS);
    await bench.request('LAB001');
    await bench.write(2);
    await bench.east.restart();
    expect(await states()).toEqual(['LAB001 west behind', 'LAB002 west never']);
  });
});

describe('what an operator does with copies', () => {
  it('retry makes what failed due now, from attempt 1', async () => {
    bench.setLink(false);
    await bench.backUp(1);
    await bench.world.advance(70 * MINUTE_MS);
    bench.setLink(true);
    expect(await ask('retry')).toEqual([{ tape: 'LAB001', server: 'west' }]);
    await bench.world.advance(1000);
    expect(await bench.job()).toMatchObject({ state: 'copied', attempts: 1 });
    expect(await ask('retry')).toEqual([]);
    await expect(ask('retry', { name: 'LAB001' })).rejects.toThrow(
      'No copy to retry is named LAB001.',
    );
  });

  it('retry does not wait for the next attempt', async () => {
    bench.setLink(false);
    await bench.backUp(1);
    await bench.world.advance(MINUTE_MS);
    bench.setLink(true);
    await ask('retry', { name: 'LAB001', server: 'west' });
    await bench.world.advance(1000);
    expect(await bench.job()).toMatchObject({ state: 'copied', attempts: 1 });
  });

  it('cancel ends a copy under way, and nothing is tried until the next dismount', async () => {
    const wire = bench.world.network.wire('10.0.0.1', TARGET.address);
    wire.stall();
    await bench.backUp(1);
    expect(await ask('cancel', { name: 'LAB001' })).toEqual([{ tape: 'LAB001', server: 'west' }]);
    wire.heal();
    await bench.world.advance(70 * MINUTE_MS);
    expect(bench.east.attemptsMs).toHaveLength(1);
    expect(await states()).toEqual(['LAB001 west cancelled', 'LAB002 west never']);
    expect(await bench.east.log('222109')).toHaveLength(1);
    expect(await ask('retry')).toEqual([]);
    await bench.backUp(2);
    await bench.world.advance(1000);
    expect(await bench.job()).toMatchObject({ state: 'copied', copiedGeneration: 2 });
  });

  it('a cancelled copy is retried where its tape is named', async () => {
    bench.setLink(false);
    await bench.backUp(1);
    await ask('cancel');
    bench.setLink(true);
    await ask('retry', { name: 'LAB001' });
    await bench.world.advance(1000);
    expect(await bench.job()).toMatchObject({ state: 'copied' });
  });

  it('a limit of a rule is changed and taken away', async () => {
    expect(await ask('change', { id: 1, bytesPerSecond: 65_536 })).toMatchObject({
      bytesPerSecond: 65_536,
    });
    expect(await ask('change', { id: 1, bytesPerSecond: null })).not.toHaveProperty(
      'bytesPerSecond',
      65_536,
    );
    await expect(ask('change', { id: 1, bytesPerSecond: 1 })).rejects.toThrow('at least 65536');
    await expect(ask('change', { id: 7, bytesPerSecond: null })).rejects.toThrow('named 7');
  });
});

describe('an encrypted tape', () => {
  it('is copied as it is, and its mount fails on the target, with the reason there', async () => {
    await bench.east.catalog.updateTape('LAB002', { keyId: 'KEY-7' });
    await bench.east.call('autocopy.repeat', { name: 'LAB002' });
    await bench.world.advance(MINUTE_MS);
    expect(await bench.west.catalog.findTape('LAB002')).toMatchObject({ keyId: 'KEY-7' });
    await bench.west.call('drive.create', { name: 'VTD01', host: '\\LAB', device: '$TAPE0' });
    const sentence =
      'no key: KEY-7 cannot be had, since Data Encryption is not enabled on this server';
    await expect(
      bench.west.call('mount.create', { tape: 'LAB002', drive: 'VTD01' }),
    ).rejects.toThrow(sentence);
  });
});
