/**
 * Makes a checkout ready to run: npm packages, the pinned Node runtime, the native module.
 *
 * Runs on a plain Node 20 with nothing installed, so it uses Node's own modules only. Does nothing,
 * in a few milliseconds, where nothing is missing or out of date. `--quiet` prints errors only.
 *
 * npm 11 blocks the install scripts of packages unless package.json approves them, npm 9 and 10 run
 * all of them: here none runs by itself (`--ignore-scripts`), and the one that counts is called below,
 * so that every npm does the same.
 *
 * package.json calls `node scripts/setup.mjs && env node …`: the second node is the pinned one. Without
 * `env` the shell would take the one that it remembers from the first call, the machine's.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildNative, missingTools, nativeIsStale } from './build-native.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const STAMP = join(ROOT, 'node_modules/.capstan-setup.json');
const quiet = process.argv.includes('--quiet');

class SetupError extends Error {}

/** @param {string} sentence */
function say(sentence) {
  if (!quiet) console.log(`setup: ${sentence}`);
}

/**
 * Runs a command to its end; its output is shown only where it fails.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ readonly env?: NodeJS.ProcessEnv }} [options]
 */
function run(command, args, { env = process.env } = {}) {
  const result = spawnSync(command, [...args], {
    cwd: ROOT,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64 * 1024 * 1024,
  });
  if (result.status === 0) return;
  const reason = result.error?.message ?? `exit status ${result.status}`;
  throw new SetupError(
    `\`${command} ${args.join(' ')}\` failed: ${reason}.\n${result.stdout ?? ''}${result.stderr ?? ''}`,
  );
}

/**
 * Does `work` and says how long it took.
 * @param {string} what
 * @param {() => void} work
 */
function step(what, work) {
  say(`${what} …`);
  const startedAtMs = performance.now();
  work();
  say(`${what}: done in ${((performance.now() - startedAtMs) / 1000).toFixed(1)} s`);
}

/** npm on the machine's own Node: `npm ci` deletes the one in node_modules. */
function machineEnvironment() {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const own = join(ROOT, 'node_modules');
  return {
    ...process.env,
    PATH: folders.filter((folder) => !folder.startsWith(own)).join(delimiter),
  };
}

function installPackages() {
  const lock = createHash('sha256')
    .update(readFileSync(join(ROOT, 'package-lock.json')))
    .digest('hex');
  if (existsSync(STAMP) && JSON.parse(readFileSync(STAMP, 'utf8')).lock === lock) return;
  // npm ci empties the folder first: behind a link that is another checkout's.
  const folder = join(ROOT, 'node_modules');
  if (lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink() === true) {
    throw new SetupError(
      `${folder} is a symbolic link, and what npm installs there would replace what it leads to; ` +
        'remove the link and run this again, or update the packages where they are.',
    );
  }
  const missing = missingTools();
  if (missing !== undefined) throw new SetupError(missing);
  step('installing npm packages', () =>
    run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
      env: machineEnvironment(),
    }),
  );
  step('installing the pinned Node runtime', () =>
    run('npm', ['rebuild', 'node'], { env: machineEnvironment() }),
  );
  writeFileSync(STAMP, `${JSON.stringify({ lock })}\n`);
}

try {
  installPackages();
  if (nativeIsStale()) {
    step('building the native module', () => {
      const failure = buildNative({ quiet: true });
      if (failure !== undefined) throw new SetupError(failure);
    });
  }
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`setup: ${error.message}`);
  process.exitCode = 1;
}
