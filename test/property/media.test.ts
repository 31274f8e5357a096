/**
 * Goal: whatever an operator does with tapes and pools, and whenever the power fails meanwhile, the catalog
 * and the vaults say the same, and say what a model of a few lines says.
 * Method: commands on a server with two vaults on one simulated disk; some are killed in a call of a port
 * and followed by a power cut, after which the state must be that before the command or that after it.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MEDIA_MUTANTS } from '../../harness/mutants/media-mutants.ts';
import type { MediaMutant } from '../../harness/mutants/media-mutants.ts';
import { isCapstanError } from '../../src/base/errors.ts';
import type { VerifyReport } from '../../src/ports/engine.ts';
import { Yard } from '../unit/server/yard.ts';

const NAMES = ['LAB001', 'LAB002', 'NEW001'] as const;
const POOLS = ['POOL1', 'POOL2', 'FAR'] as const;
const VAULTS = ['VAULT00', 'VAULT01'] as const;

interface ModelTape {
  readonly pool: string;
  readonly generation: number;
  /** What hosts wrote since it was made or erased. */
  readonly written: readonly number[];
  readonly erased: boolean;
  readonly user: boolean;
  readonly autoload: boolean;
}

interface Model {
  readonly tapes: Readonly<Record<string, ModelTape>>;
  readonly pools: Readonly<Record<string, { readonly vault: string; readonly locked: boolean }>>;
}

const FRESH: ModelTape = {
  pool: 'POOL1',
  generation: 0,
  written: [],
  erased: false,
  user: false,
  autoload: false,
};
const START: Model = {
  tapes: { LAB001: FRESH, LAB002: FRESH },
  pools: {
    POOL1: { vault: 'VAULT00', locked: false },
    POOL2: { vault: 'VAULT00', locked: false },
    FAR: { vault: 'VAULT01', locked: false },
  },
};

type Command =
  | { readonly op: 'write'; readonly name: string; readonly byte: number }
  | { readonly op: 'call'; readonly method: string; readonly parameters: Record<string, unknown> };

/** The model after the command; undefined where it is refused. */
function apply(model: Model, command: Command): Model | undefined {
  const { tapes, pools } = model;
  const {
    name = '',
    pool = '',
    vault = '',
    newName = '',
    kind = 'user',
  } = (command.op === 'call' ? command.parameters : { name: command.name }) as Record<
    string,
    string
  >;
  const tape = tapes[name];
  const set = (changes: Partial<ModelTape>): Model | undefined =>
    tape && { ...model, tapes: { ...tapes, [name]: { ...tape, ...changes } } };
  const without = Object.fromEntries(Object.entries(tapes).filter(([each]) => each !== name));
  const locked =
    tape !== undefined && (tape.user || tape.autoload || pools[tape.pool]?.locked === true);
  if (command.op === 'write') {
    const { byte } = command;
    return (
      tape &&
      set({ generation: tape.generation + 1, written: [...tape.written, byte], erased: false })
    );
  }
  switch (command.method) {
    case 'tape.create':
      return tape ? undefined : { ...model, tapes: { ...tapes, [name]: { ...FRESH, pool } } };
    case 'tape.erase':
      if (tape === undefined || locked) return undefined;
      return tape.erased
        ? model
        : set({ generation: tape.generation + 1, written: [], erased: true });
    case 'tape.delete':
      return tape === undefined || locked ? undefined : { ...model, tapes: without };
    case 'tape.rename':
      if (tape === undefined || tapes[newName] !== undefined) return undefined;
      return { ...model, tapes: { ...without, [newName]: tape } };
    case 'tape.move':
      return tape?.pool === pool ? undefined : set({ pool });
    case 'tape.lock':
    case 'tape.unlock':
      return set({ [kind]: command.method === 'tape.lock' });
    default: {
      // Of pools, where `name` is the pool's.
      const present = pools[name];
      if (present === undefined) return undefined;
      const change = (changes: object): Model => ({
        ...model,
        pools: { ...pools, [name]: { ...present, ...changes } },
      });
      if (command.method !== 'pool.move') return change({ locked: command.method === 'pool.lock' });
      return present.vault === vault ? undefined : change({ vault });
    }
  }
}

const name = fc.constantFrom(...NAMES);
const pool = fc.constantFrom(...POOLS);
const call = (method: string, parameters: Record<string, fc.Arbitrary<unknown>>) =>
  fc.record({
    op: fc.constant('call' as const),
    method: fc.constant(method),
    parameters: fc.record(parameters),
  });
const kind = fc.constantFrom('user', 'autoload');
const commands: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ op: fc.constant('write' as const), name, byte: fc.nat(255) }),
  },
  { weight: 2, arbitrary: call('tape.create', { name, pool }) },
  { weight: 3, arbitrary: call('tape.erase', { name }) },
  { weight: 1, arbitrary: call('tape.delete', { name }) },
  {
    weight: 6,
    arbitrary: call('tape.rename', { name, newName: name, keepLabel: fc.constant(true) }),
  },
  { weight: 3, arbitrary: call('tape.move', { name, pool }) },
  { weight: 4, arbitrary: call('tape.lock', { name, kind }) },
  { weight: 1, arbitrary: call('tape.unlock', { name, kind }) },
  { weight: 1, arbitrary: call('pool.lock', { name: pool }) },
  { weight: 1, arbitrary: call('pool.unlock', { name: pool }) },
  { weight: 2, arbitrary: call('pool.move', { name: pool, vault: fc.constantFrom(...VAULTS) }) },
);
/** `cut`: calls of ports that are let through before the process is killed. */
const steps = fc.array(
  fc.record({ command: commands, cut: fc.option(fc.nat(30), { nil: undefined }) }),
  { minLength: 4, maxLength: 16 },
);

/** What the server has, in the model's terms; contents as the bytes at which blocks begin. */
async function observed(yard: Yard): Promise<Model> {
  const tapes: Record<string, ModelTape> = {};
  const images = new Map(await yard.images());
  for (const row of await yard.catalog.listTapes()) {
    const image = images.get(`${row.vault}/${row.name}`);
    expect(image?.generation, `the image of ${row.name}`).toBe(row.generation);
    const sizes = (image?.partitions ?? []).map(({ payloadBytes }) => payloadBytes);
    expect(sizes, `the size of ${row.name}`).toEqual([row.payloadBytes]);
    tapes[row.name] = {
      pool: row.pool,
      generation: row.generation,
      written: await yard.written(row.vault, row.name),
      erased: row.payloadBytes === 0 && row.erasedAtMs !== undefined,
      user: row.userLocked,
      autoload: row.autoloadLocked,
    };
    images.delete(`${row.vault}/${row.name}`);
  }
  expect([...images.keys()], 'images without a tape').toEqual([]);
  expect(await yard.catalog.listLocks(), 'process locks').toEqual([]);
  const pools = Object.fromEntries(
    (await yard.catalog.listPools()).map(({ name: each, vault, locked }) => [
      each,
      { vault, locked },
    ]),
  );
  return { tapes, pools };
}

async function perform(yard: Yard, command: Command): Promise<boolean> {
  try {
    if (command.op === 'write') await yard.write(command.name, command.byte, 1_000);
    else await yard.call(command.method, command.parameters);
    return true;
  } catch (error) {
    if (!isCapstanError(error)) throw error;
    return false;
  }
}

async function run(
  plan: readonly { readonly command: Command; readonly cut: number | undefined }[],
  mutant?: MediaMutant,
): Promise<void> {
  const yard = await Yard.start(mutant);
  await yard.call('tape.delete', { name: 'LAB002' });
  await yard.call('tape.create', { name: 'LAB002', pool: 'POOL1' });
  let model = START;
  for (const { command, cut } of plan) {
    // A write is the test's own doing, past the server.
    if (command.op === 'write' && model.tapes[command.name] === undefined) continue;
    const after = apply(model, command);
    if (cut === undefined || command.op === 'write') {
      expect(await perform(yard, command), JSON.stringify(command)).toBe(after !== undefined);
      model = after ?? model;
      expect(await observed(yard)).toEqual(model);
      continue;
    }
    yard.callsLeft = cut;
    await perform(yard, command).catch(() => undefined);
    await yard.powerCut();
    const now = await observed(yard);
    expect([model, after ?? model], JSON.stringify({ command, cut })).toContainEqual(now);
    model = now;
  }
  const report = (await yard.call('tape.verify')) as VerifyReport;
  expect(report.damages).toEqual([]);
}

const property = (mutant?: MediaMutant) => fc.asyncProperty(steps, (plan) => run(plan, mutant));

describe('Vaults, pools and tapes', () => {
  it('say what the model says, also after a power cut in the middle of anything', async () => {
    await fc.assert(property(), { numRuns: 150, seed: 421_013, endOnFailure: true });
  }, 120_000);

  it.each(MEDIA_MUTANTS)(
    'do not where $what',
    async (mutant) => {
      const details = await fc.check(property(mutant), {
        numRuns: 200,
        seed: 421_013,
        endOnFailure: true,
      });
      expect(details.failed).toBe(true);
    },
    120_000,
  );
});
