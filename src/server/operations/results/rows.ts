/**
 * Rows that results of operations consist of, as schemas for the API's description.
 *
 * A row has no other fields than its schema; test/unit/server/results.test.ts holds every operation's
 * result against it.
 */
import { z } from 'zod';

export const atMs = z.int().describe('milliseconds since 1970-01-01T00:00:00Z');
export const bytes = z.int().describe('bytes');
export const count = z.int().min(0);
export const name = z.string();
export const named = z.object({ name });

export const vault = z.object({
  name,
  path: z.string(),
  createdAtMs: atMs,
  sharedId: z.string().optional(),
});

export const vaultUsage = vault.extend({
  state: z.string().describe('`open`, or why it is not'),
  poolCount: count,
  tapeCount: count,
  payloadBytes: bytes,
  fileSystem: z.string().optional(),
  totalBytes: bytes.optional(),
  freeBytes: bytes.optional(),
});

export const statistics = z.object({
  imageCount: count,
  packCount: count,
  chunkCount: count,
  uniqueBytes: bytes,
  storedBytes: bytes,
  appendedBytes: bytes,
  newChunkBytes: bytes,
});

export const pool = z.object({
  name,
  vault: name,
  createdAtMs: atMs,
  retentionMs: z.int().optional(),
  encrypted: z.boolean(),
  locked: z.boolean(),
  quotaBytes: bytes.optional(),
});

export const tape = z.object({
  name,
  pool: name,
  vault: name,
  labelType: z.enum(['ansi', 'ibm', 'backup', 'unlabelled']),
  capacityBytes: bytes,
  generation: count,
  payloadBytes: bytes,
  createdAtMs: atMs,
  writtenAtMs: atMs.optional(),
  mountedAtMs: atMs.optional(),
  dismountedAtMs: atMs.optional(),
  copiedFrom: name.optional(),
  owner: z.string(),
  updatedAtMs: atMs.optional(),
  erasedAtMs: atMs.optional(),
  exportedAtMs: atMs.optional(),
  importedAtMs: atMs.optional(),
  migratedAtMs: atMs.optional(),
  migratedBy: z.enum(['vts', 'other']).optional(),
  restoredAtMs: atMs.optional(),
  userLocked: z.boolean(),
  autoloadLocked: z.boolean(),
  keyId: z.string().optional(),
});

export const generation = z.object({
  tape: name,
  generation: count,
  atMs,
  payloadBytes: bytes,
  manifestDigest: z.string(),
  origin: name,
});

export const verified = z.object({
  imageCount: count,
  chunkCount: count,
  bytesRead: bytes,
  damages: z.array(z.object({ place: z.string(), what: z.string() })),
});

export const drive = z.object({ name, host: name, device: name, serialNumber: z.string() });

export const mount = z.object({
  id: z.int(),
  tape: name,
  drive: name,
  host: name,
  requestNumber: z.int().optional(),
  ring: z.boolean(),
  mountedAtMs: atMs,
  dismountedAtMs: atMs.optional(),
  state: z.enum(['open', 'dismounted', 'interrupted']),
});

export const request = z.object({
  host: name,
  requestNumber: z.int(),
  tape: name,
  device: name.optional(),
  ring: z.boolean(),
  receivedAtMs: atMs,
  reason: z.string(),
});

/** Of a tape or of a pool. */
export const lock = z.object({
  tape: name.optional(),
  pool: name.optional(),
  process: z.string(),
  sinceMs: atMs,
  reason: z.string(),
});

export const copyTarget = z.object({
  server: name,
  address: z.string(),
  port: z.int(),
  user: z.string(),
  hostKey: z.string(),
  transport: z.enum(['ssh2', 'openssh']),
});

export const copyJob = z.object({
  tape: name,
  ruleId: z.int(),
  generation: count,
  state: z.enum(['due', 'copied', 'failed', 'cancelled']),
  attempts: count,
  queuedAtMs: atMs,
  nextAttemptAtMs: atMs,
  copiedGeneration: count.optional(),
  lastError: z.string().optional(),
  bytesSent: bytes,
});

export const event = z.object({
  id: z.int(),
  atMs,
  severity: z.enum(['INFO', 'WARNING', 'ERROR', 'CRITICAL']),
  messageId: z.string(),
  address: z.string(),
  user: z.string(),
  program: z.string(),
  text: z.string(),
});
