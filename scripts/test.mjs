/**
 * `npm test`: the checks, the C++ tests under sanitizers, then every vitest test (unit, property,
 * conformance, tidy, end to end). The last line counts them all: `N passed, N failed[, N skipped]`.
 *
 * A check, a line `ok - name` or `not ok - name` of the C++ tests, and a vitest test count 1 each.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { withDir } from 'tmp-promise';
import { $ } from 'zx';
import { runChecks } from './check.mjs';
import { seconds, totalsLine } from './report.mjs';

/** @import { Totals } from './report.mjs' */

/** @returns {Promise<Totals>} */
async function checks() {
  return { ...(await runChecks({ tidy: false })), skipped: 0 };
}

/** Debian packages that the C++ tests are linked with; the module itself takes both out of Node. */
const HEADERS = [
  { header: 'zstd.h', package: 'libzstd-dev' },
  { header: 'openssl/evp.h', package: 'libssl-dev' },
];

async function missingHeaders() {
  const missing = [];
  for (const { header, package: name } of HEADERS) {
    const { exitCode } = await $({
      nothrow: true,
      quiet: true,
      input: `#include <${header}>`,
    })`g++ -x c++ -fsyntax-only -`;
    if (exitCode !== 0) missing.push(name);
  }
  return missing;
}

/** @returns {Promise<Totals>} */
async function nativeTests() {
  const lacking = await missingHeaders();
  if (lacking.length > 0) {
    console.log(`SKIPPED  the C++ tests: run \`apt-get install ${lacking.join(' ')}\` for them`);
    return { passed: 0, failed: 0, skipped: 1 };
  }
  const result = await $({ nothrow: true, quiet: true })`make -C native/test check`;
  const lines = result.stdout.split('\n');
  const passed = lines.filter((line) => line.startsWith('ok - ')).length;
  let failed = lines.filter((line) => line.startsWith('not ok - ')).length;
  // A build that broke, a crash or a sanitizer's report has no line of its own.
  if ((result.exitCode !== 0 || passed === 0) && failed === 0) failed = 1;
  if (failed > 0) console.log(result.stdout + result.stderr);
  else console.log(`${passed} C++ tests passed`);
  return { passed, failed, skipped: 0 };
}

/** @returns {Promise<Totals>} */
async function vitestTests() {
  return withDir(
    async ({ path }) => {
      const totalsPath = join(path, 'totals.json');
      const { exitCode } = await $({
        nothrow: true,
        stdio: ['ignore', 'inherit', 'inherit'],
        preferLocal: true,
        env: { ...process.env, CAPSTAN_TOTALS_PATH: totalsPath },
      })`vitest run`;
      /** @type {Totals} */
      const totals = existsSync(totalsPath)
        ? JSON.parse(readFileSync(totalsPath, 'utf8'))
        : { passed: 0, failed: 1, skipped: 0 };
      return exitCode !== 0 && totals.failed === 0 ? { ...totals, failed: 1 } : totals;
    },
    { unsafeCleanup: true },
  );
}

const PHASES = [
  { name: 'checks', run: checks },
  { name: 'C++ tests', run: nativeTests },
  { name: 'TypeScript tests', run: vitestTests },
];

process.chdir(join(import.meta.dirname, '..'));
const sum = { passed: 0, failed: 0, skipped: 0 };
const times = [];
for (const phase of PHASES) {
  console.log(`\n== ${phase.name}`);
  const startedAtMs = performance.now();
  const totals = await phase.run();
  times.push(`${phase.name} ${seconds(performance.now() - startedAtMs)}`);
  sum.passed += totals.passed;
  sum.failed += totals.failed;
  sum.skipped += totals.skipped;
}
console.log(`\nTime: ${times.join(', ')}`);
console.log(totalsLine(sum));
process.exitCode = sum.failed === 0 ? 0 : 1;
