/**
 * The catalog's part for Instant DR: backup schemes, their runs, and what each run did with each tape.
 *
 * Contract as in catalog.ts: every method is one transaction, durable when it resolves. Conformance
 * suite: test/conformance/catalog-instant-dr.ts.
 */
import type { Generation } from '../base/units.ts';
import type { CopyTarget, EventRow, NewEvent } from './catalog.ts';

/** What a scheme synchronises: a pool, or all pools of a vault under their own names. */
export type IdrSource =
  | { readonly pool: string; readonly targetPool: string }
  | { readonly vault: string };

/**
 * Which side of the scheme this server is. 'source' copies; 'standby' is the other server's target and
 * may become the source; 'handing-over' is neither: the target has been asked to take over.
 */
export type IdrRole = 'source' | 'standby' | 'handing-over';

/** A backup scheme. Its name is the same on both servers. */
export interface IdrSchemeRow {
  readonly name: string;
  readonly role: IdrRole;
  /** The other server. */
  readonly target: CopyTarget;
  readonly sources: readonly IdrSource[];
  /** As an operator writes them (src/server/schedule.ts); none where it is only dispatched. */
  readonly schedules: readonly string[];
  /** IANA name; schedules are in its time. */
  readonly timeZone: string;
  /** What its copies send at most; undefined: as fast as it goes. */
  readonly bytesPerSecond: number | undefined;
  /** What becomes of a copy whose tape was deleted or erased here. */
  readonly deletions: 'keep' | 'delete';
  /** With 'delete': so long after the deletion was seen, or the erasure. */
  readonly deletionGraceDays: number;
  /** Schedules are heeded. */
  readonly enabled: boolean;
  readonly createdAtMs: number;
  /** The last occurrence of its schedules that was answered, or when they were set. */
  readonly answeredAtMs: number;
}

/** 'verify' compares digests and sends no data. */
export type IdrRunKind = 'synchronise' | 'verify';
export type IdrRunCause = 'schedule' | 'dispatch' | 'policy' | 'swap';

/**
 * One run of a scheme. `state`:
 * - 'running': under way, or broken off by the server's end: the next start goes on with it;
 * - 'done': every tape has a result, perhaps a failure;
 * - 'failed': given up, since the target was out of reach; `reason` says why;
 * - 'cancelled' by an operator.
 */
export interface IdrRunRow {
  readonly id: number;
  readonly scheme: string;
  readonly kind: IdrRunKind;
  readonly cause: IdrRunCause;
  /** Only tapes of this pool; undefined: all of the scheme. */
  readonly pool: string | undefined;
  readonly state: 'running' | 'done' | 'failed' | 'cancelled';
  readonly startedAtMs: number;
  readonly endedAtMs: number | undefined;
  /** Connections lost or refused so far. */
  readonly attempts: number;
  readonly nextAttemptAtMs: number;
  readonly reason: string | undefined;
}

export type IdrOutcome = 'copied' | 'unchanged' | 'skipped' | 'failed' | 'deleted';

/** What a run did with a tape: final for the run. */
export interface IdrResultRow {
  readonly runId: number;
  readonly tape: string;
  readonly outcome: IdrOutcome;
  readonly generation: Generation | undefined;
  /** Of 'skipped' and 'failed', and what a verification found. */
  readonly reason: string | undefined;
  readonly bytesSent: number;
  readonly atMs: number;
}

/** What the target had of a tape when it was last seen in step. */
export interface IdrTapeRow {
  readonly scheme: string;
  readonly tape: string;
  readonly targetPool: string;
  readonly generation: Generation;
  /** Hexadecimal. */
  readonly manifestDigest: string;
  readonly atMs: number;
  /** When its deletion here was first seen. */
  readonly goneAtMs: number | undefined;
}

/** Results of a run by outcome. */
export type IdrRunCounts = Readonly<Record<IdrOutcome, number>> & { readonly bytesSent: number };

export interface InstantDrCatalog {
  /** ALREADY_EXISTS. */
  createIdrScheme(scheme: IdrSchemeRow): Promise<void>;
  /** Replaces the row of that name, and writes `event`, if any, with it. NOT_FOUND where there is none. */
  putIdrScheme(scheme: IdrSchemeRow, event?: NewEvent): Promise<EventRow | undefined>;
  /** Removes its runs and tapes with it. NOT_FOUND. */
  deleteIdrScheme(name: string): Promise<void>;
  /** By name. */
  listIdrSchemes(): Promise<readonly IdrSchemeRow[]>;

  /**
   * Inserts the run, and with it the scheme's `answeredAtMs`, where given. IN_USE where a run of
   * the scheme is not over; NOT_FOUND where there is no such scheme.
   */
  createIdrRun(
    run: Omit<IdrRunRow, 'id'>,
    event: NewEvent,
    answeredAtMs?: number,
  ): Promise<{ readonly run: IdrRunRow; readonly event: EventRow }>;
  /** Replaces the run's row, and writes `event`, if any, with it. NOT_FOUND. */
  putIdrRun(run: IdrRunRow, event?: NewEvent): Promise<EventRow | undefined>;
  findIdrRun(id: number): Promise<IdrRunRow | undefined>;
  /** Newest first. */
  listIdrRuns(filter: {
    readonly scheme?: string;
    readonly running?: true;
    readonly limit: number;
  }): Promise<readonly IdrRunRow[]>;

  /**
   * Results of a run, and what is known of the target's tapes with them; each replaces the row of the
   * same key. With 'forget', tapes that the target no longer has.
   */
  recordIdrResults(record: {
    readonly results: readonly IdrResultRow[];
    readonly tapes?: readonly IdrTapeRow[];
    readonly forget?: readonly { readonly scheme: string; readonly tape: string }[];
  }): Promise<void>;
  /** By tape. */
  listIdrResults(runId: number): Promise<readonly IdrResultRow[]>;
  countIdrResults(runId: number): Promise<IdrRunCounts>;
  /** By tape. */
  listIdrTapes(scheme: string): Promise<readonly IdrTapeRow[]>;
}
