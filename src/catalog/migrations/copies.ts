/** AutoCopy: a limit on the bandwidth of a rule, and copies that an operator cancelled. */
import type { Migration } from '../schema.ts';

export const COPIES_MIGRATION: Migration = {
  subject: 'AutoCopy: bandwidth by rule, cancelled copies',
  sql: `
    ALTER TABLE copyRule ADD COLUMN bytesPerSecond INTEGER;

    CREATE TABLE newCopyJob (
      tape TEXT NOT NULL REFERENCES tape (name) ON UPDATE CASCADE ON DELETE CASCADE,
      ruleId INTEGER NOT NULL REFERENCES copyRule (id) ON DELETE CASCADE,
      generation INTEGER NOT NULL,
      state TEXT NOT NULL CHECK (state IN ('due', 'copied', 'failed', 'cancelled')),
      attempts INTEGER NOT NULL,
      queuedAtMs INTEGER NOT NULL,
      nextAttemptAtMs INTEGER NOT NULL,
      copiedGeneration INTEGER,
      lastError TEXT,
      bytesSent INTEGER NOT NULL,
      PRIMARY KEY (tape, ruleId)
    ) STRICT;
    INSERT INTO newCopyJob SELECT tape, ruleId, generation, state, attempts, queuedAtMs,
      nextAttemptAtMs, copiedGeneration, lastError, bytesSent FROM copyJob;
    DROP TABLE copyJob;
    ALTER TABLE newCopyJob RENAME TO copyJob;
    CREATE INDEX copyJobByRule ON copyJob (ruleId);
  `,
};
