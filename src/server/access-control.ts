/** Access control of one server: log-on, sessions, and the administration of users and rights. */
import type { AccessMode } from '../ports/catalog-access.ts';
import { ACCESS_POLICY, principalFor, readRights } from './access.ts';
import type { Access, OpenedSession, Principal, RequestOrigin } from './access.ts';
import type { ServerContext } from './context.ts';
import { Logon } from './logon.ts';
import { Sessions } from './sessions.ts';
import { Users } from './users.ts';

export class AccessControl implements Access {
  readonly users: Users;
  readonly #context: ServerContext;
  readonly #defaultMode: AccessMode;
  readonly #logon: Logon;
  readonly #sessions: Sessions;

  /** `defaultMode` is what counts until somebody restores defaults: the profile's. */
  constructor(context: ServerContext, defaultMode: AccessMode) {
    const policy = { ...ACCESS_POLICY, ...context.settings.access };
    this.#context = context;
    this.#defaultMode = defaultMode;
    this.#logon = new Logon(context, policy);
    this.#sessions = new Sessions(context, policy, defaultMode);
    this.users = new Users({ logon: this.#logon, sessions: this.#sessions, policy, defaultMode });
  }

  async authenticate(user: string, password: string, origin: RequestOrigin): Promise<Principal> {
    const row = await this.#logon.check(user, password, origin);
    const rights = await readRights(this.#context.ports.catalog, this.#defaultMode);
    return principalFor(row, rights, origin);
  }

  async openSession(user: string, password: string, origin: RequestOrigin): Promise<OpenedSession> {
    const row = await this.#logon.check(user, password, origin);
    const opened = await this.#sessions.open(row, origin);
    await this.#context.eventLog.log('USER_LOGGED_ON', { user }, { ...origin, user });
    return opened;
  }

  principalOf(token: string, origin: RequestOrigin): Promise<Principal> {
    return this.#sessions.principalOf(token, origin);
  }

  async closeSession(token: string, origin?: RequestOrigin): Promise<void> {
    const user = await this.#sessions.close(token);
    if (user === undefined) return;
    await this.#context.eventLog.log('USER_LOGGED_OFF', { user }, { ...origin, user });
  }
}
