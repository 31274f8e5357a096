/**
 * The process lock of a tape or pool that goes to another vault: `move on east from VAULT00 to /VAULT01/POOL2`,
 * of a pool without the last part. It follows the row, so it tells after a crash what is left to do. The
 * server is named since others of a shared vault see the lock, too, and may have vaults of the same names.
 */
import { CapstanError } from '../base/errors.ts';
import type { Catalog, VaultRow } from '../ports/catalog.ts';

const FORM = /^move on (\S+) from ([^/ ]+) to \/([^/ ]+)(?:\/([^/ ]+))?$/;

export interface Move {
  readonly server: string;
  readonly from: string;
  readonly to: string;
  /** Where a tape goes to. */
  readonly pool: string | undefined;
}

export function moveProcess({ server, from, to, pool }: Move): string {
  return `move on ${server} from ${from} to /${to}${pool === undefined ? '' : `/${pool}`}`;
}

/** What a lock's process moves; undefined where it is another. */
export function moveOf(process: string): Move | undefined {
  const [, server, from, to, pool] = FORM.exec(process) ?? [];
  if (server === undefined || from === undefined || to === undefined) return undefined;
  return { server, from, to, pool };
}

/** The tapes that are on their way, by name. */
export async function movesUnderWay(catalog: Catalog): Promise<ReadonlyMap<string, Move>> {
  const moves = new Map<string, Move>();
  for (const { tape, pool, process } of await catalog.listLocks()) {
    const move = moveOf(process);
    if (move === undefined) continue;
    if (tape !== undefined) moves.set(tape, move);
    else for (const { name } of await catalog.listTapes(pool ?? '')) moves.set(name, move);
  }
  return moves;
}

/** Throws INVALID_ARGUMENT: the ledgers of two shared vaults cannot change in one step, nor a pool with its tapes. */
export function refuseShared(
  vaults: readonly VaultRow[],
  move: Pick<Move, 'from' | 'to'>,
  what: 'tape' | 'pool',
): void {
  const shared = vaults.filter(
    ({ name, sharedId }) => sharedId !== undefined && (name === move.from || name === move.to),
  );
  const [first, second] = shared;
  const refuse = (reason: string): CapstanError =>
    new CapstanError('INVALID_ARGUMENT', {
      what: `A move between ${move.from} and ${move.to}`,
      reason,
    });
  if (first !== undefined && what === 'pool') {
    throw refuse(
      `pools do not move between the shared vault ${first.name} and others: make a pool there, and move its tapes`,
    );
  }
  if (second === undefined) return;
  throw refuse('both vaults are shared: move the tape by a vault of this server alone');
}
