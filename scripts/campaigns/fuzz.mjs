/**
 * `npm run campaign -- fuzz [--minutes 30]`: fuzzes every decoder of the engine on all cores.
 *
 * The minutes are what all targets together take. Prints a line a target, with executions, edges covered
 * and new inputs; what fails is kept under native/test/build/fuzz/found.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { $ } from 'zx';
import { runFuzzTargets } from '../fuzz-targets.mjs';

const MINUTES_DEFAULT = '30';
const FOLDER = join(import.meta.dirname, '..', '..', 'native', 'test');

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: MINUTES_DEFAULT } },
});
const minutes = Number(values.minutes);
if (!(minutes > 0)) {
  console.error('Usage: npm run campaign -- fuzz [--minutes N]');
  process.exit(2);
}
const built = await $({ nothrow: true, stdio: 'inherit' })`make -s -C ${FOLDER} fuzz-build`;
if (built.exitCode !== 0) {
  console.error(
    'The fuzz targets need clang: apt-get install clang libclang-rt-dev libzstd-dev libssl-dev',
  );
  process.exit(1);
}
const { targetCount, secondsEach, runs, failed } = await runFuzzTargets(minutes * 60);
console.log(`${targetCount} targets, ${secondsEach} s each, ${runs} executions, ${failed} failed`);
process.exitCode = failed === 0 && targetCount > 0 ? 0 : 1;
