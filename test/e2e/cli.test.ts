/** The command line's grammar: help with examples everywhere, exit codes, one sentence for an error. */
import { describe, expect, it } from 'vitest';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { addLabCommand } from '../../harness/rig/lab-command.ts';
import { buildProgram, runProgram } from '../../src/cli/main.ts';
import { VERSION } from '../../src/cli/version.ts';
import type { CliContext } from '../../src/cli/context.ts';

const MODULES = [addLabCommand];

function recordingContext(
  environment: Record<string, string> = {},
): CliContext & { readonly printed: string[]; readonly complained: string[] } {
  const printed: string[] = [];
  const complained: string[] = [];
  return {
    environment,
    print: (text) => printed.push(text),
    complain: (text) => complained.push(text),
    showsProgress: false,
    printed,
    complained,
  };
}

async function run(
  ...args: readonly string[]
): Promise<{ code: number; out: string; error: string }> {
  const context = recordingContext({ CAPSTAN_HOME: '/nowhere/at/all' });
  const code = await runProgram(args, context, MODULES);
  return { code, out: context.printed.join(''), error: context.complained.join('') };
}

type Command = ReturnType<typeof buildProgram>;

const leaves = (command: Command, path: readonly string[]): readonly (readonly string[])[] =>
  command.commands.length === 0
    ? [path]
    : command.commands.flatMap((each) => leaves(each, [...path, each.name()]));
const COMMANDS = leaves(buildProgram(recordingContext(), MODULES), []).map((path) =>
  path.join(' '),
);

describe('every command', () => {
  it.each(COMMANDS)('%s explains itself with examples', async (command) => {
    const { code, out, error } = await run(...command.split(' '), '--help');
    expect({ code, error }).toEqual({ code: 0, error: '' });
    expect(out).toContain(`capstan ${command}`);
    expect(out).toMatch(/Examples?:|Subsystem/);
  });

  it.each(COMMANDS.filter((command) => command !== 'receive'))('%s has --json', async (command) => {
    const { out } = await run(...command.split(' '), '--help');
    expect(out).toContain('--json');
  });

  it.each(['init', 'serve', 'receive'])('%s works on no server elsewhere', async (command) => {
    const { code, error } = await run(command, '--server', 'https://tapes.example.com');
    expect(code).toBe(2);
    expect(error).toContain('works on this machine only');
  });

  it.each(COMMANDS)('%s stands in docs/reference/cli.md', async (command) => {
    const page = await readFile(join(import.meta.dirname, '../../docs/reference/cli.md'), 'utf8');
    expect(page).toContain(`capstan ${command}`);
  });

  it.each(COMMANDS)('%s ends with 2 on an option that it does not have', async (command) => {
    const { code, error } = await run(...command.split(' '), '--nonsense');
    expect(code).toBe(2);
    expect(error).toMatch(/^capstan: (unknown option|required option|missing required argument) /);
  });
});

describe('an error', () => {
  it('of usage ends with 2 where a fingerprint is none', async () => {
    const rule = ['autocopy', 'create', 'BACKUP', '--to', 'west', '--address', '10.0.0.2'];
    expect(await run(...rule, '--host-key', 'SHA256:wrong')).toMatchObject({
      code: 2,
      error: expect.stringContaining('It is SHA256: and 43 characters'),
    });
    expect(await run(...rule, '--host-key', `SHA256:${'a'.repeat(43)}`)).toMatchObject({ code: 1 });
  });

  it('of usage ends with 2 and says how to go on', async () => {
    expect(await run()).toMatchObject({ code: 2 });
    expect(await run('nonsense')).toMatchObject({ code: 2 });
    expect(await run('tape')).toMatchObject({ code: 2 });
    expect(await run('tape', 'create', 'T1')).toMatchObject({ code: 2 });
    expect(await run('tape', 'list', 'superfluous')).toMatchObject({ code: 2 });
    expect(await run('lab', '--size', 'big')).toMatchObject({
      code: 2,
      error: expect.stringContaining('A size is a number with a unit'),
    });
  });

  it('of an operation ends with 1 and is one sentence with the remedy', async () => {
    const { code, error } = await run('tape', 'list');
    expect(code).toBe(1);
    expect(error).toMatch(/^capstan: No server is named .*capstan init.*$/);
    expect(error).not.toContain('\n');
  });

  it('shows its stack where CAPSTAN_DEBUG asks for it', async () => {
    const context = recordingContext({ CAPSTAN_HOME: '/nowhere', CAPSTAN_DEBUG: '1' });
    expect(await runProgram(['tape', 'list'], context, MODULES)).toBe(1);
    expect(context.complained.join('')).toMatch(/\n {4}at /);
  });
});

it('the version is that of package.json', async () => {
  const text = await readFile(join(import.meta.dirname, '../../package.json'), 'utf8');
  expect(VERSION).toBe((JSON.parse(text) as { version: string }).version);
});
