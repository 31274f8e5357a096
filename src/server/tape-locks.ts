/**
 * Locks: what keeps a tape from being erased, deleted or changed, who set it, and how it is lifted.
 *
 * A user's lock on a tape or on its pool, or the one of an autoloader, protects the content: the tape can
 * be mounted, and must be unlocked by hand before it can be erased or deleted. A process lock says that
 * one process works on the tape, or on a whole pool: nobody else may meanwhile, a mount waits. It goes with
 * its process; only where that died, it is removed by hand.
 *
 * @source VTS 6.03.42 p. 99, 8.3 Configuration Guide p. 137 (user locks); 6.04.04 p. 57 (process locks)
 */
import { CapstanError } from '../base/errors.ts';
import { checkName } from '../base/names.ts';
import type { Catalog, TapeRow } from '../ports/catalog.ts';
import type { LockRow } from '../ports/catalog-media.ts';
import type { ServerContext } from './context.ts';

export const LOCK_KINDS = ['user', 'pool', 'autoload', 'process'] as const;
export type LockKind = (typeof LOCK_KINDS)[number];

export interface TapeLock {
  readonly kind: LockKind;
  /** Behind "The tape is": `locked by a user`. */
  readonly how: string;
  readonly remedy: string;
}

/** What can be done to a tape, and which locks forbid it. */
const FORBIDDEN_BY = {
  erased: LOCK_KINDS,
  deleted: LOCK_KINDS,
  renamed: ['process'],
  moved: ['process'],
  changed: ['process'],
} as const satisfies Record<string, readonly LockKind[]>;

export type Deed = keyof typeof FORBIDDEN_BY;

type LockCatalog = Pick<Catalog, 'listPools' | 'listLocks'>;

/** The locks on a tape, its pool's among them. */
export async function locksOf(catalog: LockCatalog, tape: TapeRow): Promise<readonly TapeLock[]> {
  const locks: TapeLock[] = [];
  if (tape.userLocked) {
    const remedy = `\`capstan tape unlock ${tape.name}\` lifts the lock`;
    locks.push({ kind: 'user', how: 'locked by a user', remedy });
  }
  const pool = (await catalog.listPools()).find((each) => each.name === tape.pool);
  if (pool?.locked === true) {
    const remedy = `\`capstan pool unlock ${tape.pool}\` lifts the lock`;
    locks.push({ kind: 'pool', how: `locked with its pool ${tape.pool}`, remedy });
  }
  if (tape.autoloadLocked) {
    const remedy = `\`capstan tape unlock ${tape.name} --autoload\` lifts the lock`;
    locks.push({ kind: 'autoload', how: 'locked by autoloading', remedy });
  }
  for (const lock of await catalog.listLocks()) {
    if (lock.tape === tape.name || lock.pool === tape.pool) locks.push(processLock(lock));
  }
  return locks;
}

function processLock(lock: LockRow): TapeLock {
  const of = lock.tape === undefined ? `--pool ${lock.pool}` : `--tape ${lock.tape}`;
  return {
    kind: 'process',
    how: `locked by ${lock.process} (${lock.reason})`,
    remedy: `wait until that has ended; only if it died, \`capstan lock remove ${of}\``,
  };
}

/** Rejects TAPE_LOCKED where a lock forbids that. */
export async function refuseLocked(
  catalog: LockCatalog,
  tape: TapeRow,
  doing: Deed,
): Promise<void> {
  const kinds: readonly LockKind[] = FORBIDDEN_BY[doing];
  const lock = (await locksOf(catalog, tape)).find(({ kind }) => kinds.includes(kind));
  if (lock === undefined) return;
  const { how, remedy } = lock;
  throw new CapstanError('TAPE_LOCKED', { name: tape.name, how, doing, remedy });
}

export interface LockRemoval {
  readonly tape?: string | undefined;
  readonly pool?: string | undefined;
}

/** Removes a process lock by hand, with an event. Rejects NOT_FOUND, INVALID_ARGUMENT. */
export async function removeLock(
  context: ServerContext,
  { tape, pool }: LockRemoval,
): Promise<LockRow> {
  if ((tape === undefined) === (pool === undefined)) {
    const reason = 'a lock is on a tape or on a pool: name one of them';
    throw new CapstanError('INVALID_ARGUMENT', { what: 'The removal of a lock', reason });
  }
  const { catalog } = context.ports;
  const [kind, name] =
    tape === undefined ? (['pool', pool ?? ''] as const) : (['tape', tape] as const);
  checkName(kind, name);
  const lock = (await catalog.listLocks()).find((each) => each[kind] === name);
  const removed =
    lock !== undefined &&
    (await catalog.releaseLock(tape === undefined ? { pool: name } : { tape: name }, lock.process));
  if (!removed) throw new CapstanError('NOT_FOUND', { kind: `process lock on ${kind}`, name });
  const what = `${kind} ${name}`;
  await context.eventLog.log('PROCESS_LOCK_REMOVED', { process: lock.process, what });
  return lock;
}
