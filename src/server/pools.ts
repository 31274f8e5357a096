/** What an operator does with pools: makes, changes, renames, moves and deletes them, and looks at them. */
import { CapstanError } from '../base/errors.ts';
import { checkName } from '../base/names.ts';
import type { NewPool, PoolRow } from '../ports/catalog.ts';
import type { PoolChanges } from '../ports/catalog-media.ts';
import type { ServerContext } from './context.ts';
import { formatRetention } from './retention.ts';
import { refuseShared } from './pending-moves.ts';
import { moveContent } from './tape-moves.ts';
import { isErased } from './tape-state.ts';
import { poolOf } from './tapes.ts';
import type { TapeServices } from './tapes.ts';

/** A pool is designated: Data Encryption needs its licence. */
async function refuseUnlicensed(context: ServerContext, changes: PoolChanges): Promise<void> {
  if (changes.encrypted === true) await context.licences.require('encryption');
}

/** Rejects NAME_INVALID, NOT_FOUND (the vault), ALREADY_EXISTS, LICENCE_MISSING. */
export async function createPool(
  { context }: TapeServices,
  parameters: Omit<NewPool, 'createdAtMs'>,
): Promise<PoolRow> {
  const { catalog, clock } = context.ports;
  checkName('pool', parameters.name);
  checkName('vault', parameters.vault);
  await refuseUnlicensed(context, parameters);
  const row = await context.decisions.run(() =>
    catalog.createPool({ ...parameters, createdAtMs: clock.nowMs() }),
  );
  await context.eventLog.log('POOL_CREATED', { pool: row.name, vault: row.vault });
  return row;
}

/** What changed of a pool, for its event. */
function changesText(changes: PoolChanges): string {
  return Object.entries({
    ...('retentionMs' in changes && { retention: formatRetention(changes.retentionMs) }),
    ...('encrypted' in changes && { encrypted: changes.encrypted ? 'yes' : 'no' }),
    ...('locked' in changes && { locked: changes.locked ? 'yes' : 'no' }),
    ...('quotaBytes' in changes && { quota: quotaText(changes.quotaBytes) }),
  })
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}

const quotaText = (bytes: number | undefined): string =>
  bytes === undefined ? 'none' : `${bytes} bytes`;

/** Sets what is given; INVALID_ARGUMENT where nothing is. */
export async function changePool(
  { context }: TapeServices,
  name: string,
  changes: PoolChanges,
): Promise<PoolRow> {
  if (Object.keys(changes).length === 0) {
    const reason = 'nothing is named that is to change';
    throw new CapstanError('INVALID_ARGUMENT', { what: `The change of pool ${name}`, reason });
  }
  await refuseUnlicensed(context, changes);
  const row = await context.decisions.run(async () => {
    await poolOf(context, name);
    return context.ports.catalog.updatePool(name, changes);
  });
  await context.eventLog.log('POOL_CHANGED', { pool: name, what: changesText(changes) });
  return row;
}

/** A scheme of Instant DR names its pools: it is changed first. */
async function refuseNamedByScheme(context: ServerContext, name: string): Promise<void> {
  const scheme = (await context.ports.catalog.listIdrSchemes()).find(({ sources }) =>
    sources.some((source) => 'pool' in source && source.pool === name),
  );
  if (scheme === undefined) return;
  const by = `the Instant DR scheme ${scheme.name} names it; change that first`;
  throw new CapstanError('IN_USE', { kind: 'pool', name, by });
}

/** Its tapes, its AutoCopy rules and its locks go with it. */
export async function renamePool(
  { context }: TapeServices,
  { name, newName }: { readonly name: string; readonly newName: string },
): Promise<PoolRow> {
  checkName('pool', newName);
  const row = await context.decisions.run(async () => {
    await poolOf(context, name);
    await refuseNamedByScheme(context, name);
    return context.ports.catalog.renamePool(name, newName);
  });
  await context.eventLog.log('POOL_RENAMED', { pool: name, newName });
  return row;
}

/** Takes a pool with all its tapes to another vault, whole or not at all. */
export async function movePool(
  services: TapeServices,
  { name, vault }: { readonly name: string; readonly vault: string },
): Promise<PoolRow> {
  const { context, vaults, autocopy, busyTapes } = services;
  const { catalog } = context.ports;
  const pool = await poolOf(context, name);
  vaults.engine(checkName('vault', vault));
  if (pool.vault === vault) {
    const reason = 'it lies there already';
    throw new CapstanError('INVALID_ARGUMENT', { what: `Pool ${name} in vault ${vault}`, reason });
  }
  refuseShared(await catalog.listVaults(), { from: pool.vault, to: vault }, 'pool');
  const tapes = await catalog.listTapes(name);
  const mounted = tapes.find((tape) => busyTapes.has(tape.name));
  if (mounted !== undefined) {
    const by = `tape ${mounted.name} is mounted`;
    throw new CapstanError('IN_USE', { kind: 'pool', name, by });
  }
  const record = async (): Promise<void> => {
    const names = new Set(tapes.map((tape) => tape.name));
    const added = (await catalog.listTapes(name)).find((tape) => !names.has(tape.name));
    if (added !== undefined) {
      const by = `tape ${added.name} came into it meanwhile; move it again`;
      throw new CapstanError('IN_USE', { kind: 'pool', name, by });
    }
    autocopy.endCopies((copy) => names.has(copy.tape));
    await catalog.movePool(name, vault);
  };
  const of = { tape: undefined, pool: name };
  await moveContent({ context, vaults, busyTapes }, { tapes, of, to: vault, record });
  autocopy.wake();
  await context.eventLog.log('POOL_MOVED', { pool: name, from: pool.vault, vault });
  return poolOf(context, name);
}

/** Rejects IN_USE where it has tapes. */
export async function deletePool(
  { context, autocopy }: TapeServices,
  { name }: { readonly name: string },
): Promise<{ readonly name: string; readonly vault: string }> {
  const { catalog } = context.ports;
  const { vault } = await context.decisions.run(async () => {
    const pool = await poolOf(context, name);
    await refuseNamedByScheme(context, name);
    const rules = new Set((await catalog.listCopyRules(name)).map((rule) => rule.id));
    await catalog.deletePool(name);
    autocopy.endCopies(({ ruleId }) => ruleId !== undefined && rules.has(ruleId));
    return pool;
  });
  await context.eventLog.log('POOL_DELETED', { pool: name, vault });
  return { name, vault };
}

export interface PoolUsage {
  readonly tapeCount: number;
  readonly payloadBytes: number;
}

/** Every pool with what is in it. */
export async function listPools({
  context,
}: TapeServices): Promise<readonly (PoolRow & PoolUsage)[]> {
  const { catalog } = context.ports;
  const usage = new Map<string, { tapeCount: number; payloadBytes: number }>();
  for (const tape of await catalog.listTapes()) {
    const sum = usage.get(tape.pool) ?? { tapeCount: 0, payloadBytes: 0 };
    sum.tapeCount += 1;
    sum.payloadBytes += tape.payloadBytes;
    usage.set(tape.pool, sum);
  }
  return (await catalog.listPools()).map((pool) => ({
    ...pool,
    ...(usage.get(pool.name) ?? { tapeCount: 0, payloadBytes: 0 }),
  }));
}

/** One pool as an operator wants to see it: what is in it, what it is for, who locked it. */
export async function showPool(
  { context }: TapeServices,
  { name }: { readonly name: string },
): Promise<object> {
  const { catalog } = context.ports;
  const pool = await poolOf(context, name);
  const tapes = await catalog.listTapes(name);
  const mounted = new Set((await catalog.listMounts({ open: true })).map((mount) => mount.tape));
  const rules = await catalog.listCopyRules(name);
  const schemes = (await catalog.listIdrSchemes()).filter((scheme) =>
    scheme.sources.some((source) =>
      'pool' in source ? source.pool === name : source.vault === pool.vault,
    ),
  );
  const locks = (await catalog.listLocks()).filter((lock) => lock.pool === name);
  const payloadBytes = tapes.reduce((sum, tape) => sum + tape.payloadBytes, 0);
  return {
    ...pool,
    path: `/${pool.vault}/${pool.name}`,
    retention: formatRetention(pool.retentionMs),
    tapeCount: tapes.length,
    erasedTapeCount: tapes.filter(isErased).length,
    lockedTapeCount: tapes.filter((tape) => tape.userLocked || tape.autoloadLocked).length,
    mountedTapeCount: tapes.filter((tape) => mounted.has(tape.name)).length,
    payloadBytes,
    capacityBytes: tapes.reduce((sum, tape) => sum + tape.capacityBytes, 0),
    autoCopy: rules.map((rule) => `to ${rule.target.server}, pool ${rule.targetPool}`),
    instantDr: schemes.map((scheme) => `by scheme ${scheme.name} to ${scheme.target.server}`),
    processLocks: locks.map((lock) => `${lock.process}: ${lock.reason}`),
  };
}
