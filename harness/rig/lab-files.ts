/**
 * The laboratory's data: a folder's files as a tar stream in records, and the comparison of what comes
 * back with them.
 *
 * The folder is never written to. "The host changes 1 % of the files" is an overlay: seeded edits that
 * are applied while a file is read. A file that cannot be read is left out and named; one that changes
 * its length while it is read is cut or filled with zeros to the length that its header promised.
 * Everything streams: memory holds a list of the files, and a few records.
 */
import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { once } from 'node:events';
import { join } from 'node:path';
import { pack as newPack } from 'tar-stream';
import type { Pack } from 'tar-stream';
import { KIB } from '../../src/base/units.ts';
import { SimulatedRandom } from '../world/simulated-random.ts';

/** Length of a record on tape; the last one is filled with zeros. */
export const RECORD_BYTES = 32 * KIB;
/** Most entries of a file set; the list of them is what memory holds. */
export const ENTRY_COUNT_MAX = 2_000_000;
/** Names of files left out that a report shows. */
const SKIPPED_NAMES_MAX = 20;
/** The part of the files that the overlay changes. */
const CHANGED_PART = 0.01;
/** Longest piece that an edit inserts, bytes. */
const INSERT_BYTES_MAX = 4 * KIB;
const READ_BYTES = 256 * KIB;
const UNKNOWN_SIZE = -1;

export interface FileEntry {
  /** Relative to the folder, with `/` between its parts. */
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'symlink';
  /** Bytes; 0 but for files. */
  readonly size: number;
}

export interface FileSet {
  readonly folder: string;
  /** Folders before what is in them, names in the order of their UTF-16 code units. */
  readonly entries: readonly FileEntry[];
  readonly fileCount: number;
  readonly byteCount: number;
  /** Files that did not fit into the size limit any more. */
  readonly leftOutCount: number;
  readonly skipped: Skipped;
}

/** What was not taken, with the reason; only the first names are kept. */
export interface Skipped {
  count: number;
  readonly names: string[];
}

function skip(skipped: Skipped, name: string, reason: string): void {
  skipped.count += 1;
  if (skipped.names.length < SKIPPED_NAMES_MAX) skipped.names.push(`${name}: ${reason}`);
}

function reasonOf(error: unknown): string {
  if (error instanceof Error && 'code' in error) return String(error.code);
  throw error;
}

/** Lists what is under `folder`, at most `bytesMax` bytes of files. Rejects where it is no folder. */
export async function listFiles(folder: string, bytesMax: number): Promise<FileSet> {
  const entries: FileEntry[] = [];
  const skipped: Skipped = { count: 0, names: [] };
  let byteCount = 0;
  let fileCount = 0;
  let leftOutCount = 0;

  const take = async (name: string): Promise<void> => {
    const stat = await lstat(join(folder, name));
    if (stat.isDirectory()) {
      entries.push({ name, kind: 'directory', size: 0 });
      return walk(name);
    }
    if (stat.isSymbolicLink()) {
      entries.push({ name, kind: 'symlink', size: 0 });
    } else if (!stat.isFile()) {
      skip(skipped, name, 'neither file nor folder nor symbolic link');
    } else if (byteCount + stat.size > bytesMax) {
      leftOutCount += 1;
    } else {
      byteCount += stat.size;
      fileCount += 1;
      entries.push({ name, kind: 'file', size: stat.size });
    }
    return undefined;
  };
  const walk = async (under: string): Promise<void> => {
    const names = (await readdir(join(folder, under))).toSorted();
    for (const each of names) {
      if (entries.length >= ENTRY_COUNT_MAX) {
        leftOutCount += 1;
        continue;
      }
      const name = under === '' ? each : `${under}/${each}`;
      try {
        await take(name);
      } catch (error) {
        skip(skipped, name, reasonOf(error));
      }
    }
  };
  await walk('');
  return { folder, entries, fileCount, byteCount, leftOutCount, skipped };
}

/** A change of a file: at `at`, `removeCount` bytes give way to `insert`. */
export interface Edit {
  readonly at: number;
  readonly removeCount: number;
  readonly insert: Uint8Array;
}

/** Edits by file name. */
export type Overlay = ReadonlyMap<string, Edit>;

export const NO_OVERLAY: Overlay = new Map();

/**
 * Changes 1 % of the files (one at least, where there is any): of each a piece is overwritten, one is
 * put in, or something is added at the end. The same seed and files give the same overlay.
 */
export function changeFiles(files: FileSet, seed: number): Overlay {
  const random = new SimulatedRandom(seed);
  const candidates = files.entries.filter(({ kind }) => kind === 'file');
  const overlay = new Map<string, Edit>();
  const count = Math.ceil(candidates.length * CHANGED_PART);
  while (overlay.size < count) {
    const { name, size } = candidates[random.below(candidates.length)] as FileEntry;
    const length = 1 + random.below(INSERT_BYTES_MAX);
    const insert = random.bytes(length);
    const at = size === 0 ? 0 : random.below(size);
    const way = random.below(3);
    if (way === 0) overlay.set(name, { at, removeCount: Math.min(length, size - at), insert });
    else overlay.set(name, { at: way === 1 ? at : size, removeCount: 0, insert });
  }
  return overlay;
}

/** What is on the tape, entry by entry, as it was read from the folder. */
export interface TapedEntry {
  readonly name: string;
  readonly kind: FileEntry['kind'];
  readonly size: number;
  /** Target of a symbolic link. */
  readonly link: string | undefined;
  /** SHA-256 of the content that went to the tape; empty but for files. */
  readonly digest: string;
  /** Modification time and length of the source when it was read. */
  readonly source: { readonly mtimeMs: number; readonly size: number };
}

export interface TapedFiles {
  readonly entries: TapedEntry[];
  readonly skipped: Skipped;
  /** Files that had another length at their end than at their beginning. */
  resizedCount: number;
  fileCount: number;
  /** Bytes of the files. */
  byteCount: number;
  /** Bytes of the tar stream without what fills the last record. */
  tarBytes: number;
  recordCount: number;
  /** SHA-256 of all records. */
  digest: string;
}

/**
 * The files as a tar stream in records of RECORD_BYTES. `taped` tells what went in, and is whole once
 * the records have been taken to their end.
 */
export function tarRecords(
  files: FileSet,
  overlay: Overlay,
): { readonly records: AsyncIterable<Uint8Array>; readonly taped: TapedFiles } {
  const taped: TapedFiles = {
    entries: [],
    skipped: { count: files.skipped.count, names: [...files.skipped.names] },
    resizedCount: 0,
    fileCount: 0,
    byteCount: 0,
    tarBytes: 0,
    recordCount: 0,
    digest: '',
  };
  return { records: recordsOf(files, overlay, taped), taped };
}

async function* recordsOf(
  files: FileSet,
  overlay: Overlay,
  taped: TapedFiles,
): AsyncGenerator<Uint8Array> {
  const pack = newPack();
  const packing = packAll(pack, files, overlay, taped).catch((error: unknown) => {
    pack.destroy(error instanceof Error ? error : new Error(String(error)));
  });
  const digest = createHash('sha256');
  const emit = (record: Uint8Array): Uint8Array => {
    taped.recordCount += 1;
    digest.update(record);
    return record;
  };
  let record = new Uint8Array(RECORD_BYTES);
  let filled = 0;
  for await (const chunk of pack as AsyncIterable<Uint8Array>) {
    taped.tarBytes += chunk.length;
    for (let from = 0; from < chunk.length;) {
      const part = chunk.subarray(from, from + RECORD_BYTES - filled);
      record.set(part, filled);
      filled += part.length;
      from += part.length;
      if (filled < RECORD_BYTES) continue;
      yield emit(record);
      record = new Uint8Array(RECORD_BYTES);
      filled = 0;
    }
  }
  if (filled > 0) yield emit(record);
  await packing;
  taped.digest = digest.digest('hex');
}

async function packAll(
  pack: Pack,
  files: FileSet,
  overlay: Overlay,
  taped: TapedFiles,
): Promise<void> {
  for (const entry of files.entries) {
    const path = join(files.folder, entry.name);
    if (entry.kind === 'file') {
      await packFile(pack, path, entry.name, overlay.get(entry.name), taped);
      continue;
    }
    try {
      const { mtimeMs, mode } = await lstat(path);
      const link = entry.kind === 'symlink' ? await readlink(path) : undefined;
      const header = { name: entry.name, mode: mode & 0o7777, mtime: new Date(mtimeMs), size: 0 };
      pack.entry(
        link === undefined
          ? { ...header, type: 'directory' }
          : { ...header, type: 'symlink', linkname: link },
      );
      const source = { mtimeMs, size: 0 };
      taped.entries.push({ ...entry, size: 0, link, digest: '', source });
    } catch (error) {
      skip(taped.skipped, entry.name, reasonOf(error));
    }
  }
  pack.finalize();
}

async function packFile(
  pack: Pack,
  path: string,
  name: string,
  edit: Edit | undefined,
  taped: TapedFiles,
): Promise<void> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    return skip(taped.skipped, name, reasonOf(error));
  }
  try {
    const stat = await file.stat();
    const size = stat.size + (edit === undefined ? 0 : edit.insert.length - edit.removeCount);
    const header = { name, size, mode: stat.mode & 0o7777, mtime: stat.mtime };
    const entry = pack.entry({ ...header, type: 'file' }, (error) => {
      if (error) pack.destroy(error);
    });
    const digest = createHash('sha256');
    const content = contentOf(file, edit, stat.size);
    const written = await writeExactly(entry, content, size, digest);
    if (!written) taped.resizedCount += 1;
    taped.fileCount += 1;
    taped.byteCount += size;
    // One that was not read as it stood is no measure for what comes back.
    const source = { mtimeMs: stat.mtimeMs, size: written ? stat.size : UNKNOWN_SIZE };
    taped.entries.push({
      name,
      kind: 'file',
      size,
      link: undefined,
      digest: digest.digest('hex'),
      source,
    });
  } finally {
    await file.close();
  }
}

/** Writes `size` bytes, cut or filled with zeros; whether that was not needed. */
async function writeExactly(
  entry: ReturnType<Pack['entry']>,
  content: AsyncIterable<Uint8Array>,
  size: number,
  digest: Hash,
): Promise<boolean> {
  let left = size;
  let exact = true;
  const write = async (bytes: Uint8Array): Promise<void> => {
    digest.update(bytes);
    if (!entry.write(bytes)) await once(entry, 'drain');
  };
  try {
    for await (const bytes of content) {
      if (bytes.length > left) exact = false;
      if (left === 0) break;
      const part = bytes.subarray(0, left);
      left -= part.length;
      await write(part);
    }
  } catch (error) {
    // The header is written: the rest of a file that the disk does not give is zeros.
    reasonOf(error);
    exact = false;
  }
  if (left > 0) exact = false;
  for (; left > 0; left -= Math.min(left, READ_BYTES)) {
    await write(new Uint8Array(Math.min(left, READ_BYTES)));
  }
  entry.end(undefined);
  return exact;
}

/** A file's bytes with its edit, if any. `sizeHint` is how long it is thought to be, bytes. */
export async function* contentOf(
  file: FileHandle,
  edit: Edit | undefined,
  sizeHint: number,
): AsyncGenerator<Uint8Array> {
  if (edit === undefined) return yield* readRange(file, 0, Number.POSITIVE_INFINITY, sizeHint);
  yield* readRange(file, 0, edit.at, sizeHint);
  yield edit.insert;
  yield* readRange(file, edit.at + edit.removeCount, Number.POSITIVE_INFINITY, sizeHint);
  return undefined;
}

async function* readRange(
  file: FileHandle,
  from: number,
  to: number,
  sizeHint: number,
): AsyncGenerator<Uint8Array> {
  for (let at = from; at < to;) {
    // A byte more than is thought to come: a short read tells the end, one call for a small file. The
    // buffer is a new one each time: the tar stream keeps what it was given.
    const length = Math.min(READ_BYTES, to - at, Math.max(sizeHint - at, 0) + 1);
    const bytes = Buffer.allocUnsafe(length);
    const { bytesRead } = await file.read(bytes, 0, length, at);
    if (bytesRead > 0) yield bytes.subarray(0, bytesRead);
    if (bytesRead < length) return;
    at += bytesRead;
  }
}
