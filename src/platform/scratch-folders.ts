/** Folders for a while, in one folder that is made with the first. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CapstanError } from '../base/errors.ts';
import { SCRATCH_NAME_PATTERN } from '../ports/scratch.ts';
import type { Scratch } from '../ports/scratch.ts';
import { guard } from './disk-errors.ts';

export function scratchFolders(folder: string): Scratch {
  const pathOf = (name: string): string => {
    if (SCRATCH_NAME_PATTERN.test(name)) return join(folder, name);
    throw new CapstanError('NAME_INVALID', {
      kind: 'scratch folder',
      name: JSON.stringify(name.slice(0, 40)),
      pattern: SCRATCH_NAME_PATTERN.source,
    });
  };
  const remove = async (path: string): Promise<void> =>
    guard(path, () => rm(path, { recursive: true, force: true }));
  return {
    async make(name) {
      const path = pathOf(name);
      await remove(path);
      await guard(path, () => mkdir(path, { recursive: true, mode: 0o750 }));
      return path;
    },
    remove: async (name) => remove(pathOf(name)),
  };
}
