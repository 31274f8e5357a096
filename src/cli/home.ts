/** A server's home folder: which it is, and where its files are. Imports little: `capstan receive` starts with it. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** Where a home's things are; absolute. */
export interface HomePaths {
  readonly home: string;
  readonly configuration: string;
  readonly catalog: string;
  readonly controlSocket: string;
  readonly receiveSocket: string;
  readonly keys: string;
  readonly hostKey: string;
  readonly clientKey: string;
  readonly clientPublicKey: string;
  readonly authorizedKeys: string;
  readonly vaults: string;
  readonly log: string;
  readonly scratch: string;
}

export function homePaths(home: string): HomePaths {
  const absolute = resolve(home);
  const keys = join(absolute, 'keys');
  return {
    home: absolute,
    configuration: join(absolute, 'capstan.json'),
    catalog: join(absolute, 'catalog.sqlite'),
    controlSocket: join(absolute, 'control.sock'),
    receiveSocket: join(absolute, 'receive.sock'),
    keys,
    hostKey: join(keys, 'host_key'),
    clientKey: join(keys, 'client_key'),
    clientPublicKey: join(keys, 'client_key.pub'),
    authorizedKeys: join(keys, 'authorized_keys'),
    vaults: join(absolute, 'vaults'),
    log: join(absolute, 'log'),
    scratch: join(absolute, 'scratch'),
  };
}

/** `--home`, else CAPSTAN_HOME, else $XDG_DATA_HOME/capstan, else ~/.local/share/capstan. */
export function homeFolder(
  option: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): string {
  const given = option ?? environment['CAPSTAN_HOME'];
  if (given !== undefined && given !== '') return given;
  const data = environment['XDG_DATA_HOME'];
  return join(
    data !== undefined && data !== '' ? data : join(homedir(), '.local/share'),
    'capstan',
  );
}
