/**
 * The catalog's schema, as the migrations that made it.
 *
 * A migration that was released is never changed; the next one is added behind it. Those a database
 * has stand in its table `schemaMigration`. Tables and columns bear the names of the rows and fields
 * of src/ports/catalog.ts, so that a row needs no translation. Times are milliseconds since 1970.
 */
import type { DatabaseSync } from 'node:sqlite';
import { CapstanError } from '../base/errors.ts';
import { ACCESS_MIGRATION } from './migrations/access.ts';
import { COPIES_MIGRATION } from './migrations/copies.ts';
import { EVENT_VAULTS_MIGRATION } from './migrations/events.ts';
import { ACCEPTED_MOUNT_MIGRATION, HOST_MIGRATION } from './migrations/hosts.ts';
import { INSTANT_DR_MIGRATION } from './migrations/instant-dr.ts';
import { MEDIA_ATTRIBUTES } from './migrations/media.ts';
import { POLICY_AND_CLEANUP } from './migrations/policy.ts';
import { PEER_KEY_MIGRATION, SHARED_MIGRATION } from './migrations/shared.ts';
import { LICENCES_MIGRATION } from './migrations/licences.ts';

export interface Migration {
  /** What it brings, for who looks into the table. */
  readonly subject: string;
  readonly sql: string;
}

/** Marks a database as a Capstan catalog: `PRAGMA application_id`, "Caps". */
const APPLICATION_ID = 0x43617073;

/** Version n is the n-th migration, counted from 1. */
export const MIGRATIONS: readonly Migration[] = [
  {
    subject: 'vaults, pools, tapes, drives, mounts, AutoCopy and the event log',
    sql: `
      CREATE TABLE vault (
        name TEXT PRIMARY KEY,
        path TEXT NOT NULL UNIQUE,
        createdAtMs INTEGER NOT NULL
      ) STRICT;

      CREATE TABLE pool (
        name TEXT PRIMARY KEY,
        vault TEXT NOT NULL REFERENCES vault (name),
        createdAtMs INTEGER NOT NULL,
        UNIQUE (name, vault)
      ) STRICT;

      CREATE TABLE tape (
        name TEXT PRIMARY KEY,
        pool TEXT NOT NULL,
        vault TEXT NOT NULL,
        labelType TEXT NOT NULL CHECK (labelType IN ('ansi', 'backup', 'unlabelled')),
        capacityBytes INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        payloadBytes INTEGER NOT NULL,
        createdAtMs INTEGER NOT NULL,
        writtenAtMs INTEGER,
        mountedAtMs INTEGER,
        dismountedAtMs INTEGER,
        copiedFrom TEXT,
        FOREIGN KEY (pool, vault) REFERENCES pool (name, vault)
      ) STRICT;
      CREATE INDEX tapeByPool ON tape (pool, vault);

      CREATE TABLE generation (
        tape TEXT NOT NULL REFERENCES tape (name) ON DELETE CASCADE,
        generation INTEGER NOT NULL,
        atMs INTEGER NOT NULL,
        payloadBytes INTEGER NOT NULL,
        manifestDigest TEXT NOT NULL,
        origin TEXT NOT NULL,
        PRIMARY KEY (tape, generation)
      ) STRICT;

      CREATE TABLE drive (
        name TEXT PRIMARY KEY,
        host TEXT NOT NULL,
        device TEXT NOT NULL,
        serialNumber TEXT NOT NULL UNIQUE,
        UNIQUE (host, device)
      ) STRICT;

      -- A mount outlives its drive's row, which is why the drive is not a foreign key.
      CREATE TABLE mount (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        tape TEXT NOT NULL REFERENCES tape (name) ON DELETE CASCADE,
        drive TEXT NOT NULL,
        host TEXT NOT NULL,
        requestNumber INTEGER,
        ring INTEGER NOT NULL CHECK (ring IN (0, 1)),
        mountedAtMs INTEGER NOT NULL,
        dismountedAtMs INTEGER,
        state TEXT NOT NULL CHECK (state IN ('open', 'dismounted', 'interrupted'))
      ) STRICT;
      CREATE INDEX mountByTape ON mount (tape, id);
      CREATE UNIQUE INDEX openMountByTape ON mount (tape) WHERE state = 'open';
      CREATE UNIQUE INDEX openMountByDrive ON mount (drive) WHERE state = 'open';

      -- The id is the order of arrival.
      CREATE TABLE mountRequest (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        host TEXT NOT NULL,
        requestNumber INTEGER NOT NULL,
        tape TEXT NOT NULL REFERENCES tape (name) ON DELETE CASCADE,
        device TEXT,
        ring INTEGER NOT NULL CHECK (ring IN (0, 1)),
        receivedAtMs INTEGER NOT NULL,
        reason TEXT NOT NULL,
        UNIQUE (host, requestNumber)
      ) STRICT;
      CREATE INDEX mountRequestByTape ON mountRequest (tape);

      CREATE TABLE copyRule (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        pool TEXT NOT NULL REFERENCES pool (name),
        server TEXT NOT NULL,
        address TEXT NOT NULL,
        port INTEGER NOT NULL,
        user TEXT NOT NULL,
        hostKey TEXT NOT NULL,
        transport TEXT NOT NULL CHECK (transport IN ('ssh2', 'openssh')),
        targetPool TEXT NOT NULL,
        UNIQUE (pool, server)
      ) STRICT;

      CREATE TABLE copyJob (
        tape TEXT NOT NULL REFERENCES tape (name) ON DELETE CASCADE,
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
      CREATE INDEX copyJobByRule ON copyJob (ruleId);

      CREATE TABLE event (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        atMs INTEGER NOT NULL,
        severity TEXT NOT NULL CHECK (severity IN ('INFO', 'WARNING', 'ERROR', 'CRITICAL')),
        messageId TEXT NOT NULL,
        address TEXT NOT NULL,
        user TEXT NOT NULL,
        program TEXT NOT NULL,
        text TEXT NOT NULL
      ) STRICT;
    `,
  },
  HOST_MIGRATION,
  INSTANT_DR_MIGRATION,
  MEDIA_ATTRIBUTES,
  POLICY_AND_CLEANUP,
  ACCESS_MIGRATION,
  LICENCES_MIGRATION,
  COPIES_MIGRATION,
  ACCEPTED_MOUNT_MIGRATION,
  EVENT_VAULTS_MIGRATION,
  SHARED_MIGRATION,
  PEER_KEY_MIGRATION,
];

/**
 * Brings the database up to the last of `migrations`, in one transaction; does nothing where it is
 * there. Throws INVALID_ARGUMENT where a newer Capstan, or another program, made the database.
 */
export function migrate(
  database: DatabaseSync,
  path: string,
  migrations: readonly Migration[],
): void {
  const refuse = (reason: string): CapstanError =>
    new CapstanError('INVALID_ARGUMENT', { what: `The catalog ${path}`, reason });
  database.exec('BEGIN IMMEDIATE');
  try {
    if (readNumber(database, 'SELECT count(*) AS value FROM sqlite_schema') === 0) {
      database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
      database.exec(
        'CREATE TABLE schemaMigration (version INTEGER PRIMARY KEY, subject TEXT NOT NULL) STRICT',
      );
    } else if (readNumber(database, 'PRAGMA application_id') !== APPLICATION_ID) {
      throw refuse('it is the database of another program');
    }
    const present = readNumber(
      database,
      'SELECT coalesce(max(version), 0) AS value FROM schemaMigration',
    );
    if (present > migrations.length) {
      throw refuse(
        `its schema has version ${present} and this Capstan knows ${migrations.length}; ` +
          'use the newer Capstan that made it',
      );
    }
    const record = database.prepare('INSERT INTO schemaMigration VALUES (?, ?)');
    migrations.slice(present).forEach(({ subject, sql }, index) => {
      database.exec(sql);
      record.run(present + index + 1, subject);
    });
    database.exec('COMMIT');
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

/** The first column of the only row that `sql` gives. */
function readNumber(database: DatabaseSync, sql: string): number {
  return Number(Object.values(database.prepare(sql).get() ?? {})[0]);
}
