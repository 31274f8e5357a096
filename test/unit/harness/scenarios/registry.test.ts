import { describe, expect, it } from 'vitest';
import { SCENARIOS, findMutant, findScenario } from '../../../../harness/scenarios/registry.ts';

const NAME = /^[a-z][a-z0-9-]*$/;

describe('the registry of scenarios', () => {
  it('has each scenario and each mutant under a name of its own that a token can carry', () => {
    const scenarios = SCENARIOS.map(({ name }) => name);
    const mutants = SCENARIOS.flatMap((scenario) => scenario.mutants.map(({ name }) => name));
    for (const names of [scenarios, mutants]) {
      expect(names.filter((name) => !NAME.test(name))).toEqual([]);
      expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
    }
  });

  it('finds them by their names, and says which there are where there is none', () => {
    for (const scenario of SCENARIOS) {
      expect(findScenario(scenario.name)).toBe(scenario);
      for (const mutant of scenario.mutants) expect(findMutant(scenario, mutant.name)).toBe(mutant);
    }
    expect(() => findScenario('auto')).toThrow('there are autocopy, ');
    expect(() => findMutant(SCENARIOS[0], 'none')).toThrow('no-fsync');
  });
});
