/** What operations on the server, its event log, users and licences result in. */
import { z } from 'zod';
import { DEBUG_AREAS, DEBUG_LEVELS } from '../../debug-log.ts';
import { FEATURES } from '../../licence-keys.ts';
import type { Feature } from '../../licence-keys.ts';
import { PROFILE_NAMES } from '../../profiles.ts';
import { ALL_RIGHTS, GROUPS } from '../../rights.ts';
import { atMs, bytes, count, event, name, named } from './rows.ts';

const right = z.enum(ALL_RIGHTS);
const rights = z.array(right);
const vaults = z.union([z.literal('all'), z.array(name)]);
const debug = z.object({ level: z.enum(DEBUG_LEVELS), areas: z.array(z.enum(DEBUG_AREAS)) });

const status = z.object({
  name,
  profile: z.enum(PROFILE_NAMES),
  systemId: z.string(),
  /** 'not running': a command looks at the home while no server runs on it. */
  state: z.enum(['running', 'not running']),
  hosts: z.array(name),
  vaultCount: count,
  /** `VAULT05: kept by east`, and those that could not be opened. */
  vaultsNotOpenHere: z.array(z.string()),
  tapeCount: count,
  openMountCount: count,
  waitingRequestCount: count,
  dueCopyCount: count,
  failedCopyCount: count,
  copiesUnderWay: z.array(
    z.object({
      tape: name,
      target: name,
      bytesSent: bytes,
      chunksSent: count,
      chunksNeeded: count,
    }),
  ),
});

const user = z.object({
  name,
  group: z.string(),
  state: z.enum(['on', 'off', 'locked', 'no password']),
  vaults,
  createdAtMs: atMs.optional(),
  passwordSetAtMs: atMs.optional(),
  loggedOnAtMs: atMs.optional(),
  lockedUntilAtMs: atMs.optional(),
  rights,
});

const overview = z.object({
  mode: z.enum(['open', 'closed']),
  failuresMax: z.number(),
  lockOutMinutes: z.number(),
  sessionMinutes: z.number(),
  idleMinutes: z.number(),
  rights: z.array(z.object({ right, name: z.string(), groups: z.array(z.enum(GROUPS)) })),
});

const session = z.object({
  id: z.int(),
  user: name,
  kind: z.enum(['session', 'token']),
  purpose: z.string(),
  rights: z.string().describe('what it is confined to, comma between; empty for all of its user'),
  address: z.string(),
  createdAtMs: atMs,
  usedAtMs: atMs,
  expiresAtMs: atMs,
});

const licence = z.object({
  number: z.string(),
  state: z.enum(['valid', 'expired', 'for another server', 'not readable']),
  holder: z.string(),
  features: z.array(z.enum(Object.keys(FEATURES) as [Feature])),
  capacityBytes: bytes.optional(),
  server: z.string(),
  addedAtMs: atMs.optional(),
  expiresAtMs: atMs.optional(),
});

const groupRights = z.object({ group: z.string(), rights });
const userRights = z.object({ user: name, rights });

export const SERVER_RESULTS: Readonly<Record<string, z.ZodType>> = {
  'server.status': status,
  'server.metrics': z.string(),
  'server.debug': debug,
  'server.set-debug': debug,
  'events.list': z.array(event),
  'access.show': overview,
  'access.grant': groupRights,
  'access.revoke': groupRights,
  'access.restore': overview,
  'user.list': z.array(user),
  'user.show': user,
  'user.create': user,
  'user.set': user,
  'user.password': user,
  'user.unlock': user,
  'user.delete': named,
  'user.grant': userRights,
  'user.revoke': userRights,
  'session.list': z.array(session),
  'session.end': session,
  'token.create': session.extend({ token: z.string() }),
  'account.show': z.object({ user: name, group: z.string(), vaults, rights }),
  'account.password': user,
  'licence.list': z.array(licence),
  'licence.add': licence,
  'licence.remove': z.object({ number: z.string() }),
};
