/** What a laboratory run found out: one document, for programs as it is and for people as a report. */
import type { EventRow } from '../../src/ports/catalog.ts';

/** One comparison; the run is a success only if all hold. */
export interface LabCheck {
  readonly step: number;
  readonly what: string;
  readonly held: boolean;
  /** What differs, and where; empty where it held. */
  readonly differences: readonly string[];
}

export interface LabStep {
  readonly number: number;
  readonly title: string;
  readonly durationMs: number;
  /** Bytes that the step moved; for its rate. */
  readonly bytes: number | undefined;
  readonly lines: readonly string[];
}

export interface LabCopy {
  readonly generation: number;
  readonly durationMs: number;
  /** Frames of the replication protocol, bytes. */
  readonly bytesSent: number;
  readonly chunkCount: number;
  readonly chunksSent: number;
  /** Blocks of the tape, bytes. */
  readonly tapeBytes: number;
}

export interface LabStore {
  readonly uniqueBytes: number;
  readonly storedBytes: number;
  readonly appendedBytes: number;
  readonly newChunkBytes: number;
}

export interface LabSiteResult {
  readonly node: string;
  /** As the host's printing distributor prints them. */
  readonly emsLines: readonly string[];
  /** In the product's form. */
  readonly eventLines: readonly string[];
  readonly events: readonly EventRow[];
  readonly store: LabStore | undefined;
}

export interface LabResult {
  readonly held: boolean;
  readonly version: string;
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly folder: string;
  readonly volume: string;
  readonly files: {
    readonly fileCount: number;
    readonly byteCount: number;
    readonly leftOutCount: number;
    readonly skippedCount: number;
    readonly skippedNames: readonly string[];
    readonly resizedCount: number;
    readonly changedCount: number;
  };
  readonly tapeBytes: number;
  readonly recordCount: number;
  readonly steps: readonly LabStep[];
  readonly checks: readonly LabCheck[];
  readonly copies: readonly LabCopy[];
  readonly sites: Readonly<Record<string, LabSiteResult>>;
  /** Where the homes are, if they were kept. */
  readonly kept: string | undefined;
  /** Why the run ended before its end. */
  readonly failure: string | undefined;
}
