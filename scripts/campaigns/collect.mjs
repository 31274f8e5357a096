/**
 * `npm run campaign -- collect [--histories 5000] [--seed 1000]`: puts a store through random histories with
 * collections, copies and power cuts, and holds each step against a naive model. Builds the C++ tests with -O2; prints
 * what the histories came to; exits with 1 where one failed, and names it.
 */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { $ } from 'zx';

const { values } = parseArgs({
  options: {
    histories: { type: 'string', default: '5000' },
    seed: { type: 'string', default: '1000' },
  },
});
const FOLDER = join(import.meta.dirname, '../../native/test');
const TESTS = join(FOLDER, 'build/release/tests');
/** Fewer meet too little of what they are there for. */
const HISTORIES_MIN = 100;

const histories = Number(values.histories);
const first = Number(values.seed);
const shareCount = availableParallelism();
if (!(histories >= HISTORIES_MIN * shareCount) || !Number.isSafeInteger(first)) {
  console.error(
    `Usage: npm run campaign -- collect [--histories N] [--seed S]; N is at least ${HISTORIES_MIN * shareCount}.`,
  );
  process.exit(2);
}
await $({ stdio: 'inherit' })`make -C ${FOLDER} --no-print-directory release`;

const startedAtMs = performance.now();
const share = Math.ceil(histories / shareCount);
const outcomes = await Promise.all(
  Array.from({ length: shareCount }, (_, index) => {
    const range = `${first + index * share} ${Math.min(share, histories - index * share)}`;
    const env = { ...process.env, CAPSTAN_HISTORIES: range };
    return $({ nothrow: true, quiet: true, env })`${TESTS} ${'campaign collect'}`;
  }),
);
for (const { stdout, stderr } of outcomes) {
  process.stdout.write(
    stdout.replaceAll(/^(not ok|ok) - .*\n|^# {3}[\d.]+ s\n|^# {3}/gm, '') + stderr,
  );
}
const failed = outcomes.filter(
  ({ exitCode, stdout }) => exitCode !== 0 || !stdout.includes('ok - '),
);
const tookS = Math.round((performance.now() - startedAtMs) / 1000);
console.log(`${histories} histories from seed ${first} in ${tookS} s: ${failed.length} failures`);
process.exitCode = failed.length === 0 ? 0 : 1;
