/** The tapes that are copied: two versions of each, of bytes that nothing compresses, the same in each run. */
import { createCipheriv } from 'node:crypto';
import { LINE_CONTENDERS, LOOPBACK_CONTENDERS } from './speed-tables.ts';
import type { Contender } from './speed-tables.ts';

const KIB = 1024;
const RECORD_BYTES = 64 * KIB;
const HEADED_RECORD_BYTES = 32 * KIB;
const HEADER_BYTES = 64;
const INSERTED_BYTES = 1024;
const INSERTED_RECORDS = 3;
/** One record in so many is changed. */
const CHANGED_EVERY = 100;
/** One record is appended for so many. */
const APPENDED_EVERY = 20;
/** Of a record's header: its number, and when the session began. */
const CHANGED_HEADER_BYTES = 12;

export type Record = () => Uint8Array;

export interface Case {
  readonly name: string;
  readonly title: string;
  readonly first: readonly Record[];
  readonly second: readonly Record[];
  /** Bytes of the second version that the first does not have. */
  readonly lowerBytes: number;
  /** What Capstan may send, at most. */
  readonly goal: { readonly times: number } | { readonly bytes: number };
}

/** Noise: the key stream of AES under the version, from a place that belongs to the record. */
function noise(version: number, record: number, bytes: number): Uint8Array {
  const key = Buffer.alloc(16, version);
  const counter = Buffer.alloc(16);
  counter.writeUInt32BE(record, 4);
  return createCipheriv('aes-128-ctr', key, counter).update(Buffer.alloc(bytes));
}

const plain =
  (version: number, record: number, bytes = RECORD_BYTES): Record =>
  () =>
    noise(version, record, bytes);

/** A record behind a header as backup programs put there: what never changes, its number, the session. */
const headed =
  (session: number, number: number, version: number, record: number): Record =>
  () => {
    const bytes = Buffer.alloc(HEADED_RECORD_BYTES);
    bytes.write('BKUPDATA', 0, 'latin1');
    bytes.writeUInt32BE(number, 8);
    bytes.writeBigUInt64BE(1_700_000_000_000n + BigInt(session) * 86_400_123n, 12);
    bytes.writeUInt32BE(HEADED_RECORD_BYTES - HEADER_BYTES, 20);
    bytes.write('NIGHTLY FULL BACKUP OF SYSTEM', 24, 'latin1');
    bytes.set(noise(version, record, HEADED_RECORD_BYTES - HEADER_BYTES), HEADER_BYTES);
    return bytes;
  };

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
/** Not at equal distances: one at a random place of each hundred. */
const isChanged = (record: number): boolean => {
  const group = Math.floor(record / CHANGED_EVERY);
  return record % CHANGED_EVERY === (Math.imul(group + 1, 0x9e3779b1) >>> 8) % CHANGED_EVERY;
};

function headedCase(bytes: number): Case {
  const count = Math.floor(bytes / HEADED_RECORD_BYTES);
  const source = numbers(count).map((record) => ({ version: isChanged(record) ? 2 : 1, record }));
  const inserted = numbers(INSERTED_RECORDS).map((index) => ({ version: 3, record: index }));
  source.splice(Math.floor(count / 3), 0, ...inserted);
  const fresh = source.filter(({ version }) => version > 1).length;
  return {
    name: 'headers',
    title: 'The same payload under new record headers, 1 % changed',
    first: numbers(count).map((record) => headed(1, record, 1, record)),
    second: source.map(({ version, record }, number) => headed(2, number, version, record)),
    lowerBytes: fresh * (HEADED_RECORD_BYTES - HEADER_BYTES) + source.length * CHANGED_HEADER_BYTES,
    goal: { times: 1.2 },
  };
}

/** The cases, of tapes of `bytes`. */
export function casesOf(bytes: number): Case[] {
  const count = Math.floor(bytes / RECORD_BYTES);
  const first = numbers(count).map((record) => plain(1, record));
  const changed = numbers(count).filter(isChanged).length;
  const appended = numbers(Math.floor(count / APPENDED_EVERY)).map((record) => plain(3, record));
  return [
    {
      name: 'changed',
      title: '1 % of the 64 KiB blocks changed',
      first,
      second: first.map((record, index) => (isChanged(index) ? plain(2, index) : record)),
      lowerBytes: changed * RECORD_BYTES,
      goal: { times: 1.05 },
    },
    {
      name: 'appended',
      title: '5 % appended',
      first,
      second: [...first, ...appended],
      lowerBytes: appended.length * RECORD_BYTES,
      goal: { times: 1.01 },
    },
    {
      name: 'inserted',
      title: '1 KB inserted at the front',
      first,
      second: [plain(4, 0, INSERTED_BYTES), ...first],
      lowerBytes: INSERTED_BYTES,
      goal: { bytes: 64 * KIB },
    },
    headedCase(bytes),
    {
      name: 'unchanged',
      title: 'Unchanged',
      first,
      second: first,
      lowerBytes: 0,
      goal: { bytes: 2000 },
    },
  ];
}

/** A tape of which nothing is on the other side. */
export interface FirstCopyTape {
  readonly name: 'noise' | 'half' | 'line';
  readonly title: string;
  readonly bytes: number;
  readonly records: readonly Record[];
  readonly contenders: readonly Contender[];
}

const HALF_PIECE_BYTES = 128;

/** Of each piece one half is noise and the other spaces: zstd makes about a half of it. */
const half = (record: number) => (): Uint8Array => {
  const bytes = noise(1, record, RECORD_BYTES);
  for (let at = 0; at < bytes.length; at += HALF_PIECE_BYTES) {
    bytes.fill(0x20, at + HALF_PIECE_BYTES / 2, at + HALF_PIECE_BYTES);
  }
  return bytes;
};

export function firstCopyTapes(bytes: number): FirstCopyTape[] {
  const records = numbers(Math.floor(bytes / RECORD_BYTES));
  const incompressible = records.map((record) => plain(1, record));
  return [
    {
      name: 'noise',
      title: 'Over loopback, a tape that nothing compresses',
      bytes,
      records: incompressible,
      contenders: LOOPBACK_CONTENDERS,
    },
    {
      name: 'half',
      title: 'Over loopback, a tape that was compressed to a half when it was written',
      bytes,
      records: records.map(half),
      contenders: LOOPBACK_CONTENDERS,
    },
    {
      name: 'line',
      title: 'Over a line with a long way there and back, a tape that nothing compresses',
      bytes,
      records: incompressible,
      contenders: LINE_CONTENDERS,
    },
  ];
}

const BATCH_BYTES = 4 * 1024 * 1024;

/** The records one behind another, some MiB at a time, with their lengths. */
export function* batchesOf(
  records: readonly Record[],
): Generator<{ readonly data: Uint8Array; readonly lengths: Uint32Array }> {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  const batch = () => ({
    data: Buffer.concat(parts),
    lengths: Uint32Array.from(parts, ({ length }) => length),
  });
  for (const record of records) {
    const part = record();
    if (bytes + part.length > BATCH_BYTES) {
      yield batch();
      parts = [];
      bytes = 0;
    }
    parts.push(part);
    bytes += part.length;
  }
  if (parts.length > 0) yield batch();
}
