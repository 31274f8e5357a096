import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hold } from '../../../../harness/checker/violation.ts';
import { runCase } from '../../../../harness/replay/case.ts';
import { shrinkFurther } from '../../../../harness/replay/shrink.ts';
import { defineScenario } from '../../../../harness/scenarios/scenario.ts';
import { formsFor, oneOf } from '../../../../harness/workload/command-form.ts';
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
  commands: [step.drawn({ what: fc.constantFrom('open', 'close', 'rest', 'bad', 'worse') })],
  commandCountMax: 20,
  start: async ({ profile }) => {
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
  return shrinkFurther(options, failing);
};

describe('the second shrinking pass', () => {
  it('drops single commands, then pairs that break nothing only together', async () => {
    const { executed } = await shrunk('rest()', 'open()', 'bad()', 'close()', 'rest()', 'bad()');
    expect(executed).toEqual(['bad()']);
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
