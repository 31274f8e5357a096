/** Where a store may be made: in a folder that is new, empty, or a store's already. */
import { readdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CapstanError } from '../base/errors.ts';

/** What the engine makes at the top of a store; its files under way begin with a tilde. */
const STORE_ENTRIES = new Set(['images', 'lock', 'packs', 'store']);

/** Rejects INVALID_ARGUMENT for a folder with anything else in it, and for one that would lie nowhere. */
export async function refuseForeignFolder(path: string): Promise<void> {
  const entries = await entriesOf(path);
  const foreign = entries?.find((each) => !STORE_ENTRIES.has(each) && !each.startsWith('~'));
  if (foreign !== undefined)
    refuse(path, `it has ${JSON.stringify(foreign)} in it, and has to be empty`);
  if (entries !== undefined || (await isFolder(dirname(path)))) return;
  refuse(path, `there is no folder ${dirname(path)} for it`);
}

/** Undefined where there is no folder. What else the system says, the engine is told, too. */
async function entriesOf(path: string): Promise<readonly string[] | undefined> {
  try {
    return await readdir(path);
  } catch {
    return undefined;
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

function refuse(path: string, reason: string): never {
  throw new CapstanError('INVALID_ARGUMENT', { what: `The folder ${path}`, reason });
}
