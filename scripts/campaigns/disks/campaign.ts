/** The parts of the campaign on real disks; what a part needs and the machine lacks is told as skipped. */
import { join } from 'node:path';
import { SimulatedRandom } from '../../../harness/world/simulated-random.ts';
import { Journal } from './journal.ts';
import { LOOP_FILE_SYSTEMS, Mount, whyNoLoop, whyNoMemoryMount } from './mounts.ts';
import type { LoopFileSystem } from './mounts.ts';
import { buildNoSync, cutPower } from './power-cuts.ts';
import { PartReport } from './report.ts';
import { STORE_KINDS } from './store-kind.ts';
import { sweepSystemCalls } from './system-calls.ts';
import { whyNoStrace, whyNotDirect } from './tools.ts';
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

/** Kills and errors at system calls: each kind of store in `where`. */
async function sweepCalls(
  options: DisksOptions,
  report: PartReport,
  where: string,
  way: 'through' | 'past',
): Promise<void> {
  const { seed, pointsMax } = options;
  const random = new SimulatedRandom(seed);
  for (const [index, kind] of STORE_KINDS.entries()) {
    const limit = pointsMax === undefined ? {} : { pointsMax };
    const mayGoOn = untilShareOf(options, STORE_KINDS.length - index);
    await sweepSystemCalls({ folder: where, kind, random, report, mayGoOn, ...limit });
    report.count(`sweeps ${way} the page cache`);
  }
}

/** Past the page cache, on the disk. */
export async function directCallsPart(options: DisksOptions): Promise<PartReport> {
  const { folder } = options;
  const report = new PartReport('system calls');
  const lacking = (await whyNoStrace()) ?? (await whyNotDirect(folder));
  if (lacking === undefined) await sweepCalls(options, report, folder, 'past');
  else report.skip('system calls', lacking);
  return report;
}

/** Through it, on a file system that refuses O_DIRECT. */
export async function cachedCallsPart(options: DisksOptions): Promise<PartReport> {
  const { folder } = options;
  const report = new PartReport('system calls without O_DIRECT');
  const lacking = (await whyNoStrace()) ?? (await whyNoMemoryMount(folder));
  if (lacking !== undefined) {
    report.skip('system calls', lacking);
    return report;
  }
  const memory = await Mount.ofMemory(folder, 'ramfs');
  try {
    await sweepCalls(options, report, memory.path, 'through');
  } finally {
    await memory.unmount();
  }
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
