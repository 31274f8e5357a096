/**
 * Who a request is from: the operating-system user at the control socket, else the holder of a token,
 * as bearer or as cookie.
 *
 * A cookie is sent by a browser whoever made the page: SameSite=Strict keeps it at home, and what changes
 * anything needs a header besides that no other site's page may set. Log-ons are counted by address,
 * since each costs the server a password hash.
 */
import { getCookie, setCookie } from 'hono/cookie';
import type { Context } from 'hono';
import { CapstanError } from '../base/errors.ts';
import { SECOND_MS } from '../base/units.ts';
import type { Clock } from '../ports/clock.ts';
import type { EventLog } from '../server/event-log.ts';
import type { Access, OpenedSession, Principal, RequestOrigin } from '../server/access.ts';
import { API_LIMITS } from './limits.ts';
import { ApiError } from './problems.ts';

export const SESSION_COOKIE = 'capstan-session';
/** Any value: that it is there shows that no other site's page made the request. */
export const COOKIE_HEADER = 'x-capstan-request';

/** Browsers keep no cookie for longer (RFC 6265bis: 400 days). */
const COOKIE_LIFE_SECONDS_MAX = 365 * 24 * 60 * 60;

/** The other end of a request's connection. */
export interface ApiPeer {
  /** IP address; undefined at the control socket. */
  readonly address?: string;
  /** Who it is without any log-on: the operating-system user at the control socket. */
  readonly local?: Principal;
  /** Whether nobody in between can read along. */
  readonly isSecure: boolean;
  /** Drops the connection at once. */
  drop(): void;
}

export interface ApiEnv {
  readonly Bindings: ApiPeer;
  readonly Variables: { principal: Principal };
}

/** The program's name in the event log: our own where it says so, else 'API'. */
function originOf(context: Context<ApiEnv>): RequestOrigin {
  const { address } = context.env;
  const isOurs = context.req.header('user-agent')?.startsWith('capstan/') ?? false;
  return { ...(address !== undefined && { address }), program: isOurs ? 'capstan' : 'API' };
}

/** A token as it came, and whether a browser sent it by itself. */
function tokenOf(
  context: Context<ApiEnv>,
): { readonly token: string; readonly isCookie: boolean } | undefined {
  const bearer = /^Bearer ([\w.~+/=-]{1,512})$/i.exec(context.req.header('authorization') ?? '');
  if (bearer !== null) return { token: bearer[1] ?? '', isCookie: false };
  const cookie = getCookie(context, SESSION_COOKIE);
  return cookie === undefined ? undefined : { token: cookie, isCookie: true };
}

interface Counted {
  count: number;
  readonly untilMs: number;
  isTold: boolean;
}

const SAFE_METHODS = ['GET', 'HEAD'];

export class Gate {
  readonly #access: Access;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #eventLog: Pick<EventLog, 'report'>;
  readonly #logons = new Map<string, Counted>();

  constructor(
    access: Access,
    clock: Pick<Clock, 'monotonicMs'>,
    eventLog: Pick<EventLog, 'report'>,
  ) {
    this.#access = access;
    this.#clock = clock;
    this.#eventLog = eventLog;
  }

  /** Who asks, as of now. Rejects SESSION_ENDED; 403 where only a cookie stands for a change. */
  async principalOf(context: Context<ApiEnv>): Promise<Principal> {
    const { local } = context.env;
    if (local !== undefined) return local;
    const found = tokenOf(context);
    if (found === undefined) throw new CapstanError('SESSION_ENDED', {});
    const changes = !SAFE_METHODS.includes(context.req.method);
    if (found.isCookie && changes && context.req.header(COOKIE_HEADER) === undefined) {
      const reason = `with a cookie it needs the header ${COOKIE_HEADER}`;
      throw new ApiError(
        403,
        new CapstanError('INVALID_ARGUMENT', { what: 'The request', reason }),
      );
    }
    return this.#access.principalOf(found.token, originOf(context));
  }

  /** Rejects LOGON_REFUSED, RATE_LIMITED. */
  async logOn(context: Context<ApiEnv>, user: string, password: string): Promise<OpenedSession> {
    this.#count(context.env.address ?? 'local');
    return this.#access.openSession(user, password, originOf(context));
  }

  /** Has the browser keep the token, and send it to this server only. */
  setCookie(context: Context<ApiEnv>, token: string, lifeMs: number): void {
    setCookie(context, SESSION_COOKIE, token, {
      path: '/',
      httpOnly: true,
      sameSite: 'Strict',
      secure: context.env.isSecure,
      maxAge: Math.min(Math.max(0, Math.floor(lifeMs / SECOND_MS)), COOKIE_LIFE_SECONDS_MAX),
    });
  }

  /** Ends the session that the request is made in; does nothing where there is none. */
  async logOff(context: Context<ApiEnv>): Promise<void> {
    const found = tokenOf(context);
    if (found !== undefined) await this.#access.closeSession(found.token, originOf(context));
    this.setCookie(context, '', 0);
  }

  #count(address: string): void {
    const nowMs = this.#clock.monotonicMs();
    const { logonCountMax, logonWindowMs, logonAddressesMax } = API_LIMITS;
    let counted = this.#logons.get(address);
    if (counted === undefined || counted.untilMs <= nowMs) {
      counted = { count: 0, untilMs: nowMs + logonWindowMs, isTold: false };
      this.#logons.delete(address);
      this.#logons.set(address, counted);
    }
    // The oldest goes first: a Map keeps the order in which its keys came.
    for (const oldest of this.#logons.keys()) {
      if (this.#logons.size <= logonAddressesMax) break;
      this.#logons.delete(oldest);
    }
    if (counted.count >= logonCountMax) {
      const seconds = Math.ceil((counted.untilMs - nowMs) / SECOND_MS);
      // Once for all that are refused until then.
      if (!counted.isTold) {
        const fields = { address, seconds, limit: logonCountMax };
        this.#eventLog.report('API_LOGONS_LIMITED', fields, { address, program: 'API' });
        counted.isTold = true;
      }
      throw limited(`log-ons from ${address}`, logonCountMax, seconds);
    }
    counted.count += 1;
  }
}

function limited(what: string, limit: number, seconds: number): ApiError {
  return new ApiError(429, new CapstanError('RATE_LIMITED', { what, limit, seconds }), {
    'retry-after': String(seconds),
  });
}
