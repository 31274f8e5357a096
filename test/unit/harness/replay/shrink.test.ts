import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hold } from '../../../../harness/checker/violation.ts';
import { runCase } from '../../../../harness/replay/case.ts';
import { shrink } from '../../../../harness/replay/shrink.ts';
import { defineScenario } from '../../../../harness/scenarios/scenario.ts';
import {
  count as number,
  flag,
  formsFor,
  oneOf,
} from '../../../../harness/workload/command-form.ts';
import { newModelVault as newVault } from '../../../../harness/world/simulated-vault.ts';
import { World } from '../../../../harness/world/world.ts';

interface Door {
  readonly executed: string[];
  readonly world: World;
  check(): Promise<void>;
}

const step = formsFor<Door>()('{what}()', {
  fields: { what: oneOf('open', 'close', 'rest', 'bad', 'worse') },
  perform: ({ executed }) => {
    if (executed.at(-1) === 'worse()') throw new Error('another failure');
  },
});

/** What is bad in room `b` alone. */
const badIn = formsFor<Door>()('bad({room}, {times}{loud})', {
  fields: { room: oneOf('a', 'b', 'c'), times: number, loud: flag(', loud') },
  perform: ({ executed }) =>
    hold(!executed.some((text) => text.startsWith('bad(b')), () => 'it is bad in b'),
});

/** Worlds that were begun. */
let startCount = 0;

/** What breaks is `bad()` where as many doors were opened as closed: one of them cannot be left out alone. */
const DOORS = defineScenario({
  name: 'doors',
  what: 'Doors open and close.',
  runsDefault: 1,
  profile: fc.record({
    worldSeed: fc.nat(),
    noise: fc.boolean(),
    storm: fc.boolean(),
    names: fc.array(fc.string()),
  }),
  commands: [
    step.drawn({ what: fc.constantFrom('open', 'close', 'rest', 'bad', 'worse') }),
    badIn.drawn({
      room: fc.constantFrom('a', 'b', 'c'),
      times: fc.nat({ max: 9 }),
      loud: fc.boolean(),
    }),
  ],
  commandCountMax: 20,
  start: async ({ profile }) => {
    startCount += 1;
    const { storm } = profile;
    const world = new World(profile.worldSeed);
    world.trace.record(`storm: ${storm}`);
    return { executed: [], world, check: async () => {} };
  },
  finish: async ({ executed, world }) => {
    const count = (text: string): number => executed.filter((each) => each === text).length;
    const isStormy = world.trace.lines[0]?.endsWith('true') === true;
    hold(
      !isStormy || count('bad()') === 0 || count('open()') !== count('close()'),
      () => 'it is bad',
    );
  },
  mutants: [],
});

const shrunk = async (...texts: readonly string[]) => {
  const profile = { worldSeed: 5, noise: true, storm: true, names: ['x'] };
  const options = { scenario: DOORS, newVault };
  const failing = await runCase({ ...options, profile }, texts.map(DOORS.parse));
  return (await shrink(options, failing)).result;
};

describe('a failure that is shrunk', () => {
  it('drops single commands, then pairs that break nothing only together', async () => {
    const { executed } = await shrunk('rest()', 'open()', 'bad()', 'close()', 'rest()', 'bad()');
    expect(executed).toEqual(['bad()']);
  });

  it('drops large parts first', async () => {
    const before = Array.from({ length: 30 }, () => 'rest()');
    const after = Array.from({ length: 30 }, () => 'rest()');
    const profile = { worldSeed: 0, noise: false, storm: true, names: [] };
    const failing = await runCase(
      { scenario: DOORS, newVault, profile },
      [...before, 'bad()', ...after].map(DOORS.parse),
    );
    startCount = 0;
    const { result, stepCount } = await shrink({ scenario: DOORS, newVault }, failing);
    expect(result.executed).toEqual(['bad()']);
    expect(stepCount).toBeLessThan(10);
    expect(startCount).toBeLessThan(20);
  });

  it('leaves each parameter the simplest that can be drawn and still breaks it', async () => {
    const { executed } = await shrunk('bad(b, 7, loud)', 'bad(c, 9)');
    expect(executed).toEqual(['bad(b, 0)']);
  });

  it('drops the faults that the failure does not need, and no other', async () => {
    const { profile, error } = await shrunk('rest()', 'bad()');
    expect(profile).toEqual({ worldSeed: 0, noise: false, storm: true, names: [] });
    expect(error?.message).toBe('it is bad');
  });

  it('does not take another kind of failure for a smaller one', async () => {
    const { executed, error } = await shrunk('open()', 'worse()', 'bad()');
    expect(executed).toEqual(['worse()']);
    expect(error?.message).toBe('another failure');
    expect((await shrunk('bad()', 'rest()')).error?.message).toBe('it is bad');
  });
});
