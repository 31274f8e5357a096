/**
 * Sessions and tokens: what stands for a password once it was checked.
 *
 * Both are 256 random bits, shown once; the catalog keeps their SHA-256. A session ends after a time, after
 * a shorter one without a request, and where the clock is found before its last use. A token for a
 * program ends on a date, and may be confined to some of its user's rights. A new password, and
 * switching a user off, end all that the user has.
 */
import { encodeAscii } from '../base/bytes.ts';
import { toBase64Url, toHex } from '../base/encodings.ts';
import { CapstanError } from '../base/errors.ts';
import { MINUTE_MS } from '../base/units.ts';
import type { AccessMode, SessionRow, UserRow } from '../ports/catalog-access.ts';
import type { AccessPolicy, OpenedSession, Principal, RequestOrigin } from './access.ts';
import { principalFor, readRights } from './access.ts';
import type { ServerContext } from './context.ts';

/** Sessions and tokens, each, of one user; a further session ends the oldest, a further token is refused. */
export const SESSIONS_PER_USER_MAX = 32;
export const TOKEN_DAYS_MAX = 366;
const TOKEN_BYTES = 32;
const TOKEN_PATTERN = /^cap[st]_[A-Za-z0-9_-]{43}$/;
/** How exactly the last use is kept: not every request writes. */
const USE_RESOLUTION_MS = MINUTE_MS;
/** How far a clock may go back without ending sessions: what time servers correct. */
const CLOCK_TOLERANCE_MS = 5 * MINUTE_MS;
const DAY_MS = 24 * 60 * MINUTE_MS;

export interface NewToken {
  readonly user: string;
  readonly purpose: string;
  readonly days: number;
  readonly rights: readonly string[];
}

export class Sessions {
  readonly #context: ServerContext;
  readonly #policy: AccessPolicy;
  readonly #defaultMode: AccessMode;

  constructor(context: ServerContext, policy: AccessPolicy, defaultMode: AccessMode) {
    this.#context = context;
    this.#policy = policy;
    this.#defaultMode = defaultMode;
  }

  /** For a user whose password was checked just now. */
  async open(user: UserRow, origin: RequestOrigin): Promise<OpenedSession> {
    const { catalog, clock } = this.#context.ports;
    const now = clock.nowMs();
    await catalog.deleteSessions({ expiredAtMs: now });
    const mine = (await catalog.listSessions(user.name)).filter(({ kind }) => kind === 'session');
    for (const { id } of mine.slice(0, Math.max(0, mine.length - SESSIONS_PER_USER_MAX + 1))) {
      await catalog.deleteSession(id);
    }
    const token = this.#newToken('session');
    const expiresAtMs = now + this.#policy.sessionMs;
    await catalog.createSession({
      tokenHash: this.#hash(token),
      user: user.name,
      kind: 'session',
      purpose: '',
      rights: '',
      address: origin.address ?? '',
      createdAtMs: now,
      usedAtMs: now,
      expiresAtMs,
    });
    const principal = principalFor(user, await this.#rights(), origin);
    return { token, expiresAtMs, principal };
  }

  /** Makes a token for a program. Rejects NOT_FOUND, LIMIT_EXCEEDED. */
  async createToken(
    wanted: NewToken,
  ): Promise<{ readonly row: SessionRow; readonly token: string }> {
    const { catalog, clock } = this.#context.ports;
    const now = clock.nowMs();
    await catalog.deleteSessions({ expiredAtMs: now });
    const mine = (await catalog.listSessions(wanted.user)).filter(({ kind }) => kind === 'token');
    if (mine.length >= SESSIONS_PER_USER_MAX) {
      throw new CapstanError('LIMIT_EXCEEDED', {
        what: `The number of tokens of ${wanted.user}`,
        value: mine.length + 1,
        limit: SESSIONS_PER_USER_MAX,
      });
    }
    const token = this.#newToken('token');
    const row = await catalog.createSession({
      tokenHash: this.#hash(token),
      user: wanted.user,
      kind: 'token',
      purpose: wanted.purpose,
      rights: wanted.rights.join(','),
      address: '',
      createdAtMs: now,
      usedAtMs: now,
      expiresAtMs: now + wanted.days * DAY_MS,
    });
    return { row, token };
  }

  /** Who the token stands for now. Rejects SESSION_ENDED. */
  async principalOf(token: string, origin: RequestOrigin): Promise<Principal> {
    const { catalog, clock } = this.#context.ports;
    const session = await this.#find(token);
    if (session === undefined) throw new CapstanError('SESSION_ENDED', {});
    const now = clock.nowMs();
    const user = await catalog.findUser(session.user);
    if (user === undefined || !user.enabled || this.#isOver(session, now)) {
      await catalog.deleteSession(session.id);
      throw new CapstanError('SESSION_ENDED', {});
    }
    if (now - session.usedAtMs >= USE_RESOLUTION_MS) await catalog.touchSession(session.id, now);
    const confinedTo = session.rights === '' ? [] : session.rights.split(',');
    return principalFor(user, await this.#rights(), origin, confinedTo);
  }

  /** Ends the token's session; whose it was. */
  async close(token: string): Promise<string | undefined> {
    const session = await this.#find(token);
    if (session === undefined) return undefined;
    await this.#context.ports.catalog.deleteSession(session.id);
    return session.user;
  }

  #isOver({ kind, expiresAtMs, usedAtMs }: SessionRow, now: number): boolean {
    if (now >= expiresAtMs || now < usedAtMs - CLOCK_TOLERANCE_MS) return true;
    return kind === 'session' && now - usedAtMs >= this.#policy.idleMs;
  }

  async #find(token: string): Promise<SessionRow | undefined> {
    if (!TOKEN_PATTERN.test(token)) return undefined;
    return this.#context.ports.catalog.findSession(this.#hash(token));
  }

  #rights(): ReturnType<typeof readRights> {
    return readRights(this.#context.ports.catalog, this.#defaultMode);
  }

  /** Its first letters say what it is to who finds it in a file. */
  #newToken(kind: SessionRow['kind']): string {
    const { random } = this.#context.ports;
    return `cap${kind.charAt(0)}_${toBase64Url(random.bytes(TOKEN_BYTES))}`;
  }

  #hash(token: string): string {
    return toHex(this.#context.ports.cryptography.sha256(encodeAscii(token)));
  }
}
