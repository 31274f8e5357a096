/**
 * A worker whose n-th system call on a file kills it, or fails; then what it left is opened and checked.
 *
 * A run that nothing happens to is traced first. Its calls that touch the store are the points: a file, a
 * call, and n, which strace counts by thread. A kill comes before the call is made. Behind a kill another
 * worker goes on in the same store, and is often killed in its turn, at times while it still recovers.
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SimulatedRandom } from '../../../harness/world/simulated-random.ts';
import { Journal } from './journal.ts';
import type { PartReport } from './report.ts';
import type { StoreKind } from './store-kind.ts';
import { check, startWorker } from './worker-process.ts';

/** What each call may do instead: die, or fail like this. */
const FAULTS = {
  mkdir: ['SIGKILL', 'ENOSPC', 'EIO'],
  openat: ['SIGKILL', 'ENOSPC', 'EIO', 'EMFILE'],
  pwrite64: ['SIGKILL', 'ENOSPC', 'EIO', 'EINVAL'],
  pread64: ['EIO'],
  fallocate: ['SIGKILL', 'ENOSPC'],
  ftruncate: ['SIGKILL', 'EIO'],
  fdatasync: ['SIGKILL', 'ENOSPC', 'EIO'],
  fsync: ['SIGKILL', 'ENOSPC', 'EIO'],
  rename: ['SIGKILL', 'ENOSPC', 'EIO'],
  unlink: ['SIGKILL', 'EIO'],
} as const satisfies Record<string, readonly string[]>;
type SystemCall = keyof typeof FAULTS;

const SYSTEM_CALLS = Object.keys(FAULTS) as SystemCall[];
const LATER_CALLS = ['pwrite64', 'fdatasync', 'fsync', 'ftruncate', 'rename', 'unlink'] as const;
const LATER_COUNT_MAX = 12;
const KILLS = 'kills';
const TYPED_ERRORS = 'typed errors';
/** Of the points tried, fewer reached than this mean that nothing is tried at all. */
const HIT_SHARE_MIN = 0.2;

interface CallPoint {
  /** Below the store's folder; empty: any file. */
  readonly file: string;
  readonly call: SystemCall;
  readonly fault: string;
  readonly n: number;
  /** All calls behind it fail, too. */
  readonly persistent: boolean;
}

function textOf({ file, call, fault, n, persistent }: CallPoint): string {
  return `${fault} at ${call} ${n}${persistent ? ' and all later ones' : ''} of ${file || 'any file'}`;
}

function strace(log: string, calls: readonly string[], more: readonly string[]): string[] {
  // Without --seccomp-bpf: strace 6.1 injects no signals with it.
  const options = ['-f', '-qq', '-y', '-o', log];
  return ['strace', ...options, '-e', `trace=${calls.join(',')}`, ...more];
}

function injecting(folder: string, log: string, point: CallPoint): string[] {
  const { file, call, fault, n, persistent } = point;
  const what = fault === 'SIGKILL' ? 'signal=SIGKILL' : `error=${fault}`;
  const path = file === '' ? [] : ['-P', join(folder, file)];
  const inject = `inject=${call}:${what}:when=${n}${persistent ? '+' : ''}`;
  return strace(log, [call], [...path, '-e', inject]);
}

/** By file and call, how often a thread makes it at most. */
function callCounts(trace: string, folder: string): Map<string, number> {
  const byThread = new Map<string, number>();
  const most = new Map<string, number>();
  for (const line of trace.split('\n')) {
    const [, thread, call] = /^(\d+) +(\w+)\(/.exec(line) ?? [];
    const from = line.indexOf(folder);
    if (thread === undefined || from < 0) continue;
    const file = /^[^">]*/.exec(line.slice(from + folder.length + 1))?.[0] ?? '';
    const place = `${file} ${call}`;
    const count = (byThread.get(`${thread} ${place}`) ?? 0) + 1;
    byThread.set(`${thread} ${place}`, count);
    most.set(place, Math.max(count, most.get(place) ?? 0));
  }
  return most;
}

function isKill({ fault }: CallPoint): boolean {
  return fault === 'SIGKILL';
}

function pointsOf(counts: ReadonlyMap<string, number>): CallPoint[] {
  const points: CallPoint[] = [];
  for (const [place, count] of counts) {
    const [file = '', name] = place.split(' ');
    const call = SYSTEM_CALLS.find((each) => each === name);
    if (call === undefined || file === '') continue;
    for (const fault of FAULTS[call]) {
      for (let n = 1; n <= count; n += 1) {
        points.push({ file, call, fault, n, persistent: false });
        if (fault !== 'SIGKILL') points.push({ file, call, fault, n, persistent: true });
      }
    }
  }
  return points;
}

function shuffled<T>(values: readonly T[], random: SimulatedRandom): T[] {
  const order = values.map((value) => ({ value, key: random.next() }));
  return order.toSorted((one, other) => one.key - other.key).map(({ value }) => value);
}

export interface SystemCallOptions {
  /** Where the stores are made: its file system is what is tried. */
  readonly folder: string;
  readonly kind: StoreKind;
  readonly random: SimulatedRandom;
  readonly report: PartReport;
  /** Points at most, kills and errors by turns; all where none is given. */
  readonly pointsMax?: number;
  readonly mayGoOn: () => boolean;
}

class SystemCallSweep {
  readonly #options: SystemCallOptions;
  readonly #store: string;
  readonly #log: string;
  readonly #stockSeed: number;

  constructor(options: SystemCallOptions) {
    this.#options = options;
    this.#store = join(options.folder, 'store');
    this.#log = join(options.folder, 'strace.log');
    this.#stockSeed = 1 + options.random.below(1000);
  }

  async run(): Promise<void> {
    const { random, pointsMax, mayGoOn, report, kind, folder } = this.#options;
    const counts = await this.#calmRun();
    const hitBefore = report.counted(KILLS) + report.counted(TYPED_ERRORS);
    const points = pointsOf(counts);
    // As many of either sort to begin with: there are several errors to a kill.
    const kills = shuffled(points.filter(isKill), random);
    const errors = shuffled(
      points.filter((point) => !isKill(point)),
      random,
    );
    const order = points.flatMap((_, index) => [
      ...kills.slice(index, index + 1),
      ...errors.slice(index, index + 1),
    ]);
    let tried = 0;
    for (const point of order.slice(0, pointsMax)) {
      if (!mayGoOn()) break;
      tried += 1;
      report.count(isKill(point) ? 'kill points' : 'error points');
      await this.#try(point);
    }
    // Threads do not share their calls out in the same way each time, so some points are missed.
    const hit = report.counted(KILLS) + report.counted(TYPED_ERRORS) - hitBefore;
    if (hit < tried * HIT_SHARE_MIN) report.fail(`only ${hit} of ${tried} points were reached`);
    if (tried < order.length) {
      report.skip(`${kind} in ${folder}`, `${order.length - tried} of ${order.length} points`);
    }
  }

  /** Undisturbed; what it calls. */
  async #calmRun(): Promise<Map<string, number>> {
    const under = strace(this.#log, SYSTEM_CALLS, []);
    const { how, output, words } = await this.#worker(1, under);
    if (how !== 'done') throw new Error(`an undisturbed worker ended ${how}: ${words}`);
    const journal = new Journal();
    journal.add(output);
    await check(this.#store, this.#options.kind, journal);
    await this.#clear();
    return callCounts(await readFile(this.#log, 'latin1'), this.#store);
  }

  #worker(life: number, under: readonly string[]) {
    const { kind } = this.#options;
    const store = { folder: this.#store, kind, stockSeed: this.#stockSeed };
    return startWorker({ ...store, life, rounds: 1, under }).end;
  }

  async #clear(): Promise<void> {
    await rm(this.#store, { recursive: true, force: true });
  }

  async #try(point: CallPoint): Promise<void> {
    const { random, report, kind } = this.#options;
    const tried = [textOf(point)];
    const journal = new Journal();
    try {
      await this.#live(1, point, journal);
      if (point.fault === 'SIGKILL' && random.below(2) === 0) {
        const call = LATER_CALLS[random.below(LATER_CALLS.length)] ?? 'fdatasync';
        const n = 1 + random.below(LATER_COUNT_MAX);
        const later = { file: '', call, fault: 'SIGKILL', n, persistent: false };
        tried.push(textOf(later));
        await this.#live(2, later, journal);
        report.count('of them killed again in the next process');
      }
      await check(this.#store, kind, journal);
    } catch (error) {
      report.fail(`${kind}, stock ${this.#stockSeed}: ${tried.join(', then ')}: ${String(error)}`);
    }
    await this.#clear();
  }

  async #live(life: number, point: CallPoint, journal: Journal): Promise<void> {
    const { report } = this.#options;
    const under = injecting(this.#store, this.#log, point);
    const { how, output, words } = await this.#worker(life, under);
    journal.add(output);
    if (how === 'broken')
      throw new Error(`the worker ended in a way that is not agreed on: ${words}`);
    if (how === 'killed' && point.fault !== 'SIGKILL') throw new Error('the worker was killed');
    report.count({ done: 'runs to the end', rejected: TYPED_ERRORS, killed: KILLS }[how]);
  }
}

/** Tries the points of one kind of store on one file system. */
export async function sweepSystemCalls(options: SystemCallOptions): Promise<void> {
  await new SystemCallSweep(options).run();
}
