/** What every catalog does for licences: the contract of src/ports/catalog-licences.ts. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Catalog } from '../../src/ports/catalog.ts';

export function licenceCatalogConformance(name: string, open: () => Catalog): void {
  describe(`${name} keeps licences:`, () => {
    let catalog: Catalog;
    beforeEach(() => {
      catalog = open();
    });
    afterEach(() => catalog.close());

    it('none at first, then each as it was last written, by number', async () => {
      expect(await catalog.listLicences()).toEqual([]);
      const row = {
        number: 'L2',
        key: 'CAPSTAN-…',
        addedAtMs: 1000,
        removedAtMs: undefined,
        latestMs: 1000,
        expiryTold: false,
      };
      await catalog.putLicence(row);
      await catalog.putLicence({ ...row, number: 'L1' });
      const removed = { ...row, removedAtMs: 2000, latestMs: 2000, expiryTold: true };
      await catalog.putLicence(removed);
      expect(await catalog.listLicences()).toEqual([{ ...row, number: 'L1' }, removed]);
    });
  });
}
