/** Migrations of the catalog's part about media: pools' and tapes' attributes, locks, renaming. */
import type { Migration } from '../schema.ts';

/**
 * Tables that refer to a tape or a pool are made anew, so that they follow when it is renamed or moved:
 * SQLite cannot alter a reference. The tape's own table first gives up its name, which its children's
 * references follow, and goes when it has no children any more.
 */
export const MEDIA_ATTRIBUTES: Migration = {
  subject: 'attributes of pools and tapes, process locks, renaming and moving',
  sql: `
    ALTER TABLE pool ADD COLUMN retentionMs INTEGER;
    ALTER TABLE pool ADD COLUMN encrypted INTEGER NOT NULL DEFAULT 0 CHECK (encrypted IN (0, 1));
    ALTER TABLE pool ADD COLUMN locked INTEGER NOT NULL DEFAULT 0 CHECK (locked IN (0, 1));
    ALTER TABLE pool ADD COLUMN quotaBytes INTEGER;

    DROP INDEX tapeByPool;
    ALTER TABLE tape RENAME TO oldTape;
    CREATE TABLE tape (
      name TEXT PRIMARY KEY,
      pool TEXT NOT NULL,
      vault TEXT NOT NULL,
      labelType TEXT NOT NULL CHECK (labelType IN ('ansi', 'backup', 'unlabelled', 'ibm')),
      capacityBytes INTEGER NOT NULL,
      generation INTEGER NOT NULL,
      payloadBytes INTEGER NOT NULL,
      createdAtMs INTEGER NOT NULL,
      writtenAtMs INTEGER,
      mountedAtMs INTEGER,
      dismountedAtMs INTEGER,
      copiedFrom TEXT,
      owner TEXT NOT NULL DEFAULT '',
      updatedAtMs INTEGER,
      erasedAtMs INTEGER,
      exportedAtMs INTEGER,
      importedAtMs INTEGER,
      migratedAtMs INTEGER,
      migratedBy TEXT CHECK (migratedBy IN ('vts', 'other')),
      restoredAtMs INTEGER,
      userLocked INTEGER NOT NULL DEFAULT 0 CHECK (userLocked IN (0, 1)),
      autoloadLocked INTEGER NOT NULL DEFAULT 0 CHECK (autoloadLocked IN (0, 1)),
      keyId TEXT,
      FOREIGN KEY (pool, vault) REFERENCES pool (name, vault) ON UPDATE CASCADE
    ) STRICT;
    CREATE INDEX tapeByPool ON tape (pool, vault);
    INSERT INTO tape (name, pool, vault, labelType, capacityBytes, generation, payloadBytes,
        createdAtMs, writtenAtMs, mountedAtMs, dismountedAtMs, copiedFrom, updatedAtMs)
      SELECT name, pool, vault, labelType, capacityBytes, generation, payloadBytes,
        createdAtMs, writtenAtMs, mountedAtMs, dismountedAtMs, copiedFrom, writtenAtMs
      FROM oldTape;

    ALTER TABLE generation RENAME TO oldGeneration;
    CREATE TABLE generation (
      tape TEXT NOT NULL REFERENCES tape (name) ON DELETE CASCADE ON UPDATE CASCADE,
      generation INTEGER NOT NULL,
      atMs INTEGER NOT NULL,
      payloadBytes INTEGER NOT NULL,
      manifestDigest TEXT NOT NULL,
      origin TEXT NOT NULL,
      PRIMARY KEY (tape, generation)
    ) STRICT;
    INSERT INTO generation SELECT * FROM oldGeneration;
    DROP TABLE oldGeneration;

    DROP INDEX mountByTape;
    DROP INDEX openMountByTape;
    DROP INDEX openMountByDrive;
    ALTER TABLE mount RENAME TO oldMount;
    CREATE TABLE mount (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      tape TEXT NOT NULL REFERENCES tape (name) ON DELETE CASCADE ON UPDATE CASCADE,
      drive TEXT NOT NULL,
      host TEXT NOT NULL,
      requestNumber INTEGER,
      ring INTEGER NOT NULL CHECK (ring IN (0, 1)),
      mountedAtMs INTEGER NOT NULL,
      dismountedAtMs INTEGER,
      state TEXT NOT NULL CHECK (state IN ('open', 'dismounted', 'interrupted'))
    ) STRICT;
    INSERT INTO mount SELECT * FROM oldMount;
    DROP TABLE oldMount;
    CREATE INDEX mountByTape ON mount (tape, id);
    CREATE UNIQUE INDEX openMountByTape ON mount (tape) WHERE state = 'open';
    CREATE UNIQUE INDEX openMountByDrive ON mount (drive) WHERE state = 'open';

    DROP INDEX mountRequestByTape;
    ALTER TABLE mountRequest RENAME TO oldMountRequest;
    CREATE TABLE mountRequest (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      host TEXT NOT NULL,
      requestNumber INTEGER NOT NULL,
      tape TEXT NOT NULL REFERENCES tape (name) ON DELETE CASCADE ON UPDATE CASCADE,
      device TEXT,
      ring INTEGER NOT NULL CHECK (ring IN (0, 1)),
      receivedAtMs INTEGER NOT NULL,
      reason TEXT NOT NULL,
      UNIQUE (host, requestNumber)
    ) STRICT;
    INSERT INTO mountRequest SELECT * FROM oldMountRequest;
    DROP TABLE oldMountRequest;
    CREATE INDEX mountRequestByTape ON mountRequest (tape);

    DROP INDEX copyJobByRule;
    ALTER TABLE copyJob RENAME TO oldCopyJob;
    ALTER TABLE copyRule RENAME TO oldCopyRule;
    CREATE TABLE copyRule (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      pool TEXT NOT NULL REFERENCES pool (name) ON DELETE CASCADE ON UPDATE CASCADE,
      server TEXT NOT NULL,
      address TEXT NOT NULL,
      port INTEGER NOT NULL,
      user TEXT NOT NULL,
      hostKey TEXT NOT NULL,
      transport TEXT NOT NULL CHECK (transport IN ('ssh2', 'openssh')),
      targetPool TEXT NOT NULL,
      UNIQUE (pool, server)
    ) STRICT;
    INSERT INTO copyRule SELECT * FROM oldCopyRule;
    CREATE TABLE copyJob (
      tape TEXT NOT NULL REFERENCES tape (name) ON DELETE CASCADE ON UPDATE CASCADE,
      ruleId INTEGER NOT NULL REFERENCES copyRule (id) ON DELETE CASCADE,
      generation INTEGER NOT NULL,
      state TEXT NOT NULL CHECK (state IN ('due', 'copied', 'failed')),
      attempts INTEGER NOT NULL,
      queuedAtMs INTEGER NOT NULL,
      nextAttemptAtMs INTEGER NOT NULL,
      copiedGeneration INTEGER,
      lastError TEXT,
      bytesSent INTEGER NOT NULL,
      PRIMARY KEY (tape, ruleId)
    ) STRICT;
    INSERT INTO copyJob SELECT * FROM oldCopyJob;
    DROP TABLE oldCopyJob;
    DROP TABLE oldCopyRule;
    CREATE INDEX copyJobByRule ON copyJob (ruleId);
    DROP TABLE oldTape;

    -- The id is the order in which they were taken.
    CREATE TABLE processLock (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      tape TEXT UNIQUE REFERENCES tape (name) ON DELETE CASCADE ON UPDATE CASCADE,
      pool TEXT UNIQUE REFERENCES pool (name) ON DELETE CASCADE ON UPDATE CASCADE,
      process TEXT NOT NULL,
      sinceMs INTEGER NOT NULL,
      reason TEXT NOT NULL,
      CHECK ((tape IS NULL) <> (pool IS NULL))
    ) STRICT;
  `,
};
