/** What every catalog does for access control: the contract of src/ports/catalog-access.ts. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SessionRow, UserRow } from '../../src/ports/catalog-access.ts';
import type { Catalog } from '../../src/ports/catalog.ts';

const MARY: UserRow = {
  name: 'mary',
  groupName: 'Operations',
  passwordHash: 'scrypt$…',
  enabled: true,
  vaults: 'VAULT00,VAULT01',
  createdAtMs: 1000,
  passwordSetAtMs: 1000,
  loggedOnAtMs: undefined,
  failureCount: 0,
  lockedUntilMs: undefined,
};
const SESSION: Omit<SessionRow, 'id'> = {
  tokenHash: 'ab'.repeat(32),
  user: 'mary',
  kind: 'session',
  purpose: '',
  rights: '',
  address: '192.0.2.7',
  createdAtMs: 2000,
  usedAtMs: 2000,
  expiresAtMs: 9000,
};

export function accessCatalogConformance(name: string, open: () => Catalog): void {
  describe(`${name} keeps access control:`, () => {
    let catalog: Catalog;
    beforeEach(() => {
      catalog = open();
    });
    afterEach(() => catalog.close());

    it('the default users from the beginning, without passwords', async () => {
      const users = await catalog.listUsers();
      expect(users.map(({ name: user, groupName }) => [user, groupName])).toEqual([
        ['admin', 'Administration'],
        ['operator', 'Operations'],
        ['tapelabs', 'Supervisor'],
      ]);
      expect(users.every(({ passwordHash }) => passwordHash === undefined)).toBe(true);
      expect(await catalog.accessMode()).toBeUndefined();
    });

    it('a user as it was last written', async () => {
      await catalog.createUser(MARY);
      expect(await catalog.findUser('mary')).toEqual(MARY);
      const locked = { ...MARY, enabled: false, failureCount: 5, lockedUntilMs: 7000 };
      await catalog.updateUser(locked);
      expect(await catalog.findUser('mary')).toEqual(locked);
      await expect(catalog.createUser(MARY)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
      await expect(catalog.updateUser({ ...MARY, name: 'john' })).rejects.toMatchObject({
        code: 'NOT_FOUND',
      });
      expect(await catalog.findUser('john')).toBeUndefined();
    });

    it("a user's sessions and rights go with the user, and nobody else's", async () => {
      await catalog.createUser(MARY);
      await catalog.createSession(SESSION);
      await catalog.createSession({ ...SESSION, user: 'admin', tokenHash: 'cd'.repeat(32) });
      const override = { rightName: 'erase-cartridges', granted: true } as const;
      await catalog.putRightOverride({ subjectKind: 'user', subject: 'mary', ...override });
      await catalog.putRightOverride({ subjectKind: 'group', subject: 'mary', ...override });
      await catalog.deleteUser('mary');
      expect(await catalog.listSessions()).toMatchObject([{ user: 'admin' }]);
      expect(await catalog.listRightOverrides()).toMatchObject([{ subjectKind: 'group' }]);
      await expect(catalog.deleteUser('mary')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    });

    it('one override a subject and right', async () => {
      const which = {
        subjectKind: 'group',
        subject: 'Operations',
        rightName: 'compression',
      } as const;
      await catalog.putRightOverride({ ...which, granted: true });
      await catalog.putRightOverride({ ...which, granted: false });
      expect(await catalog.listRightOverrides()).toEqual([{ ...which, granted: false }]);
      await catalog.deleteRightOverride(which);
      await catalog.deleteRightOverride(which);
      expect(await catalog.listRightOverrides()).toEqual([]);
    });

    it('restores mode and users at once, and takes every override away', async () => {
      await catalog.createUser(MARY);
      const session = await catalog.createSession(SESSION);
      await catalog.putRightOverride({
        subjectKind: 'user',
        subject: 'mary',
        rightName: 'compression',
        granted: true,
      });
      await catalog.restoreAccess('open', [{ ...MARY, vaults: '' }]);
      expect(await catalog.accessMode()).toBe('open');
      expect(await catalog.listRightOverrides()).toEqual([]);
      expect(await catalog.findUser('mary')).toEqual({ ...MARY, vaults: '' });
      expect(await catalog.listSessions()).toEqual([session]);
      await catalog.restoreAccess('closed', []);
      expect(await catalog.accessMode()).toBe('closed');
    });

    it('the mode that a server began with, until another is restored', async () => {
      await catalog.beginAccess('open');
      await catalog.beginAccess('closed');
      expect(await catalog.accessMode()).toBe('open');
      await catalog.restoreAccess('closed', []);
      await catalog.beginAccess('open');
      expect(await catalog.accessMode()).toBe('closed');
    });

    it('sessions by the hash of their token', async () => {
      await catalog.createUser(MARY);
      const row = await catalog.createSession(SESSION);
      expect(await catalog.findSession(SESSION.tokenHash)).toEqual(row);
      expect(await catalog.findSession('00')).toBeUndefined();
      await expect(catalog.createSession(SESSION)).rejects.toMatchObject({
        code: 'ALREADY_EXISTS',
      });
      await expect(
        catalog.createSession({ ...SESSION, user: 'john', tokenHash: '11' }),
      ).rejects.toMatchObject({ code: 'NOT_FOUND' });
      await catalog.touchSession(row.id, 3000);
      expect(await catalog.listSessions('mary')).toEqual([{ ...row, usedAtMs: 3000 }]);
      expect(await catalog.listSessions('admin')).toEqual([]);
      await catalog.deleteSession(row.id);
      expect(await catalog.findSession(SESSION.tokenHash)).toBeUndefined();
    });

    it('sessions end by user, or when their time has come', async () => {
      await catalog.createUser(MARY);
      for (const [tokenHash, user, expiresAtMs] of [
        ['a', 'mary', 5000],
        ['b', 'mary', 5001],
        ['c', 'admin', 9000],
      ] as const) {
        await catalog.createSession({ ...SESSION, tokenHash, user, expiresAtMs });
      }
      expect(await catalog.deleteSessions({ expiredAtMs: 5000 })).toBe(1);
      expect(await catalog.deleteSessions({ user: 'mary' })).toBe(1);
      expect(await catalog.listSessions()).toMatchObject([{ tokenHash: 'c' }]);
    });
  });
}
