/** What keeps a tape from being mounted although it is not in use: as an operator reads it. */
import type { TapeRow } from '../ports/catalog.ts';
import type { ServerContext } from './context.ts';
import { keyObstacle } from './encrypted-tape.ts';

/** Verb of Tivoli Storage Manager in a migration's row. */
const TIVOLI = 'TSM';

/** Undefined where nothing does. */
export async function tapeObstacle(
  context: ServerContext,
  tape: TapeRow,
  ring: boolean,
): Promise<string | undefined> {
  const { catalog } = context.ports;
  const recall = await awaitedRecall(context, tape);
  if (recall !== undefined) return recallText(recall);
  const lock = (await catalog.listLocks()).find(
    (each) => each.tape === tape.name || each.pool === tape.pool,
  );
  if (lock !== undefined) return `locked by ${lock.process}: ${lock.reason}`;
  const key = keyObstacle(tape);
  if (key !== undefined) return key;
  return ring ? quotaObstacle(context, tape) : undefined;
}

/** A pool that holds as much as it may takes no more; what is on its tapes can be read. */
async function quotaObstacle(context: ServerContext, tape: TapeRow): Promise<string | undefined> {
  const { catalog } = context.ports;
  const pool = (await catalog.listPools()).find(({ name }) => name === tape.pool);
  if (pool?.quotaBytes === undefined) return undefined;
  const tapes = await catalog.listTapes(pool.name);
  const usedBytes = tapes.reduce((sum, each) => sum + each.payloadBytes, 0);
  if (usedBytes < pool.quotaBytes) return undefined;
  return `pool ${pool.name} holds ${usedBytes} bytes and may hold ${pool.quotaBytes}`;
}

/** A recall that a mount has to wait for, or that somebody has to see to. */
export interface AwaitedRecall {
  /** Verb of who has the content; missing where nobody knows. */
  readonly application: string | undefined;
  /** Whether the profile has mounts wait for it. */
  readonly isWaitedFor: boolean;
}

/**
 * A tape that was migrated and erased has its metadata only; its content has to come back first.
 *
 * @source VTS 6.04.04 Operations Guide, p. 97; 8.2 Configuration Guide, p. 85.
 */
export async function awaitedRecall(
  context: ServerContext,
  tape: TapeRow,
): Promise<AwaitedRecall | undefined> {
  const { migratedAtMs, erasedAtMs, restoredAtMs = 0, payloadBytes } = tape;
  if (migratedAtMs === undefined || erasedAtMs === undefined) return undefined;
  if (payloadBytes > 0 || erasedAtMs < migratedAtMs || restoredAtMs > erasedAtMs) return undefined;
  const migrations = await context.ports.catalog.listMigrations();
  const application = migrations.find((each) => each.tape === tape.name)?.application;
  const isWaitedFor =
    context.profile.recallQueue === 'any application' || application?.toUpperCase() === TIVOLI;
  return { application, isWaitedFor };
}

function recallText({ application, isWaitedFor }: AwaitedRecall): string {
  return isWaitedFor
    ? `waiting for recall${application === undefined ? '' : ` by ${application}`}`
    : 'migrated and erased: its application has to restore it first';
}
