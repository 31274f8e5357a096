/**
 * What operations result in, for the description; an operation that is not here may give any JSON.
 *
 * A row may have more fields than its schema, never other ones: test/unit/api/results.test.ts has the compiler
 * compare.
 */
import { z } from 'zod';

const atMs = z.int().describe('milliseconds since 1970-01-01T00:00:00Z');
const bytes = z.int().describe('bytes');
const name = z.string();

const vault = z.object({ name, path: z.string(), createdAtMs: atMs });

const pool = z.object({
  name,
  vault: name,
  createdAtMs: atMs,
  retentionMs: z.int().optional(),
  encrypted: z.boolean(),
  locked: z.boolean(),
  quotaBytes: bytes.optional(),
});

const tape = z.object({
  name,
  pool: name,
  vault: name,
  labelType: z.string(),
  capacityBytes: bytes,
  generation: z.int(),
  payloadBytes: bytes,
  createdAtMs: atMs,
  writtenAtMs: atMs.optional(),
  mountedAtMs: atMs.optional(),
  dismountedAtMs: atMs.optional(),
  copiedFrom: name.optional(),
  owner: z.string(),
  userLocked: z.boolean(),
  keyId: z.string().optional(),
});

const generation = z.object({
  tape: name,
  generation: z.int(),
  atMs,
  payloadBytes: bytes,
  manifestDigest: z.string(),
  origin: name,
});

const drive = z.object({ name, host: name, device: name, serialNumber: z.string() });

const mount = z.object({
  id: z.int(),
  tape: name,
  drive: name,
  host: name,
  requestNumber: z.int().optional(),
  ring: z.boolean(),
  mountedAtMs: atMs,
  state: z.string(),
});

const request = z.object({
  host: name,
  requestNumber: z.int(),
  device: name.optional(),
  ring: z.boolean(),
  receivedAtMs: atMs,
  reason: z.string(),
});

const rule = z.object({
  id: z.int(),
  pool: name,
  targetPool: name,
  target: z.object({
    server: name,
    address: z.string(),
    port: z.int(),
    user: z.string(),
    hostKey: z.string(),
    transport: z.enum(['ssh2', 'openssh']),
  }),
});

const event = z.object({
  id: z.int(),
  atMs,
  severity: z.enum(['INFO', 'WARNING', 'ERROR', 'CRITICAL']),
  messageId: z.string(),
  address: z.string(),
  user: z.string(),
  program: z.string(),
  text: z.string(),
});

const statistics = z.object({ imageCount: z.int() });

const collected = z.object({ packsRemoved: z.int(), freedBytes: bytes, copiedBytes: bytes });

const verified = z.object({
  imageCount: z.int(),
  chunkCount: z.int(),
  bytesRead: bytes,
  damages: z.array(z.object({ place: z.string(), what: z.string() })).readonly(),
});

/** Rows by their kinds. */
export const ROWS = {
  vault,
  pool,
  tape,
  generation,
  drive,
  mount,
  request,
  rule,
  event,
  statistics,
  collected,
  verified,
} as const;

export const RESULTS: Readonly<Record<string, z.ZodType>> = {
  'vault.list': z.array(vault),
  'vault.show': vault.extend(statistics.shape),
  'vault.collect': collected,
  'pool.list': z.array(pool),
  'pool.show': pool.extend({ tapeCount: z.int(), payloadBytes: bytes }),
  'tape.list': z.array(tape),
  'tape.show': tape.extend({ generations: z.array(generation) }),
  'tape.verify': verified,
  'drive.list': z.array(drive.extend({ tape: name.optional() })),
  'drive.show': drive.extend({ tape: name.optional() }),
  'drive.create': drive,
  'mount.list': z.object({ mounts: z.array(mount), requests: z.array(request) }),
  'autocopy.create': rule,
  'autocopy.list': z.array(rule),
  'autocopy.show': rule,
  'events.list': z.array(event),
};
