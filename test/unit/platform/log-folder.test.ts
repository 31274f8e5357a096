import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { logFolder } from '../../../src/platform/log-folder.ts';
import { LOG_READ_BYTES_MAX } from '../../../src/ports/log-files.ts';

let home = '';

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'capstan-log-'));
});

afterEach(async () => {
  await chmod(home, 0o700);
  await rm(home, { recursive: true, force: true });
});

describe('a log folder', () => {
  it('is made with its first file, and files grow by what is appended', async () => {
    const files = logFolder(join(home, 'log'));
    expect(await files.read('erasebylist.12Mar06.log')).toBeUndefined();
    await files.append('erasebylist.12Mar06.log', 'one\n');
    await files.append('erasebylist.12Mar06.log', 'two\n');
    expect(await files.read('erasebylist.12Mar06.log')).toBe('one\ntwo\n');
    expect((await stat(join(home, 'log/erasebylist.12Mar06.log'))).mode & 0o007).toBe(0);
  });

  it('reads the end of a file that is larger than anybody reads', async () => {
    await writeFile(join(home, 'big.log'), `first\n${'x'.repeat(LOG_READ_BYTES_MAX)}last\n`);
    const text = await logFolder(home).read('big.log');
    expect(text?.length).toBe(LOG_READ_BYTES_MAX);
    expect(text?.endsWith('last\n')).toBe(true);
  });

  it.each(['../event.log', '/etc/passwd', '', '.hidden', 'a/b', `a${'x'.repeat(64)}`])(
    'takes no path for a name: %j',
    async (name) => {
      await expect(logFolder(home).append(name, 'x\n')).rejects.toMatchObject({
        code: 'NAME_INVALID',
      });
      await expect(logFolder(home).read(name)).rejects.toMatchObject({ code: 'NAME_INVALID' });
    },
  );

  it('says what the disk says', async () => {
    await writeFile(join(home, 'log'), 'a file where the folder should be');
    await expect(logFolder(join(home, 'log')).append('a.log', 'x\n')).rejects.toMatchObject({
      code: 'DISK_IO',
    });
  });
});
