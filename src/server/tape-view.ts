/** One tape as an operator wants to see it: where it is, what state it is in, who locked it, its past. */
import type { MountRow, PoolRow, TapeRow } from '../ports/catalog.ts';
import { formatRetention } from './retention.ts';
import { labelTypeOnTape } from './tape-content.ts';
import { locksOf } from './tape-locks.ts';
import { awaitsRecall, isErased, isMigrated } from './tape-state.ts';
import { poolOf, tapeOf } from './tapes.ts';
import type { TapeServices } from './tapes.ts';

/** Rejects NAME_INVALID, NOT_FOUND. */
export async function showTape(
  { context, vaults }: TapeServices,
  { name }: { readonly name: string },
): Promise<object> {
  const { catalog } = context.ports;
  const tape = await tapeOf(context, name);
  const pool = await poolOf(context, tape.pool);
  const mount = (await catalog.listMounts({ open: true })).find((each) => each.tape === name);
  const locks = await locksOf(catalog, tape);
  return {
    ...tape,
    labelType: await labelTypeOnTape(vaults, tape),
    path: `/${tape.vault}/${tape.pool}/${name}`,
    state: stateText(tape, mount),
    usedShare: usedShare(tape),
    retention: retentionText(tape, pool),
    encryption: tape.keyId === undefined ? 'in the clear' : `key ${tape.keyId}`,
    locks: locks.map(({ how, remedy }) => `${how}: ${remedy}`),
    generations: await catalog.listGenerations(name),
    copies: (await catalog.listCopyJobs()).filter((job) => job.tape === name),
  };
}

/** In a few words. */
export function stateText(tape: TapeRow, mount: MountRow | undefined): string {
  if (mount !== undefined) {
    return `mounted on ${mount.drive} ${mount.ring ? 'with ring' : 'without ring'}`;
  }
  if (awaitsRecall(tape)) return 'migrated and erased';
  if (isErased(tape)) return 'erased';
  if (tape.writtenAtMs === undefined) return 'new';
  return isMigrated(tape) ? 'written, migrated' : 'written';
}

function usedShare(tape: TapeRow): string {
  return `${Math.min(100, Math.round((tape.payloadBytes / tape.capacityBytes) * 1000) / 10)} %`;
}

/** The pool's rule; what of it is over is for Scan/Cleanup to say. */
function retentionText(tape: TapeRow, pool: PoolRow): string {
  return `${formatRetention(pool.retentionMs)} (pool ${tape.pool})`;
}
