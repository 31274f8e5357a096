/** Real `capstan serve` processes: init, commands with and without a server, copies, signals, full disk. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withDir } from 'tmp-promise';
import { describe, expect, it } from 'vitest';
import type { TestContext } from 'vitest';
import { CAPSTAN, ServeProcess, runCapstan } from '../../harness/rig/serve-process.ts';
import { openEngine } from '../../src/platform/engine.ts';
import { NodeDuplex } from '../../src/platform/node-duplex.ts';
import { systemClock } from '../../src/platform/system-clock.ts';
import { tcpNetwork } from '../../src/platform/tcp-network.ts';
import type { TapeRow } from '../../src/ports/catalog.ts';
import { sendTape } from '../../src/replication/sender.ts';

const inFolder = (work: (path: string) => Promise<void>): Promise<void> =>
  withDir(({ path }) => work(path), { unsafeCleanup: true });

const ENDPOINT = ['--listen', '127.0.0.1:0'];

/** Runs a command on a home that is expected to end well, and parses its JSON. */
async function json(home: string, ...args: readonly string[]): Promise<unknown> {
  const { code, stdout, stderr } = await runCapstan([...args, '--home', home, '--json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

describe('a server', { timeout: 120_000 }, () => {
  it('is made once, with keys that only its owner may read', () =>
    inFolder(async (folder) => {
      const home = join(folder, 'east');
      const made = await json(home, 'init', '--name', 'east', ...ENDPOINT);
      expect(made).toMatchObject({
        name: 'east',
        publicKey: expect.stringMatching(/^ssh-ed25519 \S+ capstan@east$/),
        hostKeyFingerprint: expect.stringMatching(/^SHA256:[A-Za-z0-9+/]{43}$/),
      });
      const modeOf = async (path: string): Promise<number> =>
        (await stat(join(home, path))).mode & 0o777;
      expect(await modeOf('.')).toBe(0o700);
      expect(await modeOf('keys')).toBe(0o700);
      expect(await modeOf('keys/host_key')).toBe(0o600);
      expect(await modeOf('keys/client_key')).toBe(0o600);
      const again = await runCapstan(['init', '--home', home]);
      expect(again.code).toBe(1);
      expect(again.stderr).toMatch(/^capstan: A server named .* exists already.*\n$/);
    }));

  it('answers the same commands whether it runs or not, and stops on SIGTERM with 0', () =>
    inFolder(async (folder) => {
      const home = join(folder, 'east');
      await json(home, 'init', ...ENDPOINT);
      await json(home, 'pool', 'create', 'BACKUP');
      await json(home, 'tape', 'create', 'T00001', '--pool', 'BACKUP', '--capacity', '2G');
      const before = await json(home, 'tape', 'list');

      const serving = await ServeProcess.start(home);
      expect((await stat(join(home, 'control.sock'))).mode & 0o777).toBe(0o600);
      expect(await json(home, 'tape', 'list')).toEqual(before);
      await json(home, 'tape', 'create', 'T00002', '--pool', 'BACKUP');
      const verified = await runCapstan(['tape', 'verify', '--home', home]);
      expect(verified).toMatchObject({ code: 0, stderr: '' });
      expect(verified.stdout).toContain('no damage');
      expect(await serving.end('SIGTERM')).toEqual({ code: 0, signal: null });
      expect(serving.output).toContain('Cartridge T00002 created in Pool BACKUP');

      const events = (await json(home, 'events', 'list')) as readonly { text: string }[];
      expect(events.map(({ text }) => text)).toEqual([
        'Pool BACKUP created in Vault VAULT00',
        'Cartridge T00001 created in Pool BACKUP',
        'TapeServer east started',
        'Cartridge T00002 created in Pool BACKUP',
        'TapeServer east stopped',
      ]);
    }));

  it('refuses a second one on its home, and starts again after kill -9', () =>
    inFolder(async (folder) => {
      const home = join(folder, 'east');
      await json(home, 'init', ...ENDPOINT);
      const serving = await ServeProcess.start(home);
      const second = await runCapstan(['serve', '--home', home]);
      expect(second.code).toBe(1);
      expect(second.stderr).toMatch(/^capstan: The home folder .* is in use: a server runs on it/);
      await serving.end('SIGKILL');
      const next = await ServeProcess.start(home);
      expect(await next.end('SIGINT')).toEqual({ code: 0, signal: null });
    }));

  it('says which port is taken', () =>
    inFolder(async (folder) => {
      const home = join(folder, 'east');
      const other = await tcpNetwork.listen({ address: '127.0.0.1', port: 0 }, () => {});
      const listen = `127.0.0.1:${other.endpoint.port}`;
      await json(home, 'init', '--listen', listen);
      const refused = await runCapstan(['serve', '--home', home]);
      await other.close();
      expect(refused).toMatchObject({ code: 1, stdout: '' });
      expect(refused.stderr).toMatch(
        new RegExp(`^capstan: The port ${listen} is in use: another program listens there`),
      );
    }));

  it('with a damaged pack has `tape verify` name the place and end with 1', () =>
    inFolder(async (folder) => {
      const home = join(folder, 'east');
      await json(home, 'init', ...ENDPOINT);
      await json(home, 'pool', 'create', 'BACKUP');
      await json(home, 'tape', 'create', 'T00001', '--pool', 'BACKUP');
      const pack = join(home, 'vaults/VAULT00/packs/00000001.pack');
      const bytes = await readFile(pack);
      const at = bytes.length - 20;
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      await writeFile(pack, bytes);
      const { code, stdout, stderr } = await runCapstan(['tape', 'verify', '--home', home]);
      expect(code).toBe(1);
      expect(stdout).toContain('packs/00000001.pack');
      expect(stderr).toMatch(/^capstan: \d+ damages? (was|were) found/);
    }));

  it('says what is full where the disk of a vault is, and goes on once there is room', (context) =>
    onSmallDisk(context, async (folder, mount) => {
      const home = join(folder, 'east');
      await json(home, 'init', ...ENDPOINT);
      await json(home, 'vault', 'create', 'SMALL', '--path', join(mount, 'SMALL'));
      await json(home, 'pool', 'create', 'BACKUP', '--vault', 'SMALL');
      const free = await fillUp(mount);
      const args = ['tape', 'create', 'T00001', '--pool', 'BACKUP', '--home', home];
      const { code, stderr } = await runCapstan(args);
      expect(code).toBe(1);
      expect(stderr).toMatch(/^capstan: The disk under .* is full; .*\n$/);
      // With room again the same command goes through, and nothing is left behind.
      await free();
      expect((await runCapstan(args)).code).toBe(0);
      expect((await runCapstan(['tape', 'verify', '--home', home])).code).toBe(0);
    }));

  it('says the same where the disk of a home is full', (context) =>
    onSmallDisk(context, async (_, mount) => {
      const home = join(mount, 'east');
      await json(home, 'init', ...ENDPOINT);
      const free = await fillUp(mount);
      const full = /^capstan: The disk under .* is full; .*\n$/;
      const args = ['pool', 'create', 'BACKUP', '--home', home];
      const refused = await runCapstan(args);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toMatch(full);
      const init = await runCapstan(['init', '--home', join(mount, 'west')]);
      expect(init.code).toBe(1);
      expect(init.stderr).toMatch(full);
      await free();
      expect((await runCapstan(args)).code).toBe(0);
    }));
});

/** Runs `work` with a folder and a mounted file system of 1 MiB. */
async function onSmallDisk(
  context: TestContext,
  work: (folder: string, mount: string) => Promise<void>,
): Promise<void> {
  if (process.getuid?.() !== 0) {
    console.warn('SKIPPED: a small file system can be mounted by root only.');
    context.skip();
  }
  await inFolder(async (folder) => {
    const mount = join(folder, 'small');
    await mkdir(mount);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', mount], { stdio: 'pipe' });
    } catch {
      console.warn('SKIPPED: this machine does not let root mount a tmpfs.');
      context.skip();
    }
    try {
      await work(folder, mount);
    } finally {
      execFileSync('umount', [mount]);
    }
  });
}

/** Leaves no room; what it resolves to gives it back. */
async function fillUp(mount: string): Promise<() => Promise<void>> {
  const filler = join(mount, 'filler');
  await appendFile(filler, Buffer.alloc(2_000_000)).catch(() => {
    // That is what it is for: the file system is full now.
  });
  return () => rm(filler);
}

describe('a command whose output nobody reads to its end', { timeout: 60_000 }, () => {
  it('ends quietly', async () => {
    const child = spawn(process.execPath, [CAPSTAN, '--help'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const [code] = (await once(child, 'close')) as [number];
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  it('stops a server as a signal would', () =>
    inFolder(async (folder) => {
      const home = join(folder, 'east');
      await json(home, 'init', ...ENDPOINT);
      const args = [CAPSTAN, 'serve', '--home', home];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
      child.stdout.destroy();
      const [code] = (await once(child, 'close')) as [number];
      expect(code).toBe(0);
    }));
});

describe('capstan vault collect', { timeout: 120_000 }, () => {
  it.each([true, false])('gives space back, told as JSON; a server runs: %s', (runs) =>
    inFolder(async (folder) => {
      const home = join(folder, 'east');
      await json(home, 'init', ...ENDPOINT);
      const serving = runs ? await ServeProcess.start(home) : undefined;
      const collected = await json(home, 'vault', 'collect', 'VAULT00', '--rate', '20M');
      expect(collected).toEqual({
        name: 'VAULT00',
        packsRemoved: 0,
        freedBytes: 0,
        copiedBytes: 0,
      });
      await serving?.end('SIGTERM');
    }),
  );
});

describe('capstan receive', { timeout: 120_000 }, () => {
  it.each([true, false])('takes a copy over its standard streams; a server runs: %s', (runs) =>
    inFolder(async (folder) => {
      const east = join(folder, 'east');
      const west = join(folder, 'west');
      await json(east, 'init', ...ENDPOINT);
      await json(east, 'pool', 'create', 'BACKUP');
      const tape = (await json(east, 'tape', 'create', 'T00001', '--pool', 'BACKUP')) as TapeRow;
      await json(west, 'init', ...ENDPOINT);
      await json(west, 'pool', 'create', 'DR');
      const serving = runs ? await ServeProcess.start(west) : undefined;

      const child = spawn(process.execPath, [CAPSTAN, 'receive', '--home', west], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      const closed = once(child, 'close');
      const stream = new NodeDuplex({
        peer: 'capstan receive',
        readable: child.stdout,
        writable: child.stdin,
        drop: () => {
          child.stdin.destroy();
          child.stdout.destroy();
        },
      });
      const engine = await openEngine(join(east, 'vaults/VAULT00'), { mode: 'read' });
      try {
        const { name, labelType, capacityBytes } = tape;
        const result = await sendTape({
          stream,
          engine,
          clock: systemClock,
          sourceServer: 'east',
          stallTimeoutMs: 30_000,
          offer: {
            image: name,
            tape: name,
            pool: 'DR',
            labelType,
            capacityBytes,
            generation: tape.generation,
          },
        });
        expect(result.outcome).toBe('copied');
      } finally {
        await engine.close();
      }
      expect((await closed)[0]).toBe(0);
      expect(await json(west, 'tape', 'show', 'T00001')).toMatchObject({
        pool: 'DR',
        copiedFrom: 'east',
      });
      expect((await runCapstan(['tape', 'verify', '--home', west])).code).toBe(0);
      await serving?.end('SIGTERM');
    }),
  );
});
