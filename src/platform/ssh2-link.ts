/** A replication link over ssh2, in this process. */
import type { Socket } from 'node:net';
import type { Client, ClientChannel } from 'ssh2';
import { CapstanError } from '../base/errors.ts';
import { SECOND_MS } from '../base/units.ts';
import type { CopyTarget } from '../ports/catalog.ts';
import type { DuplexStream } from '../ports/network.ts';
import type { LinkService, ReplicationLink, ReplicationStream } from '../ports/replication-link.ts';
import { NodeDuplex } from './node-duplex.ts';
import { SSH_ALGORITHMS, SUBSYSTEMS, fingerprintOfBlob } from './ssh-keys.ts';
import { connectSocket, formatEndpoint } from './tcp-network.ts';
import { packetWriter, ssh2 } from './ssh2-packets.ts';

/** A server that has not let us in by then is unreachable. */
const READY_TIMEOUT_MS = 20 * SECOND_MS;
/** A silent server is asked this often, and given up after so many unanswered. */
const KEEP_ALIVE_INTERVAL_MS = 15 * SECOND_MS;
const KEEP_ALIVE_COUNT_MAX = 3;
/** More would be a leak. */
const SOCKET_LISTENERS_MAX = 50;

export interface Ssh2LinkOptions {
  /** OpenSSH private key, ed25519. */
  readonly privateKey: string;
}

export class Ssh2Link implements ReplicationLink {
  readonly #privateKey: string;

  constructor({ privateKey }: Ssh2LinkOptions) {
    this.#privateKey = privateKey;
  }

  async connect(
    target: CopyTarget,
    service: LinkService = 'replication',
  ): Promise<ReplicationStream> {
    const socket = await connectSocket(target);
    // SSH ends a connection by messages of its own: a bare FIN is a server that died, which ssh2 hears
    // and keeps to itself.
    socket.once('end', () => socket.destroy());
    // Each channel has some.
    socket.setMaxListeners(SOCKET_LISTENERS_MAX);
    const client = new ssh2.Client();
    try {
      await this.#login(client, socket, target);
      const to = { ...target, service };
      const stream = await openSubsystem(client, socket, to, () => socket.destroy());
      // Channels of one connection: there is one process for all of them anyway.
      const another = (): Promise<DuplexStream> => openSubsystem(client, socket, to);
      return Object.assign(stream, { another });
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }

  #login(client: Client, socket: Socket, target: CopyTarget): Promise<void> {
    const peer = formatEndpoint(target);
    return new Promise((resolve, reject) => {
      let mismatch: CapstanError | undefined;
      client.once('ready', resolve);
      // Stays for the connection's life: later errors show in the socket's end.
      client.on('error', (error) => {
        reject(mismatch ?? loginError(error, peer, target.user));
        socket.destroy();
      });
      client.once('close', () => {
        const fields = { peer, reason: 'it closed the connection during the login' };
        reject(mismatch ?? new CapstanError('CONNECTION_REFUSED', fields));
      });
      client.connect({
        sock: socket,
        username: target.user,
        // Without a verifier ssh2 takes any key.
        hostVerifier: (key: Buffer) => {
          const found = fingerprintOfBlob(key);
          if (found === target.hostKey) return true;
          const fields = { peer, found, expected: target.hostKey };
          mismatch = new CapstanError('HOST_KEY_MISMATCH', fields);
          return false;
        },
        privateKey: this.#privateKey,
        authHandler: ['publickey'],
        algorithms: {
          kex: [...SSH_ALGORITHMS.kex],
          cipher: [...SSH_ALGORITHMS.cipher],
          serverHostKey: [...SSH_ALGORITHMS.serverHostKey],
          compress: [...SSH_ALGORITHMS.compress],
        },
        readyTimeout: READY_TIMEOUT_MS,
        keepaliveInterval: KEEP_ALIVE_INTERVAL_MS,
        keepaliveCountMax: KEEP_ALIVE_COUNT_MAX,
      });
    });
  }
}

function loginError(error: Error & { level?: string }, peer: string, user: string): CapstanError {
  const reason = error.message;
  return error.level === 'client-authentication'
    ? new CapstanError('AUTHENTICATION_FAILED', { peer, user, reason }, { cause: error })
    : new CapstanError('CONNECTION_REFUSED', { peer, reason }, { cause: error });
}

/** A channel; `drop` drops more than the channel. The connection ends with the last of its channels. */
function openSubsystem(
  client: Client,
  socket: Socket,
  target: CopyTarget & { readonly service: LinkService },
  drop?: () => void,
): Promise<DuplexStream> {
  const peer = formatEndpoint(target);
  return new Promise((resolve, reject) => {
    const refuse = (reason: string): void =>
      reject(new CapstanError('CONNECTION_REFUSED', { peer, reason }));
    const onClose = (): void => refuse('it closed the connection');
    socket.once('close', onClose);
    if (socket.destroyed) onClose();
    client.subsys(
      SUBSYSTEMS[target.service],
      (error: Error | undefined, channel: ClientChannel) => {
        socket.off('close', onClose);
        if (error) {
          refuse(error.message);
          return;
        }
        const stream = new NodeDuplex({
          peer: target.server,
          readable: channel,
          writable: channel,
          drop: drop ?? (() => channel.close()),
          write: packetWriter(channel, socket),
          carrier: socket,
        });
        // What a system's account prints must not fill a buffer that nobody empties.
        channel.stderr.resume();
        socket.once('close', () => stream.lose('the SSH connection was closed'));
        // The first session was what the connection was for; others end before it.
        if (drop !== undefined) channel.once('close', () => client.end());
        resolve(stream);
      },
    );
  });
}
