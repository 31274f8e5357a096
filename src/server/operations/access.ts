/** Operations on users, rights, sessions and tokens. */
import { z } from 'zod';
import { CapstanError } from '../../base/errors.ts';
import { groupNamed } from '../access.ts';
import { rightNamed } from '../rights.ts';
import type { Right } from '../rights.ts';
import { TOKEN_DAYS_MAX } from '../sessions.ts';
import { byId, byName, nothing, operation, query } from './operation.ts';
import type { OperationTable } from './operation.ts';
import { text } from './subjects.ts';

const VAULTS_MAX = 256;
const RIGHTS_MAX = 64;

/** Longer than any that is taken, so that what is too long is refused with the rule's own sentence. */
const password = z.string().max(1000);
const right = z.string().max(100);
const groupRight = z.strictObject({ group: text, right });
const userRight = z.strictObject({ name: text, right });

export const ACCESS_OPERATIONS: OperationTable = {
  'access.show': query('view-configuration', nothing, (services) =>
    services.access.users.overview(services),
  ),
  'access.grant': operation(
    'system-access-controls',
    groupRight,
    (services, { group, right: given }) =>
      services.access.users.setRight(
        services,
        { kind: 'group', name: groupNamed(group) },
        rightOf(given),
        true,
      ),
  ),
  'access.revoke': operation(
    'system-access-controls',
    groupRight,
    (services, { group, right: taken }) =>
      services.access.users.setRight(
        services,
        { kind: 'group', name: groupNamed(group) },
        rightOf(taken),
        false,
      ),
  ),
  'access.restore': operation(
    'system-access-controls',
    z.strictObject({ mode: z.enum(['open', 'closed']) }),
    (services, { mode }) => services.access.users.restore(services, mode),
  ),
  'user.list': query('user-access-controls', nothing, (services) =>
    services.access.users.list(services),
  ),
  'user.show': query('user-access-controls', byName, (services, { name }) =>
    services.access.users.show(services, name),
  ),
  'user.create': operation(
    'user-access-controls',
    z.strictObject({ name: text, group: text, password: password.optional() }),
    (services, wanted) => services.access.users.create(services, wanted),
  ),
  'user.set': operation(
    'user-access-controls',
    z.strictObject({
      name: text,
      group: text.optional(),
      enabled: z.boolean().optional(),
      vaults: z.union([z.literal('all'), z.array(text).max(VAULTS_MAX)]).optional(),
    }),
    (services, wanted) => services.access.users.set(services, wanted),
  ),
  'user.password': operation(
    'user-access-controls',
    z.strictObject({ name: text, password }),
    (services, wanted) => services.access.users.setPassword(services, wanted.name, wanted.password),
  ),
  'user.unlock': operation('user-access-controls', byName, (services, { name }) =>
    services.access.users.unlock(services, name),
  ),
  'user.delete': operation('user-access-controls', byName, (services, { name }) =>
    services.access.users.delete(services, name),
  ),
  'user.grant': operation('user-access-controls', userRight, (services, { name, right: given }) =>
    services.access.users.setRight(services, { kind: 'user', name }, rightOf(given), true),
  ),
  'user.revoke': operation('user-access-controls', userRight, (services, { name, right: taken }) =>
    services.access.users.setRight(services, { kind: 'user', name }, rightOf(taken), false),
  ),
  'session.list': query(
    'user-access-controls',
    z.strictObject({ user: text.optional() }),
    (services, { user }) => services.access.users.listSessions(services, user),
  ),
  'session.end': operation('user-access-controls', byId, (services, { id }) =>
    services.access.users.endSession(services, id),
  ),
  'token.create': operation(
    'user-access-controls',
    z.strictObject({
      user: text,
      purpose: z.string().min(1).max(60),
      days: z.int().min(1).max(TOKEN_DAYS_MAX).default(90),
      rights: z.array(right).max(RIGHTS_MAX).default([]),
    }),
    (services, wanted) =>
      services.access.users.createToken(services, {
        ...wanted,
        rights: wanted.rights.map(rightOf),
      }),
  ),
  'account.show': query('own-account', nothing, async ({ caller }) => ({
    user: caller.user,
    group: caller.group,
    vaults: caller.vaults === 'all' ? 'all' : [...caller.vaults],
    rights: [...caller.rights],
  })),
  'account.password': operation(
    'own-account',
    z.strictObject({ current: password, password }),
    (services, wanted) =>
      services.access.users.changeOwnPassword(services, wanted.current, wanted.password),
  ),
};

/** Throws NOT_FOUND. */
function rightOf(name: string): Right {
  const found = rightNamed(name);
  if (found !== undefined) return found;
  throw new CapstanError('NOT_FOUND', { kind: 'right', name: JSON.stringify(name) });
}
