/** Instant DR: schemes, runs, results by tape, and what the targets were last seen to have. */
import type { Migration } from '../schema.ts';

export const INSTANT_DR_MIGRATION: Migration = {
  subject: 'Instant DR: schemes, runs and results',
  sql: `
    -- Sources and schedules are JSON lists, read and written whole.
    CREATE TABLE idrScheme (
      name TEXT PRIMARY KEY,
      role TEXT NOT NULL CHECK (role IN ('source', 'standby', 'handing-over')),
      server TEXT NOT NULL,
      address TEXT NOT NULL,
      port INTEGER NOT NULL,
      user TEXT NOT NULL,
      hostKey TEXT NOT NULL,
      transport TEXT NOT NULL CHECK (transport IN ('ssh2', 'openssh')),
      sources TEXT NOT NULL,
      schedules TEXT NOT NULL,
      timeZone TEXT NOT NULL,
      bytesPerSecond INTEGER,
      deletions TEXT NOT NULL CHECK (deletions IN ('keep', 'delete')),
      deletionGraceDays INTEGER NOT NULL,
      enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
      createdAtMs INTEGER NOT NULL,
      answeredAtMs INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE idrRun (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      scheme TEXT NOT NULL REFERENCES idrScheme (name) ON DELETE CASCADE,
      kind TEXT NOT NULL CHECK (kind IN ('synchronise', 'verify')),
      cause TEXT NOT NULL CHECK (cause IN ('schedule', 'dispatch', 'policy', 'swap')),
      pool TEXT,
      state TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed', 'cancelled')),
      startedAtMs INTEGER NOT NULL,
      endedAtMs INTEGER,
      attempts INTEGER NOT NULL,
      nextAttemptAtMs INTEGER NOT NULL,
      reason TEXT
    ) STRICT;
    CREATE INDEX idrRunByScheme ON idrRun (scheme, id);
    CREATE UNIQUE INDEX runningIdrRun ON idrRun (scheme) WHERE state = 'running';

    -- A tape's name only: its results outlive it.
    CREATE TABLE idrResult (
      runId INTEGER NOT NULL REFERENCES idrRun (id) ON DELETE CASCADE,
      tape TEXT NOT NULL,
      outcome TEXT NOT NULL
        CHECK (outcome IN ('copied', 'unchanged', 'skipped', 'failed', 'deleted')),
      generation INTEGER,
      reason TEXT,
      bytesSent INTEGER NOT NULL,
      atMs INTEGER NOT NULL,
      PRIMARY KEY (runId, tape)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE idrTape (
      scheme TEXT NOT NULL REFERENCES idrScheme (name) ON DELETE CASCADE,
      tape TEXT NOT NULL,
      targetPool TEXT NOT NULL,
      generation INTEGER NOT NULL,
      manifestDigest TEXT NOT NULL,
      atMs INTEGER NOT NULL,
      goneAtMs INTEGER,
      PRIMARY KEY (scheme, tape)
    ) STRICT, WITHOUT ROWID;
  `,
};
