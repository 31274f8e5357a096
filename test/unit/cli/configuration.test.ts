import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withDir } from 'tmp-promise';
import { describe, expect, it } from 'vitest';
import {
  CONFIGURATION_BYTES_MAX,
  parseConfiguration,
  readConfiguration,
  readKeyLines,
  readSecretFile,
} from '../../../src/cli/configuration.ts';
import { homeFolder, homePaths } from '../../../src/cli/home.ts';

const inFolder = (work: (path: string) => Promise<void>): Promise<void> =>
  withDir(({ path }) => work(path), { unsafeCleanup: true });

describe('the home folder', () => {
  it('is what --home says, else CAPSTAN_HOME, else in the data folder', () => {
    const environment = { CAPSTAN_HOME: '/b', XDG_DATA_HOME: '/c' };
    expect(homeFolder('/a', environment)).toBe('/a');
    expect(homeFolder(undefined, environment)).toBe('/b');
    expect(homeFolder(undefined, { ...environment, CAPSTAN_HOME: '' })).toBe('/c/capstan');
    expect(homeFolder(undefined, {})).toMatch(/\/\.local\/share\/capstan$/);
  });
});

describe('capstan.json', () => {
  it('needs a name only: five minutes, twelve attempts are the default', () => {
    expect(parseConfiguration('x', { name: 'east' })).toMatchObject({
      systemId: 'CAPSTAN',
      ems: [],
      authorizedKeys: 'keys/authorized_keys',
      autocopy: { attemptsMax: 12, retryIntervalSeconds: 300 },
      store: { compression: 'on' },
    });
  });

  it.each([
    [{ name: 'a b' }, '"name"'],
    [{ name: 'east', listen: { address: '::', port: 70_000 } }, '"listen.port"'],
    [{ name: 'east', systemId: 'with|bar' }, '"systemId"'],
    [{ name: 'east', autocopy: { retryIntervalSeconds: 0 } }, '"autocopy.retryIntervalSeconds"'],
    [{ name: 'east', store: { compression: 'best' } }, '"store.compression"'],
    [
      { name: 'east', ems: [{ host: 'LAB', address: 'a', port: 1, user: 'u', passwordFile: 'p' }] },
      '"ems.0.host"',
    ],
    [{ name: 'east', nmae: 'west' }, 'nmae'],
  ])('%j is refused by the key at fault', (value, key) => {
    expect(() => parseConfiguration('/srv/capstan.json', value)).toThrow(key);
  });

  it('that is not there is answered with what makes one', () =>
    inFolder(async (path) => {
      await expect(readConfiguration(homePaths(path))).rejects.toThrow('capstan init');
    }));

  it('that is no JSON is named', () =>
    inFolder(async (path) => {
      await writeFile(join(path, 'capstan.json'), '{ "name": ');
      await expect(readConfiguration(homePaths(path))).rejects.toThrow(
        `${path}/capstan.json is refused: it is no JSON`,
      );
    }));

  it('that is too long is not read', () =>
    inFolder(async (path) => {
      await writeFile(join(path, 'capstan.json'), ' '.repeat(CONFIGURATION_BYTES_MAX + 1));
      await expect(readConfiguration(homePaths(path))).rejects.toMatchObject({
        code: 'LIMIT_EXCEEDED',
      });
    }));

  it('that cannot be read is a fault of the disk', () =>
    inFolder(async (path) => {
      await mkdir(join(path, 'capstan.json'));
      await expect(readConfiguration(homePaths(path))).rejects.toMatchObject({ code: 'DISK_IO' });
    }));
});

describe('a file with a secret', () => {
  it('is refused while others may read it', () =>
    withDir(
      async ({ path }) => {
        const file = join(path, 'lab_password');
        await writeFile(file, 'secret\n', { mode: 0o600 });
        expect(await readSecretFile('password', file)).toBe('secret\n');
        await chmod(file, 0o640);
        await expect(readSecretFile('password', file)).rejects.toThrow(
          `The password file ${file} is refused: others may read it; \`chmod 600 ${file}\` first.`,
        );
      },
      { unsafeCleanup: true },
    ));
});

describe('authorized_keys', () => {
  it('is lines; comments and empty ones are none', () =>
    inFolder(async (path) => {
      const file = join(path, 'keys');
      await writeFile(file, '# peers\n\nssh-ed25519 AAAA one\n  ssh-ed25519 BBBB two \n');
      expect(await readKeyLines(file)).toEqual(['ssh-ed25519 AAAA one', 'ssh-ed25519 BBBB two']);
      expect(await readKeyLines(join(path, 'missing'))).toEqual([]);
    }));
});
