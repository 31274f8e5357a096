/**
 * Access control: who somebody is, and what that one may do.
 *
 * A principal is made anew for every request, so that a right which was taken away is gone with the
 * next one. Whoever comes over the control socket, or opens the home folder without a server, is the
 * operating-system user that owns both, and has every right.
 */
import { CapstanError } from '../base/errors.ts';
import { MINUTE_MS } from '../base/units.ts';
import type { AccessCatalog, AccessMode, UserRow } from '../ports/catalog-access.ts';
import type { ScryptCost } from '../ports/cryptography.ts';
import { SCRYPT_COST } from './passwords.ts';
import { ALL_RIGHTS, CLOSED_RIGHTS, GROUPS, RIGHTS } from './rights.ts';
import type { Group, Right } from './rights.ts';

/** Who asks for something, as of now. */
export interface Principal {
  readonly user: string;
  /** 'local' is the operating-system user at the control socket. */
  readonly group: Group | 'local';
  readonly rights: ReadonlySet<Right>;
  /** The vaults whose tapes this one may see and use. */
  readonly vaults: 'all' | ReadonlySet<string>;
  /** From where: an IP address; the server's own where it is missing. */
  readonly address?: string;
  /** By what: `capstan`, `API`. */
  readonly program: string;
}

/** From where and by what a request comes, for the event log. */
export interface RequestOrigin {
  readonly address?: string;
  readonly program: string;
}

export interface OpenedSession {
  /** Shown once; the server keeps its hash. */
  readonly token: string;
  readonly expiresAtMs: number;
  readonly principal: Principal;
}

/** What a door to the server (the HTTP API) asks. */
export interface Access {
  /**
   * Checks a password. Rejects LOGON_REFUSED for a wrong user or password and for a user who is locked
   * out, the same sentence for all.
   */
  authenticate(user: string, password: string, origin: RequestOrigin): Promise<Principal>;
  /** The same, and opens a session whose token stands for the password until it expires. */
  openSession(user: string, password: string, origin: RequestOrigin): Promise<OpenedSession>;
  /** Who the token of a session, or one made for a program, stands for. Rejects SESSION_ENDED. */
  principalOf(token: string, origin: RequestOrigin): Promise<Principal>;
  /** Ends the token's session; does nothing where it has ended. */
  closeSession(token: string, origin?: RequestOrigin): Promise<void>;
}

export interface AccessPolicy {
  readonly scryptCost: ScryptCost;
  /** Wrong passwords in a row that lock a user out. */
  readonly failuresMax: number;
  readonly lockOutMs: number;
  /** From a log-on to the end of its session. */
  readonly sessionMs: number;
  /** From the last request of a session to its end. */
  readonly idleMs: number;
}

export const ACCESS_POLICY: AccessPolicy = {
  scryptCost: SCRYPT_COST,
  failuresMax: 5,
  lockOutMs: 15 * MINUTE_MS,
  sessionMs: 12 * 60 * MINUTE_MS,
  idleMs: 30 * MINUTE_MS,
};

/** Throws RIGHT_MISSING where the principal lacks the right. */
export function authorize(principal: Principal, right: Right): void {
  if (principal.rights.has(right)) return;
  throw new CapstanError('RIGHT_MISSING', { user: principal.user, right: RIGHTS[right] });
}

/** The operating-system user `user`, who may do everything. */
export function localPrincipal(user: string): Principal {
  return { user, group: 'local', rights: new Set(ALL_RIGHTS), vaults: 'all', program: 'capstan' };
}

/** What the rights of all users rest on, as of one moment. */
export interface RightsTable {
  readonly mode: AccessMode;
  groupRights(group: string): ReadonlySet<Right>;
  userRights(user: Pick<UserRow, 'name' | 'groupName'>): ReadonlySet<Right>;
}

/** Reads who has which right: the mode's defaults, then what was given to and taken from groups and users. */
export async function readRights(
  catalog: AccessCatalog,
  defaultMode: AccessMode,
): Promise<RightsTable> {
  const mode = (await catalog.accessMode()) ?? defaultMode;
  const overrides = await catalog.listRightOverrides();
  const apply = (rights: Set<Right>, kind: 'group' | 'user', subject: string): Set<Right> => {
    for (const { subjectKind, subject: whose, rightName, granted } of overrides) {
      const right = ALL_RIGHTS.find((each) => each === rightName);
      if (subjectKind !== kind || whose !== subject || right === undefined) continue;
      if (granted) rights.add(right);
      else rights.delete(right);
    }
    return rights;
  };
  const groupRights = (name: string): Set<Right> => {
    const group = groupNamed(name);
    const defaults = mode === 'open' ? ALL_RIGHTS : CLOSED_RIGHTS[group];
    return apply(new Set(defaults), 'group', group);
  };
  return {
    mode,
    groupRights,
    userRights: ({ name, groupName }) => apply(groupRights(groupName), 'user', name),
  };
}

/** Throws NOT_FOUND, which names the groups there are. */
export function groupNamed(name: string): Group {
  const group = GROUPS.find((each) => each.toLowerCase() === name.toLowerCase());
  if (group !== undefined) return group;
  throw new CapstanError('NOT_FOUND', { kind: `group (${GROUPS.join(', ')})`, name });
}

/** Who a user is now; confined to some rights where a token says so. */
export function principalFor(
  user: UserRow,
  table: RightsTable,
  origin: RequestOrigin,
  confinedTo: readonly string[] = [],
): Principal {
  const own = table.userRights(user);
  const rights = new Set(
    [...own].filter((each) => confinedTo.length === 0 || confinedTo.includes(each)),
  );
  return {
    user: user.name,
    group: groupNamed(user.groupName),
    rights,
    vaults: own.has('access-to-all-vaults') ? 'all' : new Set(vaultsOf(user)),
    ...origin,
  };
}

/** The vaults of a user's own list. */
export function vaultsOf(user: UserRow): readonly string[] {
  return user.vaults === '' ? [] : user.vaults.split(',');
}
