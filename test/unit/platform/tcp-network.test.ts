import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { withDir } from 'tmp-promise';
import { describe, expect, it } from 'vitest';
import { listenPath } from '../../../src/platform/control-socket.ts';
import { listen, tcpNetwork } from '../../../src/platform/tcp-network.ts';
import type { CapstanError } from '../../../src/base/errors.ts';
import type { DuplexStream } from '../../../src/ports/network.ts';

const ANY = { address: '127.0.0.1', port: 0 };

/** A connected pair over loopback. */
async function connected(): Promise<{
  near: DuplexStream;
  far: DuplexStream;
  close: () => Promise<void>;
}> {
  let accept: (stream: DuplexStream) => void = () => {};
  const accepted = new Promise<DuplexStream>((resolve) => {
    accept = resolve;
  });
  const listener = await tcpNetwork.listen(ANY, (stream) => accept(stream));
  const near = await tcpNetwork.connect(listener.endpoint);
  return { near, far: await accepted, close: () => listener.close() };
}

describe('the TCP network', () => {
  it('carries bytes, and each direction ends by itself', async () => {
    const { near, far, close } = await connected();
    await near.write(Uint8Array.of(1, 2, 3));
    await near.end();
    expect([...((await far.read()) ?? [])]).toEqual([1, 2, 3]);
    expect(await far.read()).toBeUndefined();
    await far.write(Uint8Array.of(4));
    await far.end();
    expect([...((await near.read()) ?? [])]).toEqual([4]);
    expect(await near.read()).toBeUndefined();
    await close();
  });

  it('says CONNECTION_REFUSED where nobody listens', async () => {
    const endpoint = { address: '127.0.0.1', port: 1 };
    await expect(tcpNetwork.connect(endpoint)).rejects.toMatchObject({
      code: 'CONNECTION_REFUSED',
      fields: { peer: '127.0.0.1:1' },
    });
  });

  it('says what to do where it cannot listen', async () => {
    const listener = await tcpNetwork.listen(ANY, () => {});
    const { port } = listener.endpoint;
    await expect(tcpNetwork.listen(listener.endpoint, () => {})).rejects.toThrow(
      `The port 127.0.0.1:${port} is in use: another program listens there; stop that one, or configure another port.`,
    );
    await listener.close();
    // An address for documentation alone (RFC 5737).
    await expect(tcpNetwork.listen({ address: '192.0.2.1', port: 0 }, () => {})).rejects.toThrow(
      'To listen on 192.0.2.1:0 is refused: this machine has no such address',
    );
  });

  it.for([
    ['a port', async (server: Server) => void (await listen(server, ANY))],
    ['a socket file', (server: Server, path: string) => listenPath(server, path)],
  ] as const)('outlives a connection to %s that it cannot accept', async ([, listenOn]) => {
    await withDir(
      async ({ path }) => {
        const server = createServer();
        await listenOn(server, join(path, 'socket'));
        // As Node tells of a failed accept4.
        expect(server.emit('error', new Error('accept ENFILE'))).toBe(true);
        server.close();
      },
      { unsafeCleanup: true },
    );
  });

  it('rejects calls on a stream that was destroyed, pending and later ones', async () => {
    const { near, far, close } = await connected();
    const pending = near.read();
    near.destroy();
    near.destroy();
    const lost = { code: 'CONNECTION_LOST' };
    await expect(pending).rejects.toMatchObject(lost);
    await expect(near.write(Uint8Array.of(1))).rejects.toMatchObject(lost);
    await expect(near.read()).rejects.toMatchObject(lost);
    far.destroy();
    await close();
  });

  it('makes a writer wait for a reader that does not read', async () => {
    const { near, far, close } = await connected();
    let written = 0;
    const writing = (async () => {
      for (;;) {
        await near.write(new Uint8Array(1_000_000));
        written += 1_000_000;
      }
    })();
    await new Promise((resolve) => {
      setTimeout(resolve, 300);
    });
    const before = written;
    await new Promise((resolve) => {
      setTimeout(resolve, 200);
    });
    expect(written).toBe(before);
    far.destroy();
    await expect(writing).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    await close();
  });

  it('drops its connections when it closes', async () => {
    const { near, close } = await connected();
    await close();
    const end = await near.read().catch((error: CapstanError) => error.code);
    expect([undefined, 'CONNECTION_LOST']).toContain(end);
  });
});
