/** Instant DR's schemes: what they synchronise, and what an operator may say of them. */
import { CapstanError } from '../base/errors.ts';
import { checkName } from '../base/names.ts';
import type { CopyTarget } from '../ports/catalog.ts';
import type { IdrRole, IdrSchemeRow, IdrSource } from '../ports/catalog-instant-dr.ts';
import { SCHEME_POOL_COUNT_MAX } from '../replication/frame.ts';
import type { ServerContext } from './context.ts';
import { refuseSamePlace } from './same-place.ts';
import { checkTimeZone, parseSchedule } from './schedule.ts';

export const SCHEDULES_MAX = 16;
export const GRACE_DAYS_MAX = 3650;

/** A pool here and the pool on the target that its copies lie in. */
export interface PoolPair {
  readonly pool: string;
  readonly targetPool: string;
}

/** What an operator says of a scheme. */
export interface SchemeParameters {
  readonly name: string;
  readonly role: Exclude<IdrRole, 'handing-over'>;
  readonly target: CopyTarget;
  readonly sources: readonly IdrSource[];
  readonly schedules: readonly string[];
  readonly timeZone: string;
  readonly bytesPerSecond: number | undefined;
  readonly deletions: IdrSchemeRow['deletions'];
  readonly deletionGraceDays: number;
}

/** The pools that sources stand for now, by name. Rejects NOT_FOUND where a pool or vault is not there. */
export async function poolsOf(
  context: ServerContext,
  sources: readonly IdrSource[],
): Promise<readonly PoolPair[]> {
  const { catalog } = context.ports;
  const pools = await catalog.listPools();
  const vaults = await catalog.listVaults();
  const pairs = new Map<string, PoolPair>();
  for (const source of sources) {
    if ('pool' in source) {
      if (!pools.some(({ name }) => name === source.pool)) throw missing('pool', source.pool);
      pairs.set(source.pool, source);
      continue;
    }
    if (!vaults.some(({ name }) => name === source.vault)) throw missing('vault', source.vault);
    for (const { name, vault } of pools) {
      if (vault === source.vault && !pairs.has(name))
        pairs.set(name, { pool: name, targetPool: name });
    }
  }
  return [...pairs.values()].toSorted((a, b) => (a.pool < b.pool ? -1 : 1));
}

const missing = (kind: 'pool' | 'vault', name: string): CapstanError =>
  new CapstanError('NOT_FOUND', { kind, name });

/** Rejects NAME_INVALID, NOT_FOUND, INVALID_ARGUMENT for what no scheme may be. */
export async function checkScheme(
  context: ServerContext,
  parameters: SchemeParameters,
): Promise<void> {
  const { name, role, sources, schedules, timeZone } = parameters;
  checkName('scheme', name);
  checkTimeZone(timeZone);
  for (const schedule of schedules) parseSchedule(schedule, timeZone);
  for (const source of sources) {
    if ('vault' in source) checkName('vault', source.vault);
    else {
      checkName('pool', source.pool);
      checkName('pool', source.targetPool);
    }
  }
  // A standby's pools come with the first copy.
  if (role !== 'source') return;
  const pools = await poolsOf(context, sources);
  await refuseSamePlace(context, parameters.target.server, pools);
  const targets = new Set(pools.map(({ targetPool }) => targetPool));
  const refuse = (reason: string): CapstanError =>
    new CapstanError('INVALID_ARGUMENT', { what: `The scheme ${name}`, reason });
  if (targets.size < pools.length) throw refuse('two of its pools have one target pool');
  if (pools.length > SCHEME_POOL_COUNT_MAX) {
    throw refuse(`it has over ${SCHEME_POOL_COUNT_MAX} pools`);
  }
}

/** The next occurrence of a scheme's schedules after `afterMs`, if any. */
export function nextOccurrenceMs(scheme: IdrSchemeRow, afterMs: number): number | undefined {
  const times = scheme.schedules
    .map((text) => parseSchedule(text, scheme.timeZone).nextMs(afterMs))
    .filter((ms) => ms !== undefined);
  return times.length === 0 ? undefined : Math.min(...times);
}

/** The scheme of that name. Rejects NAME_INVALID, NOT_FOUND. */
export async function schemeOf(context: ServerContext, name: string): Promise<IdrSchemeRow> {
  checkName('scheme', name);
  const schemes = await context.ports.catalog.listIdrSchemes();
  const scheme = schemes.find((each) => each.name === name);
  if (scheme === undefined) throw new CapstanError('NOT_FOUND', { kind: 'scheme', name });
  return scheme;
}
