/** What the laboratory backs up, and whether the disk has room for it. */
import { readdir, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CapstanError } from '../../src/base/errors.ts';
import { formatSize } from '../../src/cli/text.ts';
import { listFiles } from './lab-files.ts';
import type { FileSet } from './lab-files.ts';

/** Taken where no folder is named: the first that is there. */
const DEFAULT_FOLDERS = ['/usr/share', '/usr/lib', '/usr'] as const;
/** Most of a default folder that is taken, bytes. */
export const DEFAULT_SIZE_BYTES = 200_000_000;
/** Two vaults that hold two versions of the files take no more than this many times their size. */
const DISK_FACTOR = 3;

/** The files of `from`, or of a default folder; INVALID_ARGUMENT where there are none. */
export async function chooseFiles(
  from: string | undefined,
  sizeMax: number | undefined,
): Promise<FileSet> {
  const limit = from === undefined ? DEFAULT_SIZE_BYTES : Number.POSITIVE_INFINITY;
  return listFolder(from ?? (await defaultFolder()), sizeMax ?? limit);
}

async function defaultFolder(): Promise<string> {
  for (const folder of DEFAULT_FOLDERS) {
    const entries = await readdir(folder).catch(() => []);
    if (entries.length > 0) return folder;
  }
  throw new CapstanError('NOT_FOUND', {
    kind: 'folder',
    name: `${DEFAULT_FOLDERS.join(' or ')}; --from names one`,
  });
}

async function listFolder(folder: string, sizeMax: number): Promise<FileSet> {
  try {
    const files = await listFiles(folder, sizeMax);
    if (files.fileCount > 0) return files;
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : undefined;
    if (code === undefined) throw cause;
    const reason = code === 'ENOENT' ? 'it is not there' : `it cannot be read (${code})`;
    throw new CapstanError('INVALID_ARGUMENT', { what: `The folder ${folder}`, reason }, { cause });
  }
  const reason = 'it has no file to back up (within --size)';
  throw new CapstanError('INVALID_ARGUMENT', { what: `The folder ${folder}`, reason });
}

/** Rejects LIMIT_EXCEEDED where the disk of `folder` has too little room for two vaults. */
export async function checkDiskSpace(folder: string, byteCount: number): Promise<void> {
  let place = folder;
  while ((await stat(place).catch(() => undefined)) === undefined) place = dirname(place);
  const { bavail, bsize } = await statfs(place);
  if (bavail * bsize >= byteCount * DISK_FACTOR) return;
  throw new CapstanError('LIMIT_EXCEEDED', {
    what: `What the laboratory needs on the disk of ${place} (--size and --keep change it)`,
    value: formatSize(byteCount * DISK_FACTOR),
    limit: formatSize(bavail * bsize),
  });
}
