/** The catalog's part for access control, in SQLite. */
import { CapstanError } from '../base/errors.ts';
import type {
  AccessCatalog,
  AccessMode,
  RightOverrideRow,
  SessionRow,
  UserRow,
} from '../ports/catalog-access.ts';
import type { Database } from './database.ts';
import type { Table } from './tables.ts';

const USER: Table<UserRow> = {
  name: 'accessUser',
  columns: {
    name: 'plain',
    groupName: 'plain',
    passwordHash: 'plain',
    enabled: 'boolean',
    vaults: 'plain',
    createdAtMs: 'plain',
    passwordSetAtMs: 'plain',
    loggedOnAtMs: 'plain',
    failureCount: 'plain',
    lockedUntilMs: 'plain',
  },
};

const RIGHT_OVERRIDE: Table<RightOverrideRow> = {
  name: 'rightOverride',
  columns: { subjectKind: 'plain', subject: 'plain', rightName: 'plain', granted: 'boolean' },
};

const ACCESS_MODE: Table<{ readonly one: 1; readonly mode: AccessMode }> = {
  name: 'accessMode',
  columns: { one: 'plain', mode: 'plain' },
};

const SESSION: Table<SessionRow> = {
  name: 'session',
  columns: {
    id: 'plain',
    tokenHash: 'plain',
    user: 'plain',
    kind: 'plain',
    purpose: 'plain',
    rights: 'plain',
    address: 'plain',
    createdAtMs: 'plain',
    usedAtMs: 'plain',
    expiresAtMs: 'plain',
  },
};

export function accessCatalog(database: Database): AccessCatalog {
  return { ...users(database), ...rights(database), ...sessions(database) };
}

function userOf(database: Database, name: string): UserRow | undefined {
  return database.rows(USER, 'WHERE name = :name', { name })[0];
}

function requireUser(database: Database, name: string): void {
  if (userOf(database, name) !== undefined) return;
  throw new CapstanError('NOT_FOUND', { kind: 'user', name });
}

/** Sessions refer to the user's row, which therefore is changed and never replaced. */
function putUser(database: Database, user: UserRow): void {
  database.run(
    `INSERT INTO accessUser (name, groupName, passwordHash, enabled, vaults, createdAtMs,
       passwordSetAtMs, loggedOnAtMs, failureCount, lockedUntilMs)
     VALUES (:name, :groupName, :passwordHash, :enabled, :vaults, :createdAtMs,
       :passwordSetAtMs, :loggedOnAtMs, :failureCount, :lockedUntilMs)
     ON CONFLICT (name) DO UPDATE SET groupName = excluded.groupName,
       passwordHash = excluded.passwordHash, enabled = excluded.enabled, vaults = excluded.vaults,
       createdAtMs = excluded.createdAtMs, passwordSetAtMs = excluded.passwordSetAtMs,
       loggedOnAtMs = excluded.loggedOnAtMs, failureCount = excluded.failureCount,
       lockedUntilMs = excluded.lockedUntilMs`,
    {
      name: user.name,
      groupName: user.groupName,
      passwordHash: user.passwordHash ?? null,
      enabled: Number(user.enabled),
      vaults: user.vaults,
      createdAtMs: user.createdAtMs ?? null,
      passwordSetAtMs: user.passwordSetAtMs ?? null,
      loggedOnAtMs: user.loggedOnAtMs ?? null,
      failureCount: user.failureCount,
      lockedUntilMs: user.lockedUntilMs ?? null,
    },
  );
}

function users(
  database: Database,
): Pick<AccessCatalog, 'listUsers' | 'findUser' | 'createUser' | 'updateUser' | 'deleteUser'> {
  return {
    async listUsers() {
      return database.rows(USER, 'ORDER BY name');
    },
    async findUser(name) {
      return userOf(database, name);
    },
    async createUser(user) {
      database.transaction(() => {
        if (userOf(database, user.name) !== undefined) {
          throw new CapstanError('ALREADY_EXISTS', { kind: 'user', name: user.name, where: '' });
        }
        database.insert(USER, user);
      });
    },
    async updateUser(user) {
      database.transaction(() => {
        requireUser(database, user.name);
        putUser(database, user);
      });
    },
    async deleteUser(name) {
      database.transaction(() => {
        requireUser(database, name);
        database.run("DELETE FROM rightOverride WHERE subjectKind = 'user' AND subject = :name", {
          name,
        });
        database.run('DELETE FROM accessUser WHERE name = :name', { name });
      });
    },
  };
}

function rights(
  database: Database,
): Pick<
  AccessCatalog,
  | 'listRightOverrides'
  | 'putRightOverride'
  | 'deleteRightOverride'
  | 'accessMode'
  | 'beginAccess'
  | 'restoreAccess'
> {
  return {
    async listRightOverrides() {
      return database.rows(RIGHT_OVERRIDE, 'ORDER BY subjectKind, subject, rightName');
    },
    async putRightOverride(override) {
      database.transaction(() => {
        database.replace(RIGHT_OVERRIDE, override);
      });
    },
    async deleteRightOverride({ subjectKind, subject, rightName }) {
      database.transaction(() => {
        database.run(
          `DELETE FROM rightOverride
           WHERE subjectKind = :subjectKind AND subject = :subject AND rightName = :rightName`,
          { subjectKind, subject, rightName },
        );
      });
    },
    async accessMode() {
      return database.rows(ACCESS_MODE, '')[0]?.mode;
    },
    async beginAccess(mode) {
      if (database.rows(ACCESS_MODE, '').length === 0) {
        database.replace(ACCESS_MODE, { one: 1, mode });
      }
    },
    async restoreAccess(mode, defaults) {
      database.transaction(() => {
        database.replace(ACCESS_MODE, { one: 1, mode });
        database.run('DELETE FROM rightOverride');
        for (const user of defaults) putUser(database, user);
      });
    },
  };
}

function sessions(
  database: Database,
): Pick<
  AccessCatalog,
  | 'createSession'
  | 'findSession'
  | 'listSessions'
  | 'touchSession'
  | 'deleteSession'
  | 'deleteSessions'
> {
  const byHash = (tokenHash: string): SessionRow | undefined =>
    database.rows(SESSION, 'WHERE tokenHash = :tokenHash', { tokenHash })[0];
  return {
    async createSession(session) {
      return database.transaction(() => {
        requireUser(database, session.user);
        if (byHash(session.tokenHash) !== undefined) {
          throw new CapstanError('ALREADY_EXISTS', { kind: 'session', name: '', where: '' });
        }
        return database.insertNumbered(SESSION, session);
      });
    },
    async findSession(tokenHash) {
      return byHash(tokenHash);
    },
    async listSessions(user) {
      return user === undefined
        ? database.rows(SESSION, 'ORDER BY id')
        : database.rows(SESSION, 'WHERE user = :user ORDER BY id', { user });
    },
    async touchSession(id, usedAtMs) {
      database.transaction(() => {
        database.run('UPDATE session SET usedAtMs = :usedAtMs WHERE id = :id', { id, usedAtMs });
      });
    },
    async deleteSession(id) {
      database.transaction(() => {
        database.run('DELETE FROM session WHERE id = :id', { id });
      });
    },
    async deleteSessions(which) {
      return database.transaction(() =>
        'user' in which
          ? database.run('DELETE FROM session WHERE user = :user', { user: which.user })
          : database.run('DELETE FROM session WHERE expiresAtMs <= :atMs', {
              atMs: which.expiredAtMs,
            }),
      );
    },
  };
}
