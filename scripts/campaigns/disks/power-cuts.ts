/**
 * The power fails while a worker writes to a loop-mounted file system, at a drawn moment; the file system
 * is mounted again and the store checked. Some lives of workers go by on one store.
 *
 * That this finds anything is shown in the same way: with a library under the worker whose syncs do
 * nothing, each store must be found to have lost something.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SimulatedRandom } from '../../../harness/world/simulated-random.ts';
import { Journal } from './journal.ts';
import { Mount, SHUTDOWN_FLAGS } from './mounts.ts';
import type { LoopFileSystem, Shutdown } from './mounts.ts';
import type { PartReport } from './report.ts';
import { STORE_KINDS } from './store-kind.ts';
import type { StoreKind } from './store-kind.ts';
import { run } from './tools.ts';
import { check, startWorker } from './worker-process.ts';

const IMAGE_MIB = { ext4: 256, xfs: 400 } as const satisfies Record<LoopFileSystem, number>;
const LIVES_MAX = 4;
/** More than a worker gets to. */
const ROUNDS = 1_000_000;
const CUT_AFTER_MS_MAX = 1500;
/** A liar must have had something to lie about. */
const LIE_AFTER_MS_MIN = 700;
const SHUTDOWNS = Object.keys(SHUTDOWN_FLAGS) as Shutdown[];
const START_POLL_MS = 5;

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** Builds the library under which syncs do nothing; its path. */
export async function buildNoSync(folder: string): Promise<string> {
  const path = join(folder, 'no-sync.so');
  const source = join(import.meta.dirname, 'no-sync.c');
  await run('g++', '-x', 'c', '-shared', '-fPIC', '-O1', '-o', path, source);
  return path;
}

export interface PowerCutOptions {
  /** For the image and its mount point. */
  readonly folder: string;
  readonly fileSystem: LoopFileSystem;
  readonly random: SimulatedRandom;
  readonly report: PartReport;
  readonly cutsMax: number;
  /** The library of buildNoSync: each store must then be found to have lost something. */
  readonly noSync?: string;
  readonly mayGoOn: () => boolean;
}

interface Cut {
  readonly store: string;
  readonly kind: StoreKind;
  readonly stockSeed: number;
  readonly life: number;
  readonly afterMs: number;
  readonly how: Shutdown;
}

function textOf(fileSystem: LoopFileSystem, cut: Cut): string {
  const { kind, stockSeed, life, how, afterMs } = cut;
  return `${fileSystem}, ${kind}, stock ${stockSeed}, life ${life}, ${how} after ${afterMs} ms`;
}

async function cutOnce(mount: Mount, cut: Cut, journal: Journal, noSync?: string): Promise<number> {
  const { store: folder, kind, stockSeed, life } = cut;
  const environment = noSync === undefined ? {} : { LD_PRELOAD: noSync };
  const work = { folder, kind, stockSeed, life, rounds: ROUNDS, environment };
  const { end, output } = startWorker(work);
  const isOver = end.then(() => true);
  // From when it is there: a process takes its time to start.
  while (output() === '') {
    if (await Promise.race([isOver, sleep(START_POLL_MS)])) break;
  }
  await sleep(cut.afterMs);
  const cutAtNs = await mount.shutDown(cut.how);
  const { how, output: said, words } = await end;
  await mount.unmount();
  await mount.mount();
  const lateCount = journal.add(said, cutAtNs);
  if (how !== 'rejected') throw new Error(`the worker ended ${how} without power: ${words}`);
  return lateCount;
}

/** With syncs that lie, it is a failure that none is found. */
function tell(
  { report, fileSystem, noSync }: PowerCutOptions,
  cut: string,
  failure?: string,
): void {
  if (noSync === undefined) {
    report.count(`${fileSystem} cuts`);
    if (failure !== undefined) report.fail(`${cut}: ${failure}`);
    return;
  }
  report.count(`${fileSystem} cuts with lying syncs`);
  if (failure === undefined) report.fail(`${cut}: syncs that do nothing were not noticed`);
  else report.count('of them noticed');
}

/** Cuts and checks until `cutsMax` or the time is reached. */
export async function cutPower(options: PowerCutOptions): Promise<void> {
  const { folder, fileSystem, random, report, cutsMax, noSync, mayGoOn } = options;
  const mount = await Mount.ofImage(folder, fileSystem, IMAGE_MIB[fileSystem]);
  const store = join(mount.path, 'store');
  const lives = noSync === undefined ? LIVES_MAX : 1;
  const afterMsMin = noSync === undefined ? 0 : LIE_AFTER_MS_MIN;
  try {
    for (let count = 0; count < cutsMax && mayGoOn();) {
      const kind = STORE_KINDS[random.below(STORE_KINDS.length)] ?? 'plain';
      const stockSeed = 1 + random.below(1000);
      let journal = new Journal();
      let failure: string | undefined;
      for (let life = 1; life <= lives && failure === undefined; life += 1) {
        if (count === cutsMax || !mayGoOn()) break;
        count += 1;
        const afterMs = afterMsMin + random.below(CUT_AFTER_MS_MAX - afterMsMin);
        const how = SHUTDOWNS[random.below(SHUTDOWNS.length)] ?? 'no-log-flush';
        const cut = { store, kind, stockSeed, life, afterMs, how };
        try {
          const lateCount = await cutOnce(mount, cut, journal, noSync);
          report.count('acknowledged while the power failed', lateCount);
          journal = await check(store, kind, journal);
        } catch (error) {
          failure = String(error);
        }
        tell(options, textOf(fileSystem, cut), failure);
      }
      report.count('acknowledgements', journal.acknowledgedCount);
      await rm(store, { recursive: true, force: true });
    }
  } finally {
    await mount.unmount();
  }
}
