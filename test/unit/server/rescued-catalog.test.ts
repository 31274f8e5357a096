import { describe, expect, it } from 'vitest';
import { CapstanError } from '../../../src/base/errors.ts';
import type { Catalog } from '../../../src/ports/catalog.ts';
import { rescuedCatalog } from '../../../src/server/rescued-catalog.ts';

const FULL = new CapstanError('NO_SPACE', { path: '/catalog' });

function catalogOn(disk: { isFull: boolean }): Catalog {
  const deleteTape = (name: string): Promise<unknown> =>
    disk.isFull ? Promise.reject(FULL) : Promise.resolve(`${name} is gone`);
  return { deleteTape } as unknown as Catalog;
}

describe('a catalog with what is held back behind it', () => {
  const disk = { isFull: true };
  const ballasts = {
    rescue: async <T>(work: () => Promise<T>): Promise<T> => {
      try {
        return await work();
      } catch {
        disk.isFull = false;
        return work();
      }
    },
  };

  it('makes a call that finds no room once more, and refuses it where that is not wanted any more', async () => {
    let isWanted = true;
    const catalog = rescuedCatalog(catalogOn(disk), ballasts, () => isWanted);
    expect(await catalog.deleteTape('LAB001')).toBe('LAB001 is gone');
    disk.isFull = true;
    isWanted = false;
    await expect(catalog.deleteTape('LAB002')).rejects.toBe(FULL);
  });
});
