/**
 * The compiler's and the linter's configuration keep time, chance and Node out of where a simulation
 * must be able to replay. Goal: each ban fails on a planted file, and the file without it passes.
 */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withDir } from 'tmp-promise';
import { describe, expect, it } from 'vitest';
import { $ } from 'zx';
import { ROOT } from './source-file.ts';

/** A folder inside the project, so that node_modules is found from there; removed afterwards. */
function inScratchFolder<Result>(use: (path: string) => Promise<Result>): Promise<Result> {
  mkdirSync(join(ROOT, '.cache'), { recursive: true });
  return withDir(({ path }) => use(path), { tmpdir: join(ROOT, '.cache'), unsafeCleanup: true });
}

function run(cwd: string, ...command: readonly string[]) {
  return $({ cwd, nothrow: true, quiet: true, preferLocal: ROOT })`${command}`;
}

describe('the compiler in the pure rooms', () => {
  it('knows no timers, process, Buffer, console, TextEncoder or node: modules', () =>
    inScratchFolder(async (path) => {
      const bans = {
        timers: 'setTimeout(() => undefined, 1);',
        process: 'export const a = process.pid;',
        buffer: 'export const a = Buffer.alloc(1);',
        console: 'console.log(1);',
        encoder: 'export const a = new TextEncoder();',
        fetch: 'export const a = fetch;',
        node: `import { readFileSync } from 'node:fs';\nexport const a = readFileSync;`,
        bare: `import { readFileSync } from 'fs';\nexport const a = readFileSync;`,
      };
      for (const [name, text] of Object.entries(bans)) {
        writeFileSync(join(path, `${name}.ts`), `${text}\nexport {};\n`);
      }
      writeFileSync(join(path, 'good.ts'), 'export const bytes = new Uint8Array(4);\n');
      const config = { extends: '../../tsconfig.pure.json', include: ['*.ts'] };
      writeFileSync(join(path, 'tsconfig.json'), JSON.stringify(config));
      const { stdout, exitCode } = await run(path, 'tsc', '-p', '.');
      expect(exitCode).not.toBe(0);
      const failing = [...stdout.matchAll(/^(\w+)\.ts\(/gm)].map(([, name]) => name);
      expect([...new Set(failing)].toSorted()).toEqual(Object.keys(bans).toSorted());
    }));
});

describe('the linter', () => {
  const bans = {
    date: ['src/server', 'export const a = Date.now();', 'no-restricted-globals'],
    timer: ['src/server', 'export const a = setTimeout;', 'no-restricted-globals'],
    process: ['harness/world', 'export const a = process.pid;', 'no-restricted-globals'],
    chance: ['harness/world', 'export const a = Math.random();', 'no-restricted-properties'],
    node: ['src/server', `export { join } from 'node:path';`, 'no-restricted-imports'],
    standard: ['src/server', 'export default 1;', 'no-default-export'],
    floating: [
      'src/platform',
      'export async function a(): Promise<void> {\n  await a();\n}\na();',
      'no-floating-promises',
    ],
  } as const;

  it('bans time, chance, the process, default exports and floating promises', () =>
    inScratchFolder(async (path) => {
      copyFileSync(join(ROOT, '.oxlintrc.json'), join(path, '.oxlintrc.json'));
      const config = { extends: '../../tsconfig.json', include: ['src', 'harness'] };
      writeFileSync(join(path, 'tsconfig.json'), JSON.stringify(config));
      for (const [name, [folder, text]] of Object.entries(bans)) {
        mkdirSync(join(path, folder), { recursive: true });
        writeFileSync(join(path, folder, `${name}.ts`), `${text}\n`);
      }
      mkdirSync(join(path, 'src/cli'), { recursive: true });
      writeFileSync(join(path, 'src/cli/good.ts'), 'export const a = Date.now();\n');
      // Named one by one: a walk leaves out what .gitignore lists.
      const files = Object.entries(bans).map(([name, [folder]]) => `${folder}/${name}.ts`);
      const { stdout } = await run(path, 'oxlint', '-f', 'unix', 'src/cli/good.ts', ...files);
      const found = stdout.split('\n').filter((line) => /\[Error/.test(line));
      for (const [name, [folder, , rule]] of Object.entries(bans)) {
        expect(found.filter((line) => line.startsWith(`${folder}/${name}.ts`)).join()).toContain(
          rule,
        );
      }
      expect(found.filter((line) => line.includes('good.ts'))).toEqual([]);
    }));
});
