/**
 * The table of Scan/Cleanup by the manual's columns: Pool :: Cartridge, Erased, Written, Retention, Migrated,
 * Size, Erase with its reason.
 *
 * @source VTS 8.3 Configuration Guide p. 132; 6.04.04 Operations Guide p. 80.
 */
import { retainedUntilMs } from './cleanup-rules.ts';
import type { CleanupSubject, Verdict } from './cleanup-rules.ts';

/** A line of the table, by the manual's columns. */
export interface CleanupLine {
  readonly pool: string;
  readonly tape: string;
  readonly erasedAtMs: number | undefined;
  readonly writtenAtMs: number | undefined;
  /** When the tape's retention ends; missing where it never does. */
  readonly retainedUntilMs: number | undefined;
  /** The pool's, or what the migration said. */
  readonly retentionMs: number | undefined;
  /** When, where VTS migrated the content that is there. */
  readonly migratedAtMs: number | undefined;
  readonly migrated: 'by VTS' | 'not by VTS' | 'n/a';
  readonly sizeBytes: number;
  readonly erase: boolean;
  /** `no, not past retention` */
  readonly reason: string;
}

export interface CleanupTable {
  readonly enable: boolean;
  readonly autoerase: boolean;
  readonly scannedAtMs: number | undefined;
  readonly scannedBy: string | undefined;
  /** When the schedule comes next, where it runs. */
  readonly nextScanAtMs: number | undefined;
  readonly tapes: readonly CleanupLine[];
}

export function lineOf(subject: CleanupSubject, { erase, reason }: Verdict): CleanupLine {
  const { tape, pool, migration } = subject;
  const isMigrated = migration !== undefined && tape.migratedBy !== 'other';
  return {
    pool: tape.pool,
    tape: tape.name,
    erasedAtMs: tape.erasedAtMs,
    writtenAtMs: tape.writtenAtMs,
    retentionMs: migration?.keepMs ?? pool?.retentionMs,
    retainedUntilMs: retainedUntilMs(subject),
    migratedAtMs: isMigrated ? migration.atMs : undefined,
    migrated: isMigrated ? 'by VTS' : tape.migratedBy === 'other' ? 'not by VTS' : 'n/a',
    sizeBytes: tape.payloadBytes,
    erase,
    reason: `${erase ? 'yes' : 'no'}, ${reason}`,
  };
}
