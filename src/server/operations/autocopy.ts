/** Operations on AutoCopy's rules and its queue. */
import { z } from 'zod';
import { CapstanError } from '../../base/errors.ts';
import { checkName } from '../../base/names.ts';
import type { CopyJobRow, CopyRuleRow } from '../../ports/catalog.ts';
import { autoCopyStatus } from '../autocopy-status.ts';
import type { ServerContext } from '../context.ts';
import { queueCopies } from '../copy-queue.ts';
import { refuseSamePlace } from '../same-place.ts';
import { tapeOf } from '../tapes.ts';
import { checkTarget, copyRate, copyTarget } from './copy-target.ts';
import { byNameOf, byTape, found, nothing, operation, query } from './operation.ts';
import type { OperationContext, OperationTable } from './operation.ts';
import { copyRuleId, poolName, tapeName, text } from './subjects.ts';

const byRule = z.strictObject({ id: copyRuleId });
const chosen = z.strictObject({ name: tapeName.optional(), server: text.optional() });
type Chosen = z.infer<typeof chosen>;

export const AUTOCOPY_OPERATIONS: OperationTable = {
  'autocopy.create': operation(
    'manage-configuration',
    z.strictObject({
      pool: poolName,
      target: copyTarget,
      targetPool: text,
      bytesPerSecond: copyRate.optional(),
    }),
    async ({ context }, { pool, target, targetPool, bytesPerSecond }) => {
      await context.licences.require('autocopy');
      checkName('pool', targetPool);
      await byNameOf('pool', pool, context.ports.catalog.listPools());
      checkTarget(context, target);
      await refuseSamePlace(context, target.server, [{ pool, targetPool }]);
      return context.ports.catalog.createCopyRule({
        pool,
        target,
        targetPool,
        bytesPerSecond: bytesPerSecond ?? undefined,
      });
    },
  ),
  'autocopy.list': query('view-configuration', nothing, ({ context }) =>
    context.ports.catalog.listCopyRules(),
  ),
  'autocopy.show': query('view-configuration', byRule, ({ context }, { id }) =>
    ruleOf(context, id),
  ),
  'autocopy.change': operation(
    'manage-configuration',
    z.strictObject({ id: copyRuleId, bytesPerSecond: copyRate }),
    async ({ context }, { id, bytesPerSecond }) =>
      context.ports.catalog.setCopyRuleBandwidth(id, bytesPerSecond ?? undefined),
  ),
  'autocopy.delete': operation(
    'manage-configuration',
    byRule,
    async ({ context, autocopy }, { id }) => {
      await ruleOf(context, id);
      await context.ports.catalog.deleteCopyRule(id);
      autocopy.endCopies((copy) => copy.ruleId === id);
      return { id };
    },
  ),
  'autocopy.repeat': operation('virtual-tape-operations', byTape, repeatCopies),
  'autocopy.retry': operation('virtual-tape-operations', chosen, retryCopies),
  'autocopy.cancel': operation('virtual-tape-operations', chosen, cancelCopies),
  'autocopy.status': query(
    'view-system-status',
    z.strictObject({ pool: poolName.optional(), server: text.optional() }),
    async (services, filter) => {
      const { pool } = filter;
      const { catalog } = services.context.ports;
      if (pool !== undefined) await byNameOf('pool', pool, catalog.listPools());
      return autoCopyStatus(services, filter);
    },
  ),
  'autocopy.queue': query('view-system-status', nothing, ({ context }) =>
    context.ports.catalog.listCopyJobs(),
  ),
};

/** Has a tape copied again wherever its pool is copied to, whether or not it was: what is damaged there heals. */
async function repeatCopies(
  { context, autocopy }: OperationContext,
  { name }: { readonly name: string },
): Promise<{ readonly name: string; readonly targets: readonly string[] }> {
  const tape = await tapeOf(context, name);
  const rules = await queueCopies(context, tape);
  if (rules.length === 0) {
    throw new CapstanError('NOT_FOUND', { kind: 'pool with an AutoCopy rule', name: tape.pool });
  }
  if (context.settings.offline !== true) autocopy.wake();
  return { name, targets: rules.map((rule) => rule.target.server) };
}

interface CopyOfTape {
  readonly tape: string;
  readonly server: string;
}

/** Copies that failed, were cancelled, or wait for their next attempt are due now, from attempt 1. */
async function retryCopies(
  { context, autocopy }: OperationContext,
  which: Chosen,
): Promise<readonly CopyOfTape[]> {
  const { catalog, clock } = context.ports;
  const nowMs = clock.nowMs();
  const retried = await chooseJobs(context, 'retry', which, (job) => {
    // Without a name: what failed or waits; a copy that an operator cancelled is named to be retried.
    if (job.state === 'cancelled') return which.name !== undefined;
    return job.state === 'failed' || (job.state === 'due' && job.nextAttemptAtMs > nowMs);
  });
  for (const { job } of retried) {
    const { generation } = await tapeOf(context, job.tape);
    const anew = { state: 'due', attempts: 0, queuedAtMs: nowMs, nextAttemptAtMs: nowMs } as const;
    await catalog.putCopyJob({ ...job, ...anew, generation });
  }
  if (context.settings.offline !== true) autocopy.wake();
  return retried.map(({ job, rule }) => ({ tape: job.tape, server: rule.target.server }));
}

/** Copies that are due are not owed any more, until the next dismount; one under way ends. */
async function cancelCopies(
  { context, autocopy }: OperationContext,
  which: Chosen,
): Promise<readonly CopyOfTape[]> {
  const { catalog } = context.ports;
  const cancelled = await chooseJobs(context, 'cancel', which, (job) => job.state === 'due');
  for (const { job, rule } of cancelled) {
    const { tape, ruleId } = job;
    const target = rule.target.server;
    const end = (): unknown =>
      autocopy.endCopies((copy) => copy.tape === tape && copy.ruleId === ruleId);
    // Before, so that it cannot record its end in place of this; and after, if it began anew meanwhile.
    end();
    const entry = context.eventLog.entry('COPY_CANCELLED', { tape, target });
    const row = await catalog.putCopyJob({ ...job, state: 'cancelled' }, entry);
    end();
    if (row !== undefined) context.emit({ kind: 'event-logged', row });
  }
  return cancelled.map(({ job, rule }) => ({ tape: job.tape, server: rule.target.server }));
}

/** Rejects NOT_FOUND where a tape or server is named and nothing of it is chosen. */
async function chooseJobs(
  context: ServerContext,
  verb: 'retry' | 'cancel',
  { name, server }: Chosen,
  isMeant: (job: CopyJobRow) => boolean,
): Promise<readonly { readonly job: CopyJobRow; readonly rule: CopyRuleRow }[]> {
  const { catalog } = context.ports;
  if (name !== undefined) await tapeOf(context, name);
  const rules = new Map((await catalog.listCopyRules()).map((rule) => [rule.id, rule]));
  const jobs = (await catalog.listCopyJobs()).flatMap((job) => {
    const rule = rules.get(job.ruleId);
    if (rule === undefined || !isMeant(job)) return [];
    if (name !== undefined && job.tape !== name) return [];
    return server !== undefined && rule.target.server !== server ? [] : [{ job, rule }];
  });
  if (jobs.length === 0 && (name ?? server) !== undefined) {
    const kind = `copy to ${verb}`;
    throw new CapstanError('NOT_FOUND', { kind, name: name ?? server ?? '' });
  }
  return jobs;
}

async function ruleOf(context: ServerContext, id: number): Promise<CopyRuleRow> {
  const rules = await context.ports.catalog.listCopyRules();
  return found(
    'AutoCopy rule',
    id,
    rules.find((rule) => rule.id === id),
  );
}
