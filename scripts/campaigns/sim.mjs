/** `npm run campaign -- sim [SCENARIO] [--runs 20000] [--seed S] [--shard 1/4]`: runs thousands of simulated cases from a fresh seed. */
import { join } from 'node:path';
import { $ } from 'zx';

const RUNS_DEFAULT = '20000';
const options = process.argv.slice(2);
const runs = options.includes('--runs') ? [] : ['--runs', RUNS_DEFAULT];
const program = join(import.meta.dirname, '..', '..', 'bin', 'capstan.ts');
const { exitCode } = await $({
  nothrow: true,
  stdio: 'inherit',
})`${process.execPath} ${program} sim run ${runs} ${options}`;
process.exitCode = exitCode ?? 1;
