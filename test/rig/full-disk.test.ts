/**
 * Whole servers on a real file system that is full to its last byte: they start, what makes room gets
 * through, what is there is read, and a tape whose writing broke off leaves its drive. Needs root, for a loop device.
 */
import { appendFile, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dir } from 'tmp-promise';
import type { DirectoryResult } from 'tmp-promise';
import { describe, expect, it, vi } from 'vitest';
import type { TestContext } from 'vitest';
import { ScsiCable } from '../../harness/rig/scsi-cable.ts';
import { freePort } from '../../harness/rig/free-port.ts';
import { ServeProcess, runCapstan } from '../../harness/rig/serve-process.ts';
import { Mount, whyNoLoop } from '../../scripts/campaigns/disks/mounts.ts';
import type { LoopFileSystem } from '../../scripts/campaigns/disks/mounts.ts';
import { assert } from '../../src/base/assert.ts';
import { openCatalog } from '../../src/catalog/sqlite-catalog.ts';
import { localClient } from '../../src/cli/call.ts';
import { homePaths } from '../../src/cli/home.ts';
import { TapeOperations } from '../../src/initiator/tape-operations.ts';
import { systemRandom } from '../../src/platform/system-random.ts';

const SIZES_MIB = { ext4: 64, xfs: 300 } as const;
const BLOCK_BYTES = 65_536;
const TAPES = ['T00001', 'T00002', 'T00003', 'T00004'];

/** A file system that others fill. */
class SmallDisk {
  readonly folder: DirectoryResult;
  readonly #mount: Mount;

  private constructor(mount: Mount, folder: DirectoryResult) {
    this.#mount = mount;
    this.folder = folder;
  }

  static async make(folder: DirectoryResult, type: LoopFileSystem): Promise<SmallDisk> {
    return new SmallDisk(await Mount.ofImage(folder.path, type, SIZES_MIB[type]), folder);
  }

  get path(): string {
    return this.#mount.path;
  }

  /** Others take all that is left. */
  async fill(): Promise<void> {
    const file = await open(this.#filler, 'a');
    try {
      for (const bytes of [1 << 20, 4096, 1]) {
        const block = new Uint8Array(bytes).fill(1);
        try {
          for (;;) await file.write(block);
        } catch (error) {
          if ((error as { code?: unknown }).code !== 'ENOSPC') throw error;
        }
      }
      await file.sync();
    } finally {
      await file.close();
    }
  }

  empty(): Promise<void> {
    return rm(this.#filler, { force: true });
  }

  get #filler(): string {
    return join(this.path, 'filler');
  }

  async remove(): Promise<void> {
    await this.#mount.unmount();
    await this.folder.cleanup();
  }
}

/** What `init` says of a server. */
interface Keys {
  readonly publicKey: string;
  readonly hostKeyFingerprint: string;
}

/** A server of its own process, with a drive. */
class Server {
  readonly home: string;
  readonly port: number;
  readonly #cablePath: string;
  #keys: Keys | undefined;
  #running: ServeProcess | undefined;

  constructor(home: string, folder: string, port: number) {
    this.home = home;
    this.port = port;
    this.#cablePath = join(folder, `${home.split('/').at(-1)}-cable`);
  }

  /** Tapes of a few megabytes each but for the first. */
  async begin(): Promise<void> {
    await this.init();
    await this.start();
    await this.call('pool.create', { name: 'POOL1', vault: 'VAULT00' });
    for (const name of TAPES) await this.call('tape.create', { name, pool: 'POOL1' });
    await this.call('drive.create', { name: 'VTD01', host: '\\LAB', device: '$TAPE0' });
    for (const name of TAPES.slice(1)) {
      await this.mount(name);
      await this.write(100);
      await this.call('mount.end', { tape: name });
    }
  }

  async init(): Promise<void> {
    const listen = `127.0.0.1:${this.port}`;
    const init = await runCapstan(['init', '--json', '--listen', listen, '--home', this.home]);
    assert(init.code === 0, init.stderr);
    this.#keys = JSON.parse(init.stdout) as Keys;
    const { configuration } = homePaths(this.home);
    const text: unknown = JSON.parse(await readFile(configuration, 'utf8'));
    await writeFile(configuration, JSON.stringify({ ...(text as object), api: undefined }));
  }

  get keys(): Keys {
    assert(this.#keys !== undefined, 'a home that is made has keys');
    return this.#keys;
  }

  async start(): Promise<void> {
    await rm(this.#cablePath, { force: true });
    this.#running = await ServeProcess.start(this.home, { cable: this.#cablePath });
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    await this.#running?.end(signal);
    this.#running = undefined;
  }

  call(name: string, parameters: Readonly<Record<string, unknown>>): Promise<unknown> {
    return localClient(homePaths(this.home).controlSocket).call(name, parameters);
  }

  mount(tape: string, ring = true): Promise<unknown> {
    return this.call('mount.create', { tape, drive: 'VTD01', ring });
  }

  /** Up to so many blocks behind what is on the tape; what the host is told where one is refused. */
  write(count: number): Promise<string | undefined> {
    return this.#atDrive(async (drive) => {
      await drive.spaceToEndOfData();
      for (let block = 0; block < count; block += 1) {
        const written = await drive.writeBlock(systemRandom.bytes(BLOCK_BYTES));
        if (written.kind !== 'done') return JSON.stringify(written);
      }
      const marked = await drive.writeFilemarks(1);
      return marked.kind === 'done' ? undefined : JSON.stringify(marked);
    });
  }

  /** How many blocks of a whole length a host reads. */
  read(): Promise<number> {
    return this.#atDrive(async (drive) => {
      await drive.rewind();
      let count = 0;
      for (;;) {
        const read = await drive.readBlock(BLOCK_BYTES);
        if (read.kind === 'end-of-data') return count;
        assert(read.kind === 'block' || read.kind === 'filemark', JSON.stringify(read));
        if (read.kind === 'block' && read.residual === 0) count += 1;
      }
    });
  }

  async #atDrive<T>(work: (drive: TapeOperations) => Promise<T>): Promise<T> {
    const cable = new ScsiCable(this.#cablePath);
    try {
      const drive = new TapeOperations(cable.drive('VTD01'));
      await drive.awaitReady();
      return await work(drive);
    } finally {
      cable.close();
    }
  }

  get #ballasts(): readonly string[] {
    return [
      join(this.home, 'catalog.sqlite.ballast'),
      join(this.home, 'vaults', 'VAULT00', '~ballast'),
    ];
  }

  ballastBytes(): Promise<readonly number[]> {
    return Promise.all(this.#ballasts.map(async (path) => (await stat(path)).size));
  }

  async dropBallasts(): Promise<void> {
    for (const path of this.#ballasts) await rm(path);
  }
}

async function onDisk(
  context: TestContext,
  type: LoopFileSystem,
  work: (disk: SmallDisk) => Promise<void>,
): Promise<void> {
  const folder = await dir({ unsafeCleanup: true });
  const lacked = await whyNoLoop(folder.path, type);
  if (lacked !== undefined) {
    await folder.cleanup();
    context.skip(lacked);
  }
  const disk = await SmallDisk.make(folder, type);
  try {
    await work(disk);
  } finally {
    await disk.empty();
    await disk.remove();
  }
}

/** A server whose home is on such a disk. */
function onFullDisk(
  context: TestContext,
  type: LoopFileSystem,
  work: (server: Server, disk: SmallDisk) => Promise<void>,
): Promise<void> {
  return onDisk(context, type, async (disk) => {
    const server = new Server(join(disk.path, 'home'), disk.folder.path, await freePort());
    try {
      await server.begin();
      await work(server, disk);
    } finally {
      await server.stop('SIGKILL');
    }
  });
}

describe('a file system that is full to its last byte', { timeout: 240_000 }, () => {
  it('gives back a tape whose writing broke off, and lets erase, delete and collect through', (context) =>
    onFullDisk(context, 'ext4', async (server, disk) => {
      await server.mount('T00001');
      expect(await server.write(10)).toBeUndefined();
      await disk.fill();
      const told = await server.write(1000);
      expect(told).toContain('"deferred":true');
      await disk.fill();
      // A job that begins anew leaves a tape that is to be made shorter.
      expect(await server.call('mount.end', { tape: 'T00001' })).toMatchObject({
        tape: 'T00001',
        state: 'dismounted',
      });
      expect(await server.call('tape.show', { name: 'T00001' })).toMatchObject({ generation: 1 });
      await disk.fill();
      expect(await server.call('tape.erase', { name: 'T00002' })).toMatchObject({ name: 'T00002' });
      await disk.fill();
      await server.call('tape.delete', { name: 'T00003' });
      await disk.fill();
      // And what serves, starts on such a disk, too.
      await server.stop();
      await disk.fill();
      await server.start();
      expect(await server.call('vault.collect', { name: 'VAULT00' })).toMatchObject({
        packsRemoved: expect.any(Number) as number,
      });
      // The others give back what they took; what is to be held back is held again.
      await disk.empty();
      await server.call('vault.collect', { name: 'VAULT00' });
      await vi.waitFor(async () => {
        expect(Math.min(...(await server.ballastBytes()))).toBeGreaterThan(500_000);
      });
      await server.mount('T00002');
      expect(await server.write(50)).toBeUndefined();
      await server.call('mount.end', { tape: 'T00002' });
      expect(await server.call('tape.verify', {})).toMatchObject({ damages: [] });
    }));

  it('refuses an erasure where nothing is held back', (context) =>
    onFullDisk(context, 'ext4', async (server, disk) => {
      await server.dropBallasts();
      await disk.fill();
      await expect(server.call('tape.erase', { name: 'T00002' })).rejects.toThrow(/is full/);
    }));

  it.for(['ext4', 'xfs'] as const)(
    'serves again after it was killed on a full %s',
    (type, context) =>
      onFullDisk(context, type, async (server, disk) => {
        await server.call('vault.share', { name: 'VAULT00' });
        await server.mount('T00001');
        expect(await server.write(10)).toBeUndefined();
        await disk.fill();
        expect(await server.write(1000)).toContain('"deferred":true');
        await disk.fill();
        await server.stop('SIGKILL');
        for (const tape of ['T00002', 'T00003']) {
          await disk.fill();
          await server.start();
          await disk.fill();
          // What is there is read, although the mount has to be recorded.
          await server.mount('T00004', false);
          await disk.fill();
          expect(await server.read()).toBe(100);
          await server.call('mount.end', { tape: 'T00004' });
          await disk.fill();
          await server.call('tape.erase', { name: tape });
          await disk.fill();
          await server.call('vault.collect', { name: 'VAULT00' });
          await disk.fill();
          await server.stop('SIGKILL');
        }
        await disk.empty();
        await server.start();
        expect(await server.call('tape.show', { name: 'T00001' })).toMatchObject({ generation: 1 });
        expect(await server.call('tape.verify', {})).toMatchObject({ damages: [] });
      }),
  );

  it('costs a copy that comes in attempts, with the reason, and goes on once there is room', (context) =>
    onFullDisk(context, 'ext4', async (west, disk) => {
      const { path } = disk.folder;
      const east = new Server(join(path, 'east'), path, await freePort());
      try {
        await east.begin();
        await appendFile(homePaths(west.home).authorizedKeys, `${east.keys.publicKey}\n`);
        await west.stop();
        await west.start();
        const { port, keys } = west;
        const target = {
          server: 'home',
          address: '127.0.0.1',
          port,
          user: 'capstan',
          hostKey: keys.hostKeyFingerprint,
          transport: 'ssh2',
        };
        await east.call('autocopy.create', { pool: 'POOL1', target, targetPool: 'POOL2' });
        await disk.fill();
        await east.call('tape.create', { name: 'C00001', pool: 'POOL1' });
        await east.mount('C00001');
        expect(await east.write(300)).toBeUndefined();
        await east.call('mount.end', { tape: 'C00001' });
        await vi.waitFor(
          async () => {
            expect(JSON.stringify(await east.call('autocopy.status', {}))).toMatch(/is full/);
          },
          { timeout: 60_000, interval: 500 },
        );
        expect(await west.call('tape.list', {})).not.toEqual(
          expect.arrayContaining([expect.objectContaining({ pool: 'POOL2' })]),
        );
        await disk.empty();
        await east.call('autocopy.retry', {});
        await vi.waitFor(
          async () => {
            expect(await west.call('tape.show', { name: 'C00001' })).toMatchObject({
              generation: 1,
            });
          },
          { timeout: 60_000, interval: 500 },
        );
        expect(await west.call('tape.verify', {})).toMatchObject({ damages: [] });
      } finally {
        await east.stop('SIGKILL');
      }
    }));

  it('keeps what the catalog acknowledged where its log cannot be written back', (context) =>
    onDisk(context, 'ext4', async (disk) => {
      const path = join(disk.path, 'catalog.sqlite');
      let catalog = openCatalog(path);
      await catalog.createVault({ name: 'VAULT00', path: '/vault', createdAtMs: 0 });
      // A log as long as it gets; then its pages find room in it, and none in the database.
      const create = (number: number): Promise<unknown> =>
        catalog.createPool({ name: `POOL${number}`, vault: 'VAULT00', createdAtMs: 0 });
      const before = 400;
      for (let number = 0; number < before; number += 1) await create(number);
      await disk.fill();
      const acknowledged: number[] = [];
      const going = async (): Promise<void> => {
        for (let number = before; number < 10_000; number += 1) {
          await create(number);
          acknowledged.push(number);
        }
      };
      await expect(going()).rejects.toThrow(/is full; free space/);
      expect(acknowledged.length).toBeGreaterThan(0);
      await catalog.close();
      catalog = openCatalog(path);
      expect(await catalog.listPools()).toHaveLength(before + acknowledged.length);
      await disk.empty();
      await create(10_000);
      expect(await catalog.listPools()).toHaveLength(before + acknowledged.length + 1);
      await catalog.close();
    }));
});
