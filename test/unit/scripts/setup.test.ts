/** scripts/setup.mjs in a throw-away checkout, with an npm that does nothing but say that it was called. */
import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withDir } from 'tmp-promise';
import { describe, expect, it } from 'vitest';

interface Ended {
  readonly code: number;
  readonly stderr: string;
}

function setUp(checkout: string, programs: string): Promise<Ended> {
  const env = { ...process.env, PATH: `${programs}:${process.env['PATH'] ?? ''}` };
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [join(checkout, 'scripts/setup.mjs')],
      { env, cwd: checkout },
      (error, _, stderr) => resolve({ code: Number(error?.code ?? 0), stderr }),
    );
  });
}

describe('setting up a checkout', () => {
  it('refuses to install into a node_modules that is a link, and leaves what it leads to alone', () =>
    withDir(
      async ({ path }) => {
        const [checkout, other, programs] = ['checkout', 'other', 'programs'].map((name) =>
          join(path, name),
        ) as [string, string, string];
        for (const folder of [checkout, other, programs]) await mkdir(folder);
        await cp('scripts', join(checkout, 'scripts'), { recursive: true });
        await writeFile(join(checkout, 'package-lock.json'), '{}');
        await writeFile(join(other, 'precious'), '');
        await symlink(other, join(checkout, 'node_modules'));
        const called = join(path, 'npm-was-called');
        await writeFile(join(programs, 'npm'), `#!/bin/sh\necho called >> '${called}'\nexit 1\n`);
        await chmod(join(programs, 'npm'), 0o755);
        const { code, stderr } = await setUp(checkout, programs);
        expect(code).toBe(1);
        expect(stderr).toMatch(/^setup: .*node_modules is a symbolic link.* remove the link/);
        expect(await readdir(other)).toEqual(['precious']);
        expect(await readdir(path)).not.toContain('npm-was-called');
      },
      { unsafeCleanup: true },
    ));
});
