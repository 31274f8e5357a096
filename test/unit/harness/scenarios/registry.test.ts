import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SCENARIOS, findMutant, findScenario } from '../../../../harness/scenarios/registry.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..', '..');
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

  it.each(SCENARIOS)('reads back what it prints of each command of $name', (scenario) => {
    const texts = fc
      .sample(scenario.commands(), { seed: 1, numRuns: 50 })
      .flatMap((commands) => [...commands].map(String));
    for (const text of texts) expect(String(scenario.parse(text))).toBe(text);
  });

  it('has no scenario without a suite of test/property', () => {
    const folder = join(ROOT, 'test', 'property');
    const suites = readdirSync(folder)
      .filter((file) => file.endsWith('.test.ts'))
      .map((file) => readFileSync(join(folder, file), 'utf8'))
      .filter((text) => text.includes('describeScenario('));
    const untested = readdirSync(join(ROOT, 'harness', 'scenarios'))
      .filter((file) => !['scenario.ts', 'registry.ts'].includes(file))
      .filter((file) => !suites.some((text) => text.includes(`harness/scenarios/${file}'`)));
    expect(untested).toEqual([]);
  });
});
