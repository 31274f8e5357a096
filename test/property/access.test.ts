/**
 * Access control against a model, over days of simulated time.
 *
 * Log-ons with right and wrong passwords, uses of sessions, changes by an administrator, waiting, restarts:
 * the model knows who must get in, who must not, and with which rights. The same property must fail for
 * every planted bug of the table below, each one line at a port, or it would prove nothing.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { simulatedCryptography } from '../../harness/world/simulated-cryptography.ts';
import { World } from '../../harness/world/world.ts';
import { openCatalog } from '../../src/catalog/sqlite-catalog.ts';
import type { Catalog } from '../../src/ports/catalog.ts';
import type { Cryptography } from '../../src/ports/cryptography.ts';
import { AccessControl } from '../../src/server/access-control.ts';
import { ACCESS_POLICY, localPrincipal } from '../../src/server/access.ts';
import type { Principal } from '../../src/server/access.ts';
import type { ServerContext } from '../../src/server/context.ts';
import { EventLog } from '../../src/server/event-log.ts';
import { ALL_RIGHTS, CLOSED_RIGHTS } from '../../src/server/rights.ts';
import type { Right } from '../../src/server/rights.ts';

const MINUTE_MS = 60_000;
const ORIGIN = { address: '192.0.2.7', program: 'API' };
const USERS = ['mary', 'john'] as const;
const PASSWORDS = ['correct horse battery', 'staple horse battery'] as const;
const { failuresMax, lockOutMs, sessionMs, idleMs } = ACCESS_POLICY;

interface Sabotage {
  readonly catalog?: (catalog: Catalog) => Partial<Catalog>;
  readonly cryptography?: Partial<Cryptography>;
}

/** Planted bugs: what the port does instead. */
const MUTANTS: Readonly<Record<string, Sabotage>> = {
  'wrong passwords are not counted': {
    catalog: (real) => ({
      updateUser: (user) => real.updateUser({ ...user, failureCount: 0 }),
    }),
  },
  'a lock-out is not kept': {
    catalog: (real) => ({
      updateUser: (user) => real.updateUser({ ...user, lockedUntilMs: undefined }),
    }),
  },
  'a user who is off may log on': {
    catalog: (real) => ({
      findUser: async (name) => {
        const user = await real.findUser(name);
        return user && { ...user, enabled: true };
      },
      deleteSessions: async () => 0,
    }),
  },
  'every password is right': { cryptography: { equal: () => true } },
  'a hash forgets the password': {
    cryptography: {
      scrypt: (_, salt, cost) => simulatedCryptography.scrypt(new Uint8Array(), salt, cost),
    },
  },
  'all tokens have the same hash': {
    cryptography: { sha256: () => new Uint8Array(32) },
  },
  'the use of a session is not kept': { catalog: () => ({ touchSession: async () => undefined }) },
  'a session that is used never ends': {
    catalog: (real) => ({
      createSession: (row) => real.createSession({ ...row, expiresAtMs: row.expiresAtMs * 2 }),
    }),
  },
  'sessions outlive a new password': { catalog: () => ({ deleteSessions: async () => 0 }) },
  'a right that was taken away stays': {
    catalog: (real) => ({
      listRightOverrides: async () =>
        (await real.listRightOverrides()).filter(({ granted }) => granted),
    }),
  },
  "one user's exceptions are everybody's": {
    catalog: (real) => ({
      listRightOverrides: async () =>
        (await real.listRightOverrides()).map((row) =>
          row.subjectKind === 'user'
            ? { ...row, subjectKind: 'group', subject: 'Operations' }
            : row,
        ),
    }),
  },
};

interface ModelUser {
  password: string;
  enabled: boolean;
  failures: number;
  lockedUntilMs: number;
  readonly exceptions: Map<Right, boolean>;
}

interface ModelSession {
  readonly user: (typeof USERS)[number];
  readonly token: string;
  readonly openedMs: number;
  usedMs: number;
  ended: boolean;
}

type Step =
  | { readonly kind: 'log on'; readonly user: number; readonly password: number }
  | { readonly kind: 'use'; readonly session: number }
  | { readonly kind: 'wait'; readonly minutes: number }
  | { readonly kind: 'password'; readonly user: number; readonly password: number }
  | { readonly kind: 'switch'; readonly user: number; readonly on: boolean }
  | { readonly kind: 'unlock'; readonly user: number }
  | {
      readonly kind: 'right';
      readonly user: number;
      readonly right: Right;
      readonly granted: boolean;
    }
  | { readonly kind: 'restart' };

const user = fc.nat(USERS.length - 1);
const password = fc.nat(PASSWORDS.length - 1);
const minutes = fc.constantFrom(1, 5, 14, 15, 20, 29, 30, 300, 720);
const logOn = fc.record({ kind: fc.constant('log on' as const), user, password });
const use = fc.record({ kind: fc.constant('use' as const), session: fc.nat(8) });
const wait = fc.record({ kind: fc.constant('wait' as const), minutes });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: logOn },
  { weight: 6, arbitrary: use },
  { weight: 4, arbitrary: wait },
  fc.record({ kind: fc.constant('password' as const), user, password }),
  fc.record({ kind: fc.constant('switch' as const), user, on: fc.boolean() }),
  fc.record({ kind: fc.constant('unlock' as const), user }),
  fc.record({
    kind: fc.constant('right' as const),
    user,
    right: fc.constantFrom<Right>('erase-cartridges', 'view-log-files', 'instant-dr'),
    granted: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('restart' as const) }),
);
/** Single steps, and the runs of wrong passwords and of uses at intervals that single steps seldom make. */
const steps: fc.Arbitrary<readonly Step[]> = fc
  .array(
    fc.oneof(
      { weight: 4, arbitrary: step.map((each) => [each]) },
      {
        weight: 1,
        arbitrary: logOn.map((each) => Array.from({ length: failuresMax }, () => each)),
      },
      {
        weight: 1,
        arbitrary: use.map((each): Step[] =>
          Array.from({ length: 38 }, () => [{ kind: 'wait' as const, minutes: 20 }, each]).flat(),
        ),
      },
    ),
    { maxLength: 30 },
  )
  .map((runs) => runs.flat());

class Site {
  readonly #world = new World(1);
  readonly #catalog: Catalog;
  readonly #context: ServerContext;
  #access: AccessControl;
  readonly #users = new Map<string, ModelUser>();
  readonly #sessions: ModelSession[] = [];

  constructor(sabotage: Sabotage) {
    const real = openCatalog(':memory:');
    const instead: Partial<Catalog> = sabotage.catalog?.(real) ?? {};
    this.#catalog = new Proxy(real, {
      get: (target, key) => {
        const member: unknown = Reflect.get(instead, key) ?? Reflect.get(target, key);
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
    const { clock, random } = this.#world;
    const ports = {
      clock,
      random,
      catalog: this.#catalog,
      cryptography: { ...simulatedCryptography, ...sabotage.cryptography },
    };
    const eventLog = new EventLog({ catalog: real, clock, settings: { address: '127.0.0.1' } });
    this.#context = { ports, settings: {}, eventLog } as unknown as ServerContext;
    this.#access = new AccessControl(this.#context, 'closed');
  }

  async open(): Promise<this> {
    for (const name of USERS) {
      await this.#access.users.create(this.#asked, {
        name,
        group: 'Operations',
        password: PASSWORDS[0],
      });
      this.#users.set(name, {
        password: PASSWORDS[0],
        enabled: true,
        failures: 0,
        lockedUntilMs: 0,
        exceptions: new Map(),
      });
    }
    return this;
  }

  close(): Promise<void> {
    return this.#catalog.close();
  }

  get #asked(): { readonly context: ServerContext; readonly caller: Principal } {
    return { context: this.#context, caller: localPrincipal('root') };
  }

  /** What is wrong after the step; undefined where all is as the model has it. */
  async do(each: Step): Promise<string | undefined> {
    const now = this.#world.clock.nowMs();
    if (each.kind === 'wait') {
      await this.#world.advance(each.minutes * MINUTE_MS);
    } else if (each.kind === 'restart') {
      this.#access = new AccessControl(this.#context, 'closed');
    } else if (each.kind === 'use') {
      return this.#use(this.#sessions.at(-1 - (each.session % 3)), now);
    } else {
      const name = USERS[each.user] ?? 'mary';
      const model = this.#users.get(name);
      if (model === undefined) return `${name} is known`;
      if (each.kind === 'log on') {
        return this.#logOn(name, model, PASSWORDS[each.password] ?? '', now);
      }
      await this.#administer(name, model, each);
    }
    return undefined;
  }

  async #administer(
    name: (typeof USERS)[number],
    model: ModelUser,
    each: Extract<Step, { readonly kind: 'password' | 'switch' | 'unlock' | 'right' }>,
  ): Promise<void> {
    const { users } = this.#access;
    if (each.kind === 'right') {
      await users.setRight(this.#asked, { kind: 'user', name }, each.right, each.granted);
      model.exceptions.set(each.right, each.granted);
      return;
    }
    if (each.kind === 'switch') {
      await users.set(this.#asked, { name, enabled: each.on });
      model.enabled = each.on;
    } else {
      if (each.kind === 'unlock') await users.unlock(this.#asked, name);
      else {
        model.password = PASSWORDS[each.password] ?? '';
        await users.setPassword(this.#asked, name, model.password);
      }
      Object.assign(model, { failures: 0, lockedUntilMs: 0 });
    }
    const ends = each.kind === 'password' || (each.kind === 'switch' && !each.on);
    for (const session of this.#sessions) session.ended ||= ends && session.user === name;
  }

  async #logOn(
    name: (typeof USERS)[number],
    model: ModelUser,
    typed: string,
    now: number,
  ): Promise<string | undefined> {
    const opened = await this.#access.openSession(name, typed, ORIGIN).catch(() => undefined);
    const looks = model.enabled && now >= model.lockedUntilMs;
    const expected = looks && typed === model.password;
    if (looks) {
      model.failures = expected ? 0 : model.failures + 1;
      if (model.failures >= failuresMax) {
        Object.assign(model, { failures: 0, lockedUntilMs: now + lockOutMs });
      }
    }
    if ((opened !== undefined) !== expected) {
      return `${name} ${expected ? 'was not' : 'was'} let in`;
    }
    if (opened === undefined) return undefined;
    this.#sessions.push({
      user: name,
      token: opened.token,
      openedMs: now,
      usedMs: now,
      ended: false,
    });
    return this.#rightsOf(opened.principal, model);
  }

  async #use(session: ModelSession | undefined, now: number): Promise<string | undefined> {
    if (session === undefined) return undefined;
    const model = this.#users.get(session.user);
    session.ended ||= now - session.openedMs >= sessionMs || now - session.usedMs >= idleMs;
    const found = await this.#access.principalOf(session.token, ORIGIN).catch(() => undefined);
    if ((found !== undefined) === session.ended) {
      return `the session of ${session.user} ${session.ended ? 'goes on' : 'has ended'}`;
    }
    if (found === undefined || model === undefined) return undefined;
    session.usedMs = now;
    return found.user === session.user ? this.#rightsOf(found, model) : 'it is of another user';
  }

  #rightsOf(principal: Principal, { exceptions }: ModelUser): string | undefined {
    const expected = ALL_RIGHTS.filter(
      (right) => exceptions.get(right) ?? CLOSED_RIGHTS.Operations.includes(right),
    );
    const found = ALL_RIGHTS.filter((right) => principal.rights.has(right));
    return found.join() === expected.join() ? undefined : `the rights are ${found.join()}`;
  }
}

const property = (sabotage: Sabotage): fc.IAsyncProperty<[readonly Step[]]> =>
  fc.asyncProperty(steps, async (all) => {
    const site = await new Site(sabotage).open();
    try {
      for (const each of all) {
        const wrong = await site.do(each);
        if (wrong !== undefined) throw new Error(wrong);
      }
    } finally {
      await site.close();
    }
  });

describe('access control', () => {
  it('lets in who must be let in, and nobody else, over days and restarts', async () => {
    const result = await fc.check(property({}), { seed: 45, numRuns: 150 });
    expect(fc.defaultReportMessage(result)).toBeUndefined();
  }, 60_000);

  it.each(Object.entries(MUTANTS))(
    'with a planted bug is found out: %s',
    async (_, sabotage) => {
      const result = await fc.check(property(sabotage), {
        seed: 45,
        numRuns: 400,
        endOnFailure: true,
      });
      expect(result.failed).toBe(true);
    },
    60_000,
  );
});
