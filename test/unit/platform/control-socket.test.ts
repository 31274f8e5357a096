/** The control socket's file, and what is served at it: requests, and who listens already. */
import { once } from 'node:events';
import { stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { withDir } from 'tmp-promise';
import { describe, expect, it } from 'vitest';
import { ApiClient } from '../../../src/api/client.ts';
import { API_LIMITS } from '../../../src/api/limits.ts';
import { answers } from '../../../src/platform/control-socket.ts';
import { sendHttp } from '../../../src/platform/http-client.ts';
import { listenHttp } from '../../../src/platform/http-server.ts';
import type { HttpOptions } from '../../../src/platform/http-server.ts';

const echo: HttpOptions['fetch'] = async (request) => new Response(await request.text());

function withServer(
  options: Partial<HttpOptions>,
  work: (path: string) => Promise<void>,
): Promise<void> {
  return withDir(
    async (folder) => {
      const path = join(folder.path, 'control.sock');
      const server = await listenHttp({
        where: path,
        limits: API_LIMITS,
        fetch: echo,
        ...options,
      });
      try {
        await work(path);
      } finally {
        await server.close();
      }
    },
    { unsafeCleanup: true },
  );
}

async function connected(path: string): Promise<Socket> {
  const socket = connect(path);
  await once(socket, 'connect');
  return socket;
}

const send = (path: string, body: string) =>
  sendHttp({ path }, { method: 'POST', target: '/', body }, 1_000_000);

describe('requests', () => {
  it('of several clients overlap and each gets its own answer', () =>
    withServer({}, async (path) => {
      const bodies = Array.from({ length: 20 }, (_, index) => `${index}`.repeat(1 + index));
      const answered = await Promise.all(bodies.map((body) => send(path, body)));
      expect(answered.map(({ body }) => body)).toEqual(bodies);
    }));

  it('that the server does not answer are told from those that it refuses', () =>
    withServer({}, async (path) => {
      const gone = send(`${path}.gone`, 'x');
      await expect(gone).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
    }));

  it('have an answer of a length that the client bears', () =>
    withServer({}, async (path) => {
      const call = { method: 'POST', target: '/', body: 'x'.repeat(1001) };
      await expect(sendHttp({ path }, call, 1000)).rejects.toMatchObject({
        code: 'LIMIT_EXCEEDED',
      });
      expect((await sendHttp({ path }, call, 1001)).body).toHaveLength(1001);
    }));

  it('beyond so many connections are dropped, until one is free', () =>
    withServer({ limits: { ...API_LIMITS, connectionCountMax: 2 } }, async (path) => {
      const held = await Promise.all([1, 2].map(() => connected(path)));
      await expect(send(path, 'x')).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
      held[0]?.destroy();
      await expect.poll(() => send(path, 'x').catch(() => undefined)).toMatchObject({ body: 'x' });
      held[1]?.destroy();
    }));

  it('under way are told when the client has gone', async () => {
    let onAborted = (): void => {};
    const aborted = new Promise<void>((resolve) => {
      onAborted = resolve;
    });
    let onAsked = (): void => {};
    const asked = new Promise<void>((resolve) => {
      onAsked = resolve;
    });
    const fetch: HttpOptions['fetch'] = (request) => {
      request.signal.addEventListener('abort', onAborted);
      onAsked();
      return new Promise(() => undefined);
    };
    await withServer({ fetch }, async (path) => {
      const stop = new AbortController();
      const call = { method: 'GET', target: '/', signal: stop.signal };
      const answer = sendHttp({ path }, call, 1000);
      await asked;
      stop.abort();
      await expect(answer).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
      await aborted;
    });
  });
});

describe('the socket file', () => {
  it('belongs to its owner only', () =>
    withServer({}, async (path) => {
      expect((await stat(path)).mode & 0o777).toBe(0o600);
    }));

  it('that a server answers on is not taken over', () =>
    withServer({}, async (path) => {
      const again = listenHttp({ where: path, limits: API_LIMITS, fetch: echo });
      await expect(again).rejects.toMatchObject({ code: 'IN_USE' });
      expect((await send(path, 'still there')).body).toBe('still there');
    }));

  it('that is stale is replaced', () =>
    withDir(
      async ({ path: folder }) => {
        const path = join(folder, 'control.sock');
        await writeFile(path, '');
        const server = await listenHttp({ where: path, limits: API_LIMITS, fetch: echo });
        expect((await send(path, 'new')).body).toBe('new');
        await server.close();
        expect(await answers(path)).toBe(false);
      },
      { unsafeCleanup: true },
    ));

  it('whose path is too long is refused with the remedy', async () => {
    const path = `/${'a'.repeat(107)}`;
    await expect(answers(path)).rejects.toThrow('choose a shorter home folder');
    const server = listenHttp({ where: path, limits: API_LIMITS, fetch: echo });
    await expect(server).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });
});

describe('a client of the API', () => {
  it('takes no other server for Capstan', () =>
    withServer({ fetch: () => Promise.resolve(new Response('<html>')) }, async (path) => {
      const client = new ApiClient({ place: { path }, program: 'test/1' });
      await expect(client.call('tape.list', {})).rejects.toThrow('no Capstan server');
    }));

  it('says so where the server goes before it has answered', () =>
    withServer(
      {
        fetch: (_, peer) => {
          peer.drop();
          return new Promise(() => undefined);
        },
      },
      async (path) => {
        const client = new ApiClient({ place: { path }, program: 'test/1' });
        await expect(client.call('tape.list', {})).rejects.toThrow('ended the connection');
      },
    ));
});
