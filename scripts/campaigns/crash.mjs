/**
 * `npm run campaign -- crash [--only NAME]`: makes every disk operation of ten workloads of the store a crash
 * point and a fault, turns every bit of small stores over, and has transfers go stale or astray. Builds the C++
 * tests with -O2; prints a line a sweep (points tried, failures) and their sums; exits with 1 where any failed.
 */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { $ } from 'zx';

const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } });
const FOLDER = join(import.meta.dirname, '../../native/test');
const TESTS = join(FOLDER, 'build/release/tests');
const PREFIX = 'campaign crash: ';
const SUMMARY = /^# {3}(.*): (\d+) points, (\d+) failures(.*)$/m;

await $({ stdio: 'inherit' })`make -C ${FOLDER} --no-print-directory release`;
const names = (await $({ quiet: true })`${TESTS} --list ${PREFIX + values.only}`).stdout
  .split('\n')
  .filter((name) => name !== '');

const startedAtMs = performance.now();
const sum = { points: 0, failures: 0, broken: 0 };

/** @param {string} name */
async function sweep(name) {
  const { exitCode, stdout, stderr } = await $({ nothrow: true, quiet: true })`${TESTS} ${name}`;
  const summary = SUMMARY.exec(stdout);
  if (summary === null) {
    // It crashed, or hung and was ended by its alarm.
    sum.broken += 1;
    console.log(`${name.slice(PREFIX.length)}: ended with ${exitCode}\n${stdout}${stderr}`);
    return;
  }
  const [, title, points, failures, notes] = summary;
  sum.points += Number(points);
  sum.failures += Number(failures);
  console.log(`${title}: ${points} points, ${failures} failures${notes}`);
  if (exitCode !== 0) console.log(stdout);
}

const waiting = names.values();
await Promise.all(
  Array.from({ length: availableParallelism() }, async () => {
    for (const name of waiting) await sweep(name);
  }),
);
const tookS = Math.round((performance.now() - startedAtMs) / 1000);
console.log(
  `${names.length} sweeps in ${tookS} s: ${sum.points} points, ${sum.failures} failures` +
    (sum.broken > 0 ? `, ${sum.broken} sweeps came to no end` : ''),
);
process.exitCode = sum.failures + sum.broken === 0 && names.length > 0 ? 0 : 1;
