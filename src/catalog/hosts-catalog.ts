/** The catalog's part for tape hosts, in SQLite. */
import type { EmsPositionRow, HostCatalog } from '../ports/catalog-hosts.ts';
import type { Database } from './database.ts';
import type { Table } from './tables.ts';

const EMS_POSITION: Table<EmsPositionRow> = {
  name: 'emsPosition',
  columns: { host: 'plain', localTimeMs: 'plain', seen: 'plain' },
};

export function hostsCatalog(database: Database): HostCatalog {
  return {
    async putEmsPosition(position) {
      database.transaction(() => {
        database.replace(EMS_POSITION, position);
      });
    },
    async findEmsPosition(host) {
      return database.rows(EMS_POSITION, 'WHERE host = :host', { host })[0];
    },
    async acceptMount(host, requestNumber) {
      database.transaction(() => {
        database.run(
          `INSERT OR IGNORE INTO acceptedMount (mountId)
           SELECT id FROM mount WHERE host = :host AND requestNumber = :requestNumber
           ORDER BY id DESC LIMIT 1`,
          { host, requestNumber },
        );
      });
    },
    async isMountAccepted(mountId) {
      return (
        database.one('SELECT 1 FROM acceptedMount WHERE mountId = :mountId', { mountId }) !==
        undefined
      );
    },
  };
}
