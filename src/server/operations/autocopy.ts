/** Operations on AutoCopy's rules and its queue. */
import { z } from 'zod';
import { CapstanError } from '../../base/errors.ts';
import { checkName } from '../../base/names.ts';
import type { CopyRuleRow } from '../../ports/catalog.ts';
import type { ServerContext } from '../context.ts';
import { tapeOf } from '../tapes.ts';
import { byId, byName, byNameOf, found, nothing, operation, query, text } from './operation.ts';
import type { OperationContext, OperationTable } from './operation.ts';

const target = z.strictObject({
  server: text,
  address: z
    .string()
    .max(255)
    .regex(/^[A-Za-z0-9:[][A-Za-z0-9.:%[\]-]*$/, 'it is no address'),
  port: z.int().min(1).max(65_535),
  user: z
    .string()
    .max(32)
    .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/, 'it is no user name'),
  hostKey: z
    .string()
    .max(100)
    .regex(/^SHA256:\S+$/, "it is no fingerprint like 'SHA256:…'"),
  transport: z.enum(['ssh2', 'openssh']),
});

export const AUTOCOPY_OPERATIONS: OperationTable = {
  'autocopy.create': operation(
    'manage-configuration',
    z.strictObject({ pool: text, target, targetPool: text }),
    async ({ context }, rule) => {
      await context.licences.require('autocopy');
      checkName('pool', rule.targetPool);
      checkName('server', rule.target.server);
      await byNameOf('pool', rule.pool, context.ports.catalog.listPools());
      if (rule.target.server === context.settings.serverName) {
        throw new CapstanError('INVALID_ARGUMENT', {
          what: `The target ${rule.target.server}`,
          reason: 'a server does not copy tapes to itself',
        });
      }
      return context.ports.catalog.createCopyRule(rule);
    },
  ),
  'autocopy.list': query('view-configuration', nothing, ({ context }) =>
    context.ports.catalog.listCopyRules(),
  ),
  'autocopy.show': query('view-configuration', byId, ({ context }, { id }) => ruleOf(context, id)),
  'autocopy.delete': operation(
    'manage-configuration',
    byId,
    async ({ context, autocopy }, { id }) => {
      await ruleOf(context, id);
      await context.ports.catalog.deleteCopyRule(id);
      autocopy.endCopies((copy) => copy.ruleId === id);
      return { id };
    },
  ),
  'autocopy.repeat': operation('virtual-tape-operations', byName, repeatCopies),
  'autocopy.status': query('view-system-status', nothing, ({ context }) =>
    context.ports.catalog.listCopyJobs(),
  ),
};

/** Has a tape copied again wherever its pool is copied to, whether or not it was: what is damaged there heals. */
async function repeatCopies(
  { context, autocopy }: OperationContext,
  { name }: { readonly name: string },
): Promise<{ readonly name: string; readonly targets: readonly string[] }> {
  const { catalog, clock } = context.ports;
  const tape = await tapeOf(context, name);
  const rules = await catalog.listCopyRules(tape.pool);
  if (rules.length === 0) {
    throw new CapstanError('NOT_FOUND', { kind: 'pool with an AutoCopy rule', name: tape.pool });
  }
  const jobs = (await catalog.listCopyJobs()).filter((job) => job.tape === name);
  for (const { id: ruleId } of rules) {
    const atMs = clock.nowMs();
    await catalog.putCopyJob({
      tape: name,
      ruleId,
      generation: tape.generation,
      state: 'due',
      attempts: 0,
      queuedAtMs: atMs,
      nextAttemptAtMs: atMs,
      copiedGeneration: jobs.find((job) => job.ruleId === ruleId)?.copiedGeneration,
      lastError: undefined,
      bytesSent: 0,
    });
  }
  if (context.settings.offline !== true) autocopy.wake();
  return { name, targets: rules.map((rule) => rule.target.server) };
}

async function ruleOf(context: ServerContext, id: number): Promise<CopyRuleRow> {
  const rules = await context.ports.catalog.listCopyRules();
  return found(
    'AutoCopy rule',
    id,
    rules.find((rule) => rule.id === id),
  );
}
