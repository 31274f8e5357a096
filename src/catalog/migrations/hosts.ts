/** Schema of what the catalog knows of the tape hosts. */
import type { Migration } from '../schema.ts';

export const HOST_MIGRATION: Migration = {
  subject: "how far each host's events have been heard",
  sql: `
    CREATE TABLE emsPosition (
      host TEXT PRIMARY KEY,
      localTimeMs INTEGER NOT NULL,
      seen TEXT NOT NULL
    ) STRICT;
  `,
};

export const ACCEPTED_MOUNT_MIGRATION: Migration = {
  subject: 'which mounts their hosts were heard to have',
  sql: `
    CREATE TABLE acceptedMount (
      mountId INTEGER PRIMARY KEY REFERENCES mount (id) ON DELETE CASCADE
    ) STRICT;
  `,
};
