/** The parts of the campaign on real disks; what a part needs and the machine lacks is told as skipped. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SimulatedRandom } from '../../../harness/world/simulated-random.ts';
import { Journal } from './journal.ts';
import { LOOP_FILE_SYSTEMS, Mount, whyNoLoop, whyNoMemoryMount } from './mounts.ts';
import type { LoopFileSystem } from './mounts.ts';
import { buildNoSync, cutPower } from './power-cuts.ts';
import { PartReport } from './report.ts';
import { STORE_KINDS } from './store-kind.ts';
import { sweepSystemCalls } from './system-calls.ts';
import { takesDirect, whyNoStrace } from './tools.ts';
import { check, runTask } from './worker-process.ts';

const FULL_DISK_MIB = 64;
const FILE_SYSTEMS = Object.keys(LOOP_FILE_SYSTEMS) as LoopFileSystem[];

export interface DisksOptions {
  /** An empty folder on a disk with 1 GB of room. */
  readonly folder: string;
  readonly seed: number;
  /** Points, for each kind of store and each file system; all where none is given. */
  readonly pointsMax?: number;
  /** For each file system. */
  readonly cutsMax: number;
  readonly lyingCutsMax: number;
  /** By performance.now(): what is begun before is ended. */
  readonly endMs: number;
  /** Ends it earlier, in the same way. */
  readonly signal?: AbortSignal;
}

/** Until when the next of `left` equal parts may go on. */
function untilShareOf({ endMs, signal }: DisksOptions, left: number): () => boolean {
  const now = performance.now();
  const shareEndMs = now + (endMs - now) / left;
  return () => signal?.aborted !== true && performance.now() < shareEndMs;
}

/** Kills and errors at system calls, past the page cache and through it. */
export async function systemCallsPart(options: DisksOptions): Promise<PartReport> {
  const { folder, seed, pointsMax } = options;
  const report = new PartReport('system calls');
  const lacking = await whyNoStrace();
  if (lacking !== undefined) {
    report.skip('system calls', lacking);
    return report;
  }
  const random = new SimulatedRandom(seed);
  let left = 2 * STORE_KINDS.length;
  const sweep = async (where: string) => {
    const direct = await takesDirect(where);
    for (const kind of STORE_KINDS) {
      const limit = pointsMax === undefined ? {} : { pointsMax };
      const mayGoOn = untilShareOf(options, left);
      left -= 1;
      await sweepSystemCalls({ folder: where, kind, random, report, mayGoOn, ...limit });
      report.count(direct ? 'sweeps past the page cache' : 'sweeps through the page cache');
    }
  };
  const why = await whyNoMemoryMount(folder);
  if (why === undefined) {
    const memory = await Mount.ofMemory(folder, 'ramfs');
    try {
      await sweep(memory.path);
    } finally {
      await memory.unmount();
    }
  } else {
    report.skip('a file system that refuses O_DIRECT', why);
    left -= STORE_KINDS.length;
  }
  const disk = join(folder, 'disk');
  await mkdir(disk, { recursive: true });
  if (!(await takesDirect(disk))) report.skip('O_DIRECT', `${disk} refuses it`);
  await sweep(disk);
  return report;
}

/** Power cuts, with syncs as they are and with ones that lie. */
export async function powerPart(options: DisksOptions): Promise<PartReport> {
  const { folder, seed, cutsMax, lyingCutsMax } = options;
  const report = new PartReport('power cuts');
  const random = new SimulatedRandom(seed);
  for (const [index, fileSystem] of FILE_SYSTEMS.entries()) {
    const lacking = await whyNoLoop(folder, fileSystem);
    if (lacking !== undefined) {
      report.skip(`power cuts on ${fileSystem}`, lacking);
      continue;
    }
    const how = { folder, fileSystem, random, report };
    const noSync = await buildNoSync(folder);
    await cutPower({ ...how, cutsMax: lyingCutsMax, noSync, mayGoOn: () => true });
    const mayGoOn = untilShareOf(options, FILE_SYSTEMS.length - index);
    await cutPower({ ...how, cutsMax, mayGoOn });
  }
  return report;
}

/** Small disks written full. */
export async function fullDiskPart({ folder, seed }: DisksOptions): Promise<PartReport> {
  const report = new PartReport('full disks');
  const fill = async (name: string, mount: () => Promise<Mount>) => {
    for (const kind of STORE_KINDS) {
      const disk = await mount();
      try {
        const store = join(disk.path, 'store');
        const task = { folder: store, kind, seed };
        const full = await runTask({ kind: 'fill', disk: task });
        const freed = await runTask({ kind: 'free', disk: task, journal: full });
        await check(store, kind, Journal.from(freed));
      } catch (error) {
        report.fail(`${name}, ${kind}: ${String(error)}`);
      }
      report.count(`${name} filled`);
      await disk.unmount();
    }
  };
  const noLoop = await whyNoLoop(folder, 'ext4');
  if (noLoop === undefined) {
    await fill('ext4', () => Mount.ofImage(folder, 'ext4', FULL_DISK_MIB));
  } else report.skip('a full ext4', noLoop);
  const noMemory = await whyNoMemoryMount(folder);
  if (noMemory === undefined) {
    await fill('tmpfs', () => Mount.ofMemory(folder, 'tmpfs', `size=${FULL_DISK_MIB}m`));
  } else report.skip('a full tmpfs', noMemory);
  return report;
}
