/**
 * The catalog's part about media: what changes vaults, pools and tapes that are there, and who keeps
 * others from them. The rows, and the contract that holds for every method, are in catalog.ts.
 * Conformance suite: test/conformance/catalog-media.ts.
 */
import type {
  EventRow,
  GenerationRow,
  NewEvent,
  NewTape,
  PoolRow,
  TapeRow,
  VaultRow,
} from './catalog.ts';

/** What of a pool's row can be set; `undefined` takes a value away. */
export type PoolChanges = Partial<
  Pick<PoolRow, 'retentionMs' | 'encrypted' | 'locked' | 'quotaBytes'>
>;

/** What of a tape's row can be set by itself; `undefined` takes a value away. */
export type TapeChanges = Partial<
  Omit<TapeRow, 'name' | 'pool' | 'vault' | 'generation' | 'payloadBytes'>
>;

/** A process's lock on one tape or on all tapes of a pool: no other process works on them. */
export interface LockRow {
  /** Exactly one of `tape` and `pool` is there. */
  readonly tape: string | undefined;
  readonly pool: string | undefined;
  /** Who holds it, as an operator knows it: `Instant DR NIGHTLY`, `import 4`. */
  readonly process: string;
  readonly sinceMs: number;
  /** What it is for, as the end of a sentence: `the content is being restored`. */
  readonly reason: string;
}

export interface MediaCatalog {
  /**
   * Pools, tapes, users' vaults and entries of the event log follow. ALREADY_EXISTS where the new name is
   * taken.
   */
  renameVault(name: string, newName: string): Promise<VaultRow>;
  /** IN_USE where it has pools. */
  deleteVault(name: string): Promise<void>;

  /** The row as it then is. */
  updatePool(name: string, changes: PoolChanges): Promise<PoolRow>;
  /** Tapes, rules and locks follow. ALREADY_EXISTS where the new name is taken. */
  renamePool(name: string, newName: string): Promise<PoolRow>;
  /** Records that the pool and its tapes lie in another vault: the content is there already. */
  movePool(name: string, vault: string): Promise<PoolRow>;
  /** Removes its copy rules and locks with it. IN_USE where it has tapes. */
  deletePool(name: string): Promise<void>;

  /** All of them or none; ALREADY_EXISTS names the first tape that is there, and its pool. */
  createTapes(tapes: readonly NewTape[]): Promise<void>;
  /** The row as it then is. */
  updateTape(name: string, changes: TapeChanges): Promise<TapeRow>;
  /** Generations, mounts, requests, copy jobs and locks follow. IN_USE where it is mounted. */
  renameTape(name: string, newName: string, atMs: number): Promise<TapeRow>;
  /**
   * Records that a tape lies in another pool, and in that one's vault. Copies that the old pool owed are
   * owed no more. IN_USE where it is mounted.
   */
  moveTape(name: string, pool: string, atMs: number): Promise<TapeRow>;
  /**
   * Records that a tape was erased: size 0 at this generation, nothing else of its metadata changed
   * but the times of erasure and update; writes `event` in the same transaction and resolves with it.
   * IN_USE where it is mounted.
   */
  recordErase(generation: GenerationRow, event: NewEvent): Promise<EventRow>;

  /**
   * IN_USE where another process has the tape, its pool, or a tape of the pool. A process that takes what
   * it has keeps its older lock.
   */
  takeLock(lock: LockRow): Promise<void>;
  /** Resolves with whether there was one; with `process`, another's is left alone. */
  releaseLock(
    of: { readonly tape: string } | { readonly pool: string },
    process?: string,
  ): Promise<boolean>;
  /** Oldest first. */
  listLocks(): Promise<readonly LockRow[]>;
}
