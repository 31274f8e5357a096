/**
 * A log folder whose files are put by at times, packed with gzip.
 *
 * A rotation is: the packed files move on by one, from the first free number down, so that number 1 is
 * free; the file becomes `NAME.1`; that is packed as `NAME.1.gz`; `NAME.1` goes. Whichever step a crash
 * cuts off, the rest can be done again: a file is either whole under its old name or whole under its new.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { open, readdir, rename, stat, truncate, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { LOG_READ_BYTES_MAX } from '../ports/log-files.ts';
import type { RotatingLogFiles } from '../ports/log-files.ts';
import { codeOf, guard } from './disk-errors.ts';
import { logFolder, pathOf } from './log-folder.ts';

const NEWLINE = 0x0a;

/** `folder` is made with the first file. */
export function rotatingLogFolder(folder: string): RotatingLogFiles {
  const files = logFolder(folder);
  return {
    append: (name, text) => files.append(name, text),
    async read(name) {
      if (!name.endsWith('.gz')) return files.read(name);
      const path = pathOf(folder, name);
      return guard(path, async () => ((await sizeOf(path)) > 0 ? readPacked(path) : undefined));
    },
    async sizeBytes(name) {
      const path = pathOf(folder, name);
      return guard(path, () => sizeOf(path));
    },
    async mend(name) {
      const path = pathOf(folder, name);
      await guard(path, async () => {
        await finishRotation(folder, path);
        await cutUnfinishedLine(path);
      });
    },
    async rotate(name, keptMax) {
      const path = pathOf(folder, name);
      await guard(path, async () => {
        await finishRotation(folder, path);
        if ((await sizeOf(path)) === 0) return;
        await makeRoom(folder, name, keptMax);
        await rename(path, `${path}.1`);
        await syncFolder(folder);
        await finishRotation(folder, path);
      });
    },
  };
}

/** Moves the packed files on, so that there is no number 1. */
async function makeRoom(folder: string, name: string, keptMax: number): Promise<void> {
  const present = new Set(await readdir(folder));
  const packed = (number: number): string => `${name}.${number}.gz`;
  let free = 1;
  while (free < keptMax && present.has(packed(free))) free += 1;
  for (let number = free; number > 1; number -= 1) {
    await rename(join(folder, packed(number - 1)), join(folder, packed(number)));
  }
  if (keptMax === 1) await unlink(join(folder, packed(1))).catch(unlessMissing);
  // Fewer may be kept than before.
  for (const each of present) {
    const number = each.startsWith(`${name}.`) && each.endsWith('.gz') ? numberIn(each, name) : 0;
    if (number > keptMax) await unlink(join(folder, each));
  }
}

function numberIn(packed: string, name: string): number {
  const digits = packed.slice(name.length + 1, -'.gz'.length);
  return /^\d{1,6}$/.test(digits) ? Number(digits) : 0;
}

/** Packs what a rotation put aside, if there is any. */
async function finishRotation(folder: string, path: string): Promise<void> {
  const aside = `${path}.1`;
  if ((await sizeOf(aside)) === 0) return;
  const unfinished = `${aside}.gz.new`;
  await pipeline(
    createReadStream(aside),
    createGzip(),
    createWriteStream(unfinished, { mode: 0o640, flush: true }),
  );
  await rename(unfinished, `${aside}.gz`);
  await syncFolder(folder);
  await unlink(aside);
}

async function cutUnfinishedLine(path: string): Promise<void> {
  const size = await sizeOf(path);
  if (size === 0) return;
  await using file = await open(path, 'r');
  const start = Math.max(0, size - LOG_READ_BYTES_MAX);
  const tail = new Uint8Array(size - start);
  await file.read(tail, 0, tail.length, start);
  const end = start + tail.lastIndexOf(NEWLINE) + 1;
  if (end < size) await truncate(path, end);
}

async function readPacked(path: string): Promise<string> {
  let tail = new Uint8Array(0);
  const unpacked = createGunzip();
  await pipeline(createReadStream(path), unpacked, async (pieces) => {
    for await (const piece of pieces as AsyncIterable<Uint8Array>) {
      tail = new Uint8Array(Buffer.concat([tail, piece]).subarray(-LOG_READ_BYTES_MAX));
    }
  });
  return new TextDecoder().decode(tail);
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    unlessMissing(error);
    return 0;
  }
}

function unlessMissing(error: unknown): void {
  if (codeOf(error) !== 'ENOENT') throw error;
}

async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, 'r');
  await handle.sync();
}
