import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { childProcesses } from '../../../src/platform/child-processes.ts';
import { PROCESS_OUTPUT_CHARS_MAX } from '../../../src/ports/processes.ts';

const NODE = process.execPath;
const script = (source: string, timeoutMs = 20_000, ...more: string[]) =>
  childProcesses.run({ program: NODE, arguments: ['-e', source, ...more], timeoutMs });

describe('a child process', () => {
  it('gives its exit code and what it printed', async () => {
    const run = script('console.log("out"); console.error("err"); process.exitCode = 3');
    const outcome = await run.outcome;
    expect(outcome).toMatchObject({ kind: 'exited', exitCode: 3 });
    expect('output' in outcome ? outcome.output.split('\n').toSorted() : []).toEqual([
      '',
      'err',
      'out',
    ]);
  });

  it('gets its arguments as they are: no shell takes them apart', async () => {
    const hostile = ['$(touch /tmp/x)', '; exit 9', '"a b"', '*', '`id`'];
    const run = script('console.log(JSON.stringify(process.argv.slice(1)))', 20_000, ...hostile);
    const outcome = await run.outcome;
    expect(outcome).toMatchObject({ kind: 'exited', exitCode: 0 });
    expect('output' in outcome ? JSON.parse(outcome.output) : undefined).toEqual(hostile);
  });

  it('sees nothing of the environment that the server was started with', async () => {
    process.env['CAPSTAN_SECRET_OF_THE_TEST'] = 'x';
    const outcome = await script('console.log(Object.keys(process.env).join())').outcome;
    delete process.env['CAPSTAN_SECRET_OF_THE_TEST'];
    expect('output' in outcome ? outcome.output : '').not.toContain('CAPSTAN_SECRET');
  });

  it('is ended at its time-out, and what it started with it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'capstan-processes-'));
    const beat = join(folder, 'beat');
    const grandchild = `setInterval(() => require('fs').writeFileSync(${JSON.stringify(beat)}, String(Date.now())), 20)`;
    const source = `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(grandchild)}], { stdio: 'inherit' }); setInterval(() => {}, 1000)`;
    const outcome = await script(source, 1500).outcome;
    expect(outcome.kind).toBe('timed-out');
    expect(existsSync(beat)).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const last = readFileSync(beat, 'utf8');
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(readFileSync(beat, 'utf8')).toBe(last);
    await rm(folder, { recursive: true });
  });

  it('that does not heed SIGTERM is killed', { timeout: 20_000 }, async () => {
    const run = script('process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)', 700);
    expect((await run.outcome).kind).toBe('timed-out');
  });

  it('can be ended before its time, more than once', async () => {
    const run = script('setInterval(() => {}, 1000)');
    run.end();
    run.end();
    expect((await run.outcome).kind).toBe('ended');
    run.end();
  });

  it('that somebody else kills says so', async () => {
    const outcome = await script('process.kill(process.pid, "SIGKILL")').outcome;
    expect(outcome).toMatchObject({ kind: 'killed', signal: 'SIGKILL' });
  });

  it('that is not there, or cannot be, was not started', async () => {
    const missing = { program: '/nowhere/dsmc', arguments: [], timeoutMs: 1000 };
    expect(await childProcesses.run(missing).outcome).toEqual({
      kind: 'not-started',
      reason: 'ENOENT',
    });
    const nul = { program: NODE, arguments: ['a\0b'], timeoutMs: 1000 };
    expect((await childProcesses.run(nul).outcome).kind).toBe('not-started');
  });

  it('may print more than is kept: the end is', async () => {
    const outcome = await script('console.log("x".repeat(100_000) + "end")').outcome;
    const output = 'output' in outcome ? outcome.output : '';
    expect(output.length).toBeLessThanOrEqual(PROCESS_OUTPUT_CHARS_MAX);
  });
});
