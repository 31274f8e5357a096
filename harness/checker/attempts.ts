/**
 * AutoCopy's promise, told from outside: a ring dismount ends copied, or with exactly one failure event
 * after exactly twelve attempts 300 s apart.
 *
 * Judged by what the world saw: the host's mounts and dismounts, the calls of the replication link,
 * the entries of the event log. A mount of the tape or a crash of the source breaks the rhythm and may
 * cost or repeat an attempt; each such disturbance since the dismount is one attempt of slack. A dismount
 * without ring owes nothing of its own, but what it kept waiting begins anew.
 */
import { hold } from './violation.ts';

export const ATTEMPTS_MAX = 12;
export const RETRY_INTERVAL_MS = 300_000;
/** How soon after the dismount was seen the first attempt must come. */
const FIRST_ATTEMPT_DELAY_MS_MAX = 2_000;
/**
 * As long may an attempt that a mount has ended hang: the next one waits for its end. On a slow disk it may
 * last for more than an interval, too, which moves the next attempt to the following multiple. Where more tapes
 * are copied than may be at once, each attempt may have to wait for others' to end.
 */
const ATTEMPT_HANGS_MS_MAX = { quickDisk: 120_000, slowDisk: 900_000, fullHouse: 900_000 } as const;

/** Something that happened to a tape or its source, in the order in which it happened. */
export interface CopyIncident {
  atMs: number;
  what:
    | 'ring-dismount'
    /** An unload with ring that nobody answered: the server was killed before or after it did it. */
    | 'unanswered-ring-dismount'
    /** The end of a mount without ring: a copy that it kept waiting is due anew. */
    | 'dismount'
    | 'mount'
    | 'crash'
    | 'attempt'
    | 'failure';
}

interface Owed {
  readonly sinceMs: number;
  attemptCount: number;
  /** Made for the dismount before, where it is not known whether this one took place. */
  readonly earlierAttemptCount: number;
  disturbanceCount: number;
  /** Of the last attempt, where nothing came between. */
  lastAttemptMs: number | undefined;
  failed: boolean;
}

/**
 * Throws InvariantViolation where the incidents of `tape` break the promise; with `nowMs`, also where an attempt
 * is overdue by then.
 */
export function checkAttempts(
  tape: string,
  incidents: readonly CopyIncident[],
  disk: keyof typeof ATTEMPT_HANGS_MS_MAX,
  nowMs = 0,
): void {
  let owed: Owed | undefined;
  let mounted = false;
  let attemptBeforeMs = -Infinity;
  for (const { what, atMs } of incidents) {
    if (what === 'mount') mounted = true;
    else if (what.endsWith('dismount')) mounted = false;
    const at = `at ${atMs / 1000} s`;
    switch (what) {
      case 'ring-dismount':
      case 'unanswered-ring-dismount':
        owed = {
          sinceMs: atMs,
          attemptCount: 0,
          earlierAttemptCount: what === 'ring-dismount' ? 0 : (owed?.attemptCount ?? 0),
          disturbanceCount: 0,
          lastAttemptMs: undefined,
          failed: false,
        };
        break;
      case 'dismount':
        if (owed === undefined || owed.failed) break;
        owed.attemptCount = 0;
        owed.disturbanceCount = 1;
        owed.lastAttemptMs = undefined;
        break;
      case 'mount':
      case 'crash':
        if (owed === undefined) break;
        owed.disturbanceCount += 1;
        owed.lastAttemptMs = undefined;
        break;
      case 'attempt':
        hold(owed !== undefined, () => `no copy of ${tape} is owed, and one is attempted ${at}`);
        checkAttempt(tape, owed, { atMs, beforeMs: attemptBeforeMs, disk });
        attemptBeforeMs = atMs;
        break;
      case 'failure':
        hold(owed !== undefined, () => `a failure of ${tape} that was not owed is logged ${at}`);
        checkFailure(tape, owed, atMs);
        break;
    }
  }
  if (owed === undefined || owed.attemptCount > 0 || owed.failed || mounted) return;
  const waitsMs = nowMs - (incidents.at(-1)?.atMs ?? 0);
  hold(
    waitsMs <= ATTEMPT_HANGS_MS_MAX[disk],
    () => `the copy of ${tape} that is owed since ${owed.sinceMs / 1000} s was never attempted`,
  );
}

function checkAttempt(
  tape: string,
  owed: Owed,
  attempt: { atMs: number; beforeMs: number; disk: keyof typeof ATTEMPT_HANGS_MS_MAX },
): void {
  const { atMs, beforeMs, disk } = attempt;
  const { lastAttemptMs, disturbanceCount } = owed;
  owed.attemptCount += 1;
  owed.lastAttemptMs = atMs;
  const what = `attempt ${owed.attemptCount} of ${tape} at ${atMs / 1000} s`;
  hold(!owed.failed || disturbanceCount > 0, () => `${what} comes after the failure was logged`);
  hold(
    owed.attemptCount <= ATTEMPTS_MAX + disturbanceCount,
    () => `${what} is one more than ${ATTEMPTS_MAX}`,
  );
  if (lastAttemptMs !== undefined) {
    const gapMs = atMs - lastAttemptMs;
    const isInterval = {
      quickDisk: gapMs === RETRY_INTERVAL_MS,
      slowDisk: gapMs % RETRY_INTERVAL_MS === 0,
      fullHouse: gapMs >= RETRY_INTERVAL_MS,
    }[disk];
    hold(isInterval, () => `${what} comes ${gapMs} ms after the one before`);
  } else if (owed.attemptCount === 1 && disturbanceCount === 0) {
    const delayMs = atMs - owed.sinceMs;
    const hanging = disk === 'fullHouse' || owed.sinceMs - beforeMs <= ATTEMPT_HANGS_MS_MAX[disk];
    hold(
      delayMs <= (hanging ? ATTEMPT_HANGS_MS_MAX[disk] : FIRST_ATTEMPT_DELAY_MS_MAX),
      () => `${what} comes ${delayMs} ms after the dismount`,
    );
  }
}

function checkFailure(tape: string, owed: Owed, atMs: number): void {
  const what = `a failure of ${tape} is logged at ${atMs / 1000} s`;
  hold(!owed.failed, () => `${what} for the second time`);
  owed.failed = true;
  const missing = ATTEMPTS_MAX - owed.attemptCount - owed.earlierAttemptCount;
  hold(missing <= 0, () => `${what} after ${owed.attemptCount} attempts`);
}
