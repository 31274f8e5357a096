/** Schema of shared vaults and of the servers that share them. */
import type { Migration } from '../schema.ts';

/** With which key another server speaks. */
export const PEER_KEY_MIGRATION: Migration = {
  subject: 'keys of the servers of shared vaults',
  sql: 'ALTER TABLE peer ADD COLUMN clientKey TEXT;',
};

export const SHARED_MIGRATION: Migration = {
  subject: 'shared vaults and their servers',
  sql: `
    ALTER TABLE vault ADD COLUMN sharedId TEXT;

    CREATE TABLE peer (
      server TEXT PRIMARY KEY,
      address TEXT NOT NULL,
      port INTEGER NOT NULL,
      user TEXT NOT NULL,
      hostKey TEXT NOT NULL,
      transport TEXT NOT NULL CHECK (transport IN ('ssh2', 'openssh'))
    ) STRICT;
  `,
};
