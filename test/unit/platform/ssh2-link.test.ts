/** The link over ssh2 and the server: one whose process dies, and what may be under way over a channel. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { expect, it } from 'vitest';
import { ssh2 } from '../../../src/platform/ssh2-packets.ts';
import type { ClientChannel } from 'ssh2';
import { generateSshKeyPair } from '../../../src/platform/ssh-keys.ts';
import { startSshServer } from '../../../src/platform/ssh-server.ts';
import { Ssh2Link } from '../../../src/platform/ssh2-link.ts';
import type { DuplexStream } from '../../../src/ports/network.ts';

const MIB = 1024 * 1024;
const client = generateSshKeyPair('client');

it('a server that dies is lost at once, not when its silence has lasted too long', async () => {
  const server = await startSshServer({
    hostKey: generateSshKeyPair('host').privateKey,
    authorizedKeys: [client.publicKey],
    endpoint: { address: '127.0.0.1', port: 0 },
    onReplication: (stream) => {
      stream.read().catch(() => {
        // The connection's end is what this test is about; it is looked at from the other side.
      });
    },
  });
  const fronts: Socket[] = [];
  const proxy = createServer({ allowHalfOpen: true }, (front) => {
    const back = connect(server.endpoint.port, '127.0.0.1');
    fronts.push(front);
    front.pipe(back, { end: false });
    back.pipe(front, { end: false });
    for (const socket of [front, back]) socket.on('error', () => front.destroy());
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  try {
    const stream = await new Ssh2Link({ privateKey: client.privateKey }).connect({
      server: 'west',
      address: '127.0.0.1',
      port: (proxy.address() as AddressInfo).port,
      user: 'capstan',
      hostKey: server.hostKeyFingerprint,
      transport: 'ssh2',
    });
    const read = stream.read();
    // What a kill leaves behind where all that was sent had been read: a FIN.
    for (const front of fronts) front.end();
    await expect(read).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
  } finally {
    for (const front of fronts) front.destroy();
    proxy.close();
    await server.close();
  }
}, 10_000);

it('a server takes as much of a channel that it does not read as its window says, and all in the end', async () => {
  let received = 0;
  let mayRead: () => void = () => undefined;
  const reading = new Promise<void>((resolve) => {
    mayRead = resolve;
  });
  const readAll = async (stream: DuplexStream): Promise<void> => {
    await reading;
    for (;;) {
      const bytes = await stream.read();
      if (bytes === undefined) break;
      received += bytes.length;
    }
    await stream.end();
  };
  const server = await startSshServer({
    hostKey: generateSshKeyPair('host').privateKey,
    authorizedKeys: [client.publicKey],
    endpoint: { address: '127.0.0.1', port: 0 },
    onReplication: (stream) => void readAll(stream),
  });
  try {
    const stream = await new Ssh2Link({ privateKey: client.privateKey }).connect({
      server: 'west',
      ...server.endpoint,
      user: 'capstan',
      hostKey: server.hostKeyFingerprint,
      transport: 'ssh2',
    });
    let taken = 0;
    const writing = (async () => {
      for (let count = 0; count < 40; count += 1) {
        await stream.write(new Uint8Array(MIB / 2));
        taken += MIB / 2;
      }
    })();
    await new Promise((resolve) => {
      setTimeout(resolve, 1500);
    });
    // What was taken but not read is the window.
    expect(taken).toBeGreaterThanOrEqual(7.5 * MIB);
    expect(taken).toBeLessThanOrEqual(9.5 * MIB);
    mayRead();
    await writing;
    await stream.end();
    expect(await stream.read()).toBeUndefined();
    expect(received).toBe(20 * MIB);
  } finally {
    await server.close();
  }
}, 30_000);

it('a server drops who sends more over a channel than it was granted', async () => {
  const server = await startSshServer({
    hostKey: generateSshKeyPair('host').privateKey,
    authorizedKeys: [client.publicKey],
    endpoint: { address: '127.0.0.1', port: 0 },
    // Nobody reads.
    onReplication: () => {},
  });
  const { address: host, port } = server.endpoint;
  const rude = new ssh2.Client();
  try {
    rude.connect({ host, port, username: 'capstan', privateKey: client.privateKey });
    await once(rude, 'ready');
    const channel = await new Promise<ClientChannel>((resolve, reject) => {
      rude.subsys('capstan-replication', (error: Error | undefined, opened: ClientChannel) => {
        if (error) reject(error);
        else resolve(opened);
      });
    });
    const closed = new Promise<string>((resolve) => {
      rude.once('close', () => resolve('dropped'));
    });
    // A reset connection is one way of being dropped.
    rude.on('error', () => {});
    (channel as unknown as { outgoing: { window: number } }).outgoing.window = 64 * MIB;
    for (let count = 0; count < 20; count += 1) channel.write(new Uint8Array(MIB));
    expect(await closed).toBe('dropped');
  } finally {
    rude.end();
    await server.close();
  }
}, 30_000);
