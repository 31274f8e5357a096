/** The catalog's part for licences, in SQLite. */
import type { LicenceCatalog, LicenceRow } from '../ports/catalog-licences.ts';
import type { Database } from './database.ts';
import type { Table } from './tables.ts';

const LICENCE: Table<LicenceRow> = {
  name: 'licence',
  columns: {
    number: 'plain',
    key: 'plain',
    addedAtMs: 'plain',
    removedAtMs: 'plain',
    latestMs: 'plain',
    expiryTold: 'boolean',
  },
};

export function licencesCatalog(database: Database): LicenceCatalog {
  return {
    async listLicences() {
      return database.rows(LICENCE, 'ORDER BY number');
    },
    async putLicence(licence) {
      database.transaction(() => {
        database.replace(LICENCE, licence);
      });
    },
  };
}
