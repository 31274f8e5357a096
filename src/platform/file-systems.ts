/** The machine's file systems. */
import { stat, statfs } from 'node:fs/promises';
import { CapstanError } from '../base/errors.ts';
import type { FileSystems } from '../ports/file-systems.ts';

export const systemFileSystems: FileSystems = {
  usage: async (path) => {
    try {
      const [{ dev }, { bsize, blocks, bavail }] = await Promise.all([stat(path), statfs(path)]);
      return { id: String(dev), totalBytes: blocks * bsize, freeBytes: bavail * bsize };
    } catch (cause) {
      const what = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
      throw new CapstanError('DISK_IO', { place: path, what }, { cause });
    }
  },
};
