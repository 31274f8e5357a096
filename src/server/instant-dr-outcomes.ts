/** What a run of Instant DR says of a tape, and which errors are the line's and not a tape's. */
import { isCapstanError } from '../base/errors.ts';
import type { TapeRow } from '../ports/catalog.ts';
import type { IdrResultRow, IdrSchemeRow } from '../ports/catalog-instant-dr.ts';
import type { Holding, TapeInquiry } from '../ports/copy-receiver.ts';
import { sameVersion } from './copy-lineage.ts';
import { MOUNTED_THERE } from './copy-refusals.ts';
import { awaitsRecall, isErased } from './tape-state.ts';

/** A tape of the plan, and what the target has of it. */
export interface Planned {
  readonly tape: TapeRow;
  readonly targetPool: string;
  readonly inquiry: TapeInquiry;
}

export type Outcome = Pick<IdrResultRow, 'outcome'> &
  Partial<Pick<IdrResultRow, 'generation' | 'reason' | 'bytesSent'>>;

/** The target cannot be reached, or no longer. */
export class LineLost extends Error {
  override readonly name = 'LineLost';
}

/** What says that the line or the target is at fault, not the tape. */
export const LINE_ERRORS = [
  'CONNECTION_LOST',
  'CONNECTION_REFUSED',
  'AUTHENTICATION_FAILED',
  'HOST_KEY_MISMATCH',
  'PROTOCOL_VIOLATION',
  'COPY_CANCELLED',
] as const;

export const EMPTY_RESULT = { generation: undefined, reason: undefined, bytesSent: 0 } as const;

/** What stands in a report where neither side's version descends from the other's. */
export const BOTH_CHANGED = 'both servers have changed it since they were in step';

export const skipped = (reason: string): Outcome => ({ outcome: 'skipped', reason });
export const failed = (reason: string): Outcome => ({ outcome: 'failed', reason });
export const MOUNTED_HERE = skipped('it is mounted');
/** Scan/Cleanup freed space here: that is no change of the tape, and the copy is not emptied for it. */
const MIGRATED_HERE = skipped('it is migrated and erased here: nothing is sent');
/** What becomes of copies is the scheme's to say; what is not deleted there is not emptied either. */
const ERASED_HERE = skipped('it is erased here, and the scheme keeps its copy');
const ERASED_LATELY = skipped(
  'it is erased here; its copy is emptied when the days of grace are over',
);

export const DAY_MS = 86_400_000;

type Deletions = Pick<IdrSchemeRow, 'deletions' | 'deletionGraceDays'>;

/** Why a copy keeps the content that its tape has here no more; undefined where it has to follow. */
export function contentKept(
  tape: TapeRow,
  { deletions, deletionGraceDays }: Deletions,
  nowMs: number,
): Outcome | undefined {
  if (awaitsRecall(tape)) return MIGRATED_HERE;
  if (!isErased(tape)) return undefined;
  if (deletions === 'keep') return ERASED_HERE;
  const dueMs = (tape.erasedAtMs ?? nowMs) + deletionGraceDays * DAY_MS;
  return nowMs < dueMs ? ERASED_LATELY : undefined;
}

export function refused(reason: string): Outcome {
  return reason === MOUNTED_THERE ? skipped('it is mounted on the target') : failed(reason);
}

export function verdict(
  { inquiry, targetPool }: Planned,
  held: Holding | undefined,
  kept: Outcome | undefined,
): Outcome {
  if (held === undefined) return failed('the target does not have it');
  if (held.damaged) return failed('it is damaged on the target');
  if (held.pool !== targetPool) return failed(`the target has it in pool ${held.pool}`);
  if (sameVersion(inquiry, held)) return { outcome: 'unchanged', generation: held.generation };
  if (kept !== undefined && held.generation < inquiry.generation) return kept;
  return held.generation === inquiry.generation
    ? failed(`the target has another content at generation ${held.generation}`)
    : failed(`the target has generation ${held.generation}, here is ${inquiry.generation}`);
}

export function asLineLost(error: unknown): unknown {
  if (error instanceof LineLost || !isCapstanError(error, ...LINE_ERRORS)) return error;
  return new LineLost(error.message, { cause: error });
}
