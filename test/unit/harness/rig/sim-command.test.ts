import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { addSimCommand } from '../../../../harness/rig/sim-command.ts';
import { runProgram } from '../../../../src/cli/main.ts';

const folder = mkdtempSync(join(tmpdir(), 'capstan-sim-'));

afterAll(() => rmSync(folder, { recursive: true }));

async function sim(...args: readonly string[]) {
  const out: string[] = [];
  const errors: string[] = [];
  const context = {
    environment: {},
    print: (text: string) => void out.push(text),
    complain: (text: string) => void errors.push(text),
    showsProgress: false,
  };
  const exitCode = await runProgram(['sim', ...args], context, [addSimCommand]);
  return { exitCode, out: out.join(''), errors: errors.join('\n') };
}

describe('capstan sim', () => {
  it('runs autocopy where no scenario is named, and says its seed at once', async () => {
    const { exitCode, out, errors } = await sim('--runs', '1', '--seed', '5');
    expect(out).toMatch(/autocopy: seed 5, 1 run\n1 run, \d+ simulated hours, no invariant broken/);
    expect(errors).toBe('autocopy: seed 5, 1 run');
    expect(exitCode).toBe(0);
  });

  it('ends with 0 where a planted bug is found, and its token and its JSON run it again', async () => {
    const planted = ['run', '--mutant', 'dr-zone-ignored', '--seed', '5'];
    const found = await sim(...planted, '--report', 'json');
    expect(found.exitCode).toBe(0);
    const { failure, ok } = JSON.parse(found.out) as {
      readonly ok: boolean;
      readonly failure: {
        readonly token: string;
        readonly traceHash: string;
        readonly trace: readonly string[];
        readonly traceLinesLeftOut: number;
        readonly case: { readonly profile: object };
      };
    };
    expect(ok).toBe(true);
    expect(Object.keys(failure).toSorted().join(' ')).toBe(
      'broken case kind run shrinkCount token trace traceHash traceLinesLeftOut',
    );
    const whole = join(folder, 'whole.txt');
    const again = await sim('run', '--replay', failure.token, '--trace', whole);
    expect(again.out).toContain(`trace ${failure.traceHash}`);
    expect(again.exitCode).toBe(0);
    const lines = readFileSync(whole, 'utf8').trimEnd().split('\n');
    expect(lines.slice(-failure.trace.length)).toEqual(failure.trace);
    expect(lines).toHaveLength(failure.trace.length + failure.traceLinesLeftOut);
    expect(again.errors).toContain(`${lines.length.toLocaleString('en')} lines, the whole trace`);
    const file = join(folder, 'kept.json');
    writeFileSync(file, JSON.stringify(failure.case));
    const kept = await sim('run', '--replay', file, '--report', 'json');
    expect(JSON.parse(kept.out)).toMatchObject({
      ok: true,
      failure: { traceHash: failure.traceHash },
    });
    // Without its bug the case holds, and with it, it is one that should not hold.
    writeFileSync(file, JSON.stringify({ ...failure.case, mutant: undefined }));
    expect((await sim('run', '--replay', file)).exitCode).toBe(0);
  }, 60_000);

  it('ends with 1 where a planted bug is not found', async () => {
    const { exitCode, errors } = await sim(
      'run',
      '--mutant',
      'no-rename',
      '--seed',
      '5',
      '--runs',
      '1',
    );
    expect(exitCode).toBe(1);
    expect(errors).toContain('the simulation did not end as it should');
  });

  it('writes the page with the timeline to a file', async () => {
    const file = join(folder, 'page.html');
    const { exitCode, out } = await sim(
      'run',
      'mounts',
      '--runs',
      '1',
      '--report',
      'html',
      '--out',
      file,
    );
    expect([exitCode, out]).toEqual([0, `${file}: as it should be\n`]);
    expect(readFileSync(file, 'utf8')).toMatch(/^<!doctype html>[^]*<\/html>\n$/);
  });

  it.each([
    [['run', 'nobody'], 'there are autocopy'],
    [['run', 'autocopy', '--mutant', 'nobody'], 'there are eleven-attempts'],
    [['run', '--shard', '3/2'], 'A shard is INDEX/COUNT'],
    [['run', '--shard', '0/2'], 'A shard is INDEX/COUNT'],
    [['run', '--runs', '0'], 'whole number'],
    [['run', '--replay', 'nothing'], 'neither a file nor'],
    [['run', 'mounts', '--replay', 'mounts~1'], 'give --replay alone'],
    [['run', '--seed', '3', '--replay', 'mounts~1'], 'give --replay alone'],
    [['run', '--replay', tmpdir()], 'neither a file nor'],
    [['run', '--replay', 'mounts~1~nobody'], 'there are queue-not-kept'],
    [['run', '--mutant', 'nobody'], 'there are eleven-attempts'],
    [['run', '--out', '/nowhere/at/all'], '/nowhere/at/all cannot be written'],
    [['run', '--trace', '/nowhere/at/all'], '/nowhere/at/all cannot be written'],
    [['run', '--report', 'pdf'], 'Allowed choices'],
    [['run', 'autocopy', 'mounts'], 'too many arguments'],
  ])('is used wrongly as %j, and ends with 2', async (args, sentence) => {
    const { exitCode, errors } = await sim(...args);
    expect(errors).toContain(sentence);
    expect(exitCode).toBe(2);
  });
});
