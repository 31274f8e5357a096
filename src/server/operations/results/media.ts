/** What operations on vaults, pools, tapes, drives, mounts and hosts result in. */
import { z } from 'zod';
import { METADATA_ITEM_NAMES } from '../../metadata.ts';
import {
  atMs,
  bytes,
  copyJob,
  copyTarget,
  count,
  drive,
  generation,
  lock,
  mount,
  name,
  named,
  pool,
  request,
  statistics,
  tape,
  vault,
  vaultUsage,
  verified,
} from './rows.ts';

const metadata = z.array(
  z.object({ item: z.enum(METADATA_ITEM_NAMES), value: z.string(), writable: z.boolean() }),
);
const driveState = drive.extend({ tape: name.optional() });

const shownPool = pool.extend({
  path: z.string(),
  retention: z.string(),
  tapeCount: count,
  erasedTapeCount: count,
  lockedTapeCount: count,
  mountedTapeCount: count,
  payloadBytes: bytes,
  capacityBytes: bytes,
  autoCopy: z.array(z.string()),
  instantDr: z.array(z.string()),
  processLocks: z.array(z.string()),
});

const shownTape = tape.extend({
  path: z.string(),
  state: z.string(),
  usedShare: z.string(),
  retention: z.string(),
  encryption: z.string(),
  locks: z.array(z.string()),
  generations: z.array(generation),
  copies: z.array(copyJob),
});

const host = z.object({
  name,
  address: z.string(),
  state: z
    .enum(['disabled', 'stopped', 'connecting', 'logging-on', 'established', 'waiting'])
    .optional(),
  stateSinceAtMs: atMs.optional(),
  sessionCount: count.optional(),
  eventCount: count.optional(),
  lastEvent: z.string().optional(),
  lastFailure: z.string().optional(),
  driveCount: count,
  waitingRequestCount: count,
});

const shownHost = host.extend({
  user: z.string(),
  collector: z.string(),
  filter: z.string().optional(),
  drives: z.array(z.string()),
  parameters: z.object({
    enabled: z.boolean(),
    keepAliveMs: z.number(),
    notifyWaitTimeoutMs: z.number(),
    notifyLogoutTimeoutMs: z.number(),
    responseTimeoutMs: z.number(),
    vaults: z.array(name).optional(),
    mountDelayMs: z.number(),
    resetDevices: z.union([z.literal('ALL'), z.array(name)]),
  }),
});

/** A vault, and what is to be told of the locks on its file system. */
const sharedVault = vault.extend({ warning: z.string().optional() });

/** Another server of shared vaults. */
const peer = copyTarget.extend({ clientKey: z.string().optional() });

export const MEDIA_RESULTS: Readonly<Record<string, z.ZodType>> = {
  'vault.create': sharedVault,
  'vault.rename': vault,
  'vault.delete': vault,
  'vault.open': vault,
  'vault.list': z.array(vaultUsage),
  'vault.show': vaultUsage.extend(statistics.partial().shape),
  'vault.collect': z.object({
    name,
    packsRemoved: count,
    freedBytes: bytes,
    copiedBytes: bytes,
  }),
  'vault.share': sharedVault,
  'vault.join': sharedVault,
  'vault.leave': vault,
  'isc.add': peer,
  'isc.remove': z.object({ server: name }),
  'isc.list': z.array(
    peer.extend({ state: z.string(), keeps: z.array(name), mounted: z.array(name) }),
  ),
  'pool.create': pool,
  'pool.modify': pool,
  'pool.lock': pool,
  'pool.unlock': pool,
  'pool.rename': pool,
  'pool.move': pool,
  'pool.delete': z.object({ name, vault: name }),
  'pool.list': z.array(pool.extend({ tapeCount: count, payloadBytes: bytes })),
  'pool.show': shownPool,
  'tape.create': tape,
  'tape.create-range': z.object({
    first: name,
    last: name,
    pool: name,
    createdCount: count,
    skippedCount: count,
  }),
  'tape.rename': tape,
  'tape.move': tape,
  'tape.erase': tape,
  'tape.lock': tape,
  'tape.unlock': tape,
  'tape.list': z.array(tape),
  'tape.show': shownTape,
  'tape.metadata': metadata,
  'tape.set-metadata': metadata,
  'tape.delete': z.object({ name, pool: name }),
  'tape.verify': verified,
  'tape.repair': verified.extend({
    damagedChunkCount: count,
    healedChunkCount: count,
    lackingChunkCount: count,
  }),
  'drive.create': drive,
  'drive.list': z.array(driveState),
  'drive.show': driveState,
  'drive.delete': named,
  'mount.list': z.object({ mounts: z.array(mount), requests: z.array(request) }),
  'mount.create': mount,
  'mount.end': mount.extend({
    lostObjectCount: z.int().min(1).optional().describe('written, and lost for want of room'),
  }),
  'mount.drop': request,
  'lock.list': z.array(lock),
  'lock.remove': lock,
  'host.list': z.array(host),
  'host.show': shownHost,
  'host.restart': z.object({ hosts: z.array(name) }),
};
