/** What operations on AutoCopy, Instant DR, VTSPolicy and Scan/Cleanup result in. */
import { z } from 'zod';
import { COPY_STATES } from '../../autocopy-status.ts';
import { atMs, bytes, copyJob, copyTarget, count, name, named } from './rows.ts';

const rule = z.object({
  id: z.int(),
  pool: name,
  target: copyTarget,
  targetPool: name,
  bytesPerSecond: z.number().optional(),
});
const copies = z.array(z.object({ tape: name, server: name }));

const copyStatus = z.object({
  tape: name,
  pool: name,
  ruleId: z.int(),
  server: name,
  targetPool: name,
  state: z.enum(COPY_STATES),
  generation: count,
  copiedGeneration: count.optional(),
  payloadBytes: bytes,
  bytesSent: bytes,
  percent: z.number().optional(),
  attempt: count,
  attemptsMax: count,
  nextAttemptAtMs: atMs.optional(),
  lastError: z.string().optional(),
});

const scheme = z.object({
  name,
  role: z.enum(['source', 'standby', 'handing-over']),
  target: copyTarget,
  sources: z.array(
    z.union([z.object({ pool: name, targetPool: name }), z.object({ vault: name })]),
  ),
  schedules: z.array(z.string()),
  timeZone: z.string(),
  bytesPerSecond: z.number().optional(),
  deletions: z.enum(['keep', 'delete']),
  deletionGraceDays: count,
  enabled: z.boolean(),
  createdAtMs: atMs,
  answeredAtMs: atMs,
});

const run = z.object({
  id: z.int(),
  scheme: name,
  kind: z.enum(['synchronise', 'verify']),
  cause: z.enum(['schedule', 'dispatch', 'policy', 'swap']),
  pool: name.optional(),
  state: z.enum(['running', 'done', 'failed', 'cancelled']),
  startedAtMs: atMs,
  endedAtMs: atMs.optional(),
  attempts: count,
  nextAttemptAtMs: atMs,
  reason: z.string().optional(),
});

const OUTCOMES = ['copied', 'unchanged', 'skipped', 'failed', 'deleted'] as const;
const counts = z.object({
  copied: count,
  unchanged: count,
  skipped: count,
  failed: count,
  deleted: count,
  bytesSent: bytes,
});
const result = z.object({
  runId: z.int(),
  tape: name,
  outcome: z.enum(OUTCOMES),
  generation: count.optional(),
  reason: z.string().optional(),
  bytesSent: bytes,
  atMs,
});
const schemeStatus = z.object({
  scheme,
  nextAtMs: atMs.optional(),
  run: run.optional(),
  counts: counts.optional(),
  progress: z.object({ tapeCount: count, doneCount: count, copying: z.array(name) }).optional(),
});

const policyRun = z.object({
  id: z.int(),
  host: name,
  localTimeMs: z.int(),
  text: z.string(),
  startedAtMs: atMs,
  endedAtMs: atMs.optional(),
  state: z.enum(['running', 'done', 'failed', 'refused', 'interrupted']),
  outcome: z.string(),
});
const policyReport = z.object({
  text: z.string(),
  state: z.enum(['done', 'failed', 'refused', 'ignored']),
  outcome: z.string(),
  answers: z.array(
    z.object({
      subject: z.string(),
      outcome: z.enum([
        'erased',
        'deleted',
        'migrated',
        'unchanged',
        'dispatched',
        'left',
        'queued',
        'failed',
      ]),
      reason: z.string().optional(),
    }),
  ),
});

const cleanupTable = z.object({
  enable: z.boolean(),
  autoerase: z.boolean(),
  scannedAtMs: atMs.optional(),
  scannedBy: z.string().optional(),
  nextScanAtMs: atMs.optional(),
  tapes: z.array(
    z.object({
      pool: name,
      tape: name,
      erasedAtMs: atMs.optional(),
      writtenAtMs: atMs.optional(),
      retainedUntilMs: atMs.optional(),
      retentionMs: z.int().optional(),
      migratedAtMs: atMs.optional(),
      migrated: z.enum(['by VTS', 'not by VTS', 'n/a']),
      sizeBytes: bytes,
      erase: z.boolean(),
      reason: z.string(),
    }),
  ),
});

export const COPY_RESULTS: Readonly<Record<string, z.ZodType>> = {
  'autocopy.create': rule,
  'autocopy.list': z.array(rule),
  'autocopy.show': rule,
  'autocopy.change': rule,
  'autocopy.delete': z.object({ id: z.int() }),
  'autocopy.repeat': z.object({ name, targets: z.array(name) }),
  'autocopy.retry': copies,
  'autocopy.cancel': copies,
  'autocopy.status': z.object({
    tapes: z.array(copyStatus),
    summary: z.array(
      z.object({ state: z.enum(COPY_STATES), tapeCount: count, payloadBytes: bytes }),
    ),
  }),
  'autocopy.queue': z.array(copyJob),
  'idr.list': z.array(scheme),
  'idr.show': scheme,
  'idr.create': scheme,
  'idr.change': scheme,
  'idr.delete': named,
  'idr.dispatch': run,
  'idr.verify': run,
  'idr.cancel': run,
  'idr.status': z.array(schemeStatus),
  'idr.runs': z.array(run.extend({ counts })),
  'idr.report': z.object({ run, counts, results: z.array(result) }),
  'idr.swap': scheme,
  'policy.run': policyReport,
  'policy.list': z.array(policyRun),
  'cleanup.scan': cleanupTable,
  'cleanup.show': cleanupTable,
  'cleanup.authorize': cleanupTable,
  'cleanup.forbid': cleanupTable,
  'cleanup.reset': cleanupTable,
  'cleanup.erase': z.object({
    list: z.string().optional(),
    erased: z.array(name),
    failed: z.array(z.object({ tape: name, reason: z.string() })),
  }),
};
