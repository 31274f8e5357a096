/**
 * A whole server on a real file system of 64 MB that is full to its last byte: what makes room gets
 * through, and a tape whose writing broke off leaves its drive. Needs root, for a loop device.
 */
import { open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { dir } from 'tmp-promise';
import type { DirectoryResult } from 'tmp-promise';
import { describe, expect, it, vi } from 'vitest';
import type { TestContext } from 'vitest';
import { runCapstan } from '../../harness/rig/serve-process.ts';
import { Mount, whyNoLoop } from '../../scripts/campaigns/disks/mounts.ts';
import { startServer } from '../../src/cli/serve.ts';
import type { RunningServer } from '../../src/cli/serve.ts';
import { TapeOperations } from '../../src/initiator/tape-operations.ts';
import { assert } from '../../src/base/assert.ts';
import { systemRandom } from '../../src/platform/system-random.ts';

const SIZE_MIB = 64;
const BLOCK_BYTES = 65_536;
const TAPES = ['T00001', 'T00002', 'T00003', 'T00004'];

class FullDisk {
  readonly home: string;
  readonly #mount: Mount;
  readonly #folder: DirectoryResult;
  #running: RunningServer | undefined;

  private constructor(mount: Mount, folder: DirectoryResult) {
    this.#mount = mount;
    this.#folder = folder;
    this.home = join(mount.path, 'home');
  }

  static async make(folder: DirectoryResult): Promise<FullDisk> {
    return new FullDisk(await Mount.ofImage(folder.path, 'ext4', SIZE_MIB), folder);
  }

  /** A server with a drive, and tapes of a few megabytes each but for the first. */
  async begin(): Promise<void> {
    const init = await runCapstan(['init', '--listen', '127.0.0.1:0', '--home', this.home]);
    assert(init.code === 0, init.stderr);
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

  async start(): Promise<void> {
    this.#running = await startServer({ home: this.home });
  }

  async stop(): Promise<void> {
    await this.#running?.stop();
    this.#running = undefined;
  }

  async remove(): Promise<void> {
    await this.empty();
    await this.stop();
    await this.#mount.unmount();
    await this.#folder.cleanup();
  }

  call(name: string, parameters: object): Promise<unknown> {
    const { server } = this.#running ?? {};
    if (server === undefined) throw new Error('the server runs');
    return server.operations.call(name, parameters);
  }

  mount(tape: string): Promise<unknown> {
    return this.call('mount.create', { tape, drive: 'VTD01', ring: true });
  }

  /** Up to so many blocks behind what is on the tape; what the host is told where one is refused. */
  async write(count: number): Promise<string | undefined> {
    const { server } = this.#running ?? {};
    if (server === undefined) throw new Error('the server runs');
    const drive = new TapeOperations(server.driveTransport('VTD01'));
    await drive.awaitReady();
    await drive.spaceToEndOfData();
    for (let block = 0; block < count; block += 1) {
      const written = await drive.writeBlock(systemRandom.bytes(BLOCK_BYTES));
      if (written.kind !== 'done') return JSON.stringify(written);
    }
    const marked = await drive.writeFilemarks(1);
    return marked.kind === 'done' ? undefined : JSON.stringify(marked);
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
    return join(this.#mount.path, 'filler');
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

async function onFullDisk(
  context: TestContext,
  work: (disk: FullDisk) => Promise<void>,
): Promise<void> {
  const folder = await dir({ unsafeCleanup: true });
  const lacked = await whyNoLoop(folder.path, 'ext4');
  if (lacked !== undefined) {
    await folder.cleanup();
    context.skip(lacked);
  }
  const disk = await FullDisk.make(folder);
  try {
    await disk.begin();
    await work(disk);
  } finally {
    await disk.remove();
  }
}

describe('a file system that is full to its last byte', { timeout: 180_000 }, () => {
  it('gives back a tape whose writing broke off, and lets erase, delete and collect through', (context) =>
    onFullDisk(context, async (disk) => {
      await disk.mount('T00001');
      expect(await disk.write(10)).toBeUndefined();
      await disk.fill();
      const told = await disk.write(1000);
      expect(told).toContain('"deferred":true');
      await disk.fill();
      // A job that begins anew leaves a tape that is to be made shorter.
      expect(await disk.call('mount.end', { tape: 'T00001' })).toMatchObject({
        tape: 'T00001',
        state: 'dismounted',
      });
      expect(await disk.call('tape.show', { name: 'T00001' })).toMatchObject({ generation: 1 });
      await disk.fill();
      expect(await disk.call('tape.erase', { name: 'T00002' })).toMatchObject({ name: 'T00002' });
      await disk.fill();
      await disk.call('tape.delete', { name: 'T00003' });
      await disk.fill();
      // And what serves, starts on such a disk, too.
      await disk.stop();
      await disk.fill();
      await disk.start();
      expect(await disk.call('vault.collect', { name: 'VAULT00' })).toMatchObject({
        packsRemoved: expect.any(Number) as number,
      });
      // The others give back what they took; what is to be held back is held again.
      await disk.empty();
      await disk.call('vault.collect', { name: 'VAULT00' });
      await vi.waitFor(async () => {
        expect(Math.min(...(await disk.ballastBytes()))).toBeGreaterThan(500_000);
      });
      await disk.mount('T00002');
      expect(await disk.write(50)).toBeUndefined();
      await disk.call('mount.end', { tape: 'T00002' });
      expect(await disk.call('tape.verify', {})).toMatchObject({ damages: [] });
    }));

  it('refuses an erasure where nothing is held back', (context) =>
    onFullDisk(context, async (disk) => {
      await disk.dropBallasts();
      await disk.fill();
      await expect(disk.call('tape.erase', { name: 'T00002' })).rejects.toThrow(/is full/);
    }));
});
