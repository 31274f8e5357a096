/**
 * The catalog's area of access control: users, what they and their groups may do, sessions.
 *
 * Contract as in catalog.ts. Conformance suite: test/conformance/catalog-access.ts.
 */

export interface UserRow {
  readonly name: string;
  readonly groupName: string;
  /** As src/server/passwords.ts makes it; a user without one cannot log on. */
  readonly passwordHash: string | undefined;
  readonly enabled: boolean;
  /** Names of vaults, comma between them; what counts where the user has no right to all. */
  readonly vaults: string;
  /** Missing for the users that every server has from the beginning. */
  readonly createdAtMs: number | undefined;
  readonly passwordSetAtMs: number | undefined;
  readonly loggedOnAtMs: number | undefined;
  /** Wrong passwords in a row since the last right one, or since the last lock ended. */
  readonly failureCount: number;
  /** Until when no log-on is looked at. */
  readonly lockedUntilMs: number | undefined;
}

/** A right that a group or a user has, or lacks, other than the defaults say. */
export interface RightOverrideRow {
  readonly subjectKind: 'group' | 'user';
  readonly subject: string;
  readonly rightName: string;
  readonly granted: boolean;
}

export type AccessMode = 'open' | 'closed';

export interface SessionRow {
  readonly id: number;
  /** Hexadecimal SHA-256 of the token, which nobody but its holder has. */
  readonly tokenHash: string;
  readonly user: string;
  /** 'session' after a log-on; 'token' made for a program, with its purpose. */
  readonly kind: 'session' | 'token';
  readonly purpose: string;
  /** Rights, comma between them, that it is confined to; all of the user's where it is empty. */
  readonly rights: string;
  readonly address: string;
  readonly createdAtMs: number;
  readonly usedAtMs: number;
  readonly expiresAtMs: number;
}

export interface AccessCatalog {
  /** By name. */
  listUsers(): Promise<readonly UserRow[]>;
  findUser(name: string): Promise<UserRow | undefined>;
  /** ALREADY_EXISTS. */
  createUser(user: UserRow): Promise<void>;
  /** The row of that name as a whole. NOT_FOUND. */
  updateUser(user: UserRow): Promise<void>;
  /** NOT_FOUND. The user's overrides and sessions go with it. */
  deleteUser(name: string): Promise<void>;

  /** By kind, subject and right. */
  listRightOverrides(): Promise<readonly RightOverrideRow[]>;
  /** Inserts, or takes the place of the one of the same subject and right. */
  putRightOverride(override: RightOverrideRow): Promise<void>;
  /** Does nothing where there is none. */
  deleteRightOverride(override: Omit<RightOverrideRow, 'granted'>): Promise<void>;

  /** Undefined where nobody has chosen yet. */
  accessMode(): Promise<AccessMode | undefined>;
  /** Notes the mode that a new server begins with; one that is there already stays. */
  beginAccess(mode: AccessMode): Promise<void>;
  /** Sets the mode, removes every override, and puts `users` in the place of those of their names. */
  restoreAccess(mode: AccessMode, users: readonly UserRow[]): Promise<void>;

  /** ALREADY_EXISTS for a token's hash that there is; NOT_FOUND where the user is gone. */
  createSession(session: Omit<SessionRow, 'id'>): Promise<SessionRow>;
  findSession(tokenHash: string): Promise<SessionRow | undefined>;
  /** By id; of one user where it is named. */
  listSessions(user?: string): Promise<readonly SessionRow[]>;
  /** Does nothing where there is none. */
  touchSession(id: number, usedAtMs: number): Promise<void>;
  /** Does nothing where there is none. */
  deleteSession(id: number): Promise<void>;
  /** Those of one user, or those that are over at a time; how many there were. */
  deleteSessions(
    which: { readonly user: string } | { readonly expiredAtMs: number },
  ): Promise<number>;
}
