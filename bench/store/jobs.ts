/** What the runner asks of a child process of its own, and what that answers: JSON both ways. */

/** Bytes of a file that become the records of one tape image. */
export interface Stream {
  readonly image: string;
  readonly file: string;
  readonly fromBytes: number;
  readonly toBytes: number;
}

interface OpenOptions {
  readonly store: string;
  /** 'off': regions are stored as they are. */
  readonly compression?: 'fast' | 'off';
  /** 32 bytes in hexadecimal. */
  readonly keyHex?: string;
  /** Above this the index keeps samples only. */
  readonly indexBytesMax?: number;
}

export interface WriteJob extends OpenOptions {
  readonly kind: 'write';
  /** Written at once, where there are several. */
  readonly streams: readonly Stream[];
  readonly recordBytes: number;
  /** 'memory': the streams' bytes are in memory before the clock starts. */
  readonly source: 'file' | 'memory';
}

export interface ReadJob extends OpenOptions {
  readonly kind: 'read';
  readonly image: string;
  /** The file that it was written from: compared byte for byte, and not a measurement then. */
  readonly compareWith?: string;
}

/**
 * A tape with one record, then so many syncs with no new data but a new generation, as mounts leave
 * them; for a tracer to count system calls.
 */
export interface IdleSyncsJob extends OpenOptions {
  readonly kind: 'idle-syncs';
  readonly syncCount: number;
}

export interface TinyRecordsJob extends OpenOptions {
  readonly kind: 'tiny-records';
  readonly recordCount: number;
}

export interface LocateJob extends OpenOptions {
  readonly kind: 'locate';
  readonly objectCount: number;
  readonly probeCount: number;
}

/** Opens the store, counts its chunks, and closes it; `openMs` is the opening alone. */
export interface OpenJob extends OpenOptions {
  readonly kind: 'open';
}

/** What a library of bench/native finds. */
export interface LibraryJob {
  readonly kind: 'library';
  readonly library: string;
  readonly arguments: readonly [string, string];
}

export type Job =
  | WriteJob
  | ReadJob
  | IdleSyncsJob
  | TinyRecordsJob
  | LocateJob
  | OpenJob
  | LibraryJob;

/** What an operation took, from the opening of the store to its close. */
export interface Sample {
  readonly wallMs: number;
  /** User and system time of all threads. */
  readonly cpuMs: number;
  /** The largest resident set. */
  readonly peakBytes: number;
  /** Payload, in or out. */
  readonly bytes?: number;
  /** By which the store grew. */
  readonly storedBytes?: number;
  /** Of `cpuMs`: the thread that runs JavaScript. */
  readonly javascriptMs?: number;
  /** The resident set before the store was opened. */
  readonly idleBytes?: number;
  readonly chunkCount?: number;
  /** Payload in chunks that the store did not have, or did not know that it had. */
  readonly newChunkBytes?: number;
  /** What else the job found, by name. */
  readonly extra?: Readonly<Record<string, number>>;
}
