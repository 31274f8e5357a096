/**
 * Fuzzes every decoder of the engine on both cores: `npm run campaign -- fuzz [--minutes N]`.
 *
 * N is what all targets together take (default 30). Prints a line a target, with executions, edges covered
 * and new inputs; what fails is kept under native/test/build/fuzz/found.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { $ } from 'zx';

const MINUTES_DEFAULT = '30';
const CORES = 2;
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
  console.error('The fuzz targets need clang: apt-get install clang libzstd-dev libssl-dev');
  process.exit(1);
}
const binary = join(FOLDER, 'build/fuzz/fuzz');
const listed = await $({ env: { ...process.env, FUZZ_LIST: '1' }, quiet: true })`${binary}`;
const waiting = listed.stdout.trim().split('\n');
const seconds = Math.max(1, Math.round((minutes * 60 * CORES) / waiting.length));
let failed = 0;
let runs = 0;
const count = waiting.length;

async function worker() {
  for (let target = waiting.shift(); target !== undefined; target = waiting.shift()) {
    const result = await $({
      nothrow: true,
      quiet: true,
      cwd: FOLDER,
      env: { ...process.env, FUZZ_ONLY: target },
    })`fuzz/run.sh build/fuzz/fuzz ${seconds} ../../fixtures/fuzz build/fuzz`;
    process.stdout.write(result.stdout + result.stderr);
    runs += Number(/ (\d+) runs/.exec(result.stdout)?.[1] ?? 0);
    if (result.exitCode !== 0) failed += 1;
  }
}

await Promise.all(Array.from({ length: CORES }, worker));
console.log(`${count} targets, ${seconds} s each, ${runs} executions, ${failed} with findings`);
process.exitCode = failed === 0 ? 0 : 1;
