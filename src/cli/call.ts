/** How a command reaches a server: through its control socket, or by opening the home itself. */
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { ControlClient } from '../platform/control-socket.ts';
import { homePaths, readConfiguration } from './configuration.ts';
import type { ServerEvent } from '../server/context.ts';
import { isProgress, openServer, systemUser } from './serve.ts';

/** An operation of src/server/operations.ts, by name. */
export interface OperationCall {
  readonly home: string;
  readonly method: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Hears how far it is. */
  readonly onProgress?: ((event: ServerEvent) => void) | undefined;
}

/**
 * Asks the running server, or does it in this process where none runs. Rejects as the operation does;
 * NOT_FOUND where the folder is no home.
 */
export async function callOperation(call: OperationCall): Promise<unknown> {
  const paths = homePaths(call.home);
  const configuration = await readConfiguration(paths);
  const client = await connectIfRunning(paths.controlSocket);
  if (client !== undefined) {
    try {
      const onNotification = (event: unknown): void => call.onProgress?.(event as ServerEvent);
      return await client.call(call.method, call.parameters, onNotification);
    } finally {
      client.close();
    }
  }
  const server = await openServer(paths, configuration, 'offline');
  server.onEvent((event) => {
    if (isProgress(call.method, event)) call.onProgress?.(event);
  });
  try {
    return await server.operations.callAs(systemUser(), call.method, call.parameters);
  } finally {
    await server.stop();
  }
}

/** A connection to the server of a home; SERVER_UNREACHABLE, with the remedy, where none runs. */
export async function connectToServer(home: string): Promise<ControlClient> {
  const paths = homePaths(home);
  await readConfiguration(paths);
  const client = await connectIfRunning(paths.controlSocket);
  if (client !== undefined) return client;
  throw new CapstanError('SERVER_UNREACHABLE', {
    path: paths.controlSocket,
    reason: 'no server runs on this home; `capstan serve` starts one',
  });
}

/** Undefined where no server runs on the socket's home. */
export async function connectIfRunning(path: string): Promise<ControlClient | undefined> {
  try {
    return await ControlClient.connect(path);
  } catch (error) {
    if (isCapstanError(error, 'SERVER_UNREACHABLE')) return undefined;
    throw error;
  }
}
