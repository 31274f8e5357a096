/**
 * The medium as a drive sees it: where it stands, whether it may be written, how much fits.
 *
 * Writes are gathered and reads are made in batches, so that many blocks cross into the image in
 * one call. Terms: the *position* is the object that the next command meets; the *image position*
 * is as far as the image has got; the difference is in the write buffer. An object is
 * *acknowledged* once the host had GOOD for it, and *durable* once the image has been synced behind
 * it.
 *
 * Invariants: never both a filled write buffer and a filled read-ahead. After a failed write the
 * position has gone back by the objects that the failure counts as lost, so that a host can go on
 * from there; what was durable still is.
 */
import { assert } from '../base/assert.ts';
import type { CapstanError } from '../base/errors.ts';
import { isCapstanError } from '../base/errors.ts';
import { logicalObjectNumber } from '../base/units.ts';
import { ask } from './image-call.ts';
import type { ImageCall, ImageReplies, LocateReply, SpaceReply, Step } from './image-call.ts';
import { READ_AHEAD_BYTES_MAX, READ_AHEAD_OBJECTS_MAX, ReadAhead } from './read-ahead.ts';
import type { TapeObject } from './tape-object.ts';
import { WRITE_BATCH_BYTES_MAX, WRITE_BATCH_OBJECTS_MAX, WriteBuffer } from './write-buffer.ts';

/** What a filemark takes of the capacity, bytes; so a tape of nothing but filemarks ends, too. */
export const FILEMARK_CAPACITY_BYTES = 1024;

export interface Cartridge {
  readonly partitionCount: number;
  /** Of all partitions together; each has an equal share. */
  readonly capacityBytes: number;
  /** No ring. */
  readonly writeProtected: boolean;
  readonly volume: string;
  /** How far before the end of a partition early warning lies. */
  readonly earlyWarningBytes: number;
}

/** The image did not do what it was asked; `cause` says why. */
export interface ReadFailure {
  readonly kind: 'unreadable';
  readonly cause: CapstanError;
}
export interface WriteFailure {
  readonly kind: 'unwritten';
  /**
   * Objects that the host had GOOD for earlier and that are not, or may not be, on the medium: 0
   * where the call's own objects alone are not.
   */
  readonly acknowledgedCount: number;
  readonly cause: CapstanError;
}
export type MediumFailure = ReadFailure | WriteFailure;

export interface WriteOutcome {
  /** Objects of this call that were taken. */
  readonly writtenCount: number;
  /** `early-warning`: the position is past it; `end`: the rest does not fit. */
  readonly zone: 'normal' | 'early-warning' | 'end';
  readonly failure?: MediumFailure;
}

export type ReadOutcome = TapeObject | { readonly kind: 'end-of-data' } | MediumFailure;

export type SpaceOutcome = Omit<SpaceReply, 'at'> | MediumFailure;

export interface MediumPosition {
  readonly kind: 'position';
  readonly partition: number;
  readonly logicalObjectNumber: number;
  readonly lastObjectNumber: number;
  readonly bufferedBytes: number;
  readonly logicalFileIdentifier: number;
  readonly endOfPartition: boolean;
}

/**
 * `count` blocks of `blockLength` bytes one after another in `data`, or filemarks where it is 0.
 */
export interface ObjectRun {
  readonly count: number;
  readonly blockLength: number;
  readonly data: Uint8Array;
}

/** As far as a position can be: an image answers it with its end of data. */
const FARTHEST = logicalObjectNumber(Number.MAX_SAFE_INTEGER);

function failureCause(error: unknown): CapstanError {
  if (isCapstanError(error)) return error;
  throw error;
}

/** Asks the image where it can fail for reasons of the medium. */
function* attempt<Call extends ImageCall>(
  call: Call,
): Step<{ readonly reply: ImageReplies[Call['op']] } | ReadFailure> {
  try {
    return { reply: yield* ask(call) };
  } catch (error) {
    return { kind: 'unreadable', cause: failureCause(error) };
  }
}

export class TapeMedium {
  readonly cartridge: Cartridge;
  readonly #capacityBytes: number;
  readonly #buffer = new WriteBuffer();
  readonly #readAhead = new ReadAhead();
  #partition = 0;
  #imagePosition = 0;
  /** Capacity taken before the image position; undefined until it is asked for. */
  #usedBytes: number | undefined = 0;
  /** Objects in the image that are not known to be durable, and whether anything at all is not. */
  #unsyncedCount = 0;
  #dirty = false;
  #modified = false;

  constructor(cartridge: Cartridge) {
    assert(cartridge.partitionCount >= 1, 'a medium has a partition');
    this.cartridge = cartridge;
    this.#capacityBytes = Math.floor(cartridge.capacityBytes / cartridge.partitionCount);
  }

  get partition(): number {
    return this.#partition;
  }

  /** The logical object number that the next command meets. */
  get position(): number {
    return this.#imagePosition + this.#buffer.objectCount;
  }

  /** Objects acknowledged and not yet in the image. */
  get bufferedCount(): number {
    return this.#buffer.objectCount;
  }

  /** Whether the image was changed since the load, or may have been. */
  get modified(): boolean {
    return this.#modified || this.#buffer.objectCount > 0;
  }

  /**
   * Writes the run at the position and drops what was behind it. `buffered`: it may stay in the
   * buffer; else, and past early warning, it is durable when this returns. A failure of what was
   * acknowledged before (`acknowledgedCount` > 0) means that nothing of this run was taken.
   */
  *write(run: ObjectRun, buffered: boolean): Step<WriteOutcome> {
    assert(!this.cartridge.writeProtected, 'a protected medium is not written');
    assert(run.data.length === run.count * run.blockLength, 'a run has the bytes of its blocks');
    const used = yield* this.#used();
    if (typeof used !== 'number') return { writtenCount: 0, zone: 'normal', failure: used };
    this.#readAhead.drop();

    const objectBytes = run.blockLength || FILEMARK_CAPACITY_BYTES;
    const fitting = Math.max(0, Math.floor((this.#capacityBytes - used) / objectBytes));
    const count = Math.min(run.count, fitting);
    const warned =
      used + count * objectBytes > this.#capacityBytes - this.cartridge.earlyWarningBytes;
    const zone = count < run.count ? 'end' : warned ? 'early-warning' : 'normal';
    const taken: ObjectRun = { ...run, count, data: run.data.subarray(0, count * run.blockLength) };

    const lazily = buffered && zone === 'normal';
    if (!lazily || !this.#buffer.hasRoom(count, taken.data.length)) {
      const failure = yield* this.#flush();
      if (failure !== undefined) return { writtenCount: 0, zone, failure };
    }
    if (lazily && this.#buffer.hasRoom(count, taken.data.length)) {
      this.#buffer.push(count, run.blockLength, taken.data);
      return { writtenCount: count, zone };
    }
    return yield* this.#writeThrough(taken, zone, !lazily);
  }

  /** Gives a run to the image without a copy, in batches; the buffer is empty. */
  *#writeThrough(run: ObjectRun, zone: WriteOutcome['zone'], sync: boolean): Step<WriteOutcome> {
    const perBatch = run.blockLength
      ? Math.max(1, Math.floor(WRITE_BATCH_BYTES_MAX / run.blockLength))
      : WRITE_BATCH_OBJECTS_MAX;
    for (let written = 0; written < run.count;) {
      const count = Math.min(perBatch, WRITE_BATCH_OBJECTS_MAX, run.count - written);
      const lengths = new Uint32Array(count).fill(run.blockLength);
      const offset = written * run.blockLength;
      const data = run.data.subarray(offset, offset + count * run.blockLength);
      const cause = yield* this.#append(lengths, data);
      if (cause !== undefined) {
        const failure: WriteFailure = { kind: 'unwritten', acknowledgedCount: 0, cause };
        return { writtenCount: written, zone, failure };
      }
      written += count;
    }
    const failure = sync ? yield* this.#sync(run.count) : undefined;
    if (failure !== undefined) return { writtenCount: 0, zone, failure };
    return { writtenCount: run.count, zone };
  }

  /** Capacity taken before the position, the buffer included. */
  *#used(): Step<number | ReadFailure> {
    if (this.#usedBytes === undefined) {
      const located = yield* this.#locateImage(this.#imagePosition);
      if (located.kind === 'unreadable') return located;
      this.#usedBytes = located.bytesBefore + located.filemarksBefore * FILEMARK_CAPACITY_BYTES;
    }
    return (
      this.#usedBytes + this.#buffer.bytes + this.#buffer.filemarkCount * FILEMARK_CAPACITY_BYTES
    );
  }

  *#locateImage(at: number): Step<(LocateReply & { readonly kind: 'located' }) | ReadFailure> {
    const outcome = yield* attempt({
      op: 'locate',
      partition: this.#partition,
      at: logicalObjectNumber(at),
    });
    return 'reply' in outcome ? { kind: 'located', ...outcome.reply } : outcome;
  }

  /** Appends at the image position and moves it; on an error it is where the image then is. */
  *#append(lengths: Uint32Array, data: Uint8Array): Step<CapstanError | undefined> {
    const at = logicalObjectNumber(this.#imagePosition);
    this.#modified = true;
    this.#dirty = true;
    try {
      yield* ask({ op: 'append', partition: this.#partition, at, lengths, data });
    } catch (error) {
      const cause = failureCause(error);
      const located = yield* this.#locateImage(this.#imagePosition);
      // Where not even that can be told, the position stays: nothing behind it was called durable.
      this.#moveTo(located.kind === 'located' ? located.at : this.#imagePosition);
      return cause;
    }
    const filemarks = lengths.reduce((sum, length) => sum + (length === 0 ? 1 : 0), 0);
    this.#imagePosition += lengths.length;
    this.#unsyncedCount += lengths.length;
    if (this.#usedBytes !== undefined) {
      this.#usedBytes += data.length + filemarks * FILEMARK_CAPACITY_BYTES;
    }
    return undefined;
  }

  /** Gives the buffer to the image. On a failure the buffer's objects are lost, and counted. */
  *#flush(): Step<WriteFailure | undefined> {
    const count = this.#buffer.objectCount;
    if (count === 0) return undefined;
    const { lengths, data } = this.#buffer.contents();
    const cause = yield* this.#append(lengths, data);
    this.#buffer.clear();
    return cause && { kind: 'unwritten', acknowledgedCount: count, cause };
  }

  /** Makes the image durable; `ownCount` of its last objects have not been acknowledged yet. */
  *#sync(ownCount: number): Step<WriteFailure | undefined> {
    if (!this.#dirty) return undefined;
    try {
      yield* ask({ op: 'sync' });
    } catch (error) {
      const acknowledgedCount = Math.max(0, this.#unsyncedCount - ownCount);
      // They lie right before the image position: no move is made before a sync has held. What may
      // be lost counts as lost, and is written over by a host that writes it again.
      this.#moveTo(this.#imagePosition - this.#unsyncedCount);
      this.#unsyncedCount = 0;
      return { kind: 'unwritten', acknowledgedCount, cause: failureCause(error) };
    }
    this.#unsyncedCount = 0;
    this.#dirty = false;
    return undefined;
  }

  /** All that was acknowledged is durable when this returns without a failure. */
  *synchronize(): Step<WriteFailure | undefined> {
    return (yield* this.#flush()) ?? (yield* this.#sync(0));
  }

  #moveTo(position: number): void {
    this.#imagePosition = position;
    this.#usedBytes = position === 0 ? 0 : undefined;
    this.#readAhead.drop();
  }

  /** The next object; the position is behind it then. Before end of data, or damage, it stays. */
  *read(): Step<ReadOutcome> {
    const ahead = this.#readAhead.take() ?? (yield* this.#fill());
    if (ahead.kind === 'block' || ahead.kind === 'filemark') {
      this.#imagePosition += 1;
      this.#usedBytes = undefined;
    }
    return ahead;
  }

  *#fill(): Step<ReadOutcome> {
    const failure = yield* this.synchronize();
    if (failure !== undefined) return failure;
    for (const countMax of [READ_AHEAD_OBJECTS_MAX, 1]) {
      const outcome = yield* attempt({
        op: 'read',
        partition: this.#partition,
        at: logicalObjectNumber(this.#imagePosition),
        direction: 'forward',
        countMax,
        bytesMax: READ_AHEAD_BYTES_MAX,
      });
      if (!('reply' in outcome)) return outcome;
      this.#readAhead.fill(outcome.reply);
      const first = this.#readAhead.take();
      if (first !== undefined) return first;
      if (outcome.reply.stoppedBy === 'end-of-data') return { kind: 'end-of-data' };
      // Damaged: the next object asked for alone, the image says what is wrong with it.
    }
    assert(false, 'an object that cannot be read is refused when it is asked for alone');
  }

  /** Moves over blocks or filemarks; where it stopped, and what remains of |count|. */
  *space(over: 'blocks' | 'filemarks', count: number): Step<SpaceOutcome> {
    const failure = yield* this.synchronize();
    if (failure !== undefined) return failure;
    const at = logicalObjectNumber(this.#imagePosition);
    const outcome = yield* attempt({ op: 'space', partition: this.#partition, at, over, count });
    if (!('reply' in outcome)) return outcome;
    this.#moveTo(outcome.reply.at);
    return outcome.reply;
  }

  /**
   * Moves to an object of a partition, or as near to it as there are data: `reached` tells. A
   * partition that is not there is the caller's error.
   */
  *locate(
    partition: number,
    position: number,
  ): Step<{ readonly kind: 'located'; readonly reached: boolean } | MediumFailure> {
    assert(partition < this.cartridge.partitionCount, 'the medium has the partition');
    const failure = yield* this.synchronize();
    if (failure !== undefined) return failure;
    const outcome = yield* attempt({
      op: 'locate',
      partition,
      at: logicalObjectNumber(position),
    });
    if (!('reply' in outcome)) return outcome;
    this.#partition = partition;
    this.#moveTo(outcome.reply.at);
    return { kind: 'located', reached: outcome.reply.at === position };
  }

  /** Moves behind the last object of the partition. */
  *spaceToEndOfData(): Step<MediumFailure | undefined> {
    const outcome = yield* this.locate(this.#partition, FARTHEST);
    return outcome.kind === 'located' ? undefined : outcome;
  }

  /** Moves to the beginning of the partition; all that was acknowledged is durable then. */
  *rewind(): Step<WriteFailure | undefined> {
    const failure = yield* this.synchronize();
    if (failure === undefined) this.#moveTo(0);
    return failure;
  }

  /** Drops everything from the position on, durably. */
  *truncate(): Step<WriteFailure | undefined> {
    assert(!this.cartridge.writeProtected, 'a protected medium is not erased');
    const failure = yield* this.synchronize();
    if (failure !== undefined) return failure;
    this.#readAhead.drop();
    this.#modified = true;
    this.#dirty = true;
    const at = logicalObjectNumber(this.#imagePosition);
    const outcome = yield* attempt({ op: 'truncate', partition: this.#partition, at });
    if ('reply' in outcome) return yield* this.#sync(0);
    return { kind: 'unwritten', acknowledgedCount: 0, cause: outcome.cause };
  }

  /** Where the medium stands; nothing moves, and nothing is flushed for it. */
  *report(): Step<MediumPosition | ReadFailure> {
    const located = yield* this.#locateImage(this.#imagePosition);
    if (located.kind === 'unreadable') return located;
    // The buffer never holds what lies past early warning: that is written through.
    const used = located.bytesBefore + located.filemarksBefore * FILEMARK_CAPACITY_BYTES;
    return {
      kind: 'position',
      partition: this.#partition,
      logicalObjectNumber: this.position,
      lastObjectNumber: this.#imagePosition,
      bufferedBytes: this.#buffer.bytes,
      logicalFileIdentifier: located.filemarksBefore + this.#buffer.filemarkCount,
      endOfPartition: used > this.#capacityBytes - this.cartridge.earlyWarningBytes,
    };
  }
}
