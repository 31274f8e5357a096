/** The API over a server in the simulated world, called in process, with users of its own. */
import { Api } from '../../../src/api/app.ts';
import type { ApiPeer } from '../../../src/api/gate.ts';
import { CapstanError } from '../../../src/base/errors.ts';
import { localPrincipal } from '../../../src/server/access.ts';
import type { Access, Principal, RequestOrigin } from '../../../src/server/access.ts';
import { ALL_RIGHTS } from '../../../src/server/rights.ts';
import type { Right } from '../../../src/server/rights.ts';
import type { ServerEvent } from '../../../src/server/context.ts';
import { Bench } from '../server/bench.ts';

export const ADDRESS = '10.9.9.9';

/** A user list in memory: `ada` may do everything, `bob` may look. */
export class FakeAccess implements Access {
  readonly tokens = new Map<string, string>();
  readonly rights = new Map<string, readonly Right[]>([
    ['ada', ALL_RIGHTS],
    ['bob', ['view-system-status', 'vault-access']],
  ]);
  #count = 0;

  authenticate(user: string, password: string, origin: RequestOrigin): Promise<Principal> {
    const rights = this.rights.get(user);
    if (rights === undefined || password !== `${user}'s secret`) {
      return Promise.reject(
        new CapstanError('LOGON_REFUSED', { user, reason: 'user or password is wrong' }),
      );
    }
    return Promise.resolve({
      user,
      group: 'Operations',
      rights: new Set(rights),
      vaults: 'all',
      ...origin,
    });
  }

  async openSession(user: string, password: string, origin: RequestOrigin) {
    const principal = await this.authenticate(user, password, origin);
    this.#count += 1;
    const token = `token-${this.#count}`;
    this.tokens.set(token, user);
    return { token, expiresAtMs: 1e15, principal };
  }

  async principalOf(token: string, origin: RequestOrigin): Promise<Principal> {
    const user = this.tokens.get(token);
    if (user === undefined) throw new CapstanError('SESSION_ENDED', {});
    return this.authenticate(user, `${user}'s secret`, origin);
  }

  closeSession(token: string): Promise<void> {
    this.tokens.delete(token);
    return Promise.resolve();
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** JSON, or undefined where there is none. */
  readonly body: Readonly<Record<string, unknown>>;
}

export class ApiBench {
  readonly bench: Bench;
  readonly access = new FakeAccess();
  readonly api: Api;
  readonly faults: unknown[] = [];
  readonly #listeners = new Set<(event: ServerEvent) => void>();
  dropCount = 0;

  private constructor(bench: Bench) {
    this.bench = bench;
    this.api = new Api({
      server: {
        operations: bench.east.server.operations,
        eventLog: bench.east.server.eventLog,
        onEventFor: (caller, listener) => {
          const cancel = bench.east.server.onEventFor(caller, listener);
          this.#listeners.add(listener);
          return () => {
            this.#listeners.delete(listener);
            cancel();
          };
        },
      },
      access: this.access,
      clock: bench.world.clock,
      version: '0.0.0',
      onFault: (error) => this.faults.push(error),
    });
  }

  static async start(): Promise<ApiBench> {
    return new ApiBench(await Bench.start());
  }

  /** What the API hears as if the server told it. */
  tell(event: ServerEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  /** The connection of somebody far away, or of the operating-system user. */
  peer(who: 'remote' | 'local' = 'remote'): ApiPeer {
    const drop = (): void => {
      this.dropCount += 1;
    };
    if (who === 'local') return { local: localPrincipal('root'), isSecure: true, drop };
    return { address: ADDRESS, isSecure: false, drop };
  }

  /** `METHOD /path`; a body that is no text goes as JSON. */
  request(call: string, options: { headers?: Record<string, string>; body?: unknown } = {}) {
    const [method = '', path = ''] = call.split(' ');
    const { body, headers = {} } = options;
    return new Request(`http://127.0.0.1${path}`, {
      method,
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  }

  async raw(
    call: string,
    options: { headers?: Record<string, string>; body?: unknown } = {},
    peer: ApiPeer = this.peer(),
  ): Promise<Response> {
    return this.bench.finish(this.api.fetch(this.request(call, options), peer));
  }

  async answer(
    call: string,
    options: { headers?: Record<string, string>; body?: unknown } = {},
    peer: ApiPeer = this.peer(),
  ): Promise<Answer> {
    const response = await this.raw(call, options, peer);
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
    };
  }

  /** Logs on, and gives the header for it. */
  async as(user: string): Promise<{ authorization: string }> {
    const body = { user, password: `${user}'s secret` };
    const { body: session } = await this.answer('POST /api/v1/session', { body });
    return { authorization: `Bearer ${String(session['token'])}` };
  }
}
