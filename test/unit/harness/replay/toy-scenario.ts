/** A scenario that takes no time: a sum that must not come to seven or more, in a world without servers. */
import fc from 'fast-check';
import { hold } from '../../../../harness/checker/violation.ts';
import { defineScenario } from '../../../../harness/scenarios/scenario.ts';
import { count, formsFor } from '../../../../harness/workload/command-form.ts';
import { World } from '../../../../harness/world/world.ts';

interface Toy {
  readonly executed: string[];
  readonly world: World;
  readonly profile: { readonly worldSeed: number; readonly noisy: boolean };
  sum: number;
  check(): Promise<void>;
}

const form = formsFor<Toy>();
const add = form('add({number})', {
  fields: { number: count },
  perform: (toy, { number }) => {
    toy.sum += number;
  },
});
/** Always possible, and of no effect. */
const rest = form('rest({number})', {
  fields: { number: count },
  perform: ({ world }, { number }) => world.advance(number),
});

/** The worlds that were begun, newest last. */
export const begun: Toy['profile'][] = [];

export const TOY = defineScenario({
  name: 'toy',
  what: 'A sum stays small.',
  runsDefault: 10,
  profile: fc.record({ worldSeed: fc.nat(), noisy: fc.boolean() }),
  commands: [
    add.drawn({ number: fc.nat({ max: 3 }) }, 2),
    rest.drawn({ number: fc.nat({ max: 9 }) }, 4),
  ],
  commandCountMax: 30,
  start: async ({ profile, sabotage }) => {
    begun.push(profile);
    const limit = sabotage.east === undefined ? Infinity : 7;
    const toy: Toy = {
      executed: [],
      world: new World(profile.worldSeed),
      profile,
      sum: 0,
      check: async () => hold(toy.sum < limit, () => `the sum is ${toy.sum}`),
    };
    return toy;
  },
  finish: async () => {},
  outcome: ({ sum }) => [`${sum}`],
  mutants: [{ name: 'limited', what: 'a sum of seven is too much', sabotage: { east: {} } }],
});
