/** Users, rights and sessions. */
import type { Migration } from '../schema.ts';

export const ACCESS_MIGRATION: Migration = {
  subject: 'users, rights, sessions',
  sql: `
    CREATE TABLE accessUser (
      name TEXT PRIMARY KEY,
      groupName TEXT NOT NULL,
      passwordHash TEXT,
      enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
      vaults TEXT NOT NULL,
      createdAtMs INTEGER,
      passwordSetAtMs INTEGER,
      loggedOnAtMs INTEGER,
      failureCount INTEGER NOT NULL,
      lockedUntilMs INTEGER
    ) STRICT;

    -- A group's overrides outlive nothing and a user's go with the user, so the subject is no foreign key.
    CREATE TABLE rightOverride (
      subjectKind TEXT NOT NULL CHECK (subjectKind IN ('group', 'user')),
      subject TEXT NOT NULL,
      rightName TEXT NOT NULL,
      granted INTEGER NOT NULL CHECK (granted IN (0, 1)),
      PRIMARY KEY (subjectKind, subject, rightName)
    ) STRICT;

    CREATE TABLE accessMode (
      one INTEGER PRIMARY KEY CHECK (one = 1),
      mode TEXT NOT NULL CHECK (mode IN ('open', 'closed'))
    ) STRICT;

    CREATE TABLE session (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      tokenHash TEXT NOT NULL UNIQUE,
      user TEXT NOT NULL REFERENCES accessUser (name) ON DELETE CASCADE,
      kind TEXT NOT NULL CHECK (kind IN ('session', 'token')),
      purpose TEXT NOT NULL,
      rights TEXT NOT NULL,
      address TEXT NOT NULL,
      createdAtMs INTEGER NOT NULL,
      usedAtMs INTEGER NOT NULL,
      expiresAtMs INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX sessionByUser ON session (user);

    -- The default users of the manuals; none has a password, so none can log on before one is set.
    INSERT INTO accessUser (name, groupName, enabled, vaults, failureCount) VALUES
      ('admin', 'Administration', 1, '', 0),
      ('operator', 'Operations', 1, '', 0),
      ('tapelabs', 'Supervisor', 1, '', 0);
  `,
};
