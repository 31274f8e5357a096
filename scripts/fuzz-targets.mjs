/** Runs the fuzz targets of the engine side by side, each as long as the others; built by `make fuzz-build`. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { $ } from 'zx';

const FOLDER = join(import.meta.dirname, '..', 'native', 'test');

/**
 * Each target prints one line; what fails is kept under native/test/build/fuzz/found.
 * @param {number} totalSeconds what all targets together take
 * @returns {Promise<{
 *   readonly targetCount: number, readonly secondsEach: number, readonly runs: number, readonly failed: number,
 * }>}
 */
export async function runFuzzTargets(totalSeconds) {
  /** @param {number} secondsEach @param {NodeJS.ProcessEnv} environment */
  const run = (secondsEach, environment) =>
    $({
      cwd: FOLDER,
      nothrow: true,
      quiet: true,
      env: { ...process.env, ...environment },
    })`fuzz/run.sh build/fuzz/fuzz ${secondsEach} ../../fixtures/fuzz build/fuzz`;
  const listed = await run(0, { FUZZ_LIST: '1' });
  const targets = listed.stdout.split('\n').filter((line) => line !== '');
  const workerCount = availableParallelism();
  const secondsEach = Math.max(1, Math.round((totalSeconds * workerCount) / targets.length));
  const waiting = targets.values();
  let failed = 0;
  let runs = 0;
  await Promise.all(
    Array.from({ length: workerCount }, async () => {
      for (const target of waiting) {
        const { exitCode, stdout, stderr } = await run(secondsEach, { FUZZ_ONLY: target });
        process.stdout.write(stdout + stderr);
        runs += Number(/ (\d+) runs/.exec(stdout)?.[1] ?? 0);
        if (exitCode !== 0 || !stdout.startsWith('ok - ')) failed += 1;
      }
    }),
  );
  return { targetCount: targets.length, secondsEach, runs, failed };
}
