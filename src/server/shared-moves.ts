/**
 * Moves of tapes in and out of a shared vault that a crash has cut off. The ledger is what they are recorded
 * by: a tape that it has, has come, and one that it has no more, has gone, whatever the catalog here says.
 */
import type { Catalog } from '../ports/catalog.ts';
import { moveOf } from './pending-moves.ts';
import type { VaultRows } from './shared-records.ts';

export interface SettledMoves {
  /** Tapes that are the shared vault's now, and the vault where they were. */
  readonly arrived: readonly { readonly name: string; readonly from: string }[];
  /** Tapes that did not come, with the process that has them locked. */
  readonly stayed: readonly { readonly name: string; readonly process: string }[];
  /** Tapes that are in another vault now, with the process that has them locked. */
  readonly departed: readonly {
    readonly name: string;
    readonly to: string;
    readonly process: string;
  }[];
}

/** Has the rows of tapes on their way be in the vault where the ledger says that they are. */
export async function settleMoves(
  catalog: Catalog,
  { server, vault }: { readonly server: string; readonly vault: string },
  rows: VaultRows,
): Promise<SettledMoves> {
  const arrived: { name: string; from: string }[] = [];
  const stayed: { name: string; process: string }[] = [];
  const departed: { name: string; to: string; process: string }[] = [];
  for (const { tape, process } of await catalog.listLocks()) {
    const move = moveOf(process);
    const row = tape === undefined ? undefined : await catalog.findTape(tape);
    if (move?.server !== server || row === undefined) continue;
    const { name } = row;
    // Another tape of the name that was made meanwhile is not the one that went.
    const isInLedger = rows.tapes.get(name)?.createdAtMs === row.createdAtMs;
    if (move.to === vault && isInLedger) arrived.push({ name, from: move.from });
    if (move.to === vault && !isInLedger) stayed.push({ name, process });
    if (move.from !== vault || isInLedger || move.pool === undefined) continue;
    if (row.vault === vault) {
      // The pool was empty until now, and may have been deleted.
      const isThere = (await catalog.listPools()).some((pool) => pool.name === move.pool);
      const pool = { name: move.pool, vault: move.to, createdAtMs: row.createdAtMs };
      if (!isThere) await catalog.createPool(pool);
      await catalog.moveTape(name, move.pool, row.updatedAtMs ?? 0);
    }
    departed.push({ name, to: move.to, process });
  }
  return { arrived, stayed, departed };
}
