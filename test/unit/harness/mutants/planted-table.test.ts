/** The page of planted bugs says what there is, and each was found. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { plantedBugs, readTable, withTable } from '../../../../harness/mutants/planted-table.ts';
import { SOURCE_MUTANTS } from '../../../../harness/mutants/source-mutants.ts';

const ROOT = join(import.meta.dirname, '../../../..');
const page = readFileSync(join(ROOT, 'docs/reference/planted-bugs.md'), 'utf8');

describe('the table of planted bugs', () => {
  it('has every planted bug with what it is, and no other (npm run campaign -- bugs)', () => {
    const written = readTable(page).map(({ area, name, what, scenario }) => ({
      area,
      name,
      what,
      scenario,
    }));
    expect(written).toEqual(plantedBugs());
  });

  it('tells of each in which case it was found', () => {
    const unfound = readTable(page).filter(({ run, broken }) => !(run >= 1) || broken === '');
    expect(unfound).toEqual([]);
  });

  it('reads what it writes', () => {
    expect(withTable(page, readTable(page))).toBe(page);
  });
});

describe('the bugs in the source', () => {
  it.each(SOURCE_MUTANTS)('$name changes words that stand in $patch.file once', ({ patch }) => {
    const source = readFileSync(join(ROOT, patch.file), 'utf8');
    expect(source.split(patch.from)).toHaveLength(2);
    expect(patch.to).not.toBe(patch.from);
  });

  it('are each in a scenario that there is', () => {
    const names = new Set(plantedBugs().map(({ name }) => name));
    expect(SOURCE_MUTANTS.filter(({ name }) => !names.has(name))).toEqual([]);
  });
});
