import type { Client, ConnectConfig, IdentityCallback, SignCallback } from 'ssh2';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { CapstanError } from '../../../src/base/errors.ts';
import { concatBytes } from '../../../src/base/bytes.ts';
import { Ssh2Link } from '../../../src/platform/ssh2-link.ts';
import {
  generateSshKeyPair,
  parseSshKey,
  sshKeyFingerprint,
} from '../../../src/platform/ssh-keys.ts';
import { startSshServer } from '../../../src/platform/ssh-server.ts';
import type { SshServer } from '../../../src/platform/ssh-server.ts';
import { ssh2 } from '../../../src/platform/ssh2-packets.ts';
import { connectSocket } from '../../../src/platform/tcp-network.ts';
import type { CopyTarget } from '../../../src/ports/catalog.ts';
import type { DuplexStream } from '../../../src/ports/network.ts';

const hostKey = generateSshKeyPair('host');
const client = generateSshKeyPair('east');
const stranger = generateSshKeyPair('stranger');

let server: SshServer;
let streams: DuplexStream[] = [];
let serve: (stream: DuplexStream) => Promise<void>;

async function echo(stream: DuplexStream): Promise<void> {
  for (let bytes = await stream.read(); bytes !== undefined; bytes = await stream.read()) {
    await stream.write(bytes);
  }
  await stream.end();
}

beforeAll(async () => {
  serve = echo;
  server = await startSshServer({
    hostKey: hostKey.privateKey,
    authorizedKeys: [client.publicKey],
    endpoint: { address: '127.0.0.1', port: 0 },
    onReplication: (stream) => {
      streams.push(stream);
      // The test that drops a connection has its own view of it.
      serve(stream).catch(() => {});
    },
  });
  return () => server.close();
});

afterEach(() => {
  for (const stream of streams) stream.destroy();
  streams = [];
});

const target = (changes: Partial<CopyTarget> = {}): CopyTarget => ({
  server: 'west',
  ...server.endpoint,
  user: 'capstan',
  hostKey: server.hostKeyFingerprint,
  transport: 'ssh2',
  ...changes,
});

const link = new Ssh2Link({ privateKey: client.privateKey });

async function readAll(stream: DuplexStream): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (let bytes = await stream.read(); bytes !== undefined; bytes = await stream.read()) {
    parts.push(bytes);
  }
  return concatBytes(parts);
}

describe('a link over ssh2', () => {
  it('carries bytes both ways and ends each way by itself', async () => {
    const stream = await link.connect(target());
    const sent = Uint8Array.from({ length: 5_000_000 }, (_, index) => index % 251);
    const received = readAll(stream);
    for (let offset = 0; offset < sent.length; offset += 1_000_000) {
      await stream.write(sent.subarray(offset, offset + 1_000_000));
    }
    await stream.end();
    expect(Buffer.compare(await received, sent)).toBe(0);
    stream.destroy();
  });

  it('refuses a server whose host key is another than the one pinned', async () => {
    const hostKeyOfOthers = sshKeyFingerprint(stranger.publicKey);
    await expect(link.connect(target({ hostKey: hostKeyOfOthers }))).rejects.toMatchObject({
      code: 'HOST_KEY_MISMATCH',
      fields: { found: server.hostKeyFingerprint, expected: hostKeyOfOthers },
    });
  });

  it('is refused with a key or a user name that the server does not know', async () => {
    const other = new Ssh2Link({ privateKey: stranger.privateKey });
    const code = 'AUTHENTICATION_FAILED' satisfies CapstanError['code'];
    await expect(other.connect(target())).rejects.toMatchObject({ code });
    await expect(link.connect(target({ user: 'root' }))).rejects.toMatchObject({ code });
  });

  it('says that a port where nobody listens cannot be reached', async () => {
    await expect(link.connect(target({ port: 1 }))).rejects.toMatchObject({
      code: 'CONNECTION_REFUSED',
    });
  });

  it('makes a writer wait for a reader that does not read', async () => {
    serve = () => new Promise(() => {});
    const stream = await link.connect(target());
    let written = 0;
    const writing = (async () => {
      for (;;) {
        await stream.write(new Uint8Array(1_000_000));
        written += 1_000_000;
      }
    })();
    await new Promise((resolve) => {
      setTimeout(resolve, 500);
    });
    // The channel's window, and what the streams of both sides hold.
    expect(written).toBeLessThan(9_000_000);
    stream.destroy();
    await expect(writing).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    serve = echo;
  });

  it('tells both sides when the connection is dropped', async () => {
    const far = new Promise<unknown>((resolve) => {
      serve = (stream) => stream.read().then(() => {}, resolve);
    });
    const stream = await link.connect(target());
    stream.destroy();
    await expect(stream.read()).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    expect(await far).toMatchObject({ code: 'CONNECTION_LOST' });
    serve = echo;
  });
});

/** Shows the client's key and signs with the stranger's. */
class ImpostorAgent extends ssh2.BaseAgent<string> {
  signatures = 0;

  override getIdentities(callback: IdentityCallback<string>): void {
    callback(null, [client.publicKey]);
  }

  override sign(_key: string, data: Buffer, ...rest: unknown[]): void {
    this.signatures += 1;
    const callback = rest.at(-1) as SignCallback;
    callback(null, parseSshKey('The key', stranger.privateKey).sign(data));
  }
}

/** An ssh2 client that may ask for anything; resolves once it is let in. */
function rawClient(changes: ConnectConfig): Promise<Client> {
  const raw = new ssh2.Client();
  return new Promise((resolve, reject) => {
    raw.once('ready', () => resolve(raw)).once('error', reject);
    const { address: host, port } = server.endpoint;
    raw.connect({ host, port, username: 'capstan', privateKey: client.privateKey, ...changes });
  });
}

describe('the SSH server', () => {
  it('has the fingerprint of its host key', () => {
    expect(server.hostKeyFingerprint).toBe(sshKeyFingerprint(hostKey.privateKey));
    expect(server.hostKeyFingerprint).toMatch(/^SHA256:[A-Za-z0-9+/]{43}$/);
  });

  it('gives a client that was let in no shell, command, file transfer, forwarding or other subsystem', async () => {
    const raw = await rawClient({});
    type Callback = (error: Error | undefined) => void;
    const asked = {
      shell: (done: Callback) => raw.shell(done),
      exec: (done: Callback) => raw.exec('id', done),
      sftp: (done: Callback) => raw.sftp(done),
      subsystem: (done: Callback) => raw.subsys('netconf', done),
      forwardOut: (done: Callback) => raw.forwardOut('127.0.0.1', 1, '127.0.0.1', 22, done),
      forwardIn: (done: Callback) => raw.forwardIn('127.0.0.1', 0, done),
    };
    const granted: string[] = [];
    for (const [name, ask] of Object.entries(asked)) {
      const error = await new Promise<Error | undefined>((resolve) => {
        ask(resolve);
      });
      if (!(error instanceof Error)) granted.push(name);
    }
    raw.end();
    expect(granted).toEqual([]);
  });

  it.each([
    ['a password', { password: 'capstan', authHandler: ['password'] }],
    ['no proof at all', { authHandler: ['none'] }],
    ['keyboard-interactive', { tryKeyboard: true, authHandler: ['keyboard-interactive'] }],
  ] as const)('lets nobody in with %s', async (_, changes) => {
    const config = { ...changes, authHandler: [...changes.authHandler] };
    await expect(rawClient(config)).rejects.toMatchObject({ level: 'client-authentication' });
  });

  it('lets nobody in who knows an authorised key, but signs with another', async () => {
    const agent = new ImpostorAgent();
    const impostor = new ssh2.Client();
    const outcome = new Promise((resolve, reject) => {
      impostor.once('ready', () => resolve('let in')).once('error', reject);
      const { address: host, port } = server.endpoint;
      impostor.connect({ host, port, username: 'capstan', agent, authHandler: ['agent'] });
    });
    await expect(outcome).rejects.toMatchObject({ level: 'client-authentication' });
    expect(agent.signatures).toBe(1);
    impostor.end();
  });

  it('agrees on no cipher but AES-GCM', async () => {
    const algorithms = { cipher: ['aes128-ctr' as const] };
    await expect(rawClient({ algorithms })).rejects.toMatchObject({ level: 'handshake' });
  });

  it('drops those that have not shown a key where there are ten already', async () => {
    const sockets = await Promise.all(
      Array.from({ length: 11 }, () => connectSocket(server.endpoint)),
    );
    const closed = Promise.race(
      sockets.map(
        (socket) =>
          new Promise((resolve) => {
            socket.once('close', () => resolve('dropped'));
            socket.once('end', () => resolve('dropped'));
            socket.resume();
          }),
      ),
    );
    expect(await closed).toBe('dropped');
    for (const socket of sockets) socket.destroy();
    // The server sees their end a little later.
    const stream = await vi.waitFor(() => link.connect(target()), { timeout: 5000, interval: 50 });
    stream.destroy();
  });
});
