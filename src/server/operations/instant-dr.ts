/** Operations on Instant DR: schemes, their runs, and the roles of their servers. */
import { z } from 'zod';
import { CapstanError } from '../../base/errors.ts';
import type { IdrSource } from '../../ports/catalog-instant-dr.ts';
import { GRACE_DAYS_MAX, SCHEDULES_MAX, schemeOf } from '../instant-dr-schemes.ts';
import { SCHEDULE_CHARS_MAX, TIME_ZONE_CHARS_MAX } from '../schedule.ts';
import { checkTarget, copyRate, copyTarget } from './copy-target.ts';
import { byName, found, nothing, operation, query } from './operation.ts';
import type { OperationTable } from './operation.ts';
import { text } from './subjects.ts';

const SOURCES_MAX = 256;
const RUNS_LISTED_MAX = 1000;

const source = z.strictObject({
  pool: text.optional(),
  targetPool: text.optional(),
  vault: text.optional(),
});

const settings = {
  sources: z.array(source).min(1, 'a scheme has a pool or a vault').max(SOURCES_MAX),
  schedules: z.array(z.string().max(SCHEDULE_CHARS_MAX)).max(SCHEDULES_MAX),
  timeZone: z.string().max(TIME_ZONE_CHARS_MAX),
  bytesPerSecond: copyRate,
  deletions: z.enum(['keep', 'delete']),
  deletionGraceDays: z.int().min(0).max(GRACE_DAYS_MAX),
};

const NEW_SCHEME = z.strictObject({
  name: text,
  role: z.enum(['source', 'standby']).default('source'),
  target: copyTarget,
  sources: settings.sources,
  schedules: settings.schedules.default([]),
  timeZone: settings.timeZone.default('UTC'),
  bytesPerSecond: settings.bytesPerSecond.optional(),
  deletions: settings.deletions.default('keep'),
  deletionGraceDays: settings.deletionGraceDays.default(0),
});

const CHANGED_SCHEME = z.strictObject({
  name: text,
  target: copyTarget.optional(),
  sources: settings.sources.optional(),
  schedules: settings.schedules.optional(),
  timeZone: settings.timeZone.optional(),
  bytesPerSecond: settings.bytesPerSecond.optional(),
  deletions: settings.deletions.optional(),
  deletionGraceDays: settings.deletionGraceDays.optional(),
  enabled: z.boolean().optional(),
});

export const INSTANT_DR_OPERATIONS: OperationTable = {
  'idr.list': query('instant-dr', nothing, ({ context }) => context.ports.catalog.listIdrSchemes()),
  'idr.show': query('instant-dr', byName, ({ context }, { name }) => schemeOf(context, name)),
  'idr.create': operation('instant-dr', NEW_SCHEME, async ({ context, instantDr }, scheme) => {
    checkTarget(context, scheme.target);
    return instantDr.createScheme({
      ...scheme,
      bytesPerSecond: scheme.bytesPerSecond ?? undefined,
      sources: sourcesOf(scheme.sources),
    });
  }),
  'idr.change': operation(
    'instant-dr',
    CHANGED_SCHEME,
    async ({ context, instantDr }, { name, ...change }) => {
      const { sources, bytesPerSecond, ...rest } = change;
      if (change.target !== undefined) checkTarget(context, change.target);
      return instantDr.changeScheme(name, {
        ...given(rest),
        ...(sources !== undefined && { sources: sourcesOf(sources) }),
        ...(bytesPerSecond !== undefined && { bytesPerSecond: bytesPerSecond ?? undefined }),
      });
    },
  ),
  'idr.delete': operation('instant-dr', byName, async ({ instantDr }, { name }) => {
    await instantDr.deleteScheme(name);
    return { name };
  }),
  'idr.dispatch': operation(
    'instant-dr',
    z.strictObject({ name: text, pool: text.optional() }),
    async ({ instantDr }, { name, pool }) =>
      (await instantDr.dispatch({ scheme: name, pool, cause: 'dispatch' }))[0],
  ),
  'idr.verify': operation(
    'instant-dr',
    z.strictObject({ name: text, pool: text.optional() }),
    async ({ instantDr }, { name, pool }) =>
      (await instantDr.dispatch({ scheme: name, pool, cause: 'dispatch', kind: 'verify' }))[0],
  ),
  'idr.cancel': operation('instant-dr', byName, ({ instantDr }, { name }) =>
    instantDr.cancel(name),
  ),
  'idr.status': query(
    'instant-dr',
    z.strictObject({ name: text.optional() }),
    ({ instantDr }, { name }) => instantDr.status(name),
  ),
  'idr.runs': query(
    'instant-dr',
    z.strictObject({
      scheme: text.optional(),
      limit: z.int().min(1).max(RUNS_LISTED_MAX).default(20),
    }),
    async ({ context }, { scheme, limit }) => {
      const { catalog } = context.ports;
      if (scheme !== undefined) await schemeOf(context, scheme);
      const runs = await catalog.listIdrRuns({ limit, ...(scheme !== undefined && { scheme }) });
      return Promise.all(
        runs.map(async (run) => ({ ...run, counts: await catalog.countIdrResults(run.id) })),
      );
    },
  ),
  'idr.report': query(
    'instant-dr',
    z.strictObject({ id: z.int().min(1) }),
    async ({ context }, { id }) => {
      const { catalog } = context.ports;
      const run = found('run of Instant DR', id, await catalog.findIdrRun(id));
      const counts = await catalog.countIdrResults(id);
      return { run, counts, results: await catalog.listIdrResults(id) };
    },
  ),
  'idr.swap': operation(
    'instant-dr',
    z.strictObject({ name: text, takeover: z.boolean().default(false) }),
    ({ roles }, { name, takeover }) => roles.swap(name, { takeover }),
  ),
};

/** Each names a pool, with the target's pool or the same name there, or a vault. */
function sourcesOf(sources: readonly z.infer<typeof source>[]): readonly IdrSource[] {
  return sources.map(({ pool, targetPool, vault }) => {
    if (pool !== undefined && vault === undefined) return { pool, targetPool: targetPool ?? pool };
    if (vault !== undefined && pool === undefined && targetPool === undefined) return { vault };
    throw new CapstanError('INVALID_ARGUMENT', {
      what: 'A source of the scheme',
      reason: 'it is a pool, with a target pool or without, or a vault',
    });
  });
}

type Given<Values> = { [Key in keyof Values]?: Exclude<Values[Key], undefined> };

/** The values that are there. */
function given<Values extends object>(values: Values): Given<Values> {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined),
  ) as Given<Values>;
}
