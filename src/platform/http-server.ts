/**
 * A door for HTTP: a TCP port, with TLS or without, or a Unix socket. Requests and responses are the
 * web's own; every limit is the caller's.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server as HttpServerType, ServerOptions } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { getRequestListener } from '@hono/node-server';
import { CapstanError } from '../base/errors.ts';
import { SECOND_MS } from '../base/units.ts';
import type { Endpoint } from '../ports/network.ts';
import { listenPath } from './control-socket.ts';
import { listen } from './tcp-network.ts';

/** How often connections are looked at for what took too long. */
const CHECK_INTERVAL_MS = SECOND_MS;
/** After so long without traffic the system asks whether a peer is still there. */
const KEEP_ALIVE_DELAY_MS = 30 * SECOND_MS;
/** Oldest version that is spoken. */
const TLS_VERSION_MIN = 'TLSv1.2';

export interface HttpLimits {
  readonly headerBytesMax: number;
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly connectionCountMax: number;
}

export interface HttpPeer {
  /** IP address; undefined at a Unix socket. */
  readonly address?: string;
  readonly isSecure: boolean;
  /** Drops the connection at once. */
  drop(): void;
}

export interface HttpOptions {
  /** An endpoint, or the path of a Unix socket. */
  readonly where: Endpoint | string;
  /** PEM; without it what is sent can be read on the way. */
  readonly tls?: { readonly certificate: string; readonly key: string };
  readonly limits: HttpLimits;
  readonly fetch: (request: Request, peer: HttpPeer) => Promise<Response>;
}

export interface HttpServer {
  /** Where it listens: the port that was picked where 0 was asked for; undefined for a Unix socket. */
  readonly endpoint: Endpoint | undefined;
  /** Takes no more connections, drops the ones there are and removes a Unix socket. */
  close(): Promise<void>;
}

/** Rejects INVALID_ARGUMENT for a certificate or key that is none, and as listening does. */
export async function listenHttp(options: HttpOptions): Promise<HttpServer> {
  const { where, limits } = options;
  const isPath = typeof where === 'string';
  const listener = getRequestListener(
    (request, env) => options.fetch(request, peerOf(env.incoming as IncomingMessage, isPath)),
    { overrideGlobalObjects: false },
  );
  const server = makeServer(options, (incoming, outgoing) => void listener(incoming, outgoing));
  server.maxConnections = limits.connectionCountMax;
  const sockets = new Set<Duplex>();
  server.on('connection', (socket: Duplex) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const endpoint = isPath ? await listenPath(server, where) : await listen(server, where);
  return {
    endpoint: endpoint ?? undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

type Listener = (...request: Parameters<ReturnType<typeof getRequestListener>>) => void;

function makeServer({ limits, tls }: HttpOptions, listener: Listener): HttpServerType {
  const options: ServerOptions = {
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: CHECK_INTERVAL_MS,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
  };
  if (tls === undefined) return createServer(options, listener);
  try {
    const secure = {
      cert: tls.certificate,
      key: tls.key,
      minVersion: TLS_VERSION_MIN,
      handshakeTimeout: limits.headersTimeoutMs,
    } as const;
    return createTlsServer({ ...options, ...secure }, listener);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CapstanError(
      'INVALID_ARGUMENT',
      { what: "The API's certificate or key", reason },
      { cause },
    );
  }
}

function peerOf(incoming: IncomingMessage, isPath: boolean): HttpPeer {
  const { socket } = incoming;
  const address = isPath ? undefined : plainAddress(socket.remoteAddress ?? '');
  return {
    ...(address !== undefined && { address }),
    isSecure: isPath || socket instanceof TLSSocket,
    drop: () => socket.destroy(),
  };
}

/** An IPv4 address as such, where a socket for both versions has it as `::ffff:10.0.0.1`. */
const plainAddress = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/, '');
