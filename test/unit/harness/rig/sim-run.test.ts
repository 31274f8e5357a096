import { describe, expect, it } from 'vitest';
import { listSim } from '../../../../harness/rig/sim-run.ts';

describe('the list of bugs and kept failures', () => {
  it('is the same for people and for programs', () => {
    const lines: string[] = [];
    listSim((line) => lines.push(line), false);
    const texts: string[] = [];
    listSim((text) => texts.push(text), true);
    const { mutants, kept } = JSON.parse(texts.join('')) as {
      readonly mutants: readonly { readonly name: string; readonly what: string }[];
      readonly kept: readonly { readonly path: string; readonly why: string }[];
    };
    expect(mutants.length).toBeGreaterThan(0);
    expect(kept.length).toBeGreaterThan(0);
    expect(lines).toHaveLength(2 + mutants.length + kept.length);
    for (const { name, what } of mutants) {
      expect(lines.some((line) => line.includes(name) && line.endsWith(what))).toBe(true);
    }
    for (const { path, why } of kept) expect(lines).toContain(`  ${path}  ${why}`);
  });
});
