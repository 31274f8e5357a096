/** The goals of the store, each with the figure that was reached. */
import { formatSize } from '../../src/cli/text.ts';
import type { Figures } from './figures.ts';
import { quotient } from './figures.ts';
import type { Sample } from './jobs.ts';

export interface GoalRow {
  readonly subject: string;
  readonly goal: string;
  readonly figure: string;
  /** undefined: not measured. */
  readonly isMet: boolean | undefined;
}

interface Goal {
  readonly subject: string;
  readonly goal: string;
  /** What is compared, and how it reads. */
  readonly value: (figures: Figures) => number | undefined;
  readonly isMet: (value: number) => boolean;
  readonly text: (value: number, figures: Figures) => string;
}

const MB = 1_000_000;
const BYTES_A_CHUNK = 16;

const rateText = (value: number | undefined) =>
  value === undefined ? '' : `${value.toFixed(0)} MB/s`;
const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** Capstan's operation at least `factor` times as fast as a peer's. */
function faster(
  subject: string,
  factor: number,
  name: string,
  peers: readonly string[],
  who: string,
): Goal {
  return {
    subject,
    goal: `≥ ${factor} × ${who}`,
    value: (figures) => {
      const rates = peers.map((peer) => figures.rate(peer)).filter((rate) => rate !== undefined);
      return rates.length < peers.length
        ? undefined
        : quotient(figures.rate(name), Math.max(...rates));
    },
    isMet: (times) => times >= factor,
    text: (times, figures) => `${times.toFixed(2)} × (${rateText(figures.rate(name))})`,
  };
}

/** A share of what the machine can do; `limit` is in GB/s. */
function shareOfLimit(
  subject: string,
  share: number,
  name: string,
  limit: string,
  what: string,
): Goal {
  return {
    subject,
    goal: `≥ ${(100 * share).toFixed(0)} % of ${what}`,
    value: (figures) => {
      const limitRate = figures.extra('limits', limit);
      return quotient(figures.rate(name), limitRate === undefined ? undefined : limitRate * 1000);
    },
    isMet: (value) => value >= share,
    text: (value, figures) =>
      `${percent(value)} (${rateText(figures.rate(name))} of ${rateText((figures.extra('limits', limit) ?? 0) * 1000)})`,
  };
}

function storesAtMost(subject: string, limitBytes: number, name: string): Goal {
  return {
    subject,
    goal: `≤ ${formatSize(limitBytes)}`,
    value: (figures) => figures.storedBytes(name),
    isMet: (bytes) => bytes <= limitBytes,
    text: (bytes) => formatSize(bytes),
  };
}

function slower(subject: string, name: string, plain: string): Goal {
  return {
    subject,
    goal: '≤ 5 % slower',
    value: (figures) => {
      const times = figures.times(name, plain);
      return times === undefined ? undefined : 1 - times;
    },
    isMet: (share) => share <= 0.05,
    text: (share, figures) =>
      `${percent(Math.abs(share))} ${share < 0 ? 'faster' : 'slower'} (${rateText(figures.rate(name))})`,
  };
}

function atLeastTimes(subject: string, factor: number, name: string, one: string): Goal {
  return {
    subject,
    goal: `≥ ${factor} × one tape`,
    value: (figures) => figures.times(name, one),
    isMet: (times) => times >= factor,
    text: (times, figures) => `${times.toFixed(2)} × (${rateText(figures.rate(name))})`,
  };
}

function javascriptShare(subject: string, name: string): Goal {
  return {
    subject: `JavaScript's share of the processor time, ${subject}`,
    goal: '≤ 3 %',
    value: (figures) =>
      figures.median(name, ({ javascriptMs, cpuMs }) => quotient(javascriptMs, cpuMs)),
    isMet: (share) => share <= 0.03,
    text: percent,
  };
}

/** What the process grew by, less what its index may take. */
function streamMemory({ peakBytes, idleBytes, chunkCount = 0 }: Sample): number | undefined {
  return idleBytes === undefined ? undefined : peakBytes - idleBytes - BYTES_A_CHUNK * chunkCount;
}

function memoryOf(subject: string, name: string): Goal {
  return {
    subject: `Memory of a stream, ${subject}, less 16 bytes a chunk`,
    goal: '≤ 128 MB',
    value: (figures) => figures.median(name, streamMemory),
    isMet: (bytes) => bytes <= 128 * MB,
    text: (bytes, figures) => {
      const peak = figures.median(name, ({ peakBytes }) => peakBytes) ?? 0;
      return `${formatSize(bytes)} (the whole process ${formatSize(peak)})`;
    },
  };
}

/** A figure that a step found by name. */
function found(
  subject: string,
  goal: string,
  [name, what]: readonly [string, string],
  isMet: (value: number) => boolean,
  text: (value: number) => string,
): Goal {
  return { subject, goal, value: (figures) => figures.extra(name, what), isMet, text };
}

function restoreGoals(subject: string, name: string, which: 'first' | 'second'): Goal[] {
  return [
    faster(subject, 5, name, [`restic/restore-${which}`], 'restic'),
    faster(subject, 3, name, [`borg-64k/restore-${which}`], 'borg with 64 KiB chunks'),
    faster(subject, 3, name, [`borg/restore-${which}`], 'borg with lz4'),
  ];
}

const GOALS: readonly Goal[] = [
  faster('First backup, 64 KiB records', 4.5, 'stream/first', ['restic/first'], 'restic'),
  faster(
    'First backup, 64 KiB records',
    3,
    'stream/first',
    ['borg/first', 'borg-64k/first'],
    'the faster borg',
  ),
  shareOfLimit(
    'First backup, source in memory',
    0.85,
    'memory/first',
    'pipelineTwoCores',
    'two cores with zstd 1',
  ),
  shareOfLimit(
    'First backup, source a file',
    0.85,
    'stream/first',
    'pipelineTwoCoresFromFile',
    'two cores with zstd 1 that read it',
  ),
  shareOfLimit(
    'First backup, compression off, source in memory',
    0.9,
    'uncompressed/first-from-memory',
    'directWrite',
    'an O_DIRECT write',
  ),
  shareOfLimit(
    'First backup, compression off, source a file',
    0.9,
    'uncompressed/first-from-file',
    'directWrite',
    'an O_DIRECT write',
  ),
  faster('First backup, compression fast', 4.5, 'fast/first', ['restic/first'], 'restic'),
  faster(
    'First backup, compression fast',
    3,
    'fast/first',
    ['borg/first', 'borg-64k/first'],
    'the faster borg',
  ),
  faster('Second backup', 8, 'stream/second', ['restic/second'], 'restic'),
  faster('Second backup', 6, 'stream/second', ['borg-64k/second'], 'borg with 64 KiB chunks'),
  faster('Second backup', 14, 'stream/second', ['casync/second'], 'casync'),
  storesAtMost('Second backup stores, tar in 10 KiB records', 10 * MB, 'records-10k/second'),
  storesAtMost('Second backup stores, 64 KiB records', 10 * MB, 'stream/second'),
  storesAtMost('Second backup stores, Bacula-like blocks', 10 * MB, 'bb02/second'),
  storesAtMost('Second backup stores, another seed', 12 * MB, 'second-seed/second'),
  storesAtMost('Second backup stores, another block format', 12 * MB, 'smb/second'),
  ...(['second', 'first'] as const).flatMap((which) => [
    ...restoreGoals(`Restore of the ${which}, verified`, `stream/restore-${which}`, which),
    ...restoreGoals(
      `Restore of the ${which}, store in memory like theirs`,
      `memory/restore-${which}`,
      which,
    ),
  ]),
  slower('First backup with AES-256-GCM', 'encrypted/first', 'stream/first'),
  slower('Second backup with AES-256-GCM', 'encrypted/second', 'stream/second'),
  slower('Restore with AES-256-GCM', 'encrypted/restore-second', 'stream/restore-second'),
  {
    subject: 'Duplicate stream, source in memory',
    goal: '≥ 4 GB/s a core',
    value: (figures) =>
      figures.median('stream/duplicate', ({ bytes = 0, cpuMs }) => bytes / 1e6 / cpuMs),
    isMet: (rate) => rate >= 4,
    text: (rate, figures) =>
      `${rate.toFixed(2)} GB/s (${rateText(figures.rate('stream/duplicate'))})`,
  },
  atLeastTimes('Four tapes at once, first backups', 1.6, 'tapes/first', 'stream/first'),
  atLeastTimes('Four tapes at once, second backups', 1.6, 'tapes/second', 'stream/second'),
  atLeastTimes('Four tapes at once, duplicates', 1.6, 'tapes/duplicate', 'stream/duplicate'),
  memoryOf('first backup', 'stream/first'),
  memoryOf('second backup', 'stream/second'),
  memoryOf('restore', 'stream/restore-second'),
  found(
    'Index of 10 TiB, simulated',
    '≤ 3.2 GB',
    ['scale', 'index10TiBBytes'],
    (bytes) => bytes <= 3200 * MB,
    formatSize,
  ),
  found(
    'Index of 10 TiB, sampled',
    '≤ 512 MB',
    ['scale', 'sampled10TiBBytes'],
    (bytes) => bytes <= 512 * MB,
    formatSize,
  ),
  found(
    'Deduplication lost where one digest in four is kept',
    '≤ 3 %',
    ['sampled', 'lossShare'],
    (share) => share <= 0.03,
    percent,
  ),
  found(
    'Opening a store with 1 TiB of entries',
    '< 2 s',
    ['opening', 'openMs'],
    (ms) => ms < 2000,
    (ms) => `${(ms / 1000).toFixed(2)} s`,
  ),
  found(
    'Sync of an idle tape',
    '≤ 2 fsyncs',
    ['small/idle-syncs', 'syncs'],
    (count) => count <= 2,
    (count) => count.toFixed(1),
  ),
  {
    subject: 'Locating any of 100,000,000 objects',
    goal: '< 1 ms',
    value: (figures) => figures.extra('small/locate', 'p99Ms'),
    isMet: (ms) => ms < 1,
    text: (ms, figures) =>
      `${ms.toFixed(3)} ms for 99 % (median ${figures.extra('small/locate', 'medianMs')?.toFixed(3)} ms, longest ${figures.extra('small/locate', 'maxMs')?.toFixed(1)} ms)`,
  },
  {
    subject: 'Records of 1 byte',
    goal: '≥ 1 million a second',
    value: (figures) =>
      figures.median('small/records', ({ bytes = 0, wallMs }) => bytes / 1000 / wallMs),
    isMet: (millions) => millions >= 1,
    text: (millions) => `${millions.toFixed(1)} million`,
  },
  // Out of memory: Node's reading of a source file is no part of a drive's stream.
  javascriptShare('first backup', 'memory/first'),
  javascriptShare('second backup', 'memory/second'),
  javascriptShare('restore', 'stream/restore-second'),
];

/** Every goal against what was measured. */
export function goalRows(figures: Figures): GoalRow[] {
  return GOALS.map(({ subject, goal, value, isMet, text }) => {
    const reached = value(figures);
    return reached === undefined || Number.isNaN(reached)
      ? { subject, goal, figure: 'not measured', isMet: undefined }
      : { subject, goal, figure: text(reached, figures), isMet: isMet(reached) };
  });
}
