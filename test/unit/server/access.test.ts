import { beforeEach, describe, expect, it } from 'vitest';
import type { CapstanError } from '../../../src/base/errors.ts';
import { MINUTE_MS } from '../../../src/base/units.ts';
import { openCatalog } from '../../../src/catalog/sqlite-catalog.ts';
import type { Principal } from '../../../src/server/access.ts';
import { ACCESS_POLICY, readRights } from '../../../src/server/access.ts';
import { LOGONS_WAITING_MAX } from '../../../src/server/logon.ts';
import { PROFILES } from '../../../src/server/profiles.ts';
import { ALL_RIGHTS, CLOSED_RIGHTS } from '../../../src/server/rights.ts';
import { SESSIONS_PER_USER_MAX } from '../../../src/server/sessions.ts';
import { Bench } from './bench.ts';

const PASSWORD = 'correct horse battery';
const ORIGIN = { address: '192.0.2.7', program: 'API' };
let bench: Bench;

beforeEach(async () => {
  bench = await Bench.start();
  await call('user.create', { name: 'mary', group: 'Operations', password: PASSWORD });
});

const call = (name: string, parameters?: object): Promise<unknown> =>
  bench.east.call(name, parameters);
const callAs = (who: Principal, name: string, parameters: object): Promise<unknown> =>
  bench.finish(bench.east.server.operations.callAs(who, name, parameters));
const logOn = (password = PASSWORD, user = 'mary'): Promise<Principal> =>
  bench.finish(bench.east.server.access.authenticate(user, password, ORIGIN));
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (error: CapstanError) => error.code,
  );
const stateOf = async (user: string): Promise<unknown> =>
  ((await call('user.show', { name: user })) as { state: string }).state;

describe('log-on', () => {
  it('gives who knows the password the rights of the group, as of now', async () => {
    const mary = await logOn();
    expect(mary).toMatchObject({ user: 'mary', group: 'Operations', vaults: 'all', ...ORIGIN });
    expect([...mary.rights]).toEqual(CLOSED_RIGHTS.Operations);
  });

  it('says the same of a wrong password, an unknown user, one without a password, off or locked', async () => {
    await call('user.create', { name: 'off', group: 'Operations', password: PASSWORD });
    await call('user.set', { name: 'off', enabled: false });
    await call('user.create', { name: 'locked', group: 'Operations', password: PASSWORD });
    for (let count = 0; count < ACCESS_POLICY.failuresMax; count += 1) {
      await codeOf(logOn('wrong', 'locked'));
    }
    const sentences = new Set<string>();
    for (const [user, password] of [
      ['mary', 'wrong'],
      ['nobody', PASSWORD],
      ['admin', ''],
      ['off', PASSWORD],
      ['locked', PASSWORD],
      ['mary ', PASSWORD],
      ["' OR 1=1 --", PASSWORD],
    ] as const) {
      const error = await logOn(password, user).then(
        () => undefined,
        (refusal: CapstanError) => refusal,
      );
      expect(error?.code).toBe('LOGON_REFUSED');
      sentences.add(error?.message.replace(JSON.stringify(user), '') ?? '');
    }
    expect([...sentences]).toEqual([
      'The log-on of  is refused: the user or the password is wrong, or the user is locked out or switched off.',
    ]);
  });

  it('writes no name that somebody unknown typed, and one event a minute of such', async () => {
    for (let count = 0; count < 10; count += 1) await codeOf(logOn('x', `secret${count}`));
    expect(await bench.east.log('440103')).toEqual([
      'Log-on of somebody unknown failed: there is no such user',
    ]);
    await bench.world.advance(MINUTE_MS);
    await codeOf(logOn('x', 'secret'));
    expect(await bench.east.log('440103')).toHaveLength(2);
  });

  it('is refused at once where too many wait', async () => {
    const codes = await bench.finish(
      Promise.all(
        Array.from({ length: LOGONS_WAITING_MAX + 3 }, () =>
          codeOf(bench.east.server.access.authenticate('mary', PASSWORD, ORIGIN)),
        ),
      ),
    );
    expect(codes.filter((code) => code === 'done')).toHaveLength(LOGONS_WAITING_MAX);
    expect(await codeOf(logOn())).toBe('done');
  });
});

describe('the lock-out', () => {
  const fail = async (count: number): Promise<void> => {
    for (let left = count; left > 0; left -= 1) {
      expect(await codeOf(logOn('wrong'))).toBe('LOGON_REFUSED');
    }
  };

  it('comes with the last wrong password in a row, refuses the right one, and ends by itself', async () => {
    await fail(ACCESS_POLICY.failuresMax - 1);
    await logOn();
    await fail(ACCESS_POLICY.failuresMax);
    expect(await stateOf('mary')).toBe('locked');
    expect(await bench.east.log('440104')).toEqual([
      'User mary is locked out for 15 minutes after 5 wrong passwords',
    ]);
    await bench.world.advance(ACCESS_POLICY.lockOutMs - MINUTE_MS);
    expect(await codeOf(logOn())).toBe('LOGON_REFUSED');
    await bench.world.advance(MINUTE_MS);
    await logOn();
    expect(await stateOf('mary')).toBe('on');
  });

  it('is not got around by many log-ons at a time', async () => {
    const tries = Array.from({ length: 20 }, () =>
      codeOf(bench.east.server.access.authenticate('mary', 'wrong', ORIGIN)),
    );
    tries.push(codeOf(bench.east.server.access.authenticate('mary', PASSWORD, ORIGIN)));
    const codes = await bench.finish(Promise.all(tries));
    expect(new Set(codes)).toEqual(new Set(['LOGON_REFUSED']));
    expect(await bench.east.log('440103')).toHaveLength(ACCESS_POLICY.failuresMax + 1);
  });

  it('survives a restart, is lifted by an administrator, and leaves sessions alone', async () => {
    const { token } = await bench.finish(
      bench.east.server.access.openSession('mary', PASSWORD, ORIGIN),
    );
    await fail(ACCESS_POLICY.failuresMax);
    await bench.east.restart();
    expect(await codeOf(logOn())).toBe('LOGON_REFUSED');
    await bench.finish(bench.east.server.access.principalOf(token, ORIGIN));
    await call('user.unlock', { name: 'mary' });
    await logOn();
  });
});

describe('a session', () => {
  const open = async (): Promise<string> =>
    (await bench.finish(bench.east.server.access.openSession('mary', PASSWORD, ORIGIN))).token;
  const use = (token: string): Promise<string> =>
    codeOf(bench.finish(bench.east.server.access.principalOf(token, ORIGIN)));

  it('stands for its user until it is closed', async () => {
    const token = await open();
    expect(token).toMatch(/^caps_[\w-]{43}$/);
    expect(await use(token)).toBe('done');
    await bench.finish(bench.east.server.access.closeSession(token, ORIGIN));
    expect(await use(token)).toBe('SESSION_ENDED');
    await bench.finish(bench.east.server.access.closeSession(token, ORIGIN));
    expect(await bench.east.log('240102')).toEqual(['User mary logged off']);
  });

  it('ends when nothing was asked for long, and on its last day whatever was asked', async () => {
    const idle = await open();
    await bench.world.advance(ACCESS_POLICY.idleMs);
    expect(await use(idle)).toBe('SESSION_ENDED');
    const busy = await open();
    const steps = ACCESS_POLICY.sessionMs / (20 * MINUTE_MS);
    for (let step = 1; step < steps; step += 1) {
      await bench.world.advance(20 * MINUTE_MS);
      expect(await use(busy)).toBe('done');
    }
    await bench.world.advance(20 * MINUTE_MS);
    expect(await use(busy)).toBe('SESSION_ENDED');
  });

  it('lies in the catalog by its hash alone', async () => {
    const token = await open();
    const kept = JSON.stringify(await bench.east.catalog.listSessions());
    expect(kept).not.toContain(token);
    expect(kept).not.toContain(token.slice(5));
    expect(JSON.stringify(await call('session.list'))).not.toContain('tokenHash');
    expect(JSON.stringify(await call('events.list'))).not.toContain(token.slice(5));
  });

  it('has the rights of the moment, and ends with its user', async () => {
    const token = await open();
    await call('user.revoke', { name: 'mary', right: 'View log files' });
    const now = await bench.finish(bench.east.server.access.principalOf(token, ORIGIN));
    expect(now.rights.has('view-log-files')).toBe(false);
    for (const end of [
      () => call('user.set', { name: 'mary', enabled: false }),
      () => call('user.password', { name: 'mary', password: `${PASSWORD}!` }),
      () => call('user.delete', { name: 'mary' }),
    ]) {
      await end();
      expect(await use(token)).toBe('SESSION_ENDED');
      await codeOf(call('user.set', { name: 'mary', enabled: true }));
    }
  });

  it('of a user makes room for a further one by ending the oldest', async () => {
    const tokens: string[] = [];
    for (let count = 0; count <= SESSIONS_PER_USER_MAX; count += 1) tokens.push(await open());
    expect(await use(tokens[0] ?? '')).toBe('SESSION_ENDED');
    expect(await use(tokens[1] ?? '')).toBe('done');
    expect(await use(tokens.at(-1) ?? '')).toBe('done');
  });

  it('is nothing that one could guess the form of', async () => {
    const token = await open();
    for (const wrong of ['', 'x', token.slice(0, -1), `${token}x`, token.toUpperCase(), '\0']) {
      expect(await use(wrong)).toBe('SESSION_ENDED');
    }
  });
});

describe('a token for a program', () => {
  const make = async (more: object = {}): Promise<{ token: string; id: number }> =>
    (await call('token.create', { user: 'mary', purpose: 'scrape', days: 30, ...more })) as {
      token: string;
      id: number;
    };

  it('lasts its days without being used, and is confined to the rights named for it', async () => {
    const { token } = await make({ rights: ['View System Status', 'user-access-controls'] });
    await bench.world.advance(29 * 24 * 60 * MINUTE_MS);
    const principal = await bench.finish(bench.east.server.access.principalOf(token, ORIGIN));
    // The second right mary has not, so her token has it not.
    expect([...principal.rights]).toEqual(['view-system-status']);
    await bench.world.advance(24 * 60 * MINUTE_MS);
    expect(await codeOf(bench.finish(bench.east.server.access.principalOf(token, ORIGIN)))).toBe(
      'SESSION_ENDED',
    );
  });

  it('is ended by its number', async () => {
    const { token, id } = await make();
    expect(await call('session.list', { user: 'mary' })).toMatchObject([{ id, purpose: 'scrape' }]);
    await call('session.end', { id });
    expect(await codeOf(bench.finish(bench.east.server.access.principalOf(token, ORIGIN)))).toBe(
      'SESSION_ENDED',
    );
    expect(await codeOf(call('session.end', { id }))).toBe('NOT_FOUND');
  });
});

describe('rights', () => {
  it('are the default of the mode, then what was given to the group, then to the user', async () => {
    const rights = async (): Promise<readonly string[]> => [...(await logOn()).rights];
    await call('access.grant', { group: 'operations', right: 'erase-cartridges' });
    expect(await rights()).toContain('erase-cartridges');
    await call('user.revoke', { name: 'mary', right: 'erase-cartridges' });
    expect(await rights()).not.toContain('erase-cartridges');
    await call('access.revoke', { group: 'Operations', right: 'erase-cartridges' });
    await call('user.grant', { name: 'mary', right: 'erase-cartridges' });
    expect(await rights()).toContain('erase-cartridges');
    expect(await bench.east.log('240111')).toHaveLength(2);
  });

  it('what the defaults say anyway leaves no override behind', async () => {
    await call('user.grant', { name: 'mary', right: 'erase-cartridges' });
    await call('user.revoke', { name: 'mary', right: 'erase-cartridges' });
    await call('access.grant', { group: 'Operations', right: 'view-log-files' });
    expect(await bench.east.catalog.listRightOverrides()).toEqual([]);
  });

  it('of an open system are all, and RESTORE takes every exception back with event 440002', async () => {
    await call('access.revoke', { group: 'Operations', right: 'view-log-files' });
    await call('user.set', { name: 'mary', vaults: ['VAULT00'] });
    await call('user.delete', { name: 'operator' });
    await call('user.set', { name: 'tapelabs', group: 'Operations', enabled: false });
    await call('access.restore', { mode: 'open' });
    expect([...(await logOn()).rights]).toEqual(ALL_RIGHTS);
    expect((await logOn()).vaults).toBe('all');
    await call('access.restore', { mode: 'closed' });
    expect([...(await logOn()).rights]).toEqual(CLOSED_RIGHTS.Operations);
    expect(await call('user.list')).toMatchObject([
      { name: 'admin', group: 'Administration', state: 'no password' },
      { name: 'mary', group: 'Operations', state: 'on' },
      { name: 'operator', group: 'Operations', state: 'no password' },
      { name: 'tapelabs', group: 'Supervisor', state: 'no password' },
    ]);
    expect(await bench.east.log('440002')).toEqual([
      'Access Control RESTORE OPEN defaults have been restored',
      'Access Control RESTORE CLOSED defaults have been restored',
    ]);
  });
});

describe('a system that nobody has restored', () => {
  it.each(Object.values(PROFILES))('of profile $name is as its manuals say', async (profile) => {
    const catalog = openCatalog(':memory:');
    const table = await readRights(catalog, profile.accessDefaults);
    expect(table.mode).toBe(profile.name.startsWith('6.') ? 'open' : 'closed');
    const operator = { name: 'operator', groupName: 'Operations' };
    expect(table.userRights(operator).has('delete-cartridges')).toBe(table.mode === 'open');
    await catalog.close();
  });
});

describe('who administers users', () => {
  let clerk: Principal;
  beforeEach(async () => {
    await call('user.create', { name: 'clerk', group: 'Operations', password: PASSWORD });
    await call('user.grant', { name: 'clerk', right: 'user-access-controls' });
    clerk = await logOn(PASSWORD, 'clerk');
  });

  it('may make and change users who may no more than himself', async () => {
    await callAs(clerk, 'user.create', { name: 'john', group: 'Operations' });
    await callAs(clerk, 'user.password', { name: 'john', password: PASSWORD });
    await callAs(clerk, 'user.grant', { name: 'john', right: 'user-access-controls' });
    expect(await callAs(clerk, 'user.delete', { name: 'john' })).toEqual({ name: 'john' });
  });

  it.each([
    ['user.create', { name: 'john', group: 'Administration' }],
    ['user.set', { name: 'clerk', group: 'Administration' }],
    ['user.set', { name: 'admin', enabled: false }],
    ['user.grant', { name: 'clerk', right: 'erase-cartridges' }],
    ['user.password', { name: 'admin', password: PASSWORD }],
    ['user.unlock', { name: 'admin' }],
    ['user.delete', { name: 'admin' }],
    ['token.create', { user: 'admin', purpose: 'mine' }],
    ['access.grant', { group: 'Operations', right: 'view-log-files' }],
    ['access.restore', { mode: 'open' }],
  ])('is refused %s %j', async (operation, parameters) => {
    expect(await codeOf(callAs(clerk, operation, parameters))).toBe('RIGHT_MISSING');
  });

  it('is not let out of his own vaults by himself', async () => {
    await call('user.set', { name: 'clerk', vaults: ['VAULT00'] });
    clerk = await logOn(PASSWORD, 'clerk');
    expect(clerk.vaults).toEqual(new Set(['VAULT00']));
    expect(await codeOf(callAs(clerk, 'user.set', { name: 'clerk', vaults: 'all' }))).toBe(
      'RIGHT_MISSING',
    );
  });

  it('does not delete or switch off himself', async () => {
    for (const [operation, parameters] of [
      ['user.delete', { name: 'clerk' }],
      ['user.set', { name: 'clerk', enabled: false }],
    ] as const) {
      expect(await codeOf(callAs(clerk, operation, parameters))).toBe('INVALID_ARGUMENT');
    }
  });
});

describe("one's own account", () => {
  it('tells what one may, and takes a new password from who knows the old one', async () => {
    const mary = await logOn();
    expect(await callAs(mary, 'account.show', {})).toMatchObject({ user: 'mary', vaults: 'all' });
    const next = 'staple battery horse';
    expect(
      await codeOf(callAs(mary, 'account.password', { current: 'wrong', password: next })),
    ).toBe('LOGON_REFUSED');
    // An operator of group Operations administers nobody, and this needs no such right.
    await callAs(mary, 'account.password', { current: PASSWORD, password: next });
    await logOn(next);
    expect(await codeOf(logOn())).toBe('LOGON_REFUSED');
  });
});

describe('the audit', () => {
  it('has a line for each change by somebody, none for a look, one for a refusal', async () => {
    const mary = await logOn();
    await callAs(mary, 'tape.list', {});
    await codeOf(callAs(mary, 'vault.collect', { name: 'VAULT00' }));
    await call('user.grant', { name: 'mary', right: 'system-maintenance' });
    await callAs(await logOn(), 'vault.collect', { name: 'VAULT00' });
    const rows = (await call('events.list', { limit: 1000 })) as readonly {
      readonly user: string;
      readonly program: string;
      readonly address: string;
      readonly messageId: string;
      readonly text: string;
    }[];
    const audit = rows.filter(({ messageId }) => ['440121', '240120'].includes(messageId));
    expect(audit.map(({ text }) => text)).toEqual([
      'vault.collect was refused: the right System Maintenance Functions is missing',
      'vault.collect VAULT00 was done',
    ]);
    for (const row of audit) expect(row).toMatchObject({ user: 'mary', ...ORIGIN });
  });

  it('never holds a password', async () => {
    const secret = 'unspeakable secret words';
    await call('user.password', { name: 'mary', password: secret });
    await codeOf(logOn(`${secret}!`));
    await codeOf(call('user.password', { name: 'mary', password: 'mary unspeakable' }));
    const text = JSON.stringify([await call('events.list'), await call('user.list')]);
    expect(text).not.toContain('unspeakable');
    expect(text).not.toContain('scrypt');
  });
});
