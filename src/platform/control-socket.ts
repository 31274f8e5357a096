/**
 * The control socket's file: a Unix stream socket of mode 0600, where the API is served to the user that
 * owns it (src/platform/http-server.ts says how).
 */
import { unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Server } from 'node:net';
import { CapstanError } from '../base/errors.ts';
import { asDiskError, codeOf } from './disk-errors.ts';
import { outliveFailedAccepts } from './tcp-network.ts';

/** Longest path of a Unix socket on Linux, bytes: 108 with the NUL behind it. */
export const SOCKET_PATH_BYTES_MAX = 107;

/** Throws LIMIT_EXCEEDED, with the remedy, where `path` is longer than a socket's may be. */
export function checkSocketPath(path: string): void {
  const length = Buffer.byteLength(path);
  if (length <= SOCKET_PATH_BYTES_MAX) return;
  throw new CapstanError('LIMIT_EXCEEDED', {
    what: `The length of the control socket's path ${path} (choose a shorter home folder)`,
    value: `${length} bytes`,
    limit: `${SOCKET_PATH_BYTES_MAX} bytes`,
  });
}

/** Whether a server answers on the socket at `path`. Rejects LIMIT_EXCEEDED. */
export function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    checkSocketPath(path);
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    // Nobody listens, or there is no such file; whatever else is wrong, a later step will say.
    socket.once('error', () => resolve(false));
  });
}

/**
 * Has `server` listen on `path`. A socket file that nobody answers on is replaced. Rejects IN_USE where a
 * server answers there, LIMIT_EXCEEDED, DISK_IO.
 */
export async function listenPath(server: Server, path: string): Promise<void> {
  if (await answers(path)) throw inUse(path);
  try {
    await listen(server, path);
  } catch (error) {
    if (codeOf(error) !== 'EADDRINUSE') throw asDiskError(path, error);
    if (await answers(path)) throw inUse(path);
    await unlink(path).catch((cause: unknown) => {
      throw asDiskError(path, cause);
    });
    await listen(server, path).catch((cause: unknown) => {
      throw asDiskError(path, cause);
    });
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // The socket is made by `listen` itself, so nobody ever sees it with another mode.
    const maskBefore = process.umask(0o177);
    try {
      server.listen(path, () => {
        server.off('error', reject);
        outliveFailedAccepts(server);
        resolve();
      });
    } finally {
      process.umask(maskBefore);
    }
  });
}

function inUse(path: string): CapstanError {
  return new CapstanError('IN_USE', {
    kind: 'control socket',
    name: path,
    by: 'a server answers there already',
  });
}
