/** Two real `capstan serve` processes on one vault: a guest works, its keeper is killed, and it goes on. */
import { execFile } from 'node:child_process';
import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { withDir } from 'tmp-promise';
import { expect, it } from 'vitest';
import { createHome } from '../../src/cli/create-home.ts';
import type { CreatedHome } from '../../src/cli/create-home.ts';
import { sshKeyFingerprint } from '../../src/platform/ssh-keys.ts';
import { ServeProcess, runCapstan } from '../../harness/rig/serve-process.ts';

/** How long a server may take to see what has changed. */
const PATIENCE_MS = 30_000;
const LOOK_INTERVAL_MS = 200;

async function json(home: string, ...args: readonly string[]): Promise<unknown> {
  const { code, stdout, stderr } = await runCapstan([...args, '--home', home, '--json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

async function until(look: () => Promise<boolean>): Promise<void> {
  const endMs = Date.now() + PATIENCE_MS;
  while (!(await look())) {
    expect(Date.now()).toBeLessThan(endMs);
    await new Promise((resolve) => setTimeout(resolve, LOOK_INTERVAL_MS));
  }
}

const stateIs =
  (home: string, state: string): (() => Promise<boolean>) =>
  async () => {
    const rows = (await json(home, 'vault', 'list')) as readonly {
      readonly name: string;
      readonly state: string;
    }[];
    return rows.find(({ name }) => name === 'GFS1')?.state === state;
  };

/** `path` once more, through another mount of the same file system; whether this user may have one. */
async function bindMount(path: string, at: string): Promise<boolean> {
  await mkdir(at);
  try {
    await promisify(execFile)('mount', ['--bind', path, at]);
    return true;
  } catch {
    return false;
  }
}

it.for(['by one path', 'through two mounts'] as const)(
  'Two processes share a vault %s, and the guest goes on when its keeper is killed',
  { timeout: 120_000 },
  (places, { skip }) =>
    withDir(
      async ({ path: folder }) => {
        const homes = { east: join(folder, 'east'), west: join(folder, 'west') };
        const vault = join(folder, 'gfs', 'GFS1');
        await mkdir(join(folder, 'gfs'));
        const again = join(folder, 'gfs-of-west');
        const isBound =
          places === 'through two mounts' && (await bindMount(join(folder, 'gfs'), again));
        if (places === 'through two mounts' && !isBound) skip('this user may not mount');
        const vaultOfWest = isBound ? join(again, 'GFS1') : vault;
        const keys = new Map<string, CreatedHome>();
        for (const [name, home] of Object.entries(homes)) {
          keys.set(
            name,
            await createHome({ home, name, listen: { address: '127.0.0.1', port: 0 } }),
          );
        }
        const servers = new Map<string, ServeProcess>();
        for (const [name, other] of [
          ['east', 'west'],
          ['west', 'east'],
        ] as const) {
          const line = `${keys.get(other)?.publicKey}\n`;
          await appendFile(join(homes[name], 'keys', 'authorized_keys'), line);
          servers.set(name, await ServeProcess.start(homes[name]));
        }
        const { east: keeper, west: guest } = Object.fromEntries(servers);
        if (keeper === undefined || guest === undefined) throw new Error('two servers run');
        try {
          for (const [name, other] of [
            ['east', 'west'],
            ['west', 'east'],
          ] as const) {
            const port =
              /receives copies on \S+ port (\d+)/.exec(servers.get(other)?.output ?? '')?.[1] ?? '';
            const hostKey = keys.get(other)?.hostKeyFingerprint ?? '';
            const reached = ['--address', '127.0.0.1', '--port', port, '--host-key', hostKey];
            await json(homes[name], 'isc', 'add', other, ...reached);
          }
          await json(homes.east, 'vault', 'create', 'GFS1', '--path', vault, '--shared');
          await until(async () => {
            const joining = ['vault', 'join', 'GFS1', '--path', vaultOfWest, '--home', homes.west];
            return (await runCapstan(joining)).code === 0;
          });
          await until(stateIs(homes.west, 'kept by east'));
          await json(homes.west, 'pool', 'create', 'SHARED', '--vault', 'GFS1');
          await json(homes.west, 'tape', 'create', 'LAB001', '--pool', 'SHARED');
          const tapes = await json(homes.east, 'tape', 'list');
          expect(tapes).toMatchObject([{ name: 'LAB001', vault: 'GFS1' }]);
          expect(await json(homes.west, 'tape', 'list')).toEqual(tapes);
          const westKey = await readFile(join(homes.west, 'keys', 'client_key.pub'), 'utf8');
          expect(await json(homes.east, 'isc', 'list')).toMatchObject([
            { server: 'west', clientKey: sshKeyFingerprint(westKey), state: 'connected' },
          ]);
          await keeper.end('SIGKILL');
          await until(stateIs(homes.west, 'open, kept here'));
          expect(await json(homes.west, 'tape', 'list')).toEqual(tapes);
          const verified = await runCapstan(['tape', 'verify', '--home', homes.west]);
          expect(verified).toMatchObject({ code: 0, stderr: '' });
        } finally {
          await guest.end('SIGTERM');
          if (isBound) await promisify(execFile)('umount', [again]);
        }
      },
      { unsafeCleanup: true },
    ),
);
