/**
 * The package as a user gets it: packed, installed into an empty folder, run and imported there.
 *
 * Without install scripts, which take a compiler and half a minute: `npm run campaign -- package`
 * does the same with the native module.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { $ } from 'zx';

const ROOT = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'capstan-package-'));
const inFolder = $({ cwd: folder, quiet: true });
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  readonly version: string;
  readonly exports: Readonly<Record<string, unknown>>;
};
let packed: readonly string[] = [];

beforeAll(async () => {
  const { stdout } = await $({
    cwd: ROOT,
    quiet: true,
  })`npm pack --json --silent --pack-destination ${folder}`;
  const text = stdout.slice(stdout.indexOf('[\n'));
  const [tarball] = JSON.parse(text) as [{ filename: string; files: { path: string }[] }];
  packed = tarball.files.map((file) => file.path);
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  await inFolder`npm install --ignore-scripts --no-audit --no-fund --prefer-offline ./${tarball.filename}`;
}, 180_000);

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('the package', () => {
  it('holds the command, the sources of the native module and the licence', () => {
    for (const path of [
      'LICENSE',
      'README.md',
      'binding.gyp',
      'dist/bin/capstan.js',
      'scripts/build-native.mjs',
    ]) {
      expect(packed).toContain(path);
    }
    expect(packed.some((path) => path.startsWith('native/engine/'))).toBe(true);
  });

  it('holds no TypeScript sources, tests or binaries', () => {
    const stray = packed.filter(
      (path) =>
        /^(src|harness|test|build)\//.test(path) ||
        path.endsWith('.node') ||
        (path.endsWith('.ts') && !path.endsWith('.d.ts')),
    );
    expect(stray).toEqual([]);
  });

  it('answers `npx capstan --help` and `--version`', async () => {
    const help = await inFolder`npx --no-install capstan --help`;
    expect(help.stdout).toContain('Usage: capstan');
    const version = await inFolder`npx --no-install capstan --version`;
    expect(version.stdout).toContain(manifest.version);
  });

  it('lets every public entry point be imported', async () => {
    const names = Object.keys(manifest.exports).filter((name) => !name.endsWith('.json'));
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) {
      const specifier = name.replace(/^\./, 'capstan');
      const code = `console.log(Object.keys(await import('${specifier}')).length)`;
      const { stdout } = await inFolder`${process.execPath} --input-type=module --eval ${code}`;
      expect(Number(stdout), specifier).toBeGreaterThan(0);
    }
  });
});
