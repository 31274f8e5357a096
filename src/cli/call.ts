/**
 * How a command reaches a server: over HTTP, at a URL or at the control socket of a home; where no
 * server runs on the home, by opening it itself.
 */
import { ApiClient } from '../api/client.ts';
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { answers } from '../platform/control-socket.ts';
import type { ServerEvent } from '../server/context.ts';
import { readConfiguration, readHomeFile } from './configuration.ts';
import { homePaths } from './home.ts';
import { readToken } from './remote.ts';
import type { ServerAddress } from './remote.ts';
import { systemUser } from './serve-api.ts';
import { PROGRESS_EVENTS, isProgress, openServer } from './serve.ts';
import { VERSION } from './version.ts';

const PROGRAM = `capstan/${VERSION}`;

/** An operation of src/server/operations.ts, by name. */
export interface OperationCall {
  readonly at: ServerAddress;
  readonly method: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Hears how far it is. */
  readonly onProgress?: ((event: ServerEvent) => void) | undefined;
}

/**
 * Asks the server, or does it in this process where none runs on the home. Rejects as the operation
 * does; NOT_FOUND where the folder is no home.
 */
export async function callOperation(call: OperationCall): Promise<unknown> {
  const { at, method, parameters, onProgress } = call;
  const client = await clientOf(at);
  if (client !== undefined) {
    const kind = PROGRESS_EVENTS[method];
    if (onProgress === undefined || kind === undefined) return client.call(method, parameters);
    const stop = new AbortController();
    await hear(client, kind, onProgress, stop.signal);
    return client.call(method, parameters).finally(() => stop.abort());
  }
  const { paths, configuration } = await openHome(at);
  const server = await openServer(paths, configuration, 'offline');
  server.onEvent((event) => {
    if (isProgress(method, event)) onProgress?.(event);
  });
  try {
    return await server.operations.callAs(systemUser(), method, parameters);
  } finally {
    await server.stop();
  }
}

/** Progress is for people: an operation goes on without it. */
async function hear(
  client: ApiClient,
  kind: ServerEvent['kind'],
  onProgress: (event: ServerEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const ignore = (error: unknown): void => {
    if (!isCapstanError(error)) throw error;
  };
  try {
    const { ended } = await client.follow({ kinds: [kind], signal }, (event) => {
      if (event.kind === kind) onProgress(event);
    });
    ended.catch(ignore);
  } catch (error) {
    ignore(error);
  }
}

async function openHome(at: ServerAddress) {
  if (!('home' in at)) throw unreachable(at.url.origin, 'it is no home');
  const paths = homePaths(at.home);
  return { paths, configuration: await readConfiguration(paths) };
}

/** Undefined where no server runs on the home. */
export async function clientOf(at: ServerAddress): Promise<ApiClient | undefined> {
  if ('home' in at) {
    const { paths } = await openHome(at);
    return (await answers(paths.controlSocket)) ? localClient(paths.controlSocket) : undefined;
  }
  const { url, authoritiesFile } = at;
  const authorities =
    authoritiesFile === undefined ? undefined : await readHomeFile(authoritiesFile);
  return new ApiClient({
    place: { url, authorities },
    token: await readToken(at),
    program: PROGRAM,
  });
}

/** A client of the server at that control socket, whether or not one is there. */
export function localClient(path: string): ApiClient {
  return new ApiClient({ place: { path }, program: PROGRAM });
}

/** A client of a server that runs; SERVER_UNREACHABLE, with the remedy, where none runs on the home. */
export async function connectToServer(at: ServerAddress): Promise<ApiClient> {
  const client = await clientOf(at);
  if (client !== undefined) return client;
  const place = 'home' in at ? homePaths(at.home).controlSocket : at.url.origin;
  throw unreachable(place, 'no server runs on this home; `capstan serve` starts one');
}

function unreachable(path: string, reason: string): CapstanError {
  return new CapstanError('SERVER_UNREACHABLE', { path, reason });
}
