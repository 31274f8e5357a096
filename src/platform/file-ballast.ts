/**
 * A ballast as a file of random bytes: blocks that a file system neither shares nor compresses away.
 *
 * The file is found again by the next process; one that is shorter than it should be is made longer.
 */
import { randomFillSync } from 'node:crypto';
import { open, rm, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { KIB, MIB } from '../base/units.ts';
import { isCapstanError } from '../base/errors.ts';
import type { Ballast } from '../ports/ballast.ts';
import { guard } from './disk-errors.ts';

/** Beside a catalog: its log takes some pages for each change. */
export const CATALOG_BALLAST_BYTES = 4 * MIB;
/** In a vault: images without content, and the packs that a collection copies to. */
export const VAULT_BALLAST_BYTES = 16 * MIB;
/** On a small file system the ballast is that part of it. */
const SHARE_MAX = 1 / 64;
/** Its name in a vault's folder; of a file that readers of the store pass by. */
export const VAULT_BALLAST = '~ballast';
const STEP_BYTES = 256 * KIB;
const STEP_BYTES_MIN = 4 * KIB;

export function fileBallast(path: string, bytesMax: number): Ballast {
  // A disk that fails otherwise than by being full tells so where it matters.
  const attempt = async (work: () => Promise<boolean>): Promise<boolean> => {
    try {
      return await guard(path, work);
    } catch (error) {
      if (isCapstanError(error)) return false;
      throw error;
    }
  };
  return {
    hold: () => attempt(async () => grow(path, await sizeFor(path, bytesMax))),
    release: () =>
      attempt(async () => {
        const { size } = await stat(path);
        await rm(path);
        await syncFolder(path);
        return size > 0;
      }),
  };
}

async function sizeFor(path: string, bytesMax: number): Promise<number> {
  const { bsize, blocks } = await statfs(dirname(path));
  return Math.min(bytesMax, Math.floor(bsize * blocks * SHARE_MAX));
}

/**
 * Makes the file longer, durably, as far as there is room; whether it has its length now. A file system may have room
 * for less than a step, and some that was given up only once its log is written.
 */
async function grow(path: string, bytes: number): Promise<boolean> {
  const file = await open(path, 'a', 0o600);
  try {
    let { size } = await file.stat();
    let stepBytes = STEP_BYTES;
    let isLogWritten = false;
    const step = new Uint8Array(STEP_BYTES);
    while (size < bytes && stepBytes >= STEP_BYTES_MIN) {
      randomFillSync(step);
      try {
        const take = Math.min(stepBytes, bytes - size);
        size += (await guard(path, () => file.write(step, 0, take))).bytesWritten;
      } catch (error) {
        if (!isCapstanError(error, 'NO_SPACE')) throw error;
        if (isLogWritten) stepBytes /= 2;
        else await file.sync();
        isLogWritten = true;
      }
    }
    await file.sync();
    return size >= bytes;
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
