/**
 * The SSH server of `capstan serve`: public keys only, one subsystem, nothing else.
 *
 * No shell, command, file transfer or forwarding: ssh2 refuses what nobody listens for. Whoever has
 * not yet shown a key may take little of the server: a few connections, a short time, a few tries.
 */
import { timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import type { AuthContext, Connection, ParsedKey, ServerChannel, Session } from 'ssh2';
import { MIB, SECOND_MS } from '../base/units.ts';
import type { DuplexStream, Endpoint } from '../ports/network.ts';
import { GatheredPieces } from './kept-pieces.ts';
import { NodeDuplex } from './node-duplex.ts';
import { SSH_ALGORITHMS, SUBSYSTEMS } from './ssh-keys.ts';
import { fingerprintOfBlob, parseSshKey } from './ssh-keys.ts';
import { keepWindow } from './ssh2-window.ts';
import { formatEndpoint, listen, peerOf } from './tcp-network.ts';
import { readIntoOneMemory } from './socket-memory.ts';
import { isSealed, packetWriter, ssh2, takeDirectly } from './ssh2-packets.ts';

/** Connections that have not shown a key, at one time; more are dropped at once. */
const UNAUTHENTICATED_MAX = 10;
/** Connections in all. */
const CONNECTIONS_MAX = 64;
/** A connection that has not shown a key by then is dropped. */
const LOGIN_TIME_MS = 30 * SECOND_MS;
/** What a client may send over a channel that is not taken yet: over 50 ms 160 MB/s. */
const WINDOW_BYTES_MAX = 8 * MIB;
/** The same for a connection's further channels at one time. */
const LANE_WINDOW_BYTES_MAX = 2 * MIB;
/** Sessions of a connection: a copy and its lanes, and some that have not quite ended. */
const SESSIONS_MAX = 16;
/** Listeners of a connection's socket; more would be a leak. */
const SOCKET_LISTENERS_MAX = 50;
/** Keys that a client may try in one connection. */
const AUTHENTICATION_TRIES_MAX = 6;
/** A silent client is asked this often, and dropped after so many unanswered. */
const KEEP_ALIVE_INTERVAL_MS = 15 * SECOND_MS;
const KEEP_ALIVE_COUNT_MAX = 3;

export interface SshServerOptions {
  /** OpenSSH private key, ed25519. */
  readonly hostKey: string;
  /** Lines of authorized_keys, ed25519, without options. */
  readonly authorizedKeys: readonly string[];
  readonly endpoint: Endpoint;
  /** The one user name; 'capstan' where none is given. */
  readonly user?: string;
  /** Takes each subsystem that a client opens; `user` is the key's fingerprint. */
  readonly onReplication: (stream: DuplexStream, user: string) => void;
  /** The same of the communication between servers of shared vaults; refused where it is missing. */
  readonly onIsc?: ((stream: DuplexStream, user: string) => void) | undefined;
}

export interface SshServer {
  readonly endpoint: Endpoint;
  /** 'SHA256:…', to be pinned by those who send here. */
  readonly hostKeyFingerprint: string;
  /** Ends listening and drops all connections. */
  close(): Promise<void>;
}

/** Rejects IN_USE where the port is taken, INVALID_ARGUMENT for a key that is none or a port that is not to be had. */
export async function startSshServer(options: SshServerOptions): Promise<SshServer> {
  const hostKey = parseSshKey('The host key', options.hostKey);
  const keys = options.authorizedKeys.map((line) => parseSshKey('An authorised key', line));
  /** By peer, which is what ssh2 tells of a connection. */
  const sockets = new Map<string, Socket>();
  const strangers = new Set<Socket>();
  const ssh = new ssh2.Server({
    hostKeys: [options.hostKey],
    ident: 'Capstan',
    algorithms: {
      kex: [...SSH_ALGORITHMS.kex],
      cipher: [...SSH_ALGORITHMS.cipher],
      serverHostKey: [...SSH_ALGORITHMS.serverHostKey],
      compress: [...SSH_ALGORITHMS.compress],
    },
    keepaliveInterval: KEEP_ALIVE_INTERVAL_MS,
    keepaliveCountMax: KEEP_ALIVE_COUNT_MAX,
  });
  const server = createServer({ noDelay: true }, (socket) => {
    if (strangers.size >= UNAUTHENTICATED_MAX || sockets.size >= CONNECTIONS_MAX) {
      socket.destroy();
      return;
    }
    const peer = peerOf(socket);
    sockets.set(peer, socket);
    socket.setMaxListeners(SOCKET_LISTENERS_MAX);
    strangers.add(socket);
    const timer = setTimeout(() => {
      if (strangers.has(socket)) socket.destroy();
    }, LOGIN_TIME_MS);
    socket.once('close', () => {
      clearTimeout(timer);
      sockets.delete(peer);
      strangers.delete(socket);
    });
    // What fails beneath SSH shows in the socket's end, too.
    socket.on('error', () => socket.destroy());
    ssh.injectSocket(socket);
  });
  ssh.on('connection', (connection, { ip, port }) => {
    const socket = sockets.get(formatEndpoint({ address: ip, port }));
    if (socket === undefined) {
      connection.end();
      return;
    }
    const known = (): boolean => strangers.delete(socket);
    serveConnection({ connection, socket, keys, options, known });
  });
  const endpoint = await listen(server, options.endpoint);
  return {
    endpoint,
    hostKeyFingerprint: fingerprintOfBlob(hostKey.getPublicSSH()),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets.values()) socket.destroy();
      }),
  };
}

interface Served {
  readonly connection: Connection;
  readonly socket: Socket;
  readonly keys: readonly ParsedKey[];
  readonly options: SshServerOptions;
  /** The client has shown a key. */
  readonly known: () => void;
}

function serveConnection({ connection, socket, keys, options, known }: Served): void {
  let user = '';
  let tries = 0;
  // What went wrong shows in the socket's end; without a listener it would end the process.
  connection.on('error', () => socket.destroy());
  connection.on('authentication', (context) => {
    tries += 1;
    const key = authorizedKey(context, keys, options.user ?? 'capstan');
    if (key === undefined) {
      context.reject(['publickey']);
      if (tries >= AUTHENTICATION_TRIES_MAX) socket.destroy();
      return;
    }
    user = fingerprintOfBlob(key.getPublicSSH());
    context.accept();
  });
  connection.on('ready', () => {
    known();
    // Not within the read that brought the last of the login.
    setImmediate(() => {
      if (!socket.destroyed) readIntoOneMemory(socket, () => !isSealed(connection));
    });
    let sessions = 0;
    connection.on('session', (accept, reject) => {
      if (sessions >= SESSIONS_MAX) {
        reject();
        return;
      }
      sessions += 1;
      const session = accept();
      session.once('close', () => {
        sessions -= 1;
      });
      const windowBytes = sessions === 1 ? WINDOW_BYTES_MAX : LANE_WINDOW_BYTES_MAX;
      serveSession(session, { socket, windowBytes }, (name) => {
        const { onReplication, onIsc } = options;
        const taker =
          name === SUBSYSTEMS.replication
            ? onReplication
            : name === SUBSYSTEMS.isc
              ? onIsc
              : undefined;
        return taker && ((stream) => taker(stream, user));
      });
    });
  });
}

/**
 * The key of `keys` that a request names and, unless it only asks whether the key would do, has
 * signed with.
 */
function authorizedKey(
  context: AuthContext,
  keys: readonly ParsedKey[],
  user: string,
): ParsedKey | undefined {
  if (context.method !== 'publickey' || context.username !== user) return undefined;
  const { data } = context.key;
  // All keys are compared, in constant time each, so that the time taken tells nothing.
  const matches = keys.filter((key) => {
    const blob = key.getPublicSSH();
    return blob.length === data.length && timingSafeEqual(blob, data);
  });
  const [key] = matches;
  if (key === undefined || context.signature === undefined) return key;
  if (context.blob === undefined) return undefined;
  return key.verify(context.blob, context.signature, context.hashAlgo) ? key : undefined;
}

function serveSession(
  session: Session,
  { socket, windowBytes }: { readonly socket: Socket; readonly windowBytes: number },
  /** Who takes the stream of that subsystem, if anybody does. */
  takerOf: (name: string) => ((stream: DuplexStream) => void) | undefined,
): void {
  let open = false;
  session.on('subsystem', (accept, reject, { name }) => {
    const onStream = takerOf(name);
    if (onStream === undefined || open) {
      reject();
      return;
    }
    open = true;
    const channel: ServerChannel = accept();
    const stream = new NodeDuplex({
      peer: peerOf(socket),
      readable: channel,
      writable: channel,
      kept: new GatheredPieces(),
      onKept: keepWindow(channel, { windowBytes, onOverrun: () => socket.destroy() }),
      drop: () => socket.destroy(),
      write: packetWriter(channel, socket),
      carrier: socket,
    });
    takeDirectly(channel, (data) => stream.take(data));
    socket.once('close', () => stream.lose('the SSH connection was closed'));
    onStream(stream);
  });
}
