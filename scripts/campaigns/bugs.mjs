/**
 * `npm run campaign -- bugs [SCENARIO...] [--runs 400] [--seed 20261121]`: searches for every planted bug of the
 * scenarios named, or of all, and prints the table of them. Exits with 1 where one is not found.
 */
import { parseArgs } from 'node:util';
import { search } from '../../harness/replay/search.ts';
import { newNativeVault } from '../../harness/rig/native-vault.ts';
import { SCENARIOS, findScenario } from '../../harness/scenarios/registry.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '400' },
    seed: { type: 'string', default: '20261121' },
  },
});
const scenarios = positionals.length === 0 ? SCENARIOS : positionals.map(findScenario);

console.log('| scenario | mutant | what it does | run | shrunk to | what broke |');
console.log('| --- | --- | --- | --- | --- | --- |');
for (const scenario of scenarios) {
  for (const mutant of scenario.mutants) {
    const { failure } = await search({
      scenario,
      mutant,
      seed: Number(values.seed),
      runs: Number(values.runs),
      newVault: newNativeVault,
    });
    if (failure === undefined) process.exitCode = 1;
    const count = failure?.result.executed.length;
    const found = [
      failure?.run ?? 'not found',
      count === 1 ? '1 command' : `${count ?? ''} commands`,
      failure?.result.error?.message ?? '',
    ];
    const cells = [scenario.name, `\`${mutant.name}\``, mutant.what, ...found];
    console.log(`| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`);
  }
}
