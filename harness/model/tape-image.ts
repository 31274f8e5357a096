/**
 * The obviously right tape image: arrays in memory that answer ImageCalls at once, as the contract
 * in src/tape/image-call.ts says. Faults on demand; a crash brings back what was there at the last
 * sync.
 */
import { assertNever } from '../../src/base/assert.ts';
import { CapstanError } from '../../src/base/errors.ts';
import { logicalObjectNumber } from '../../src/base/units.ts';
import { BLOCK_BYTES_MAX } from '../../src/tape/image-call.ts';
import type {
  AppendCall,
  AppendReply,
  ImageCall,
  ImageReplies,
  LocateCall,
  LocateReply,
  ReadCall,
  ReadReply,
  SpaceCall,
  SpaceReply,
  Step,
} from '../../src/tape/image-call.ts';
import { packObjects, unpackObjects } from '../../src/tape/tape-object.ts';
import type { TapeObject } from '../../src/tape/tape-object.ts';

interface StoredObject {
  readonly object: TapeObject;
  readonly damaged?: true;
}

export class TapeImageModel {
  #partitions: StoredObject[][];
  #synced: StoredObject[][];
  readonly #faults = new Map<ImageCall['op'], CapstanError[]>();
  /** How often each operation was asked, for tests of batching. */
  readonly callCounts: Record<ImageCall['op'], number> = {
    append: 0,
    read: 0,
    space: 0,
    locate: 0,
    truncate: 0,
    sync: 0,
  };

  constructor(partitionCount = 1) {
    this.#partitions = Array.from({ length: partitionCount }, () => []);
    this.#synced = this.#partitions.map(() => []);
  }

  /** What a partition holds. */
  objects(partition = 0): readonly TapeObject[] {
    return this.#partition(partition).map((stored) => stored.object);
  }

  /** What a partition holds after a crash now. */
  durableObjects(partition = 0): readonly TapeObject[] {
    return (this.#synced[partition] ?? []).map((stored) => stored.object);
  }

  /** The next call of `op` that no earlier fault takes ends with `error`; nothing changes by it. */
  failNext(op: ImageCall['op'], error: CapstanError): void {
    this.#faults.set(op, [...(this.#faults.get(op) ?? []), error]);
  }

  /** Makes an object unreadable until it is overwritten. */
  damage(at: number, partition = 0): void {
    const objects = this.#partition(partition);
    const stored = objects[at];
    if (stored !== undefined) objects[at] = { object: stored.object, damaged: true };
  }

  /** The power fails: what was not synced is gone. */
  crash(): void {
    this.#partitions = this.#synced.map((objects) => [...objects]);
    this.#faults.clear();
  }

  /** Runs a step to its end; a CapstanError of a call is thrown into it. */
  run<Result>(step: Step<Result>): Result {
    let turn = step.next();
    while (!turn.done) {
      let reply: ImageReplies[ImageCall['op']];
      try {
        reply = this.answer(turn.value);
      } catch (error) {
        if (!(error instanceof CapstanError)) throw error;
        turn = step.throw(error);
        continue;
      }
      turn = step.next(reply);
    }
    return turn.value;
  }

  /** Answers one call; throws the CapstanError that an engine would reject with. */
  answer(call: ImageCall): ImageReplies[ImageCall['op']] {
    this.callCounts[call.op] += 1;
    const fault = this.#faults.get(call.op)?.shift();
    if (fault !== undefined) throw fault;
    switch (call.op) {
      case 'append':
        return this.#append(call);
      case 'read':
        return this.#read(call);
      case 'space':
        return this.#space(call);
      case 'locate':
        return this.#locate(call);
      case 'truncate':
        this.#partition(call.partition).splice(call.at);
        return this.#count(call.partition);
      case 'sync':
        this.#synced = this.#partitions.map((objects) => [...objects]);
        return {};
      default:
        return assertNever(call);
    }
  }

  #partition(partition: number): StoredObject[] {
    const objects = this.#partitions[partition];
    if (objects !== undefined) return objects;
    throw new CapstanError('INVALID_ARGUMENT', {
      what: `Partition ${partition}`,
      reason: `the image has ${this.#partitions.length}`,
    });
  }

  #count(partition: number): AppendReply {
    return { objectCount: logicalObjectNumber(this.#partition(partition).length) };
  }

  #append(call: AppendCall): AppendReply {
    const objects = this.#partition(call.partition);
    const total = call.lengths.reduce((sum, length) => sum + length, 0);
    if (
      total !== call.data.length ||
      call.at > objects.length ||
      call.lengths.some((length) => length > BLOCK_BYTES_MAX)
    ) {
      throw new CapstanError('INVALID_ARGUMENT', {
        what: `An append of ${call.lengths.length} objects at ${call.at}`,
        reason: 'lengths, data or position do not fit',
      });
    }
    objects.splice(call.at);
    // A copy: the caller may change its bytes after the reply.
    for (const object of unpackObjects(call.lengths, call.data.slice())) objects.push({ object });
    return this.#count(call.partition);
  }

  #read(call: ReadCall): ReadReply {
    const objects = this.#partition(call.partition);
    const batch: TapeObject[] = [];
    const step = call.direction === 'forward' ? 1 : -1;
    let next = call.direction === 'forward' ? Number(call.at) : call.at - 1;
    let bytes = 0;
    const reply = (stoppedBy: ReadReply['stoppedBy']): ReadReply => ({
      ...packObjects(batch),
      stoppedBy,
    });
    for (;;) {
      if (next < 0) return reply('beginning-of-partition');
      const stored = objects[next];
      if (stored === undefined) return reply('end-of-data');
      if (batch.length >= call.countMax) return reply('limit');
      if (stored.damaged) {
        if (batch.length > 0 || call.countMax > 1) return reply('damaged');
        throw new CapstanError('STORE_CORRUPT', {
          place: `partition ${call.partition}, object ${next}`,
          what: 'the model was told so',
        });
      }
      const { object } = stored;
      if (object.kind === 'filemark') {
        batch.push(object);
        return reply('filemark');
      }
      if (batch.length > 0 && bytes + object.data.length > call.bytesMax) return reply('limit');
      batch.push(object);
      bytes += object.data.length;
      next += step;
    }
  }

  #space(call: SpaceCall): SpaceReply {
    const objects = this.#partition(call.partition);
    const forward = call.count >= 0;
    let at = Number(call.at);
    let residual = Math.abs(call.count);
    const stop = (stoppedBy: SpaceReply['stoppedBy']): SpaceReply => ({
      at: logicalObjectNumber(at),
      residual,
      stoppedBy,
    });
    while (residual > 0) {
      const stored = objects[forward ? at : at - 1];
      if (stored === undefined) return stop(forward ? 'end-of-data' : 'beginning-of-partition');
      at += forward ? 1 : -1;
      const isFilemark = stored.object.kind === 'filemark';
      if (call.over === 'blocks' && isFilemark) return stop('filemark');
      if ((call.over === 'filemarks') === isFilemark) residual -= 1;
    }
    return stop('count');
  }

  #locate(call: LocateCall): LocateReply {
    const objects = this.#partition(call.partition);
    const at = Math.min(call.at, objects.length);
    const before = objects.slice(0, at).map((stored) => stored.object);
    return {
      at: logicalObjectNumber(at),
      ...this.#count(call.partition),
      filemarksBefore: before.filter((object) => object.kind === 'filemark').length,
      bytesBefore: before.reduce(
        (sum, object) => sum + (object.kind === 'block' ? object.data.length : 0),
        0,
      ),
    };
  }
}
