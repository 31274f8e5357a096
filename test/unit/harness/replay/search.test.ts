import { beforeEach, describe, expect, it } from 'vitest';
import { caseSeed, replay, search } from '../../../../harness/replay/search.ts';
import { parseToken } from '../../../../harness/replay/token.ts';
import { newModelVault as newVault } from '../../../../harness/world/simulated-vault.ts';
import { TOY, begun } from './toy-scenario.ts';

const options = { scenario: TOY, seed: 11, newVault };
const [mutant] = TOY.mutants;

beforeEach(() => {
  begun.length = 0;
});

describe('the seeds of a search', () => {
  it('are different for each of its runs', () => {
    const seeds = Array.from({ length: 100_000 }, (_, run) => caseSeed(2 ** 31 - 2, run));
    expect(new Set(seeds).size).toBe(seeds.length);
  });
});

describe('a search', () => {
  it('has the same cases for the same seed, and others for another', async () => {
    const drawn: unknown[] = [];
    for (const seed of [11, 11, 12]) {
      begun.length = 0;
      await search({ ...options, seed, runs: 20 });
      drawn.push([...begun]);
    }
    expect(drawn[1]).toEqual(drawn[0]);
    expect(drawn[2]).not.toEqual(drawn[0]);
  });

  it.each([2, 3, 7, 30])('of 20 runs is cut into %i shards that have its cases', async (count) => {
    await search({ ...options, runs: 20 });
    const whole = begun.splice(0).map(({ worldSeed }) => worldSeed);
    let runCount = 0;
    for (let index = 1; index <= count; index += 1) {
      runCount += (await search({ ...options, runs: 20, shard: { index, count } })).runCount;
    }
    const parts = begun.map(({ worldSeed }) => worldSeed);
    expect(whole).toHaveLength(20);
    expect(runCount).toBe(20);
    expect(parts.toSorted()).toEqual(whole.toSorted());
  });

  it('ends with the first failure, shrunk to what it takes, and says how to run it again', async () => {
    const { failure, example } = await search({ ...options, mutant, runs: 50 });
    expect(failure?.result.error?.message).toMatch(/^the sum is \d+$/);
    expect(failure?.result.executed).toHaveLength(3);
    expect(failure?.result.executed.join()).toMatch(/^add\(\d\),add\(\d\),add\(\d\)$/);
    expect(failure?.result.profile).toEqual({ worldSeed: 0, noisy: false });
    expect(example).toBeDefined();
    const again = await replay({ ...options, mutant }, parseToken(failure?.token ?? ''));
    expect(again.runCount).toBe(1);
    expect(again.failure?.result.executed).toEqual(failure?.result.executed);
    expect(again.failure?.result.trace.hash).toBe(failure?.result.trace.hash);
  });

  it('leaves the failure of a scenario as it is whose cases take too long to shrink', async () => {
    const scenario = { ...TOY, shrinks: false };
    const { failure } = await search({ ...options, scenario, mutant, runs: 50 });
    expect(failure?.result.error?.message).toMatch(/^the sum is \d+$/);
    expect(failure?.result.executed.some((text) => text.startsWith('rest('))).toBe(true);
    const again = await replay({ ...options, scenario, mutant }, parseToken(failure?.token ?? ''));
    expect(again.failure?.result.executed).toEqual(failure?.result.executed);
  });

  it('finds nothing where nothing breaks', async () => {
    const { failure, runCount } = await search({ ...options, runs: 10 });
    expect(failure).toBeUndefined();
    expect(runCount).toBe(10);
  });
});
