/**
 * Which tapes Scan/Cleanup may erase, and why: the rules in their order, without a catalog or a clock.
 *
 *   1  locked, or mounted                     never
 *   2  nothing on it                          never: it is erased already
 *   3  its content not migrated by VTS        never
 *   4  a user's decision                      as the user said, until it is taken back
 *   5  smaller than the minimum size          never
 *   6  past its retention                     scheduled
 *   7  its vault's disk over the percentage   scheduled, the longest migrated first, as many as it takes
 *
 * A decision stands above the rules of business (5 to 7), not above those that keep data from being lost:
 * that is ours, and so is "its content": what was written after a migration is not migrated.
 *
 * @source VTS 6.03.42 Installation Guide p. 99; 8.3 Configuration Guide p. 132 and 137 (reasons' wording).
 */
import type { PoolRow, TapeRow } from '../ports/catalog.ts';
import type { CleanupMarkRow, MigrationRow } from '../ports/catalog-policy.ts';

/** What is known of a tape when it is judged. */
export interface CleanupSubject {
  readonly tape: TapeRow;
  readonly pool: PoolRow | undefined;
  readonly migration: MigrationRow | undefined;
  readonly mark: CleanupMarkRow | undefined;
  readonly mounted: boolean;
  /** A process works on the tape or on its pool. */
  readonly processLocked: boolean;
}

export interface Verdict {
  readonly erase: boolean;
  /** Behind "no, " or "yes, ". */
  readonly reason: string;
  /** Whether a scan has to have found it: a user's decision and what forbids hold at once. */
  readonly business: boolean;
}

export const PAST_RETENTION = 'past retention';
export const NOT_PAST_RETENTION = 'not past retention';

/** The limits of rules 5 and 7; the manuals name neither parameter. */
export interface CleanupLimits {
  readonly minSizeBytes: number;
  /** Of a vault's file system; no limit where it is missing. */
  readonly usagePercentMax: number | undefined;
}

const never = (reason: string): Verdict => ({ erase: false, reason, business: false });

/** Rules 1 to 3: what no decision of a user changes; undefined where nothing forbids an erase. */
export function forbids(subject: CleanupSubject): Verdict | undefined {
  const { tape, pool, migration, mounted, processLocked } = subject;
  if (tape.userLocked || tape.autoloadLocked || pool?.locked === true || processLocked) {
    return never('locked');
  }
  if (mounted) return never('mounted');
  if (tape.payloadBytes === 0) return never('nothing to erase');
  if (migration === undefined) {
    return never(tape.migratedBy === 'other' ? 'not migrated by VTS' : 'not migrated');
  }
  return migration.generation === tape.generation ? undefined : never('written since migration');
}

/** Rules 1 to 6. */
export function judge(
  subject: CleanupSubject,
  { minSizeBytes }: Pick<CleanupLimits, 'minSizeBytes'>,
  nowMs: number,
): Verdict {
  const forbidden = forbids(subject);
  if (forbidden !== undefined) return forbidden;
  const { tape, mark } = subject;
  if (mark !== undefined) {
    const erase = mark.decision === 'erase';
    return { erase, reason: erase ? 'user authorized' : 'not user authorized', business: false };
  }
  if (tape.payloadBytes < minSizeBytes) {
    return { erase: false, reason: 'smaller than minimum size', business: true };
  }
  const erase = nowMs >= (retainedUntilMs(subject) ?? Infinity);
  return { erase, reason: erase ? PAST_RETENTION : NOT_PAST_RETENTION, business: true };
}

/** When a tape's retention ends; undefined: never. What a migration said comes before what the pool says. */
export function retainedUntilMs({ tape, pool, migration }: CleanupSubject): number | undefined {
  if (migration?.keepMs !== undefined) return migration.atMs + migration.keepMs;
  if (pool?.retentionMs === undefined) return undefined;
  return (tape.writtenAtMs ?? tape.createdAtMs) + pool.retentionMs;
}

export interface JudgedTape {
  readonly subject: CleanupSubject;
  readonly verdict: Verdict;
}

/**
 * Rule 7 over the tapes of one vault: while its disk is over the percentage by more than what is scheduled
 * would give back, the tape that was migrated longest ago is scheduled. A tape's size stands for what
 * its erase gives back; a store that keeps equal data once gives back less, and the next scan goes on.
 */
export function scheduleByUsage(
  tapes: readonly JudgedTape[],
  { totalBytes, freeBytes }: { readonly totalBytes: number; readonly freeBytes: number },
  usagePercentMax: number,
): readonly JudgedTape[] {
  const reason = `usage over ${usagePercentMax} %`;
  let excessBytes = totalBytes - freeBytes - (totalBytes * usagePercentMax) / 100;
  for (const { subject, verdict } of tapes) {
    if (verdict.erase) excessBytes -= subject.tape.payloadBytes;
  }
  const chosen = new Set<JudgedTape>();
  const candidates = tapes.filter(({ verdict }) => verdict.reason === NOT_PAST_RETENTION);
  for (const judged of candidates.toSorted(byMigration)) {
    if (excessBytes <= 0) break;
    chosen.add(judged);
    excessBytes -= judged.subject.tape.payloadBytes;
  }
  return tapes.map((judged) =>
    chosen.has(judged) ? { ...judged, verdict: { erase: true, reason, business: true } } : judged,
  );
}

function byMigration({ subject: one }: JudgedTape, { subject: other }: JudgedTape): number {
  const difference = (one.migration?.atMs ?? 0) - (other.migration?.atMs ?? 0);
  if (difference !== 0) return difference;
  return one.tape.name < other.tape.name ? -1 : 1;
}
