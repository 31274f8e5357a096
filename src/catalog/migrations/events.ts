/** Which vaults an entry of the event log is about. */
import type { Migration } from '../schema.ts';

export const EVENT_VAULTS_MIGRATION: Migration = {
  subject: 'the vaults that an entry of the event log is about',
  // A JSON array of names; NULL where nobody can tell, as of all entries before this.
  sql: 'ALTER TABLE event ADD COLUMN vaults TEXT;',
};
