/**
 * The catalog's part about VTSPolicy, migration and Scan/Cleanup: which commands were taken, which
 * content of a tape a backup management application has, what is scheduled for erase and what a user
 * decided.
 *
 * Contract as in catalog.ts: every method is one transaction, durable when it resolves. What belongs to
 * a tape goes with it and follows its name. Conformance suite: test/conformance/catalog-policy.ts.
 */
import type { Generation } from '../base/units.ts';
import type { EventRow, NewEvent } from './catalog.ts';

/** Commands that are kept; the oldest make room for new ones. */
export const POLICY_RUN_COUNT_MAX = 10_000;

/**
 * A VTSPolicy command that this server took. `state`:
 * - 'running': under way;
 * - 'done', 'failed' (of what it names, something was not done), 'refused' as a whole;
 * - 'interrupted' by the end of the server; it is not run again.
 */
export interface PolicyRunRow {
  readonly id: number;
  /** The host that sent it; empty where it came from the shell or the API. */
  readonly host: string;
  /** When the host logged it, in the host's local time; with host and text, what makes it the same one. */
  readonly localTimeMs: number;
  readonly text: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number | undefined;
  readonly state: 'running' | 'done' | 'failed' | 'refused' | 'interrupted';
  /** What came of it, in a sentence; empty while it runs. */
  readonly outcome: string;
}

/** The last migration of a tape. */
export interface MigrationRow {
  readonly tape: string;
  /** The content that the application has. */
  readonly generation: Generation;
  readonly atMs: number;
  /** Verb of the application: `TSM`. */
  readonly application: string;
  /** How long the data stay here after it, where the command said so: `r=14,d`. */
  readonly keepMs: number | undefined;
}

/** A user's decision about a tape, which stands above the rules until it is taken back. */
export interface CleanupMarkRow {
  readonly tape: string;
  readonly decision: 'erase' | 'keep';
  readonly user: string;
  readonly atMs: number;
}

/** What the last scan found about a tape. */
export interface CleanupPlanRow {
  readonly tape: string;
  /** The content that was looked at. */
  readonly generation: Generation;
  readonly erase: boolean;
  /** `not past retention`. */
  readonly reason: string;
}

/** The last scan. */
export interface CleanupScanRow {
  readonly atMs: number;
  /** Who asked for it; `schedule` for the schedule. */
  readonly user: string;
  /** The last occurrence of the schedule that was answered. */
  readonly scheduledThroughMs: number | undefined;
}

/** An erase of Scan/Cleanup that is under way, or was when the server ended. */
export interface ErasureRow {
  readonly tape: string;
  readonly generation: Generation;
  readonly startedAtMs: number;
  /** The list that it is written in: `erasebylist.12Mar06.log`. */
  readonly list: string;
  /** The line that it is told in there, without its end. */
  readonly line: string;
}

export interface PolicyCatalog {
  /** Undefined where the host's command of that time and text was taken before. */
  beginPolicyRun(
    run: Pick<PolicyRunRow, 'host' | 'localTimeMs' | 'text' | 'startedAtMs'>,
  ): Promise<PolicyRunRow | undefined>;
  /** NOT_FOUND where it is not running. */
  endPolicyRun(
    id: number,
    end: Pick<PolicyRunRow, 'state' | 'outcome'> & { readonly endedAtMs: number },
  ): Promise<void>;
  /** Newest first. */
  listPolicyRuns(filter: {
    readonly running?: true;
    readonly limit: number;
  }): Promise<readonly PolicyRunRow[]>;

  /**
   * Takes the place of the tape's migration before, and sets the tape's `migratedAtMs` and `migratedBy`;
   * writes `event` with it. NOT_FOUND where there is no such tape, IN_USE where it is at another generation.
   */
  recordMigration(migration: MigrationRow, event: NewEvent): Promise<EventRow>;
  /** By tape. */
  listMigrations(): Promise<readonly MigrationRow[]>;

  /** All of them or none; each takes the place of the tape's mark before. NOT_FOUND names a tape. */
  putCleanupMarks(marks: readonly CleanupMarkRow[]): Promise<void>;
  /** Those of the tapes named, or all; how many there were. */
  deleteCleanupMarks(tapes?: readonly string[]): Promise<number>;
  /** By tape. */
  listCleanupMarks(): Promise<readonly CleanupMarkRow[]>;
  /** Takes the place of the scan before; tapes that are no more are passed over. */
  putCleanupScan(scan: CleanupScanRow, plan: readonly CleanupPlanRow[]): Promise<void>;
  findCleanupScan(): Promise<CleanupScanRow | undefined>;
  /** By tape. */
  listCleanupPlan(): Promise<readonly CleanupPlanRow[]>;

  putErasure(erasure: ErasureRow): Promise<void>;
  /** Ends it; with `done`, the tape's place in the plan and its mark go with it. */
  deleteErasure(tape: string, done: boolean): Promise<void>;
  /** By tape. */
  listErasures(): Promise<readonly ErasureRow[]>;
}
