/** No file breaks a tidy rule, and each rule catches a planted example. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withDir } from 'tmp-promise';
import { describe, expect, it } from 'vitest';
import { brokenLinks } from './links.ts';
import {
  longFiles,
  longFunctions,
  silentCatches,
  switchedTests,
  unfinishedLines,
  unfinishedWork,
} from './rules.ts';
import { ROOT, listFiles, parseSource, projectSources } from './source-file.ts';

const sources = projectSources();
const production = sources.filter(({ path }) => /^(src|harness|bin)\//.test(path));
const planted = (text: string) => parseSource('src/base/planted.ts', text);

/** In two pieces, so that a search for unfinished work does not find this file. */
const MARK = ['TO', 'DO'].join('');

describe('the tree', () => {
  it('has no file of more than 500 lines in src, harness and bin', () => {
    expect(production.flatMap(longFiles)).toEqual([]);
  });

  it('has no function of more than 100 lines in src, harness and bin', () => {
    expect(production.flatMap(longFunctions)).toEqual([]);
  });

  it('leaves no work behind in comments', () => {
    const native = listFiles(['native'], ['.cc', '.h', 'Makefile', '.gyp']).flatMap((path) =>
      unfinishedLines(path, readFileSync(join(ROOT, path), 'utf8')),
    );
    expect([...sources.flatMap(unfinishedWork), ...native]).toEqual([]);
  });

  it('switches no test off or on by hand', () => {
    expect(sources.flatMap(switchedTests)).toEqual([]);
  });

  it('swallows no error without a sentence', () => {
    expect(sources.flatMap(silentCatches)).toEqual([]);
  });

  it('links from its pages only to what exists', () => {
    const top = ['README.md', 'CONTRIBUTING.md', 'COMPAT.md'];
    const pages = [...top, ...listFiles(['docs', 'fixtures', 'bench'], ['.md'])];
    expect(pages.flatMap((page) => brokenLinks(ROOT, page))).toEqual([]);
  });
});

describe('a tidy rule', () => {
  it('counts the lines of a file', () => {
    expect(longFiles(planted('const a = 1;\n'.repeat(500).replaceAll('a', 'b')))).toEqual([]);
    expect(longFiles(planted('void 0;\n'.repeat(501)))).toEqual([
      'src/base/planted.ts has 501 lines, over 500: split it by subject.',
    ]);
  });

  it('counts the lines of functions, methods and arrows', () => {
    const body = `{\n${'  void 0;\n'.repeat(99)}}`;
    for (const text of [
      `function f() ${body}`,
      `class C {\n  m() ${body}\n}`,
      `const f = () => ${body}`,
    ]) {
      expect(longFunctions(planted(text))).toHaveLength(1);
      expect(longFunctions(planted(text.replace('  void 0;\n', '')))).toEqual([]);
    }
  });

  it('finds unfinished work in comments and not in strings', () => {
    expect(unfinishedWork(planted(`// ${MARK}: later`))).toHaveLength(1);
    expect(unfinishedWork(planted(`const a = '${MARK}'; /* all done */`))).toEqual([]);
    expect(unfinishedLines('a.cc', `int a;\n// ${MARK} overflow`)).toEqual([
      'a.cc:2: finish it, or write an issue.',
    ]);
  });

  it.each(['it.only', 'it.skip', 'describe.only', 'test.todo'])('finds %s', (call) => {
    expect(switchedTests(planted(`${call}('x', () => {});`))).toHaveLength(1);
  });

  it('lets a test say what its machine lacks', () => {
    const text = `it('x', (context) => context.skip('no sshd here')); it.skipIf(true)('y', f);`;
    expect(switchedTests(planted(text))).toEqual([]);
  });

  it.each([
    'try { a(); } catch {}',
    'try { a(); } catch (error) {}',
    'p.catch(() => {});',
    '// Too far away.\n\np.catch(() => {});',
  ])('finds %s', (text) => {
    expect(silentCatches(planted(text))).toHaveLength(1);
  });

  it.each([
    'try { a(); } catch { /* Gone already: that is what was wanted. */ }',
    'p.catch(() => { /* The caller has its own report. */ });',
    '// Whoever called hears of it.\np.catch(() => {});',
    'try { a(); } catch (error) { b(error); }',
  ])('accepts %s', (text) => {
    expect(silentCatches(planted(text))).toEqual([]);
  });

  it('finds links to files and headings that are not there', () =>
    withDir(
      ({ path }) => {
        mkdirSync(join(path, 'docs'));
        writeFileSync(join(path, 'docs/b.md'), '# The end, `now`\n');
        writeFileSync(
          join(path, 'a.md'),
          [
            '[good](docs/b.md) [anchor](docs/b.md#the-end-now) [web](https://example.org/x)',
            '[gone](docs/c.md) [no heading](docs/b.md#start) ![picture](p.svg)',
            '```\n[code](nowhere.md)\n```',
          ].join('\n'),
        );
        expect(brokenLinks(path, 'a.md')).toEqual([
          'a.md: the link to docs/c.md leads nowhere.',
          'a.md: docs/b.md has no heading for #start.',
          'a.md: the link to p.svg leads nowhere.',
        ]);
        return Promise.resolve();
      },
      { unsafeCleanup: true },
    ));
});
