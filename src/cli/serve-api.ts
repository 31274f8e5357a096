/** The doors to the API of a server that runs: its control socket, and a TCP port where one is configured. */
import { userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { Api } from '../api/app.ts';
import type { ApiPeer } from '../api/gate.ts';
import { API_LIMITS } from '../api/limits.ts';
import { CapstanError } from '../base/errors.ts';
import { listenHttp } from '../platform/http-server.ts';
import type { HttpOptions, HttpServer } from '../platform/http-server.ts';
import { systemClock } from '../platform/system-clock.ts';
import { formatEndpoint } from '../platform/tcp-network.ts';
import type { Endpoint } from '../ports/network.ts';
import { localPrincipal } from '../server/access.ts';
import type { Principal } from '../server/access.ts';
import type { TapeServer } from '../server/tape-server.ts';
import { readHomeFile } from './configuration.ts';
import type { Configuration } from './configuration.ts';
import type { HomePaths } from './home.ts';
import { VERSION } from './version.ts';

export interface ApiDoorsOptions {
  readonly server: TapeServer;
  readonly paths: HomePaths;
  readonly configuration: Configuration;
  readonly onFault: (error: unknown) => void;
}

export interface ApiDoors {
  /** Where the API listens over TCP; undefined where none is configured. */
  readonly endpoint: Endpoint | undefined;
  /** Lets requests under way end, for a while, and closes the doors. */
  close(): Promise<void>;
}

/** Rejects IN_USE where a server answers at the control socket; INVALID_ARGUMENT for what is no safe port. */
export async function openApiDoors(options: ApiDoorsOptions): Promise<ApiDoors> {
  const { server, paths, configuration, onFault } = options;
  const tcp = await tcpDoor(paths, configuration);
  const api = new Api({
    server,
    access: server.access,
    clock: systemClock,
    version: VERSION,
    onFault,
  });
  const local = systemUser();
  const doors: HttpServer[] = [];
  const close = async (): Promise<void> => {
    await api.close();
    for (const door of doors) await door.close();
  };
  const open = async (door: Pick<HttpOptions, 'where' | 'tls'>, who: object) => {
    const opened = await listenHttp({
      ...door,
      limits: API_LIMITS,
      fetch: (request, peer) => api.fetch(request, { ...peer, ...who } satisfies ApiPeer),
    });
    doors.push(opened);
    return opened;
  };
  try {
    await open({ where: paths.controlSocket }, { local });
    const endpoint = tcp === undefined ? undefined : (await open(tcp, {})).endpoint;
    if (endpoint !== undefined) {
      await server.eventLog.log('API_STARTED', { endpoint: formatEndpoint(endpoint) });
    }
    return { endpoint, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Undefined where none is configured. */
async function tcpDoor(
  paths: HomePaths,
  { api }: Configuration,
): Promise<Pick<HttpOptions, 'where' | 'tls'> | undefined> {
  if (api === undefined) return undefined;
  const { listen, certificate, key } = api;
  const read = (path: string): Promise<string> =>
    readHomeFile(isAbsolute(path) ? path : join(paths.home, path));
  if (certificate !== undefined && key !== undefined) {
    return { where: listen, tls: { certificate: await read(certificate), key: await read(key) } };
  }
  if (certificate !== undefined || key !== undefined) {
    throw refused(paths, '"certificate" and "key" belong together: give both, or neither');
  }
  if (!isLoopback(listen.address)) {
    const where = `"listen.address" ${listen.address} is reached from other machines`;
    throw refused(paths, `${where}: configure "certificate" and "key", or listen on 127.0.0.1`);
  }
  return { where: listen };
}

/** Names are not looked up: `localhost` is this machine by its definition (RFC 6761). */
const isLoopback = (address: string): boolean =>
  address === 'localhost' || address === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(address);

function refused(paths: HomePaths, reason: string): CapstanError {
  return new CapstanError('INVALID_ARGUMENT', {
    what: `"api" in the configuration ${paths.configuration}`,
    reason,
  });
}

/** Who speaks at the control socket: only the user who owns it can, and so may do everything. */
export function systemUser(): Principal {
  return localPrincipal(userName());
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A user without an entry in the system's user database has a number all the same.
    return String(process.getuid?.() ?? 'local');
  }
}
