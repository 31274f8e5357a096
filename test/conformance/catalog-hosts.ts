/** What every catalog does for tape hosts: the contract of src/ports/catalog-hosts.ts. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Catalog } from '../../src/ports/catalog.ts';

export function hostCatalogConformance(name: string, open: () => Catalog): void {
  describe(`${name} knows how far a host's events have been heard:`, () => {
    let catalog: Catalog;
    beforeEach(() => {
      catalog = open();
    });
    afterEach(() => catalog.close());

    it('nothing of a host that was never heard', async () => {
      expect(await catalog.findEmsPosition('\\LAB')).toBeUndefined();
    });

    it('the last position of each host', async () => {
      const east = { host: '\\EAST', localTimeMs: 1, seen: '[]' };
      await catalog.putEmsPosition({ host: '\\LAB', localTimeMs: 5000, seen: '["a"]' });
      await catalog.putEmsPosition(east);
      // A host's clock may go back.
      await catalog.putEmsPosition({ host: '\\LAB', localTimeMs: 4000, seen: '["b"]' });
      expect(await catalog.findEmsPosition('\\LAB')).toEqual({
        host: '\\LAB',
        localTimeMs: 4000,
        seen: '["b"]',
      });
      expect(await catalog.findEmsPosition('\\EAST')).toEqual(east);
    });
  });
}
