/**
 * `npm run check`: types, lint, format, dead code, tidy tests. One line a check; the whole output of
 * those that fail; exit status 1 where one failed.
 */
import { fileURLToPath } from 'node:url';
import { $, chalk } from 'zx';
import { seconds } from './report.mjs';

/** @type {readonly { readonly name: string, readonly command: readonly string[] }[]} */
const CHECKS = [
  { name: 'types', command: ['tsc', '-p', 'tsconfig.json'] },
  { name: 'types of the pure rooms', command: ['tsc', '-p', 'tsconfig.pure.json'] },
  { name: 'lint', command: ['oxlint'] },
  { name: 'format', command: ['oxfmt', '--check'] },
  { name: 'dead code and dependencies', command: ['knip', '--no-progress'] },
];
const TIDY = { name: 'tidy tests', command: ['vitest', 'run', 'test/tidy'] };

/**
 * Runs the checks one after the other.
 * @param {{ readonly tidy: boolean }} options `tidy: false` where the tidy tests run with the others
 * @returns {Promise<{ readonly passed: number, readonly failed: number }>}
 */
export async function runChecks({ tidy }) {
  let failed = 0;
  const checks = tidy ? [...CHECKS, TIDY] : CHECKS;
  for (const { name, command } of checks) {
    const startedAtMs = performance.now();
    const result = await $({ nothrow: true, quiet: true, preferLocal: true })`${command}`;
    const time = seconds(performance.now() - startedAtMs);
    if (result.exitCode === 0) {
      console.log(`${chalk.green('ok')}      ${name} (${time})`);
    } else {
      failed += 1;
      console.log(`${chalk.red('FAILED')}  ${name} (${time}): ${command.join(' ')}`);
      console.log(result.stdout + result.stderr);
    }
  }
  return { passed: checks.length - failed, failed };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { failed } = await runChecks({ tidy: true });
  process.exitCode = failed === 0 ? 0 : 1;
}
