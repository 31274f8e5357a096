/** Licence keys. */
import type { Migration } from '../schema.ts';

export const LICENCES_MIGRATION: Migration = {
  subject: 'licences',
  sql: `
    CREATE TABLE licence (
      number TEXT PRIMARY KEY,
      key TEXT NOT NULL,
      addedAtMs INTEGER NOT NULL,
      removedAtMs INTEGER,
      latestMs INTEGER NOT NULL,
      expiryTold INTEGER NOT NULL CHECK (expiryTold IN (0, 1))
    ) STRICT;
  `,
};
