/** TCP connections and listeners. */
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { CapstanError } from '../base/errors.ts';
import { SECOND_MS } from '../base/units.ts';
import { codeOf } from './disk-errors.ts';
import type { DuplexStream, Endpoint, Listener, Network } from '../ports/network.ts';
import { NodeDuplex } from './node-duplex.ts';

/** An address that has not answered by then is unreachable. */
const CONNECT_TIMEOUT_MS = 20 * SECOND_MS;
/** After so long without traffic the system asks whether the peer is still there. */
const KEEP_ALIVE_DELAY_MS = 30 * SECOND_MS;

/** `address:port`, an IPv6 address in brackets: as messages name a peer. */
export const formatEndpoint = ({ address, port }: Endpoint): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

/** A connected socket whose two directions end one by one. Rejects CONNECTION_REFUSED. */
export function connectSocket(
  endpoint: Endpoint,
  timeoutMs: number = CONNECT_TIMEOUT_MS,
): Promise<Socket> {
  const { address, port } = endpoint;
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, allowHalfOpen: true, noDelay: true });
    const refuse = (reason: string, cause?: Error): void => {
      clearTimeout(timer);
      socket.destroy();
      const fields = { peer: formatEndpoint(endpoint), reason };
      reject(new CapstanError('CONNECTION_REFUSED', fields, { cause }));
    };
    const timer = setTimeout(() => refuse(`no answer within ${timeoutMs} ms`), timeoutMs);
    const onError = (error: Error): void => refuse(error.message, error);
    socket.once('error', onError);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', onError);
      socket.setKeepAlive(true, KEEP_ALIVE_DELAY_MS);
      resolve(socket);
    });
  });
}

/** Why a port is not to be had, where the system's words say less. */
const NO_LISTENING: Readonly<Record<string, string>> = {
  EACCES: 'this user may not listen on that port; choose one from 1024 on',
  EADDRNOTAVAIL: 'this machine has no such address; configure one of its own, or 0.0.0.0',
};

function listeningError(endpoint: Endpoint, cause: Error): CapstanError {
  const name = formatEndpoint(endpoint);
  const code = codeOf(cause) ?? '';
  if (code === 'EADDRINUSE') {
    const by = 'another program listens there; stop that one, or configure another port';
    return new CapstanError('IN_USE', { kind: 'port', name, by }, { cause });
  }
  const reason = NO_LISTENING[code] ?? cause.message;
  return new CapstanError('INVALID_ARGUMENT', { what: `To listen on ${name}`, reason }, { cause });
}

/** A connection that could not be accepted, for want of descriptors say, is lost to its client only: the server goes on. */
export function outliveFailedAccepts(server: Server): void {
  server.on('error', () => {});
}

/** Listens; the server's actual endpoint. Rejects IN_USE where the port is taken, INVALID_ARGUMENT where it is not to be had. */
export function listen(server: Server, endpoint: Endpoint): Promise<Endpoint> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => reject(listeningError(endpoint, error));
    server.once('error', onError);
    server.listen({ host: endpoint.address, port: endpoint.port }, () => {
      server.off('error', onError);
      outliveFailedAccepts(server);
      const { address, port } = server.address() as AddressInfo;
      resolve({ address, port });
    });
  });
}

/** Where a socket's peer is. */
export const peerOf = (socket: Socket): string =>
  formatEndpoint({ address: socket.remoteAddress ?? 'nobody', port: socket.remotePort ?? 0 });

const streamOf = (socket: Socket): DuplexStream =>
  new NodeDuplex({
    peer: peerOf(socket),
    readable: socket,
    writable: socket,
    drop: () => socket.destroy(),
  });

export const tcpNetwork: Network = {
  async connect(endpoint) {
    return streamOf(await connectSocket(endpoint));
  },

  async listen(endpoint, onConnection): Promise<Listener> {
    const sockets = new Set<Socket>();
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      onConnection(streamOf(socket));
    });
    const actual = await listen(server, endpoint);
    return {
      endpoint: actual,
      close: () =>
        new Promise((resolve) => {
          server.close(() => resolve());
          for (const socket of sockets) socket.destroy();
        }),
    };
  },
};
