/**
 * The comparison of a restored tar stream with the folder it was made of: every byte of every file.
 *
 * A file is compared with the source as it is read again (and its overlay), and with the digest of what
 * went to the tape. Where the source has changed since the backup, only the digest can tell, and the
 * result says so.
 */
import { createHash } from 'node:crypto';
import { lstat, open } from 'node:fs/promises';
import { once } from 'node:events';
import { join } from 'node:path';
import { extract } from 'tar-stream';
import type { ExtractEvents } from 'tar-stream';
import { contentOf } from './lab-files.ts';
import type { FileSet, Overlay, TapedEntry, TapedFiles } from './lab-files.ts';

type TarEntry = ExtractEvents['entry'][1];

/** Differences that are told; the rest is counted. */
const DIFFERENCES_MAX = 20;

export interface RestoreResult {
  fileCount: number;
  byteCount: number;
  /** Files compared by digest alone, because the source has changed since. */
  changedSinceCount: number;
  differenceCount: number;
  /** `name: what, at which byte`. */
  readonly differences: string[];
}

/** Takes a tar stream's records and compares; `finish` gives the result. */
export class RestoreComparison {
  readonly #extract = extract();
  readonly #recordsDigest = createHash('sha256');
  readonly #result: RestoreResult = {
    fileCount: 0,
    byteCount: 0,
    changedSinceCount: 0,
    differenceCount: 0,
    differences: [],
  };
  readonly #comparing: Promise<void>;
  readonly #files: FileSet;
  readonly #overlay: Overlay;
  readonly #taped: TapedFiles;
  #failed = false;

  constructor(files: FileSet, overlay: Overlay, taped: TapedFiles) {
    this.#files = files;
    this.#overlay = overlay;
    this.#taped = taped;
    this.#comparing = this.#compareAll().catch((error: unknown) => {
      this.#failed = true;
      this.#differ(`the tar stream is malformed: ${String(error)}`);
      this.#extract.destroy(null);
    });
  }

  /** The next record; resolves when more may come. */
  async push(record: Uint8Array): Promise<void> {
    this.#recordsDigest.update(record);
    if (this.#failed || this.#extract.write(record)) return;
    await Promise.race([once(this.#extract, 'drain'), this.#comparing]);
  }

  /** The end of the data. */
  async finish(): Promise<RestoreResult> {
    if (!this.#failed) this.#extract.end(undefined);
    await this.#comparing;
    if (this.#recordsDigest.digest('hex') !== this.#taped.digest) {
      this.#differ('the records as a whole are others than were written');
    }
    return this.#result;
  }

  #differ(what: string): void {
    this.#result.differenceCount += 1;
    if (this.#result.differences.length < DIFFERENCES_MAX) this.#result.differences.push(what);
  }

  async #compareAll(): Promise<void> {
    const expected = this.#taped.entries[Symbol.iterator]();
    for await (const entry of this.#extract) {
      const next = expected.next();
      if (next.done === true) this.#differ(`${entry.header.name}: was never written`);
      await this.#compareEntry(entry, next.done === true ? undefined : next.value);
    }
    for (const missing of expected) this.#differ(`${missing.name}: is missing`);
  }

  async #compareEntry(entry: TarEntry, taped: TapedEntry | undefined): Promise<void> {
    const { name, type } = entry.header;
    const isExpected =
      taped !== undefined &&
      name.replace(/\/$/, '') === taped.name &&
      type === taped.kind &&
      (entry.header.linkname ?? undefined) === taped.link;
    if (!isExpected) {
      if (taped !== undefined) this.#differ(`${taped.name}: ${type} ${name} was read instead`);
      for await (const bytes of entry) void bytes;
      return;
    }
    if (taped.kind === 'file') await this.#compareFile(entry, taped);
    else for await (const bytes of entry) void bytes;
  }

  async #compareFile(entry: TarEntry, taped: TapedEntry): Promise<void> {
    const digest = createHash('sha256');
    const source = await SourceReader.open(this.#files.folder, taped, this.#overlay);
    let at = 0;
    let differsAt: number | undefined;
    try {
      for await (const bytes of entry as AsyncIterable<Uint8Array>) {
        digest.update(bytes);
        const same = differsAt === undefined ? await source?.equal(bytes) : undefined;
        if (same !== undefined && same < bytes.length) differsAt = at + same;
        at += bytes.length;
      }
      if (source !== undefined && differsAt === undefined && (await source.hasMore())) {
        differsAt = at;
      }
    } finally {
      await source?.close();
    }
    this.#result.fileCount += 1;
    this.#result.byteCount += at;
    const digestHolds = digest.digest('hex') === taped.digest;
    if (!digestHolds) {
      const where = differsAt === undefined ? '' : ` from byte ${differsAt} on`;
      this.#differ(`${taped.name}: other content than was written${where}`);
    } else if (source === undefined || differsAt !== undefined) {
      const changed = await hasChanged(join(this.#files.folder, taped.name), taped);
      if (changed) this.#result.changedSinceCount += 1;
      else this.#differ(`${taped.name}: differs from the source at byte ${differsAt ?? 0}`);
    }
  }
}

/** Whether a source file is another than it was at the backup, or was being changed then. */
async function hasChanged(path: string, taped: TapedEntry): Promise<boolean> {
  try {
    const { mtimeMs, size } = await lstat(path);
    return mtimeMs !== taped.source.mtimeMs || size !== taped.source.size;
  } catch {
    // It cannot be looked at any more: it has changed, whatever the reason.
    return true;
  }
}

/** A source file with its overlay, read again alongside. */
class SourceReader {
  readonly #pieces: AsyncGenerator<Uint8Array>;
  readonly #close: () => Promise<void>;
  #piece: Uint8Array = new Uint8Array(0);

  private constructor(pieces: AsyncGenerator<Uint8Array>, close: () => Promise<void>) {
    this.#pieces = pieces;
    this.#close = close;
  }

  static async open(
    folder: string,
    taped: TapedEntry,
    overlay: Overlay,
  ): Promise<SourceReader | undefined> {
    try {
      const file = await open(join(folder, taped.name), 'r');
      return new SourceReader(contentOf(file, overlay.get(taped.name), taped.source.size), () =>
        file.close(),
      );
    } catch {
      // Gone since the backup: the digest alone decides, and the result says so.
      return undefined;
    }
  }

  /** How many of `bytes` are the next ones of the source. */
  async equal(bytes: Uint8Array): Promise<number> {
    for (let from = 0; from < bytes.length;) {
      if (!(await this.hasMore())) return from;
      const length = Math.min(this.#piece.length, bytes.length - from);
      const ours = Buffer.from(bytes.buffer, bytes.byteOffset + from, length);
      const theirs = this.#piece.subarray(0, length);
      if (ours.compare(theirs) !== 0) {
        return from + ours.findIndex((byte, index) => byte !== theirs[index]);
      }
      this.#piece = this.#piece.subarray(length);
      from += length;
    }
    return bytes.length;
  }

  async hasMore(): Promise<boolean> {
    while (this.#piece.length === 0) {
      const next = await this.#pieces.next();
      if (next.done === true) return false;
      this.#piece = next.value;
    }
    return true;
  }

  close(): Promise<void> {
    return this.#close();
  }
}
