/** Migration of the catalog's part about VTSPolicy, migrated tapes and Scan/Cleanup. */
import type { Migration } from '../schema.ts';

export const POLICY_AND_CLEANUP: Migration = {
  subject: 'VTSPolicy commands, migrated contents, Scan/Cleanup',
  sql: `
    CREATE TABLE policyRun (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      host TEXT NOT NULL,
      localTimeMs INTEGER NOT NULL,
      text TEXT NOT NULL,
      startedAtMs INTEGER NOT NULL,
      endedAtMs INTEGER,
      state TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed', 'refused', 'interrupted')),
      outcome TEXT NOT NULL
    ) STRICT;
    CREATE INDEX policyRunByEvent ON policyRun (host, localTimeMs);
    CREATE INDEX policyRunRunning ON policyRun (id) WHERE state = 'running';

    CREATE TABLE migration (
      tape TEXT PRIMARY KEY REFERENCES tape (name) ON DELETE CASCADE ON UPDATE CASCADE,
      generation INTEGER NOT NULL,
      atMs INTEGER NOT NULL,
      application TEXT NOT NULL,
      keepMs INTEGER
    ) STRICT;

    CREATE TABLE cleanupMark (
      tape TEXT PRIMARY KEY REFERENCES tape (name) ON DELETE CASCADE ON UPDATE CASCADE,
      decision TEXT NOT NULL CHECK (decision IN ('erase', 'keep')),
      user TEXT NOT NULL,
      atMs INTEGER NOT NULL
    ) STRICT;

    -- One row: the last scan.
    CREATE TABLE cleanupScan (
      atMs INTEGER NOT NULL,
      user TEXT NOT NULL,
      scheduledThroughMs INTEGER
    ) STRICT;

    CREATE TABLE cleanupPlan (
      tape TEXT PRIMARY KEY REFERENCES tape (name) ON DELETE CASCADE ON UPDATE CASCADE,
      generation INTEGER NOT NULL,
      erase INTEGER NOT NULL CHECK (erase IN (0, 1)),
      reason TEXT NOT NULL
    ) STRICT;

    CREATE TABLE erasure (
      tape TEXT PRIMARY KEY REFERENCES tape (name) ON DELETE CASCADE ON UPDATE CASCADE,
      generation INTEGER NOT NULL,
      startedAtMs INTEGER NOT NULL,
      list TEXT NOT NULL,
      line TEXT NOT NULL
    ) STRICT;
  `,
};
