/**
 * `npm run campaign -- bugs [SCENARIO or BUG ...] [--runs 500]`: searches for every planted bug, or for those named and
 * those of the scenarios named, and writes what it finds into docs/reference/planted-bugs.md. Exits with 1 where one
 * is not found.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isPlanted } from '../../harness/mutants/mutant.ts';
import { plantedBugs, readTable, withTable } from '../../harness/mutants/planted-table.ts';
import { search } from '../../harness/replay/search.ts';
import { newNativeVault as newVault } from '../../harness/rig/native-vault.ts';
import { processorSeconds } from '../../harness/rig/sim-environment.ts';
import { searchPlanted } from '../../harness/rig/plant.ts';
import { findMutant, findScenario } from '../../harness/scenarios/registry.ts';

const SEED = 20_261_121;
const PAGE = join(import.meta.dirname, '../../docs/reference/planted-bugs.md');

/**
 * What a search for a bug comes to; undefined where it finds nothing.
 *
 * @param {import('../../harness/mutants/planted-table.ts').PlantedBug} bug
 * @param {number} runs
 */
async function find({ name, scenario: scenarioName }, runs) {
  const scenario = findScenario(scenarioName);
  const mutant = findMutant(scenario, name);
  if (!isPlanted(mutant)) {
    const names = { scenario: scenarioName, mutant: name };
    const { failure, processorSeconds: seconds } = await searchPlanted({
      ...names,
      seed: SEED,
      runs,
    });
    if (failure === undefined) return undefined;
    const { run, broken, kind } = failure;
    return { run, broken, kind, seconds, commandCount: failure.case.commands.length };
  }
  const before = processorSeconds();
  const { failure } = await search({ scenario, mutant, seed: SEED, runs, newVault });
  const seconds = processorSeconds() - before;
  if (failure === undefined) return undefined;
  const { error, executed } = failure.result;
  const broken = error?.message ?? '';
  return { run: failure.run, broken, kind: error?.name, seconds, commandCount: executed.length };
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: 'string', default: '500' } },
});
const bugs = plantedBugs();
const unknown = positionals.find(
  (each) => !bugs.some(({ name, scenario }) => name === each || scenario === each),
);
if (unknown !== undefined) throw new Error(`There is no scenario and no planted bug "${unknown}".`);
for (const bug of bugs) {
  const isAsked = positionals.includes(bug.name) || positionals.includes(bug.scenario);
  if (positionals.length > 0 && !isAsked) continue;
  const found = await find(bug, Number(values.runs));
  if (found?.kind !== 'InvariantViolation') {
    console.log(`${bug.name}: NOT FOUND ${found?.broken ?? ''}`);
    process.exitCode = 1;
    continue;
  }
  const { kind: _, ...rest } = found;
  console.log(`${bug.name}: case ${found.run}, ${found.seconds.toFixed(1)} s: ${found.broken}`);
  // After each, so that what was found is kept where this is broken off.
  const page = readFileSync(PAGE, 'utf8');
  const rows = new Map(readTable(page).map((row) => [row.name, row]));
  rows.set(bug.name, { ...bug, ...rest, broken: found.broken.replaceAll(/\s+/g, ' ') });
  writeFileSync(
    PAGE,
    withTable(
      page,
      bugs.flatMap(({ name }) => rows.get(name) ?? []),
    ),
  );
}
