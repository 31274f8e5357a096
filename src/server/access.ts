/**
 * Access control: who somebody is, and what that one may do.
 *
 * A principal is made anew for every request, so that a right which was taken away is gone with the
 * next one. Whoever comes over the control socket, or opens the home folder without a server, is the
 * operating-system user that owns both, and has every right.
 */
import { CapstanError } from '../base/errors.ts';
import { ALL_RIGHTS, RIGHTS } from './rights.ts';
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

/**
 * What a door to the server (the HTTP API) asks.
 * @public
 */
export interface Access {
  /**
   * Checks a password. Rejects LOGON_REFUSED for a wrong user or password (the same sentence for both)
   * and for a user who is locked out.
   */
  authenticate(user: string, password: string, origin: RequestOrigin): Promise<Principal>;
  /** The same, and opens a session whose token stands for the password until it expires. */
  openSession(user: string, password: string, origin: RequestOrigin): Promise<OpenedSession>;
  /** Who the token of a session, or one made for a program, stands for. Rejects SESSION_ENDED. */
  principalOf(token: string, origin: RequestOrigin): Promise<Principal>;
  /** Ends the token's session; does nothing where it has ended. */
  closeSession(token: string): Promise<void>;
}

/** Throws RIGHT_MISSING where the principal lacks the right. */
export function authorize(principal: Principal, right: Right): void {
  if (principal.rights.has(right)) return;
  throw new CapstanError('RIGHT_MISSING', { user: principal.user, right: RIGHTS[right] });
}

/** The operating-system user `user`, who may do everything. */
export function localPrincipal(user: string): Principal {
  return { user, group: 'local', rights: new Set(ALL_RIGHTS), vaults: 'all', program: 'capstan' };
}
