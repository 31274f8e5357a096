/**
 * Log-on by password, and the lock-out after wrong ones.
 *
 * `failuresMax` wrong passwords in a row lock a user out for `lockOutMs`: in that time no password is
 * looked at, a right one neither, and nothing prolongs it; then the count begins anew. One log-on is
 * looked at after the other, so that many at a time are no way around the count. What a stranger can
 * make the server write is limited: log-ons of users that there are not, or that are locked, make one
 * event a minute.
 */
import { CapstanError } from '../base/errors.ts';
import { NAME_PATTERNS } from '../base/names.ts';
import { MINUTE_MS } from '../base/units.ts';
import type { UserRow } from '../ports/catalog-access.ts';
import type { AccessPolicy, RequestOrigin } from './access.ts';
import type { ServerContext } from './context.ts';
import { Sequence } from './context.ts';
import { Passwords } from './passwords.ts';

/** Log-ons that may wait for the ones before them; one more is refused at once. */
export const LOGONS_WAITING_MAX = 32;
/** Between two events about log-ons of nobody in particular. */
const STRANGER_EVENT_INTERVAL_MS = MINUTE_MS;
/** The same for all, so that it tells nobody which users there are. */
const REFUSAL = 'the user or the password is wrong, or the user is locked out or switched off';

export class Logon {
  /** Changes of users run in here, so that none is lost between reading and writing. */
  readonly changes = new Sequence();
  readonly passwords: Passwords;
  readonly #context: ServerContext;
  readonly #policy: AccessPolicy;
  #waitingCount = 0;
  #strangerEventAtMs = -Infinity;

  constructor(context: ServerContext, policy: AccessPolicy) {
    this.#context = context;
    this.#policy = policy;
    this.passwords = new Passwords(context.ports, policy.scryptCost);
  }

  /** The user whose password it is. Rejects LOGON_REFUSED. */
  async check(user: string, password: string, origin: RequestOrigin): Promise<UserRow> {
    if (this.#waitingCount >= LOGONS_WAITING_MAX) {
      throw refusal(user, 'too many log on at the same time; try again');
    }
    this.#waitingCount += 1;
    try {
      return await this.changes.run(() => this.#check(user, password, origin));
    } finally {
      this.#waitingCount -= 1;
    }
  }

  async #check(name: string, password: string, origin: RequestOrigin): Promise<UserRow> {
    const { catalog, clock } = this.#context.ports;
    const user = NAME_PATTERNS.user.test(name) ? await catalog.findUser(name) : undefined;
    const open = user !== undefined && user.enabled && !isLocked(user, clock.nowMs());
    // The same work for everybody, or the time it takes would tell who there is.
    const right = await this.passwords.matches(password, open ? user.passwordHash : undefined);
    if (!open || user.passwordHash === undefined) {
      this.#reportStranger(user, origin);
      throw refusal(name, REFUSAL);
    }
    if (!right) {
      await this.#countFailure(user, origin);
      throw refusal(name, REFUSAL);
    }
    const changed: UserRow = {
      ...user,
      ...(this.passwords.isOutdated(user.passwordHash) && {
        passwordHash: await this.passwords.hash(password),
      }),
      loggedOnAtMs: clock.nowMs(),
      failureCount: 0,
      lockedUntilMs: undefined,
    };
    await catalog.updateUser(changed);
    return changed;
  }

  async #countFailure(user: UserRow, origin: RequestOrigin): Promise<void> {
    const { failuresMax, lockOutMs } = this.#policy;
    const { catalog, clock } = this.#context.ports;
    const { name } = user;
    const failures = user.failureCount + 1;
    const locked = failures >= failuresMax;
    await catalog.updateUser({
      ...user,
      failureCount: locked ? 0 : failures,
      lockedUntilMs: locked ? clock.nowMs() + lockOutMs : undefined,
    });
    const log = this.#context.eventLog.as({ ...origin, user: name });
    const reason = `wrong password, ${failures} of ${failuresMax}`;
    await log.log('LOGON_FAILED', { user: name, reason });
    if (!locked) return;
    await log.log('USER_LOCKED', {
      user: name,
      failures,
      minutes: Math.ceil(lockOutMs / MINUTE_MS),
    });
  }

  #reportStranger(user: UserRow | undefined, origin: RequestOrigin): void {
    const { clock } = this.#context.ports;
    const now = clock.monotonicMs();
    if (now - this.#strangerEventAtMs < STRANGER_EVENT_INTERVAL_MS) return;
    this.#strangerEventAtMs = now;
    const reason =
      user === undefined
        ? 'there is no such user'
        : !user.enabled
          ? 'the user is switched off'
          : isLocked(user, clock.nowMs())
            ? 'the user is locked out'
            : 'no password is set';
    // A name that was typed may be a password in the wrong field: only a user's own is written down.
    this.#context.eventLog.report(
      'LOGON_FAILED',
      { user: user?.name ?? 'somebody unknown', reason },
      { ...origin, user: user?.name ?? '' },
    );
  }
}

/** Whether no log-on of the user is looked at now. */
export function isLocked(user: UserRow, nowMs: number): boolean {
  return user.lockedUntilMs !== undefined && nowMs < user.lockedUntilMs;
}

function refusal(user: string, reason: string): CapstanError {
  return new CapstanError('LOGON_REFUSED', { user: JSON.stringify(user.slice(0, 40)), reason });
}
