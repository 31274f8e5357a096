/** What `capstan receive` hands over to a server: bytes both ways past it, and each side's end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { withDir } from 'tmp-promise';
import { describe, expect, it } from 'vitest';
import { CAPSTAN } from '../../../harness/rig/serve-process.ts';
import { openHandoverDoor } from '../../../src/platform/handover-door.ts';
import { systemClock } from '../../../src/platform/system-clock.ts';
import { sleep } from '../../../src/ports/clock.ts';
import type { DuplexStream } from '../../../src/ports/network.ts';

/** Hands its standard input and output in when it is told to, and waits for the end. */
const LATE = `
import socket, sys
door = socket.socket(socket.AF_UNIX)
door.connect(sys.argv[1])
print('connected', flush=True)
sys.stdin.readline()
try:
    socket.send_fds(door, [b'late'], [0, 1])
    door.recv(1)
except OSError:
    pass
`;

interface Scene {
  readonly home: string;
  readonly notices: readonly string[];
}

/** A home where somebody takes connections over, and nothing else. */
function withDoor(
  serve: (stream: DuplexStream) => Promise<void>,
  work: (scene: Scene) => Promise<void>,
): Promise<void> {
  return withDir(
    async ({ path: home }) => {
      const notices: string[] = [];
      const door = await openHandoverDoor(join(home, 'receive.sock'), serve, (sentence) =>
        notices.push(sentence),
      );
      try {
        await work({ home, notices });
      } finally {
        await door.close();
      }
    },
    { unsafeCleanup: true },
  );
}

/** Answers each byte with the next one until the peer ends, and ends then. */
async function increment(stream: DuplexStream): Promise<void> {
  for (let bytes = await stream.read(); bytes !== undefined; bytes = await stream.read()) {
    await stream.write(bytes.map((byte) => byte + 1));
  }
  await stream.end();
}

const receive = (home: string) =>
  spawn(process.execPath, [CAPSTAN, 'receive', '--home', home], {
    env: { ...process.env, SSH_CONNECTION: '10.0.0.1 4711 10.0.0.2 22' },
  });

describe('a connection that is handed over', () => {
  it('reaches the server through the pipes of a shell, both ways and to its end', () =>
    withDoor(increment, async ({ home }) => {
      const sent = new Uint8Array(3_000_000).map((_, index) => index % 251);
      await writeFile(join(home, 'in'), sent);
      const relay = `"${process.execPath}" "${CAPSTAN}" receive --home "${home}"`;
      const script = `cat "${home}/in" | { ${relay}; echo $? > "${home}/code"; } | cat > "${home}/out"`;
      const [code] = (await once(spawn('sh', ['-c', script]), 'close')) as [number];
      expect(code).toBe(0);
      expect(await readFile(join(home, 'code'), 'latin1')).toBe('0\n');
      const received = await readFile(join(home, 'out'));
      expect(received.equals(sent.map((byte) => byte + 1))).toBe(true);
    }));

  it('may be one of sockets, and tells who is at its other end', () => {
    const peers: string[] = [];
    return withDoor(
      (stream) => {
        peers.push(stream.peer);
        return increment(stream);
      },
      async ({ home }) => {
        const child = receive(home);
        let text = '';
        child.stdout.on('data', (bytes: Buffer) => {
          text += bytes.toString('latin1');
        });
        child.stdin.end('HAL');
        const [code] = (await once(child, 'close')) as [number];
        expect([code, text]).toEqual([0, 'IBM']);
        expect(peers).toEqual(['10.0.0.1:4711']);
      },
    );
  });

  it('brings what a reader waits for to its place', () => {
    const received: Uint8Array[] = [];
    const byPlaces = async (stream: DuplexStream): Promise<void> => {
      for (;;) {
        const into = new Uint8Array(100_000);
        const count = (await stream.readInto?.(into)) ?? 0;
        if (count === 0) return stream.end();
        received.push(into.subarray(0, count));
      }
    };
    return withDoor(byPlaces, async ({ home }) => {
      const sent = new Uint8Array(3_000_000).map((_, index) => index % 251);
      const child = receive(home);
      child.stdin.end(sent);
      const [code] = (await once(child, 'close')) as [number];
      expect([code, Buffer.concat(received).equals(sent)]).toEqual([0, true]);
    });
  });

  it('that the server drops ends with a sentence and exit code 1', () =>
    withDoor(
      (stream) => Promise.resolve(stream.destroy()),
      async ({ home }) => {
        const child = receive(home);
        let complaints = '';
        child.stderr.on('data', (bytes: Buffer) => {
          complaints += bytes.toString();
        });
        const [code] = (await once(child, 'close')) as [number];
        expect([code, complaints]).toEqual([1, 'capstan: the server dropped the connection\n']);
      },
    ));

  it('is lost to the server when the process ends that handed it over', async () => {
    let onLost: (error: unknown) => void = () => {};
    const lost = new Promise((resolve) => {
      onLost = resolve;
    });
    let onTaken = (): void => {};
    const taken = new Promise<void>((resolve) => {
      onTaken = resolve;
    });
    await withDoor(
      async (stream) => {
        onTaken();
        await stream.read().then(undefined, onLost);
      },
      async ({ home }) => {
        const child = receive(home);
        await taken;
        child.kill('SIGKILL');
        expect(await lost).toMatchObject({ code: 'CONNECTION_LOST' });
      },
    );
  });

  it('of files is refused', () =>
    withDoor(increment, async ({ home, notices }) => {
      const file = openSync(join(home, 'file'), 'w+');
      const child = spawn(process.execPath, [CAPSTAN, 'receive', '--home', home], {
        stdio: [file, file, 'pipe'],
      });
      const [code] = (await once(child, 'close')) as [number];
      expect(code).toBe(1);
      expect(notices).toEqual([expect.stringContaining('standard input and output')]);
    }));
});

describe('the socket where connections are handed over', () => {
  it('belongs to its owner only', () =>
    withDoor(increment, async ({ home }) => {
      expect((await stat(join(home, 'receive.sock'))).mode & 0o777).toBe(0o600);
    }));

  it('drops who brings no descriptors', () =>
    withDoor(increment, async ({ home, notices }) => {
      const socket = connect(join(home, 'receive.sock'));
      socket.write('hello');
      await once(socket, 'close');
      await expect.poll(() => notices).toEqual([expect.stringContaining('others than two')]);
    }));

  it('serves nobody whose descriptors come once it is closed', () =>
    withDir(
      async ({ path: home }) => {
        const path = join(home, 'receive.sock');
        let served = 0;
        const serve = (): Promise<void> => Promise.resolve(void (served += 1));
        const door = await openHandoverDoor(path, serve, () => {});
        const late = spawn('python3', ['-c', LATE, path]);
        await once(late.stdout, 'data');
        await sleep(systemClock, 200);
        await door.close();
        late.stdin.write('\n');
        const [code] = (await once(late, 'close')) as [number];
        expect([code, served]).toEqual([0, 0]);
      },
      { unsafeCleanup: true },
    ));

  it(
    'is no door where nobody listens: the command opens the home itself',
    { timeout: 60_000 },
    () =>
      withDir(
        async ({ path: home }) => {
          const child = receive(home);
          let complaints = '';
          child.stderr.on('data', (bytes: Buffer) => {
            complaints += bytes.toString();
          });
          const [code] = (await once(child, 'close')) as [number];
          expect([code, complaints]).toEqual([1, expect.stringContaining('capstan.json')]);
        },
        { unsafeCleanup: true },
      ),
  );
});
