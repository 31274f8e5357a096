/** The tree keeps to the table of rooms and packages, and the rules catch what they are for. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Declared, brokenPackageImports } from './packages.ts';
import { brokenEdges } from './rooms.ts';
import { ROOT, parseSource, projectSources } from './source-file.ts';

const sources = projectSources();
const declared = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Declared;

describe('the import graph', () => {
  it('has only edges that the table of rooms allows', () => {
    expect(sources.length).toBeGreaterThan(20);
    expect(sources.flatMap(brokenEdges)).toEqual([]);
  });

  it('imports packages only where the table of packages allows', () => {
    expect(sources.flatMap((file) => brokenPackageImports(file, declared))).toEqual([]);
  });
});

describe('the rule of rooms', () => {
  const edges = (path: string, text: string) => brokenEdges(parseSource(path, text));

  it.each([
    ['src/base/a.ts', '../scsi/b.ts', 'src/base may not import src/scsi/b.ts'],
    ['src/scsi/a.ts', '../tape/b.ts', 'src/scsi may not import src/tape/b.ts'],
    ['src/drive/a.ts', '../ports/b.ts', 'types only'],
    ['src/server/a.ts', '../platform/b.ts', 'src/server may not import src/platform/b.ts'],
    ['src/server/a.ts', '../catalog/b.ts', 'src/server may not import src/catalog/b.ts'],
    ['src/replication/a.ts', '../server/b.ts', 'src/replication may not import src/server/b.ts'],
    ['src/platform/a.ts', '../server/b.ts', 'src/platform may not import src/server/b.ts'],
    ['src/cli/a.ts', '../../harness/world/b.ts', 'src/cli may not import harness/world/b.ts'],
    ['src/cli/a.ts', '../../test/b.ts', 'src/cli may not import test/b.ts'],
    ['harness/world/a.ts', '../../src/platform/ssh.ts', 'harness/world may not import'],
    ['harness/hosts/a.ts', '../../src/platform/engine.ts', 'harness may not import'],
    ['harness/hosts/a.ts', '../rig/b.ts', 'harness may not import harness/rig/b.ts'],
    ['src/attic/a.ts', './b.ts', 'no known room'],
  ])('names the edge from %s to %s', (path, specifier, sentence) => {
    const broken = edges(path, `import { b } from '${specifier}';`);
    expect(broken).toHaveLength(1);
    expect(broken[0]).toContain(sentence);
  });

  it.each([
    `export { b } from '../server/b.ts';`,
    `export * from '../server/b.ts';`,
    `const b = await import('../server/b.ts');`,
    `import type { B } from '../server/b.ts';`,
    `\n\nimport '../server/b.ts';`,
  ])('sees %s', (text) => {
    expect(edges('src/tape/a.ts', text)).toHaveLength(1);
  });

  it.each([
    ['src/drive/a.ts', `import { b } from '../tape/b.ts';`],
    ['src/drive/a.ts', `import type { B } from '../ports/b.ts';`],
    ['src/ports/a.ts', `import type { B } from '../tape/b.ts';`],
    ['src/server/a.ts', `import { b } from '../ems/b.ts';`],
    ['harness/world/a.ts', `import { b } from '../../src/platform/engine.ts';`],
    ['harness/rig/a.ts', `import { b } from '../../src/platform/ssh.ts';`],
    ['bin/capstan.ts', `import { b } from '../harness/rig/b.ts';`],
  ])('allows %s %s', (path, text) => {
    expect(edges(path, text)).toEqual([]);
  });
});

describe('the rule of packages', () => {
  const planted: Declared = {
    dependencies: { ssh2: '1', commander: '1', 'cli-progress': '1' },
    devDependencies: { 'fast-check': '4', zx: '8', '@types/node': '24', 'left-pad': '1' },
  };
  const imports = (path: string, name: string) =>
    brokenPackageImports(parseSource(path, `import { x } from '${name}';`), planted);

  it.each([
    ['src/server/a.ts', 'ssh2'],
    ['src/server/a.ts', 'commander'],
    ['harness/world/a.ts', 'cli-progress'],
    ['src/server/a.ts', 'fast-check'],
    ['src/server/a.ts', 'node:sqlite'],
    ['src/catalog/a.ts', 'node:fs'],
    ['src/tape/a.ts', 'node:buffer'],
    ['harness/world/a.ts', 'node:crypto'],
    ['src/platform/a.ts', 'left-pad'],
    ['src/platform/a.ts', 'undeclared'],
    ['test/unit/a.ts', 'tmp-promise'],
    ['src/cli/a.ts', 'zx/core'],
  ])('refuses %s the import of %s', (path, name) => {
    expect(imports(path, name)).not.toEqual([]);
  });

  it.each([
    ['src/platform/a.ts', 'ssh2'],
    ['src/cli/a.ts', 'commander'],
    ['src/catalog/a.ts', 'node:sqlite'],
    ['src/platform/a.ts', 'node:fs/promises'],
    ['test/unit/a.ts', 'fast-check'],
  ])('allows %s the import of %s', (path, name) => {
    expect(imports(path, name)).toEqual([]);
  });
});
