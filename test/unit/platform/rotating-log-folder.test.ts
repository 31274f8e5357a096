import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { rotatingLogFolder } from '../../../src/platform/rotating-log-folder.ts';
import { LOG_READ_BYTES_MAX } from '../../../src/ports/log-files.ts';
import type { RotatingLogFiles } from '../../../src/ports/log-files.ts';

let folder = '';
let files: RotatingLogFiles;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'capstan-log-'));
  files = rotatingLogFolder(folder);
});
afterEach(() => rm(folder, { recursive: true }));

const put = (name: string, text: string): void => writeFileSync(join(folder, name), text);
const pack = (name: string, text: string): void =>
  writeFileSync(join(folder, name), gzipSync(text));
/** Every file of the folder with its text, packed ones unpacked. */
function all(): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder)
      .toSorted()
      .map((name) => {
        const bytes = readFileSync(join(folder, name));
        return [name, String(name.endsWith('.gz') ? gunzipSync(bytes) : bytes)];
      }),
  );
}

describe('putting a log file by', () => {
  it('packs it as number 1, moves the others on and drops the one beyond', async () => {
    for (const text of ['a\n', 'b\n', 'c\n', 'd\n']) {
      await files.append('event.log', text);
      await files.rotate('event.log', 3);
    }
    expect(all()).toEqual({
      'event.log.1.gz': 'd\n',
      'event.log.2.gz': 'c\n',
      'event.log.3.gz': 'b\n',
    });
    await files.append('event.log', 'e\n');
    await files.rotate('event.log', 1);
    expect(all()).toEqual({ 'event.log.1.gz': 'e\n' });
  });

  it('does nothing where the file is empty or missing, and leaves others alone', async () => {
    await files.rotate('event.log', 3);
    put('event.log', '');
    put('event.log.x.gz', 'mine');
    put('other.log', 'x\n');
    await files.rotate('event.log', 3);
    expect(readdirSync(folder).toSorted()).toEqual(['event.log', 'event.log.x.gz', 'other.log']);
  });

  it.each([
    ['in the middle of moving on', ['event.log', 'event.log.1.gz', 'event.log.3.gz']],
    ['with number 1 free', ['event.log', 'event.log.2.gz', 'event.log.3.gz']],
  ])('that was cut short %s loses nothing', async (_, names) => {
    for (const name of names) {
      if (name.endsWith('.gz')) pack(name, `${name}\n`);
      else put(name, `${name}\n`);
    }
    await files.rotate('event.log', 3);
    const texts = Object.values(all());
    expect(texts.toSorted()).toEqual(names.map((name) => `${name}\n`).toSorted());
    expect(all()['event.log.1.gz']).toBe('event.log\n');
  });

  it.each([
    ['before it was packed', []],
    ['while it was packed', ['event.log.1.gz.new']],
    ['after it was packed', ['event.log.1.gz']],
  ])('that was cut short %s is finished by mend, with nothing doubled', async (_, more) => {
    put('event.log.1', 'old\n');
    for (const name of more) {
      if (name.endsWith('.gz')) pack(name, 'old\n');
      else put(name, 'half');
    }
    put('event.log', 'new\n');
    await files.mend('event.log');
    expect(all()).toEqual({ 'event.log': 'new\n', 'event.log.1.gz': 'old\n' });
  });
});

describe('a log file after a crash', () => {
  it.each([
    ['one\ntwo\nthr', 'one\ntwo\n'],
    ['one\n', 'one\n'],
    ['unfinished', ''],
  ])('%j is cut back to whole lines', async (text, whole) => {
    put('event.log', text);
    await files.mend('event.log');
    expect(readFileSync(join(folder, 'event.log'), 'utf8')).toBe(whole);
  });

  it('that is not there is left so', async () => {
    await files.mend('event.log');
    expect(existsSync(join(folder, 'event.log'))).toBe(false);
    expect(await files.sizeBytes('event.log')).toBe(0);
    expect(await files.read('event.log.1.gz')).toBeUndefined();
  });

  it('is read packed as unpacked, the end of what is large', async () => {
    pack('event.log.1.gz', `${'x'.repeat(2 * LOG_READ_BYTES_MAX)}last\n`);
    const text = await files.read('event.log.1.gz');
    expect(text).toHaveLength(LOG_READ_BYTES_MAX);
    expect(text?.endsWith('xlast\n')).toBe(true);
  });

  it('reads no file elsewhere', async () => {
    mkdirSync(join(folder, 'sub'));
    for (const name of ['../x', 'sub/x', '/etc/passwd.gz', '']) {
      await expect(files.read(name)).rejects.toMatchObject({ code: 'NAME_INVALID' });
      await expect(files.rotate(name, 3)).rejects.toMatchObject({ code: 'NAME_INVALID' });
    }
  });
});
