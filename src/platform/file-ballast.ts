/**
 * A ballast as a file of random bytes: blocks that a file system neither shares nor compresses away.
 *
 * The file is found again by the next process; one that is shorter than it should be is made longer.
 */
import { randomFillSync } from 'node:crypto';
import { open, rm, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { MIB } from '../base/units.ts';
import type { Ballast } from '../ports/ballast.ts';

/** Beside a catalog: its log takes some pages for each change. */
export const CATALOG_BALLAST_BYTES = 4 * MIB;
/** In a vault: images without content, and the packs that a collection copies to. */
export const VAULT_BALLAST_BYTES = 16 * MIB;
/** On a small file system the ballast is that part of it. */
const SHARE_MAX = 1 / 64;
/** Its name in a vault's folder; of a file that readers of the store pass by. */
export const VAULT_BALLAST = '~ballast';
const STEP_BYTES = 256 * 1024;

export function fileBallast(path: string, bytesMax: number): Ballast {
  return {
    hold: async () => {
      try {
        return await grow(path, await sizeFor(path, bytesMax));
      } catch (error) {
        // What could be taken is taken; a disk that fails otherwise tells so where it matters.
        if (isSystemError(error)) return false;
        throw error;
      }
    },
    release: async () => {
      try {
        const { size } = await stat(path);
        await rm(path);
        await syncFolder(path);
        return size > 0;
      } catch (error) {
        if (isSystemError(error)) return false;
        throw error;
      }
    },
  };
}

async function sizeFor(path: string, bytesMax: number): Promise<number> {
  const { bsize, blocks } = await statfs(dirname(path));
  return Math.min(bytesMax, Math.floor(bsize * blocks * SHARE_MAX));
}

/** Makes the file longer, durably; whether it has its length now. */
async function grow(path: string, bytes: number): Promise<boolean> {
  const file = await open(path, 'a', 0o600);
  try {
    let { size } = await file.stat();
    if (size >= bytes) return true;
    const step = new Uint8Array(STEP_BYTES);
    while (size < bytes) {
      randomFillSync(step);
      const { bytesWritten } = await file.write(step, 0, Math.min(STEP_BYTES, bytes - size));
      size += bytesWritten;
    }
    await file.sync();
    return true;
  } finally {
    await file.close();
  }
}

/** File systems with a log give what was removed to others only once that is written. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

const isSystemError = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && 'syscall' in error;
