import { describe, expect, it } from 'vitest';
import { listSim } from '../../../../harness/rig/sim-run.ts';

interface Listed {
  readonly scenarios: readonly {
    readonly name: string;
    readonly what: string;
    readonly mutants: readonly { readonly name: string; readonly what: string }[];
  }[];
  readonly kept: readonly { readonly path: string; readonly why: string }[];
}

describe('the list of scenarios, bugs and kept failures', () => {
  it('is the same for people and for programs', () => {
    const lines: string[] = [];
    listSim((line) => lines.push(line), false);
    const texts: string[] = [];
    listSim((text) => texts.push(text), true);
    const { scenarios, kept } = JSON.parse(texts.join('')) as Listed;
    expect(scenarios.length).toBeGreaterThan(0);
    expect(kept.length).toBeGreaterThan(0);
    for (const { name, what, mutants } of scenarios) {
      expect(lines).toContain(`${name}: ${what}`);
      for (const mutant of mutants) {
        expect(lines.some((line) => line.includes(mutant.name) && line.endsWith(mutant.what))).toBe(
          true,
        );
      }
    }
    for (const { path, why } of kept) {
      expect(lines.some((line) => line.includes(path) && line.endsWith(why))).toBe(true);
    }
  });
});
