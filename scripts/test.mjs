/**
 * `npm test`: the checks, the C++ tests under sanitizers, the threaded ones under ThreadSanitizer, a minute
 * of fuzzing, then every vitest test (unit, property, conformance, tidy, end to end). The last line counts
 * them all: `N passed, N failed[, N skipped]`. `npm test -- PHASE …` runs the phases named only.
 *
 * A check, a line `ok - name` or `not ok - name` of the C++ tests, a fuzz target and a vitest test count 1 each.
 */
import { existsSync, readFileSync } from 'node:fs';
import { machine as arch } from 'node:os';
import { join } from 'node:path';
import { withDir } from 'tmp-promise';
import { $ } from 'zx';
import { runChecks } from './check.mjs';
import { runFuzzTargets } from './fuzz-targets.mjs';
import { seconds, totalsLine } from './report.mjs';

/** @import { Totals } from './report.mjs' */

/** @returns {Promise<Totals>} */
async function checks() {
  return { ...(await runChecks({ tidy: false })), skipped: 0 };
}

const FUZZ_SECONDS = 60;
const MAIN = 'int main() { return 0; }\n';

/** What the C++ tests are built with, each tried on the smallest program. */
const NEEDS = {
  zstd: {
    packages: 'libzstd-dev',
    compiler: 'g++',
    flags: [],
    program: `#include <zstd.h>\n${MAIN}`,
  },
  openssl: {
    packages: 'libssl-dev',
    compiler: 'g++',
    flags: [],
    program: `#include <openssl/evp.h>\n${MAIN}`,
  },
  asan: {
    packages: 'g++',
    compiler: 'g++',
    flags: ['-fsanitize=address,undefined'],
    program: MAIN,
  },
  tsan: { packages: 'libtsan2', compiler: 'g++', flags: ['-fsanitize=thread'], program: MAIN },
  fuzzer: {
    packages: 'clang libclang-rt-dev',
    compiler: 'clang++',
    flags: ['-fsanitize=fuzzer,address,undefined'],
    program: 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }\n',
  },
};

/** Sanitizers of before 2024 end at once where the kernel puts memory at more than 2^28 places. */
const MOVED = 'does not start on this kernel; run `sysctl vm.mmap_rnd_bits=28` for it';

/**
 * Says what is missing where anything is.
 * @param {string} what
 * @param {readonly (keyof typeof NEEDS)[]} needs
 * @returns {Promise<boolean>}
 */
async function canRun(what, needs) {
  const quietly = $({ nothrow: true, quiet: true });
  /** @type {string[]} */
  const missing = [];
  let broken = '';
  await withDir(
    async ({ path }) => {
      const unmoved =
        (await quietly`setarch ${arch()} -R true`).exitCode === 0 ? ['setarch', arch(), '-R'] : [];
      const file = join(path, 'program');
      for (const { packages, compiler, flags, program } of needs.map((name) => NEEDS[name])) {
        const built = await quietly({ input: program })`${compiler} ${flags} -x c++ -o ${file} -`;
        if (built.exitCode !== 0) missing.push(packages);
        else if ((await quietly`${unmoved} ${file} -runs=0`).exitCode !== 0)
          broken = flags.join(' ');
      }
    },
    { unsafeCleanup: true },
  );
  if (missing.length > 0)
    console.log(`SKIPPED  ${what}: run \`apt-get install ${missing.join(' ')}\` for them`);
  else if (broken !== '') console.log(`SKIPPED  ${what}: what is built with ${broken} ${MOVED}`);
  return missing.length === 0 && broken === '';
}

const SKIPPED = { passed: 0, failed: 0, skipped: 1 };

/**
 * Runs a target of native/test/Makefile whose tests print a line each.
 * @param {string} target
 * @param {string} what
 * @returns {Promise<Totals>}
 */
async function makeAndCount(target, what) {
  const result = await $({ nothrow: true, quiet: true })`make -C native/test ${target}`;
  const lines = result.stdout.split('\n');
  const passed = lines.filter((line) => line.startsWith('ok - ')).length;
  let failed = lines.filter((line) => line.startsWith('not ok - ')).length;
  // A build that broke, a crash or a sanitizer's report has no line of its own.
  if ((result.exitCode !== 0 || passed === 0) && failed === 0) failed = 1;
  if (failed > 0) console.log(result.stdout + result.stderr);
  else console.log(`${passed} ${what} passed`);
  return { passed, failed, skipped: 0 };
}

/** @returns {Promise<Totals>} */
async function nativeTests() {
  if (!(await canRun('the C++ tests', ['zstd', 'openssl', 'asan']))) return SKIPPED;
  return makeAndCount('check', 'C++ tests under AddressSanitizer');
}

/** @returns {Promise<Totals>} */
async function threadTests() {
  if (!(await canRun('the threaded C++ tests', ['zstd', 'openssl', 'tsan']))) return SKIPPED;
  return makeAndCount('tsan', 'threaded C++ tests under ThreadSanitizer');
}

/** @returns {Promise<Totals>} */
async function fuzzTargets() {
  if (!(await canRun('the fuzz targets', ['zstd', 'openssl', 'fuzzer']))) return SKIPPED;
  const built = await $({ nothrow: true, quiet: true })`make -C native/test fuzz-build`;
  if (built.exitCode !== 0) {
    console.log(built.stdout + built.stderr);
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const { targetCount, failed } = await runFuzzTargets(FUZZ_SECONDS);
  return { passed: targetCount - failed, failed: targetCount === 0 ? 1 : failed, skipped: 0 };
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
  { name: 'C++ threads', run: threadTests },
  { name: 'fuzz targets', run: fuzzTargets },
  { name: 'TypeScript tests', run: vitestTests },
];

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !PHASES.some((phase) => phase.name === name));
if (unknown.length > 0) {
  console.error(
    `No phase "${unknown[0]}"; there are: ${PHASES.map(({ name }) => name).join(', ')}.`,
  );
  process.exit(2);
}
process.chdir(join(import.meta.dirname, '..'));
const sum = { passed: 0, failed: 0, skipped: 0 };
const times = [];
for (const phase of PHASES) {
  if (wanted.length > 0 && !wanted.includes(phase.name)) continue;
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
