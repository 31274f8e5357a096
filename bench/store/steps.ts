/** What one repetition of the benchmark does: steps that add samples to the figures. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import type { Backup, Backups, Data, Form } from './data.ts';
import { FIRST_SEED, SECOND_SEED } from './data.ts';
import type { Figures } from './figures.ts';
import type { ReadJob, Sample, WriteJob } from './jobs.ts';
import { buildLibrary } from './libraries.ts';
import type { PeerName } from './peers.ts';
import { PEERS, measurePeer } from './peers.ts';
import { bytesBelow, runJob, settle } from './processes.ts';

/** A file system in memory, with room for a store of one data set. */
const MEMORY_FOLDER = '/dev/shm';
/** 64 KiB: what tape hosts write most. */
const RECORD_BYTES = 65536;
const TAPE_COUNT = 4;
/** Any key will do; this is the one of FIPS 197's example for 256 bits. */
const KEY_HEX = '603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4';
const IDLE_SYNC_COUNT = 10;
const TINY_RECORD_COUNT = 20_000_000;
const OBJECT_COUNT = 100_000_000;
const PROBE_COUNT = 5000;
/** Between what the index of one backup takes whole, and as samples of one in four. */
const SAMPLED_INDEX_BYTES = 160_000;
/** Less than this is not stored "as it is". */
const UNCOMPRESSED_SHARE_MIN = 0.95;
const SYNC_CALL = /\b(fsync|fdatasync|syncfs|sync_file_range|msync)\(/;

export interface Bench {
  readonly data: Data;
  readonly figures: Figures;
  /** For stores; what lies there is removed. */
  readonly work: string;
  /** Whether what is restored is compared with what was backed up, after the measurement. */
  readonly compares: boolean;
}

export interface Step {
  readonly name: string;
  /** In the first repetition only: it gives the same each time. */
  readonly isOnce?: true;
  run(bench: Bench): void;
}

type StoreOptions = Pick<WriteJob, 'compression' | 'keyHex' | 'indexBytesMax'>;

/** A store that takes backups, and is measured as it does. */
class Store {
  readonly #bench: Bench;
  readonly #folder: string;
  readonly #options: StoreOptions;

  constructor(bench: Bench, options: StoreOptions = {}) {
    this.#bench = bench;
    this.#folder = join(bench.work, 'store');
    this.#options = options;
    this.remove();
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** As image `image`, or spread over several, written at once. */
  write(
    image: string,
    { file, bytes }: Backup,
    how: Partial<Pick<WriteJob, 'recordBytes' | 'source'>> & { readonly tapeCount?: number } = {},
  ): Sample {
    const { tapeCount = 1, recordBytes = RECORD_BYTES, source = 'file' } = how;
    const share = Math.ceil(bytes / tapeCount / RECORD_BYTES) * RECORD_BYTES;
    const streams = Array.from({ length: tapeCount }, (_, tape) => ({
      image: `${image}-${tape}`,
      file,
      fromBytes: tape * share,
      toBytes: Math.min(bytes, (tape + 1) * share),
    }));
    settle([file]);
    mkdirSync(this.#folder, { recursive: true });
    const before = bytesBelow(this.#folder);
    const job = { kind: 'write', store: this.#folder, recordBytes, source, streams } as const;
    const sample = runJob({ ...job, ...this.#options });
    return { ...sample, storedBytes: bytesBelow(this.#folder) - before };
  }

  read(image: string, options: Partial<Pick<ReadJob, 'store' | 'compareWith'>> = {}): Sample {
    settle([]);
    const job = { kind: 'read', store: this.#folder, image: `${image}-0`, ...options } as const;
    return runJob({ ...job, ...this.#options });
  }

  /** Out of memory, where the page cache has the peers' stores: Capstan writes its own past it. */
  readFromMemory(image: string): Sample {
    const store = mkdtempSync(join(MEMORY_FOLDER, 'capstan-bench-'));
    try {
      cpSync(this.#folder, store, { recursive: true });
      return this.read(image, { store });
    } finally {
      rmSync(store, { recursive: true });
    }
  }

  /** Whether it can be read without the key. */
  isOpen(image: string): boolean {
    try {
      runJob({ kind: 'read', store: this.#folder, image: `${image}-0` });
      return true;
    } catch {
      return false;
    }
  }

  compare(backups: Backups): void {
    if (!this.#bench.compares) return;
    this.read('FIRST', { compareWith: backups.first.file });
    this.read('SECOND', { compareWith: backups.second.file });
  }
}

/** Both backups as records of `recordBytes`, named `${name}/first` and so on, and both restores. */
function generations(name: string, seed: number, form: Form, recordBytes: number): Step {
  return {
    name,
    run: (bench) => {
      const backups = bench.data.backups(seed, form);
      const store = new Store(bench);
      bench.figures.add(`${name}/first`, store.write('FIRST', backups.first, { recordBytes }));
      bench.figures.add(`${name}/second`, store.write('SECOND', backups.second, { recordBytes }));
      bench.figures.add(`${name}/restore-second`, store.read('SECOND'));
      bench.figures.add(`${name}/restore-first`, store.read('FIRST'));
      store.compare(backups);
      store.remove();
    },
  };
}

const stream: Step = {
  name: 'stream',
  run: (bench) => {
    const backups = bench.data.backups(FIRST_SEED, 'tar');
    const store = new Store(bench);
    const { figures } = bench;
    figures.add('stream/first', store.write('FIRST', backups.first));
    figures.add('stream/second', store.write('SECOND', backups.second));
    figures.add('stream/restore-second', store.read('SECOND'));
    figures.add('stream/restore-first', store.read('FIRST'));
    store.compare(backups);
    const again = { source: 'memory' } as const;
    figures.add('stream/duplicate', store.write('AGAIN', backups.second, again));
    store.remove();
  },
};

const memory: Step = {
  name: 'memory',
  run: (bench) => {
    const { first, second } = bench.data.backups(FIRST_SEED, 'tar');
    const store = new Store(bench);
    const how = { source: 'memory' } as const;
    bench.figures.add('memory/first', store.write('FIRST', first, how));
    bench.figures.add('memory/second', store.write('SECOND', second, how));
    bench.figures.add('memory/restore-second', store.readFromMemory('SECOND'));
    bench.figures.add('memory/restore-first', store.readFromMemory('FIRST'));
    store.remove();
  },
};

const uncompressed: Step = {
  name: 'uncompressed',
  run: (bench) => {
    const { first } = bench.data.backups(FIRST_SEED, 'tar');
    for (const source of ['file', 'memory'] as const) {
      const store = new Store(bench, { compression: 'off' });
      const sample = store.write('FIRST', first, { source });
      store.remove();
      if ((sample.storedBytes ?? 0) < UNCOMPRESSED_SHARE_MIN * first.bytes) {
        throw new Error('The engine compressed what it was told to store as it is.');
      }
      bench.figures.add(`uncompressed/first-from-${source}`, sample);
    }
  },
};

const fast: Step = {
  name: 'fast',
  run: (bench) => {
    const backups = bench.data.backups(FIRST_SEED, 'tar');
    const store = new Store(bench, { compression: 'fast' });
    const { figures } = bench;
    figures.add('fast/first', store.write('FIRST', backups.first));
    figures.add('fast/second', store.write('SECOND', backups.second));
    figures.add('fast/restore-second', store.read('SECOND'));
    figures.add('fast/restore-first', store.read('FIRST'));
    store.compare(backups);
    store.remove();
  },
};

const encrypted: Step = {
  name: 'encrypted',
  run: (bench) => {
    const backups = bench.data.backups(FIRST_SEED, 'tar');
    const store = new Store(bench, { keyHex: KEY_HEX });
    const { figures } = bench;
    const first = store.write('FIRST', backups.first);
    if (store.isOpen('FIRST')) {
      throw new Error('The engine gave out without the key what it wrote with it.');
    }
    figures.add('encrypted/first', first);
    figures.add('encrypted/second', store.write('SECOND', backups.second));
    figures.add('encrypted/restore-second', store.read('SECOND'));
    store.compare(backups);
    store.remove();
  },
};

const tapes: Step = {
  name: 'tapes',
  run: (bench) => {
    const backups = bench.data.backups(FIRST_SEED, 'tar');
    const store = new Store(bench);
    const how = { tapeCount: TAPE_COUNT };
    bench.figures.add('tapes/first', store.write('FIRST', backups.first, how));
    bench.figures.add('tapes/second', store.write('SECOND', backups.second, how));
    bench.figures.add(
      'tapes/duplicate',
      store.write('AGAIN', backups.second, { ...how, source: 'memory' }),
    );
    store.remove();
  },
};

const limits: Step = {
  name: 'limits',
  run: ({ data, figures, work }) => {
    const { file } = data.backups(FIRST_SEED, 'tar').first;
    settle([file]);
    const library = buildLibrary('limits', work);
    figures.add('limits', runJob({ kind: 'library', library, arguments: [file, work] }));
  },
};

const scale: Step = {
  name: 'scale',
  isOnce: true,
  run: ({ figures, work }) => {
    const library = buildLibrary('scale', work);
    figures.add('scale', runJob({ kind: 'library', library, arguments: ['', ''] }));
  },
};

const opening: Step = {
  name: 'opening',
  run: ({ figures, work }) => {
    const store = join(work, 'store');
    rmSync(store, { recursive: true, force: true });
    runJob({ kind: 'open', store });
    rmSync(join(store, 'packs', '00000001.table'), { force: true });
    const library = buildLibrary('large_store', work);
    const { extra } = runJob({ kind: 'library', library, arguments: [store, ''] });
    settle([]);
    const sample = runJob({ kind: 'open', store });
    rmSync(store, { recursive: true });
    if (extra?.['chunks'] === undefined || sample.chunkCount !== extra['chunks']) {
      throw new Error('The store did not find the chunks that were made for it.');
    }
    figures.add('opening', sample);
  },
};

/** The second backup with an index that keeps one digest in four, beside one that keeps all. */
const sampled: Step = {
  name: 'sampled',
  isOnce: true,
  run: (bench) => {
    const backups = bench.data.backups(FIRST_SEED, 'tar');
    const newBytes = [undefined, SAMPLED_INDEX_BYTES].map((indexBytesMax) => {
      const store = new Store(bench, indexBytesMax === undefined ? {} : { indexBytesMax });
      store.write('FIRST', backups.first);
      const { newChunkBytes } = store.write('SECOND', backups.second);
      store.remove();
      return newChunkBytes ?? 0;
    });
    const [whole = 0, part = 0] = newBytes;
    if (whole === part) throw new Error('The index kept all digests: it was not sampled.');
    const lossShare = (part - whole) / (backups.second.bytes - whole);
    bench.figures.add('sampled', { wallMs: 0, cpuMs: 0, peakBytes: 0, extra: { lossShare } });
  },
};

/** Calls that make data durable, in a run with `syncCount` syncs of an idle tape. */
function syncCalls(work: string, syncCount: number): number {
  const store = join(work, 'store');
  const log = join(work, 'system-calls');
  const calls = 'trace=fsync,fdatasync,syncfs,sync_file_range,msync';
  const tracer = ['strace', '-f', '-qq', '-e', calls, '-o', log];
  runJob({ kind: 'idle-syncs', store, syncCount }, tracer);
  rmSync(store, { recursive: true });
  const count = readFileSync(log, 'utf8')
    .split('\n')
    .filter((line) => SYNC_CALL.test(line)).length;
  rmSync(log);
  return count;
}

const small: Step = {
  name: 'small',
  run: ({ figures, work }) => {
    const store = join(work, 'store');
    rmSync(store, { recursive: true, force: true });
    settle([]);
    figures.add(
      'small/records',
      runJob({ kind: 'tiny-records', store, recordCount: TINY_RECORD_COUNT }),
    );
    rmSync(store, { recursive: true });
    const shape = { objectCount: OBJECT_COUNT, probeCount: PROBE_COUNT };
    figures.add('small/locate', runJob({ kind: 'locate', store, ...shape }));
    rmSync(store, { recursive: true });
    if (spawnSync('which', ['strace'], { stdio: 'ignore' }).status !== 0) {
      throw new Error('strace is missing (apt-get install strace): syncs are not counted.');
    }
    const syncs = syncCalls(work, IDLE_SYNC_COUNT) - syncCalls(work, 0);
    const extra = { syncs: syncs / IDLE_SYNC_COUNT };
    figures.add('small/idle-syncs', { wallMs: 0, cpuMs: 0, peakBytes: 0, extra });
  },
};

/** A peer on the tape (SIMH .tap, 64 KiB records) or on the tar itself. */
function peerStep(peer: PeerName, form: 'tap' | 'tar'): Step {
  const name = form === 'tap' ? peer : `${peer}-tar`;
  return {
    name,
    run: ({ data, figures, work }) => {
      const samples = measurePeer(peer, data.backups(FIRST_SEED, form), join(work, 'peer'));
      for (const [operation, sample] of [
        ['first', samples.first],
        ['second', samples.second],
        ['restore-first', samples.restoreFirst],
        ['restore-second', samples.restoreSecond],
      ] as const) {
        figures.add(`${name}/${operation}`, sample);
      }
    },
  };
}

const OWN_STEPS: readonly Step[] = [
  limits,
  memory,
  uncompressed,
  fast,
  stream,
  encrypted,
  generations('records-10k', FIRST_SEED, 'tar', 10240),
  generations('bb02', FIRST_SEED, 'bb02', 64512),
  generations('smb', FIRST_SEED, 'smb', 262144),
  generations('second-seed', SECOND_SEED, 'tar', RECORD_BYTES),
  tapes,
  small,
  scale,
  opening,
  sampled,
];
/** Left out where there is no time: they have no goal of their own, or take long for what they tell. */
const THOROUGH = new Set(['second-seed', 'borg', 'casync']);

/** The steps of a repetition; Capstan and the peers take turns. */
export function stepsFor(options: {
  readonly peers: readonly PeerName[];
  readonly quick: boolean;
  readonly only: readonly string[] | undefined;
}): Step[] {
  const peerSteps = [
    ...options.peers.map((peer) => peerStep(peer, 'tap')),
    ...(options.quick ? [] : options.peers.map((peer) => peerStep(peer, 'tar'))),
  ];
  const steps = OWN_STEPS.flatMap((step, index) => [step, ...peerSteps.slice(index, index + 1)]);
  steps.push(...peerSteps.slice(OWN_STEPS.length));
  const known = [...OWN_STEPS.map(({ name }) => name), ...Object.keys(PEERS)];
  const unknown = options.only?.find((name) => !known.includes(name.replace(/-tar$/, '')));
  if (unknown !== undefined) {
    throw new Error(`No step is named ${unknown}; steps: ${known.join(', ')}.`);
  }
  return steps.filter(({ name }) =>
    options.only === undefined
      ? !(options.quick && THOROUGH.has(name))
      : options.only.includes(name),
  );
}
