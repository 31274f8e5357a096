/** The control socket over real Unix sockets: requests, limits, upgrades, and clients that misbehave. */
import { once } from 'node:events';
import { stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { withDir } from 'tmp-promise';
import { describe, expect, it } from 'vitest';
import { CapstanError } from '../../../src/base/errors.ts';
import {
  ControlClient,
  REQUEST_BYTES_MAX,
  answers,
  listenControl,
} from '../../../src/platform/control-socket.ts';
import type { ControlServerOptions } from '../../../src/platform/control-socket.ts';

function withServer(
  options: Partial<ControlServerOptions>,
  work: (path: string, faults: readonly unknown[]) => Promise<void>,
): Promise<void> {
  return withDir(
    async (folder) => {
      const path = join(folder.path, 'control.sock');
      const faults: unknown[] = [];
      const server = await listenControl({
        path,
        call: ({ params }) => Promise.resolve(params),
        upgrades: {},
        onFault: (error) => faults.push(error),
        ...options,
      });
      try {
        await work(path, faults);
      } finally {
        await server.close();
      }
    },
    { unsafeCleanup: true },
  );
}

/** Sends raw bytes and gives what came back until the server ended the connection. */
async function rawAnswer(path: string, bytes: string | Uint8Array): Promise<string> {
  const socket = connect(path);
  let text = '';
  socket.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  socket.on('error', () => {});
  socket.write(bytes);
  await once(socket, 'close');
  return text;
}

describe('requests', () => {
  it('of several clients overlap and each gets its own answer', () =>
    withServer({}, async (path) => {
      const clients = await Promise.all([ControlClient.connect(path), ControlClient.connect(path)]);
      const calls = clients.flatMap((client, which) =>
        [1, 2, 3].map((number) => client.call('echo', { which, number })),
      );
      expect(await Promise.all(calls)).toEqual(
        [0, 1].flatMap((which) => [1, 2, 3].map((number) => ({ which, number }))),
      );
      for (const client of clients) client.close();
    }));

  it('may be notified of progress before their answer', () =>
    withServer(
      {
        call: ({ notify }) => {
          notify(1);
          notify(2);
          return Promise.resolve('done');
        },
      },
      async (path) => {
        const client = await ControlClient.connect(path);
        const heard: unknown[] = [];
        expect(await client.call('x', {}, (value) => heard.push(value))).toBe('done');
        expect(heard).toEqual([1, 2]);
        client.close();
      },
    ));

  it('that fail do so with the very error of the server', () =>
    withServer(
      { call: () => Promise.reject(new CapstanError('NOT_FOUND', { kind: 'tape', name: 'A' })) },
      async (path) => {
        const client = await ControlClient.connect(path);
        await expect(client.call('x', {})).rejects.toMatchObject({
          code: 'NOT_FOUND',
          message: 'No tape is named A.',
        });
        client.close();
      },
    ));

  it("that meet a fault of the program's own are told so without its inside", () =>
    withServer(
      { call: () => Promise.reject(new TypeError('secret inside')) },
      async (path, faults) => {
        const client = await ControlClient.connect(path);
        await expect(client.call('x', {})).rejects.toThrow("A fault of the server's own");
        expect(faults).toHaveLength(1);
        client.close();
      },
    ));

  it('under way are told when the client has gone', async () => {
    let onAborted = (): void => {};
    const aborted = new Promise<void>((resolve) => {
      onAborted = resolve;
    });
    await withServer(
      {
        call: ({ signal }) =>
          new Promise((resolve) => {
            signal.addEventListener('abort', () => {
              onAborted();
              resolve({});
            });
          }),
      },
      async (path) => {
        const client = await ControlClient.connect(path);
        const call = client.call('x', {});
        client.close();
        await expect(call).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
        await aborted;
      },
    );
  });
});

describe('clients that misbehave', () => {
  it.each([
    ['no JSON', 'hello\n', 'no line of JSON'],
    ['no method', '{"id":1}\n', 'no line of JSON'],
    ['an array of nothing', '[]\n', 'no line of JSON'],
  ])('are told once and dropped: %s', (_, bytes, sentence) =>
    withServer({}, async (path) => {
      expect(await rawAnswer(path, bytes)).toContain(sentence);
      expect(await answers(path)).toBe(true);
    }),
  );

  it('with a line longer than the limit are dropped before it is kept', () =>
    withServer({}, async (path) => {
      const answer = await rawAnswer(path, 'x'.repeat(REQUEST_BYTES_MAX + 1));
      expect(answer).toContain(`longer than ${REQUEST_BYTES_MAX} bytes`);
    }));
});

describe('an upgrade', () => {
  it('gives the connection over with every byte that came behind the request', () =>
    withServer(
      {
        upgrades: {
          raw: (socket) => {
            socket.on('data', (bytes) => socket.write(bytes.toString().toUpperCase()));
            socket.on('end', () => socket.end());
            socket.resume();
          },
        },
      },
      async (path) => {
        const socket = connect({ path, allowHalfOpen: true });
        let text = '';
        socket.setEncoding('utf8').on('data', (piece: string) => {
          text += piece;
        });
        socket.end('{"id":1,"method":"raw"}\nbehind {}\n');
        await once(socket, 'end');
        expect(text).toBe('{"id":1,"result":{}}\nBEHIND {}\n');
      },
    ));
});

describe('the socket file', () => {
  it('belongs to its owner only', () =>
    withServer({}, async (path) => {
      expect((await stat(path)).mode & 0o777).toBe(0o600);
    }));

  it('that a server answers on is not taken over', () =>
    withServer({}, async (path) => {
      const again = listenControl({
        path,
        call: () => Promise.resolve(),
        upgrades: {},
        onFault: () => {},
      });
      await expect(again).rejects.toMatchObject({ code: 'IN_USE' });
      expect(await answers(path)).toBe(true);
    }));

  it('that is stale is replaced', () =>
    withDir(
      async ({ path: folder }) => {
        const path = join(folder, 'control.sock');
        await writeFile(path, '');
        const options = { path, call: () => Promise.resolve(7), upgrades: {}, onFault: () => {} };
        const server = await listenControl(options);
        const client = await ControlClient.connect(path);
        expect(await client.call('x', {})).toBe(7);
        client.close();
        await server.close();
        expect(await answers(path)).toBe(false);
      },
      { unsafeCleanup: true },
    ));

  it('whose path is too long is refused with the remedy', async () => {
    const path = `/${'a'.repeat(107)}`;
    await expect(answers(path)).rejects.toThrow('choose a shorter home folder');
  });
});
