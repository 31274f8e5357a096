/** `capstan init`: makes a server's home folder with its configuration, keys and first vault. */
import { chmod, mkdir, open, readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { CapstanError } from '../base/errors.ts';
import { checkName } from '../base/names.ts';
import { openCatalog } from '../catalog/sqlite-catalog.ts';
import { checkSocketPath } from '../platform/control-socket.ts';
import { asDiskError } from '../platform/disk-errors.ts';
import { openEngine } from '../platform/engine.ts';
import { generateSshKeyPair, sshKeyFingerprint } from '../platform/ssh-keys.ts';
import { systemClock } from '../platform/system-clock.ts';
import type { Endpoint } from '../ports/network.ts';
import { DEFAULT_SSH_PORT, parseConfiguration } from './configuration.ts';
import { homePaths } from './home.ts';
import type { ConfigurationFile } from './configuration.ts';
import type { HomePaths } from './home.ts';

/** The vault that every new server has. */
export const FIRST_VAULT = 'VAULT00';

/** With anything of capstan.json that is to be there from the start. */
export interface NewHome extends Omit<ConfigurationFile, 'name' | 'listen' | 'authorizedKeys'> {
  readonly home: string;
  /** The server's name; the folder's where it is missing and can be one, else `capstan`. */
  readonly name?: string;
  /** Where copies are received; default 0.0.0.0, port DEFAULT_SSH_PORT. */
  readonly listen?: Endpoint;
}

/** What a peer needs to know of a new server. */
export interface CreatedHome {
  readonly name: string;
  readonly paths: HomePaths;
  readonly listen: Endpoint;
  /** Goes into the authorized_keys of the servers that this one copies to. */
  readonly publicKey: string;
  /** Goes into the AutoCopy rules of the servers that copy to this one. */
  readonly hostKeyFingerprint: string;
}

/**
 * Makes the home. Rejects ALREADY_EXISTS where the folder has one (or anything else in it),
 * NAME_INVALID, LIMIT_EXCEEDED for a path too long for the control socket, DISK_IO. A home that could
 * not be made whole is taken away again.
 */
export async function createHome(options: NewHome): Promise<CreatedHome> {
  const { home, name: wanted, listen: listenAt, ems = [], ...rest } = options;
  const paths = homePaths(home);
  const name = checkName('server', wanted ?? nameOf(paths.home));
  checkSocketPath(paths.controlSocket);
  const listen = listenAt ?? { address: '0.0.0.0', port: DEFAULT_SSH_PORT };
  const configuration: ConfigurationFile = {
    ...rest,
    name,
    listen,
    ems,
    authorizedKeys: 'keys/authorized_keys',
  };
  parseConfiguration(paths.configuration, configuration);
  await makeFolder(paths.home);

  try {
    const { hostKey, publicKey } = await writeKeys(paths, name);
    await createVault(paths);
    // Last: a folder without it is no home.
    await writeNew(paths.configuration, `${JSON.stringify(configuration, undefined, 2)}\n`, 0o600);
    return { name, paths, listen, publicKey, hostKeyFingerprint: sshKeyFingerprint(hostKey) };
  } catch (error) {
    for (const entry of await readdir(paths.home)) {
      await rm(join(paths.home, entry), { recursive: true, force: true });
    }
    throw asDiskError(paths.home, error);
  }
}

function nameOf(home: string): string {
  const folder = basename(home).replace(/^[^A-Za-z0-9]+/, '');
  return /^[A-Za-z0-9][A-Za-z0-9_-]{0,14}$/.test(folder) ? folder : 'capstan';
}

async function makeFolder(home: string): Promise<void> {
  try {
    await mkdir(home, { recursive: true, mode: 0o700 });
    const entries = await readdir(home);
    if (entries.length > 0) {
      const what = entries.includes('capstan.json') ? 'server' : 'folder with other things in it';
      throw new CapstanError('ALREADY_EXISTS', {
        kind: what,
        name: home,
        where: ', --home names another place',
      });
    }
    await chmod(home, 0o700);
  } catch (error) {
    throw asDiskError(home, error);
  }
}

async function writeKeys(
  paths: HomePaths,
  name: string,
): Promise<{ readonly hostKey: string; readonly publicKey: string }> {
  const host = generateSshKeyPair(`capstan host ${name}`);
  const client = generateSshKeyPair(`capstan@${name}`);
  await mkdir(paths.keys, { mode: 0o700 });
  await writeNew(paths.hostKey, host.privateKey, 0o600);
  await writeNew(paths.clientKey, client.privateKey, 0o600);
  await writeNew(paths.clientPublicKey, `${client.publicKey.trim()}\n`, 0o644);
  await writeNew(
    paths.authorizedKeys,
    '# Public keys of the servers that may copy tapes to this one, a line each.\n',
    0o600,
  );
  return { hostKey: host.privateKey, publicKey: client.publicKey.trim() };
}

async function createVault(paths: HomePaths): Promise<void> {
  const path = join(paths.vaults, FIRST_VAULT);
  await mkdir(paths.vaults, { mode: 0o700 });
  const engine = await openEngine(path, { mode: 'create' });
  await engine.close();
  const catalog = openCatalog(paths.catalog);
  try {
    await catalog.createVault({ name: FIRST_VAULT, path, createdAtMs: systemClock.nowMs() });
  } finally {
    await catalog.close();
  }
}

async function writeNew(path: string, text: string, mode: number): Promise<void> {
  await using file = await open(path, 'wx', mode);
  await file.writeFile(text);
  await file.sync();
}
