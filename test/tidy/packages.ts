/** Which third-party package and which of Node's own modules is imported where, as data. */
import { roomOf } from './rooms.ts';
import type { SourceFile } from './source-file.ts';

const SHELL = [
  'src/platform',
  'src/cli',
  'src/api',
  'harness/rig',
  'bin',
  'scripts',
  'bench',
  'test',
];

/** Beginnings of the paths that may import a package. One that is not listed may be imported nowhere. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  'cli-progress': ['src/cli', 'harness/rig'],
  '@hono/node-server': ['src/platform'],
  croner: ['src/server/schedule.ts'],
  'prom-client': ['src/server/metrics.ts'],
  commander: ['src/cli', 'harness/rig', 'scripts', 'bench'],
  'fast-check': ['harness', 'test', 'scripts'],
  hono: ['src/api'],
  'node-addon-api': [],
  'oxc-parser': ['test/tidy'],
  ssh2: ['src/platform', 'harness/rig', 'test'],
  'tar-stream': ['harness', 'test'],
  'tmp-promise': ['harness/rig', 'test', 'scripts', 'bench'],
  vitest: ['test', 'scripts'],
  zod: [
    'src/platform',
    'src/cli',
    'src/api',
    'src/server',
    'src/isc',
    'harness/rig',
    'test/unit/api',
  ],
  zx: ['scripts', 'bench', 'test'],
};

/** What package.json declares; only `dependencies` are there once the package is installed. */
export interface Declared {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

function packageName(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function mayImport(path: string, specifier: string): boolean {
  if (specifier === 'node:sqlite')
    return ['src/catalog', 'test'].some((room) => inRoom(path, room));
  if (specifier.startsWith('node:')) return SHELL.some((room) => inRoom(path, room));
  return (PACKAGES[packageName(specifier)] ?? []).some((room) => inRoom(path, room));
}

function inRoom(path: string, room: string): boolean {
  return path === room || path.startsWith(`${room}/`);
}

/** One sentence for each package that `file` imports and may not. */
export function brokenPackageImports(file: SourceFile, declared: Declared): string[] {
  const published = file.path.startsWith('src/') || file.path.startsWith('bin/');
  const broken: string[] = [];
  for (const { specifier, isType, line } of file.imports) {
    if (specifier.startsWith('.')) continue;
    const at = `${file.path}:${line}`;
    const room = roomOf(file.path) ?? 'this folder';
    if (!mayImport(file.path, specifier)) {
      broken.push(
        `${at}: ${room} may not import ${specifier}; test/tidy/packages.ts says who may.`,
      );
    }
    if (specifier.startsWith('node:')) continue;
    const name = packageName(specifier);
    const isDeclared =
      name in declared.dependencies || ((!published || isType) && name in declared.devDependencies);
    if (!isDeclared) broken.push(`${at}: package.json does not declare ${name} for ${room}.`);
  }
  return broken;
}
