/**
 * The administration of users, groups' rights, sessions and tokens.
 *
 * Nobody gives what he lacks: who administers a user, or a group, must have every right that it has, and
 * every right that it is to have; else an administrator of users would make himself one of everything.
 */
import { CapstanError } from '../base/errors.ts';
import { checkName } from '../base/names.ts';
import { MINUTE_MS } from '../base/units.ts';
import type { AccessMode, SessionRow, UserRow } from '../ports/catalog-access.ts';
import type { AccessPolicy, Principal } from './access.ts';
import { authorize, groupNamed, readRights, vaultsOf } from './access.ts';
import type { ServerContext } from './context.ts';
import { isLocked } from './logon.ts';
import type { Logon } from './logon.ts';
import { checkPassword } from './passwords.ts';
import { ALL_RIGHTS, CLOSED_RIGHTS, GROUPS, RIGHTS } from './rights.ts';
import type { Group, Right } from './rights.ts';
import type { NewToken, Sessions } from './sessions.ts';

/** Users of one server. */
export const USER_COUNT_MAX = 1000;
/** @source VTS 6.04.03 Operations Guide p. 29: the default users and their groups. */
const DEFAULT_USERS: Readonly<Record<string, Group>> = {
  admin: 'Administration',
  operator: 'Operations',
  tapelabs: 'Supervisor',
};

/** Who asks, and the context whose event log bears that name. */
export interface Asked {
  readonly context: ServerContext;
  readonly caller: Principal;
}

interface UsersOptions {
  readonly logon: Logon;
  readonly sessions: Sessions;
  readonly policy: AccessPolicy;
  readonly defaultMode: AccessMode;
}

/** A user as an operator sees it. */
export interface UserView {
  readonly name: string;
  readonly group: string;
  readonly state: 'on' | 'off' | 'locked' | 'no password';
  readonly vaults: readonly string[] | 'all';
  readonly createdAtMs: number | undefined;
  readonly passwordSetAtMs: number | undefined;
  readonly loggedOnAtMs: number | undefined;
  readonly lockedUntilAtMs: number | undefined;
  readonly rights: readonly Right[];
}

export type Subject =
  | { readonly kind: 'group'; readonly name: Group }
  | { readonly kind: 'user'; readonly name: string };

export class Users {
  readonly #logon: Logon;
  readonly #sessions: Sessions;
  readonly #defaultMode: AccessMode;
  readonly #policy: AccessPolicy;

  constructor(options: UsersOptions) {
    this.#logon = options.logon;
    this.#sessions = options.sessions;
    this.#defaultMode = options.defaultMode;
    this.#policy = options.policy;
  }

  /** Mode, policy and what each group may do. */
  async overview({ context }: Asked): Promise<object> {
    const table = await readRights(context.ports.catalog, this.#defaultMode);
    const { failuresMax, lockOutMs, sessionMs, idleMs } = this.#policy;
    const minutes = (ms: number): number => ms / MINUTE_MS;
    return {
      mode: table.mode,
      failuresMax,
      lockOutMinutes: minutes(lockOutMs),
      sessionMinutes: minutes(sessionMs),
      idleMinutes: minutes(idleMs),
      rights: ALL_RIGHTS.map((right) => ({
        right,
        name: RIGHTS[right],
        groups: GROUPS.filter((group) => table.groupRights(group).has(right)),
      })),
    };
  }

  async list({ context }: Asked): Promise<readonly UserView[]> {
    const { catalog, clock } = context.ports;
    const table = await readRights(catalog, this.#defaultMode);
    return (await catalog.listUsers()).map((user) =>
      view(user, table.userRights(user), clock.nowMs()),
    );
  }

  async show(asked: Asked, name: string): Promise<UserView> {
    await userOf(asked.context, name);
    const found = (await this.list(asked)).find((user) => user.name === name);
    if (found === undefined) throw new CapstanError('NOT_FOUND', { kind: 'user', name });
    return found;
  }

  async create(
    asked: Asked,
    wanted: {
      readonly name: string;
      readonly group: string;
      readonly password?: string | undefined;
    },
  ): Promise<UserView> {
    const { context, caller } = asked;
    const { catalog, clock } = context.ports;
    const name = checkName('user', wanted.name);
    const group = groupNamed(wanted.group);
    const { password } = wanted;
    if (password !== undefined) checkPassword(name, password);
    await this.#logon.changes.run(async () => {
      const table = await readRights(catalog, this.#defaultMode);
      authorizeAll(caller, table.groupRights(group));
      const count = (await catalog.listUsers()).length;
      if (count >= USER_COUNT_MAX) {
        throw new CapstanError('LIMIT_EXCEEDED', {
          what: 'The number of users',
          value: count + 1,
          limit: USER_COUNT_MAX,
        });
      }
      const atMs = clock.nowMs();
      await catalog.createUser({
        name,
        groupName: group,
        passwordHash:
          password === undefined ? undefined : await this.#logon.passwords.hash(password),
        enabled: true,
        vaults: '',
        createdAtMs: atMs,
        passwordSetAtMs: password === undefined ? undefined : atMs,
        loggedOnAtMs: undefined,
        failureCount: 0,
        lockedUntilMs: undefined,
      });
    });
    await context.eventLog.log('USER_CREATED', { user: name, group });
    return this.show(asked, name);
  }

  /** Changes what is given and leaves the rest. */
  async set(
    asked: Asked,
    wanted: {
      readonly name: string;
      readonly group?: string | undefined;
      readonly enabled?: boolean | undefined;
      readonly vaults?: readonly string[] | 'all' | undefined;
    },
  ): Promise<UserView> {
    const { context, caller } = asked;
    const { catalog } = context.ports;
    const { name, enabled, vaults } = wanted;
    const changes: string[] = [];
    await this.#logon.changes.run(async () => {
      const user = await this.#administered(asked, name);
      const groupName = wanted.group === undefined ? user.groupName : groupNamed(wanted.group);
      const table = await readRights(catalog, this.#defaultMode);
      authorizeAll(caller, table.userRights({ name, groupName }));
      if (enabled === false && isOneself(caller, name)) throw onOneself('switch off');
      if (vaults !== undefined) await setVaults(asked, user, vaults);
      await catalog.updateUser({
        ...user,
        groupName,
        enabled: enabled ?? user.enabled,
        ...(vaults !== undefined && { vaults: vaults === 'all' ? '' : vaults.join(',') }),
      });
      if (enabled === false) await catalog.deleteSessions({ user: name });
      if (groupName !== user.groupName) changes.push(`group ${groupName}`);
      if (enabled !== undefined) changes.push(enabled ? 'switched on' : 'switched off');
      if (vaults !== undefined)
        changes.push(`vaults ${vaults === 'all' ? 'all' : vaults.join(' ')}`);
    });
    if (changes.length > 0) {
      await context.eventLog.log('USER_CHANGED', { user: name, change: changes.join(', ') });
    }
    return this.show(asked, name);
  }

  /** Sets a new password, lifts a lock-out and ends the user's sessions and tokens. */
  async setPassword(asked: Asked, name: string, password: string): Promise<UserView> {
    const { context } = asked;
    const { catalog, clock } = context.ports;
    checkPassword(name, password);
    await this.#logon.changes.run(async () => {
      const user = await this.#administered(asked, name);
      await catalog.updateUser({
        ...user,
        passwordHash: await this.#logon.passwords.hash(password),
        passwordSetAtMs: clock.nowMs(),
        failureCount: 0,
        lockedUntilMs: undefined,
      });
      await catalog.deleteSessions({ user: name });
    });
    await context.eventLog.log('PASSWORD_SET', { user: name });
    return this.show(asked, name);
  }

  /** One's own password, by who knows the present one. Rejects LOGON_REFUSED, INVALID_ARGUMENT. */
  async changeOwnPassword(asked: Asked, current: string, password: string): Promise<UserView> {
    const { user, address, program, group } = asked.caller;
    if (group === 'local') {
      throw new CapstanError('INVALID_ARGUMENT', {
        what: 'The user who asks',
        reason:
          "he is the operating system's; `capstan user password` sets that of a user of Capstan",
      });
    }
    await this.#logon.check(user, current, { program, ...(address !== undefined && { address }) });
    return this.setPassword(asked, user, password);
  }

  async unlock(asked: Asked, name: string): Promise<UserView> {
    const { context } = asked;
    await this.#logon.changes.run(async () => {
      const user = await this.#administered(asked, name);
      await context.ports.catalog.updateUser({
        ...user,
        failureCount: 0,
        lockedUntilMs: undefined,
      });
    });
    await context.eventLog.log('USER_UNLOCKED', { user: name });
    return this.show(asked, name);
  }

  async delete(asked: Asked, name: string): Promise<{ readonly name: string }> {
    const { context, caller } = asked;
    await this.#logon.changes.run(async () => {
      await this.#administered(asked, name);
      if (isOneself(caller, name)) throw onOneself('delete');
      await context.ports.catalog.deleteUser(name);
    });
    await context.eventLog.log('USER_DELETED', { user: name });
    return { name };
  }

  /** Gives a right to a user or a group, or takes it away; what the defaults say anyway needs no override. */
  async setRight(asked: Asked, subject: Subject, right: Right, granted: boolean): Promise<object> {
    const { context, caller } = asked;
    const { catalog } = context.ports;
    authorize(caller, right);
    await this.#logon.changes.run(async () => {
      if (subject.kind === 'user') await this.#administered(asked, subject.name);
      await overrideRight(asked, this.#defaultMode, subject, right, granted);
    });
    const message = granted ? 'RIGHT_GRANTED' : 'RIGHT_REVOKED';
    const { kind, name } = subject;
    await context.eventLog.log(message, { right: RIGHTS[right], kind, subject: name });
    const table = await readRights(catalog, this.#defaultMode);
    const rights =
      kind === 'group' ? table.groupRights(name) : table.userRights(await userOf(context, name));
    return { [kind]: name, rights: [...rights] };
  }

  /**
   * The defaults of an open or closed system: no override is left, and the default users are there, in
   * their groups and on. Passwords stay as they are, and so do other users, with their groups' rights.
   */
  async restore(asked: Asked, mode: AccessMode): Promise<object> {
    const { context, caller } = asked;
    const { catalog, clock } = context.ports;
    authorizeAll(caller, new Set(CLOSED_RIGHTS.Administration));
    await this.#logon.changes.run(async () => {
      const present = new Map((await catalog.listUsers()).map((user) => [user.name, user]));
      const defaults = Object.entries(DEFAULT_USERS).map(([name, groupName]): UserRow => ({
        passwordHash: undefined,
        createdAtMs: clock.nowMs(),
        passwordSetAtMs: undefined,
        loggedOnAtMs: undefined,
        ...present.get(name),
        name,
        groupName,
        enabled: true,
        vaults: '',
        failureCount: 0,
        lockedUntilMs: undefined,
      }));
      await catalog.restoreAccess(mode, defaults);
    });
    await context.eventLog.log('ACCESS_DEFAULTS_RESTORED', { kind: mode.toUpperCase() });
    return this.overview(asked);
  }

  async createToken(asked: Asked, wanted: NewToken): Promise<object> {
    await this.#administered(asked, wanted.user);
    const { row, token } = await this.#sessions.createToken(wanted);
    const { user, purpose, id } = row;
    await asked.context.eventLog.log('TOKEN_CREATED', { id, user, purpose });
    return { ...sessionView(row), token };
  }

  async listSessions({ context }: Asked, user?: string): Promise<readonly object[]> {
    const { catalog, clock } = context.ports;
    if (user !== undefined) await userOf(context, user);
    const now = clock.nowMs();
    return (await catalog.listSessions(user))
      .filter(({ expiresAtMs }) => expiresAtMs > now)
      .map(sessionView);
  }

  async endSession(asked: Asked, id: number): Promise<object> {
    const { context } = asked;
    const { catalog } = context.ports;
    const session = (await catalog.listSessions()).find((each) => each.id === id);
    if (session === undefined) throw new CapstanError('NOT_FOUND', { kind: 'session', name: id });
    await this.#administered(asked, session.user);
    await catalog.deleteSession(id);
    await context.eventLog.log('SESSION_REVOKED', { id, user: session.user });
    return sessionView(session);
  }

  /** The row of a user whom the caller may administer: one who may nothing that the caller may not. */
  async #administered({ context, caller }: Asked, name: string): Promise<UserRow> {
    const user = await userOf(context, name);
    const table = await readRights(context.ports.catalog, this.#defaultMode);
    authorizeAll(caller, table.userRights(user));
    return user;
  }
}

async function userOf(context: ServerContext, name: string): Promise<UserRow> {
  const user = await context.ports.catalog.findUser(checkName('user', name));
  if (user === undefined) throw new CapstanError('NOT_FOUND', { kind: 'user', name });
  return user;
}

function authorizeAll(caller: Principal, rights: ReadonlySet<Right>): void {
  for (const right of rights) authorize(caller, right);
}

async function overrideRight(
  { context }: Asked,
  defaultMode: AccessMode,
  { kind, name }: Subject,
  right: Right,
  granted: boolean,
): Promise<void> {
  const { catalog } = context.ports;
  const key = { subjectKind: kind, subject: name, rightName: right } as const;
  await catalog.deleteRightOverride(key);
  const table = await readRights(catalog, defaultMode);
  const rights =
    kind === 'group' ? table.groupRights(name) : table.userRights(await userOf(context, name));
  if (rights.has(right) !== granted) await catalog.putRightOverride({ ...key, granted });
}

/** A list of vaults takes the right to all of them away from the user, 'all' gives it. */
async function setVaults(
  asked: Asked,
  user: UserRow,
  vaults: readonly string[] | 'all',
): Promise<void> {
  const right = 'access-to-all-vaults';
  if (vaults === 'all') authorize(asked.caller, right);
  else for (const vault of vaults) await knownVault(asked, vault);
  const key = { subjectKind: 'user', subject: user.name, rightName: right } as const;
  await asked.context.ports.catalog.putRightOverride({ ...key, granted: vaults === 'all' });
}

async function knownVault({ context, caller }: Asked, name: string): Promise<void> {
  checkName('vault', name);
  const vaults = await context.ports.catalog.listVaults();
  if (!vaults.some((vault) => vault.name === name)) {
    throw new CapstanError('NOT_FOUND', { kind: 'vault', name });
  }
  if (caller.vaults !== 'all' && !caller.vaults.has(name))
    authorize(caller, 'access-to-all-vaults');
}

function isOneself(caller: Principal, name: string): boolean {
  return caller.group !== 'local' && caller.user === name;
}

function onOneself(what: string): CapstanError {
  return new CapstanError('INVALID_ARGUMENT', {
    what: 'The user who asks',
    reason: `nobody can ${what} the user that he is logged on as`,
  });
}

function view(user: UserRow, rights: ReadonlySet<Right>, nowMs: number): UserView {
  const { name, groupName, createdAtMs, passwordSetAtMs, loggedOnAtMs, lockedUntilMs } = user;
  const locked = isLocked(user, nowMs);
  return {
    name,
    group: groupName,
    state: !user.enabled
      ? 'off'
      : user.passwordHash === undefined
        ? 'no password'
        : locked
          ? 'locked'
          : 'on',
    vaults: rights.has('access-to-all-vaults') ? 'all' : vaultsOf(user),
    createdAtMs,
    passwordSetAtMs,
    loggedOnAtMs,
    lockedUntilAtMs: locked ? lockedUntilMs : undefined,
    rights: [...rights],
  };
}

/** Without the hash of the token. */
function sessionView(row: SessionRow): Omit<SessionRow, 'tokenHash'> {
  const { tokenHash: _, ...rest } = row;
  return rest;
}
