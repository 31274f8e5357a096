/**
 * What a drive asks of the tape image under it, as data.
 *
 * A device server is pure: it cannot wait. Where it needs the image it yields an {@link ImageCall}
 * and is resumed with the reply (or with the CapstanError that the engine gave, thrown into it), so
 * one code runs over the native engine, over the simulated disk and over an array in a unit test.
 *
 * Terms: a tape image is, per partition, a sequence of logical objects; an object is a block of
 * 1 to BLOCK_BYTES_MAX bytes or a filemark. `at` is a logical object number: the object before which
 * the position lies; `at = objectCount` is end of data (EOD). In `lengths`, 0 stands for a filemark.
 */
import type { LogicalObjectNumber } from '../base/units.ts';

/** Largest block of a tape image, bytes. */
export const BLOCK_BYTES_MAX = 16 * 1024 * 1024;
/** Most partitions of a tape image. */
export const PARTITION_COUNT_MAX = 4;

/**
 * Writes objects at `at`, where everything from `at` to EOD is dropped first (as tapes do).
 * `data` is the blocks' bytes, one after another: its length is the sum of `lengths`. It must not be
 * changed by the caller until the reply.
 */
export interface AppendCall {
  readonly op: 'append';
  readonly partition: number;
  readonly at: LogicalObjectNumber;
  readonly lengths: Uint32Array;
  readonly data: Uint8Array;
}
export interface AppendReply {
  /** Objects in the partition afterwards. */
  readonly objectCount: LogicalObjectNumber;
}

/**
 * Reads at most `countMax` objects from `at`, up to and including the first filemark, and no more
 * than `bytesMax` bytes unless the first object alone is larger. In reverse, the objects before
 * `at`, nearest first, each block's bytes in their written order.
 */
export interface ReadCall {
  readonly op: 'read';
  readonly partition: number;
  readonly at: LogicalObjectNumber;
  readonly direction: 'forward' | 'reverse';
  readonly countMax: number;
  readonly bytesMax: number;
  /**
   * Memory for the blocks: where they fit (and are read forward), the reply's `data` may be a part of it.
   * Whoever reads much gives the same memory again and again, and leaves the collector in peace.
   */
  readonly into?: Uint8Array;
}
export interface ReadReply {
  readonly lengths: Uint32Array;
  readonly data: Uint8Array;
  /** What ended the batch. `damaged`: the next object cannot be read; asking for it alone rejects. */
  readonly stoppedBy: 'limit' | 'filemark' | 'end-of-data' | 'beginning-of-partition' | 'damaged';
}

/**
 * Moves over `count` blocks or filemarks; negative is towards the beginning of the partition.
 * Spacing over blocks stops at a filemark: behind it forward, before it in reverse.
 */
export interface SpaceCall {
  readonly op: 'space';
  readonly partition: number;
  readonly at: LogicalObjectNumber;
  readonly over: 'blocks' | 'filemarks';
  readonly count: number;
}
export interface SpaceReply {
  readonly at: LogicalObjectNumber;
  /** |count| less what was passed over (the filemark that stopped a move over blocks not counted). */
  readonly residual: number;
  readonly stoppedBy: 'count' | 'filemark' | 'end-of-data' | 'beginning-of-partition';
}

/** Where `at` lies. An `at` past EOD is answered for EOD. */
export interface LocateCall {
  readonly op: 'locate';
  readonly partition: number;
  readonly at: LogicalObjectNumber;
}
export interface LocateReply {
  readonly at: LogicalObjectNumber;
  readonly objectCount: LogicalObjectNumber;
  /** Filemarks between the beginning of the partition and `at`: READ POSITION's file number. */
  readonly filemarksBefore: number;
  /** Bytes of the blocks before `at`. */
  readonly bytesBefore: number;
}

/** Drops everything from `at` to EOD. */
export interface TruncateCall {
  readonly op: 'truncate';
  readonly partition: number;
  readonly at: LogicalObjectNumber;
}
export type TruncateReply = AppendReply;

/** Replies when all that was appended and truncated would survive a power cut. */
export interface SyncCall {
  readonly op: 'sync';
}
export type SyncReply = Record<never, never>;

export type ImageCall = AppendCall | ReadCall | SpaceCall | LocateCall | TruncateCall | SyncCall;

export interface ImageReplies {
  readonly append: AppendReply;
  readonly read: ReadReply;
  readonly space: SpaceReply;
  readonly locate: LocateReply;
  readonly truncate: TruncateReply;
  readonly sync: SyncReply;
}

/** A pure computation that may ask the image: run it with a loop over `next(reply)` and `throw(error)`. */
export type Step<Result> = Generator<ImageCall, Result, ImageReplies[keyof ImageReplies]>;

/** Asks the image: `const reply = yield* ask({ op: 'sync' })`. */
export function* ask<Call extends ImageCall>(call: Call): Step<ImageReplies[Call['op']]> {
  return (yield call) as ImageReplies[Call['op']];
}
