/**
 * What the documentation and the commands' help print works as it is printed: every command is one that the
 * program takes, and the pages that begin with an empty home are walked through.
 */
import { mkdir, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { withDir } from 'tmp-promise';
import { describe, expect, it } from 'vitest';
import { addLabCommand } from '../../harness/rig/lab-command.ts';
import { addSimCommand } from '../../harness/rig/sim-command.ts';
import type { CliContext } from '../../src/cli/context.ts';
import { buildProgram, runProgram } from '../../src/cli/main.ts';
import { printedCommands } from './printed-commands.ts';

const ROOT = join(import.meta.dirname, '../..');
const MODULES = [addLabCommand, addSimCommand];

function contextOf(environment: Record<string, string>, said: string[] = []): CliContext {
  const say = (text: string): unknown => said.push(text);
  return { environment, print: say, complain: say, showsProgress: false };
}

type Command = ReturnType<typeof buildProgram>;

const leavesOf = (command: Command): readonly Command[] =>
  command.commands.length === 0 ? [command] : command.commands.flatMap(leavesOf);

/** What the program says to a command without carrying it out; '' where it takes it. */
async function objection(args: readonly string[]): Promise<string> {
  const said: string[] = [];
  const program = buildProgram(contextOf({}, said), MODULES);
  for (const leaf of leavesOf(program)) leaf.action(() => {});
  try {
    await program.parseAsync([...args], { from: 'user' });
    return '';
  } catch {
    return said.join('');
  }
}

const files = (await readdir(join(ROOT, 'docs'), { recursive: true })).filter((file) =>
  file.endsWith('.md'),
);
const PAGES = ['README.md', 'CONTRIBUTING.md', ...files.map((file) => join('docs', file))];
const pageOf = (path: string): Promise<string> => readFile(join(ROOT, path), 'utf8');

describe('the commands printed in', () => {
  it.each(PAGES)("%s are the program's", async (path) => {
    for (const { line, args } of printedCommands(await pageOf(path))) {
      expect({ line, objection: await objection(args) }).toEqual({ line, objection: '' });
    }
  });

  it('the pages for operators are found', async () => {
    const texts = await Promise.all(PAGES.map(pageOf));
    expect(texts.flatMap(printedCommands).length).toBeGreaterThan(60);
  });

  it("a command's help are the program's", async () => {
    const said: string[] = [];
    const program = buildProgram(contextOf({}, said), MODULES);
    const parents = (command: Command): string =>
      command.parent === null ? '' : `${parents(command.parent)}${command.name()} `;
    for (const leaf of leavesOf(program)) {
      await runProgram(
        [...parents(leaf).trim().split(' '), '--help'],
        contextOf({}, said),
        MODULES,
      );
    }
    // What an example is for stands behind it, two blanks apart.
    const examples = printedCommands(said.join('').replaceAll(/(\S) {2,}\S.*$/gm, '$1'));
    expect(examples.length).toBeGreaterThan(100);
    for (const { line, args } of examples) {
      expect({ line, objection: await objection(args) }).toEqual({ line, objection: '' });
    }
  });
});

/** What waits for the reader to end it, or for another server. */
const isLeftOut = (args: readonly string[]): boolean =>
  /^(?:serve|lab|sim|receive)$/.test(args[0] ?? '') || args.includes('--follow');

/** Carries out what a page prints, on homes in a folder of its own; what did not go as printed. */
async function walk(text: string, home: string, folder: string): Promise<readonly string[]> {
  const wrong: string[] = [];
  for (const { line, args, isRefused } of printedCommands(text)) {
    if (isLeftOut(args)) continue;
    const said: string[] = [];
    const there = args.map((arg) => arg.replace(/^\/srv\//, `${folder}/`));
    const code = await runProgram(there, contextOf({ CAPSTAN_HOME: home }, said));
    if (code !== (isRefused ? 1 : 0)) wrong.push(`${line}: ${code}, ${said.join('')}`);
  }
  return wrong;
}

describe('a reader who begins with nothing', () => {
  it("is led through the first walk's two servers", () =>
    withDir(
      async ({ path }) => {
        const page = await pageOf('docs/start/first-walk.md');
        const [, section = ''] = /\n## Two servers by hand\n([^]*?)\n## /.exec(page) ?? [];
        expect(await walk(section, join(path, 'none'), path)).toEqual([]);
      },
      { unsafeCleanup: true },
    ));

  it('is led through vaults, pools and tapes', () =>
    withDir(
      async ({ path }) => {
        const home = join(path, 'east');
        // Where the page has a second file system mounted.
        await mkdir(join(path, 'tape2'));
        await runProgram(['init', '--home', home, '--name', 'east'], contextOf({}));
        expect(await walk(await pageOf('docs/operate/media.md'), home, path)).toEqual([]);
      },
      { unsafeCleanup: true },
    ));
});
