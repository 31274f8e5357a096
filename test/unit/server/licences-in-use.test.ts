import { describe, expect, it } from 'vitest';
import { MINUTE_MS } from '../../../src/base/units.ts';
import { Bench, TARGET } from './bench.ts';

describe('AutoCopy without a licence', () => {
  it('takes no new rule', async () => {
    const bench = await Bench.start();
    await bench.east.call('licence.remove', { number: 'LABORATORY' });
    const rule = { pool: 'POOL1', targetPool: 'DR', target: { ...TARGET, server: 'north' } };
    await expect(bench.east.call('autocopy.create', rule)).rejects.toMatchObject({
      code: 'LICENCE_MISSING',
    });
  });

  it('fails each attempt with the reason, and goes on once a licence is there', async () => {
    const bench = await Bench.start({ copies: true });
    await bench.east.call('licence.remove', { number: 'LABORATORY' });
    await bench.backUp(1);
    await bench.world.advance(MINUTE_MS);
    expect(await bench.job()).toMatchObject({
      state: 'due',
      lastError:
        'AutoCopy needs a licence that this server does not have; `capstan licence add` takes one.',
    });
    await bench.east.call('licence.add', { key: 'LABORATORY' });
    await bench.world.advance(6 * MINUTE_MS);
    expect(await bench.job()).toMatchObject({ state: 'copied', attempts: 2 });
  });
});
