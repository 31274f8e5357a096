/** Looks for a case of a scenario that breaks an invariant, shrinks it, and says how to run it again. */
import fc from 'fast-check';
import { assert } from '../../src/base/assert.ts';
import type { Mutant } from '../mutants/mutant.ts';
import type { CaseProfile, CaseWorld, Scenario } from '../scenarios/scenario.ts';
import type { Command } from '../workload/command-form.ts';
import type { NewVault } from '../world/simulated-vault.ts';
import { runCase } from './case.ts';
import type { CaseResult } from './case.ts';
import { shrink } from './shrink.ts';
import { formatToken } from './token.ts';
import type { ReplayAddress } from './token.ts';

interface Searched {
  readonly scenario: Scenario;
  readonly mutant?: Mutant | undefined;
  readonly newVault: NewVault;
}

/** A part of a search's runs: each `count`-th, from `index`, which counts from 1. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

export interface SearchOptions extends Searched {
  readonly seed: number;
  /** Of the whole search; a shard runs its part of them. */
  readonly runs: number;
  readonly shard?: Shard | undefined;
  /** No further case is begun once it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

export interface FoundFailure {
  readonly token: string;
  /** Which run of the whole search found it, from 1; shrinking is not counted. */
  readonly run: number;
  /** How often the shrinking found a smaller case. */
  readonly shrinkCount: number;
  /** As the shrinking left it. */
  readonly result: CaseResult;
}

export interface SearchResult {
  readonly runCount: number;
  /** Of all cases, those of the shrinking, too. */
  readonly virtualMs: number;
  readonly failure: FoundFailure | undefined;
  /** The first case, where none fails. */
  readonly example: CaseResult | undefined;
}

/** The seed of a search's run, counted from 0. Runs of one search have different ones. */
export function caseSeed(seed: number, run: number): number {
  // Each step is a bijection of 32 bits (the finalizer of MurmurHash3), so none comes twice.
  let mixed = (seed + run) | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

/** Ends with the first failure. */
export async function search(options: SearchOptions): Promise<SearchResult> {
  const { seed, runs, shard = { index: 1, count: 1 }, signal } = options;
  const cases = new Cases(options);
  let runCount = 0;
  for (let run = shard.index - 1; run < runs; run += shard.count) {
    if (signal?.aborted === true) break;
    runCount += 1;
    const failure = await cases.check(caseSeed(seed, run));
    if (failure === undefined) continue;
    return { ...cases.sums, runCount, failure: { ...failure, run: run + 1 } };
  }
  return { ...cases.sums, runCount, failure: undefined };
}

/** The case of a token once more; its failure, shrunk as it was, where it still fails. */
export async function replay(options: Searched, address: ReplayAddress): Promise<SearchResult> {
  const cases = new Cases(options);
  const failure = await cases.check(address.seed);
  return { ...cases.sums, runCount: 1, failure: failure && { ...failure, run: 1 } };
}

/** Draws cases and runs them. */
class Cases {
  /** Over all cases so far. */
  readonly sums: { virtualMs: number; example: CaseResult | undefined } = {
    virtualMs: 0,
    example: undefined,
  };
  readonly #options: Searched;
  readonly #drawn: fc.Arbitrary<[CaseProfile, Iterable<Command<CaseWorld>>]>;

  constructor(options: Searched) {
    this.#options = options;
    const { profile, commands } = options.scenario;
    this.#drawn = fc.tuple(profile, commands());
  }

  /** The case of a seed. */
  check(seed: number): Promise<Omit<FoundFailure, 'run'> | undefined> {
    return withoutStacks(async () => {
      const { scenario, mutant } = this.#options;
      const [drawn] = fc.sample(this.#drawn, { seed, numRuns: 1 });
      assert(drawn !== undefined, 'one case is drawn');
      const [profile, commands] = drawn;
      const result = await runCase({ ...this.#options, profile }, commands);
      this.sums.virtualMs += result.virtualMs;
      this.sums.example ??= result;
      if (result.error === undefined) return undefined;
      const token = formatToken({ scenario: scenario.name, seed, mutant: mutant?.name });
      if (scenario.shrinks === false) return { token, shrinkCount: 0, result };
      const shrunk = await shrink(this.#options, result);
      this.sums.virtualMs += shrunk.virtualMs;
      return { token, shrinkCount: shrunk.stepCount, result: shrunk.result };
    });
  }
}

/** Errors are a part of a case, some twenty of each, and nobody looks at their stacks. */
async function withoutStacks<Value>(work: () => Promise<Value>): Promise<Value> {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return await work();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}
