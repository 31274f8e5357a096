/**
 * Builds the native module: in a checkout, and as the install script of the published package.
 *
 * Uses Node's own modules only, because it runs before or without the development packages.
 * One binary serves Node 20 to 26 (Node-API), so any Node's headers do: those of the pinned
 * runtime where it is installed (no download then), else what node-gyp finds by itself.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const STAMP = join(ROOT, 'build', 'Release', '.built');
/** The runtime that package.json pins, once `npm ci` and its install script have run. */
const RUNTIME_PREFIX = join(
  ROOT,
  `node_modules/node/node_modules/node-${process.platform}-${process.arch}`,
);
export const RUNTIME = join(RUNTIME_PREFIX, 'bin', 'node');

const TOOLS = [
  { command: 'python3', package: 'python3' },
  { command: 'make', package: 'make' },
  { command: 'g++', package: 'g++' },
];

/**
 * Environment for node-gyp: the pinned runtime and its headers, before anything of the machine.
 * @returns {NodeJS.ProcessEnv}
 */
export function gypEnvironment() {
  /** @type {NodeJS.ProcessEnv} */
  const environment = { ...process.env, npm_config_loglevel: 'error' };
  if (existsSync(RUNTIME)) {
    for (const name of Object.keys(environment)) {
      if (name.toLowerCase() === 'npm_config_nodedir') delete environment[name];
    }
    environment['npm_config_nodedir'] = RUNTIME_PREFIX;
    environment['PATH'] = [join(ROOT, 'node_modules/.bin'), environment['PATH']].join(delimiter);
  }
  return environment;
}

/** Whether a source is newer than the last build. */
export function nativeIsStale() {
  if (!existsSync(STAMP)) return true;
  const builtAtMs = statSync(STAMP).mtimeMs;
  const sources = ['native/engine', 'native/binding'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) =>
      join(folder, name),
    ),
  );
  return ['binding.gyp', ...sources].some((path) => statSync(join(ROOT, path)).mtimeMs > builtAtMs);
}

/** @returns {string | undefined} one sentence that says what to install, where a tool is missing */
export function missingTools() {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const missing = TOOLS.filter(
    ({ command }) => !folders.some((folder) => existsSync(join(folder, command))),
  );
  if (missing.length === 0) return undefined;
  const names = new Intl.ListFormat('en-GB', { type: 'disjunction' }).format(
    missing.map((tool) => tool.command),
  );
  const packages = missing.map((tool) => tool.package).join(' ');
  return `Capstan builds its storage engine from C++ source and does not find ${names} here: run \`apt-get install ${packages}\` (as root), then try again.`;
}

/**
 * Builds what is out of date.
 * @param {{ readonly quiet?: boolean }} [options]
 * @returns {string | undefined} why it failed, in words for the user
 */
export function buildNative({ quiet = false } = {}) {
  const missing = missingTools();
  if (missing !== undefined) return missing;
  const gyp = join(ROOT, 'node_modules/node-gyp/bin/node-gyp.js');
  const [command, before] = existsSync(gyp)
    ? [existsSync(RUNTIME) ? RUNTIME : process.execPath, [gyp]]
    : ['node-gyp', []];
  const jobs = process.env['JOBS'] ?? 'max';
  const result = spawnSync(command, [...before, 'configure', 'build', '--jobs', jobs], {
    cwd: ROOT,
    env: gypEnvironment(),
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'],
  });
  if (result.status === 0) {
    writeFileSync(STAMP, '');
    return undefined;
  }
  return `The native module did not build (${command}: ${result.error?.message ?? `exit status ${result.status}`}).\n${result.stdout ?? ''}${result.stderr ?? ''}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const failure = buildNative();
  if (failure !== undefined) {
    console.error(failure);
    process.exitCode = 1;
  }
}
