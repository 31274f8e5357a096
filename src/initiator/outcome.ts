/** How an operation on a device ended, in words instead of bytes. */
import { assertNever } from '../base/assert.ts';
import type { ScsiResult } from '../ports/scsi-transport.ts';
import { describeSense, parseSense } from '../scsi/sense.ts';
import type { Sense } from '../scsi/sense.ts';
import { STATUS } from '../scsi/status.ts';

/** CHECK CONDITION with sense that is no part of what was asked for. */
export interface SenseOutcome {
  readonly kind: 'sense';
  readonly sense: Sense;
}

/**
 * A status without sense: BUSY, RESERVATION CONFLICT, or CHECK CONDITION with sense that is none.
 */
export interface StatusOutcome {
  readonly kind: 'status';
  readonly status: number;
}

/** GOOD, with parameter data that are too short or of another kind than was asked for. */
export interface MalformedOutcome {
  readonly kind: 'malformed';
  /** The command's name. */
  readonly answerTo: string;
}

export type Trouble = SenseOutcome | StatusOutcome | MalformedOutcome;

export interface Done {
  readonly kind: 'done';
}
export const DONE: Done = { kind: 'done' };

/** Undefined for GOOD, else what came instead. */
export function troubleOf(result: ScsiResult): Trouble | undefined {
  if (result.status === STATUS.GOOD) return undefined;
  const sense = result.status === STATUS.CHECK_CONDITION ? parseSense(result.sense) : undefined;
  return sense === undefined ? { kind: 'status', status: result.status } : { kind: 'sense', sense };
}

/** For people. */
export function describeTrouble(trouble: Trouble): string {
  switch (trouble.kind) {
    case 'sense':
      return describeSense(trouble.sense);
    case 'status':
      return `status ${trouble.status.toString(16).toUpperCase().padStart(2, '0')}h`;
    case 'malformed':
      return `a malformed answer to ${trouble.answerTo}`;
    default:
      return assertNever(trouble);
  }
}
