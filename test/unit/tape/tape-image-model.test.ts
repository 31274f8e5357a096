/** The model is what other tests trust: it must keep the contract of src/tape/image-call.ts itself. */
import { describe, expect, it } from 'vitest';
import { TapeImageModel } from '../../../harness/model/tape-image.ts';
import { CapstanError } from '../../../src/base/errors.ts';
import { logicalObjectNumber } from '../../../src/base/units.ts';
import { ask } from '../../../src/tape/image-call.ts';
import type { ReadCall } from '../../../src/tape/image-call.ts';
import { FILEMARK, packObjects, unpackObjects } from '../../../src/tape/tape-object.ts';
import type { TapeObject } from '../../../src/tape/tape-object.ts';

const block = (...bytes: number[]): TapeObject => ({
  kind: 'block',
  data: Uint8Array.from(bytes),
});
const OBJECTS = [block(1), block(2, 2), FILEMARK, block(3, 3, 3), block(4)];
const at = logicalObjectNumber;

function recorded(): TapeImageModel {
  const image = new TapeImageModel();
  image.answer({ op: 'append', partition: 0, at: at(0), ...packObjects(OBJECTS) });
  return image;
}

function read(image: TapeImageModel, call: Partial<ReadCall>) {
  return image.run(
    ask({
      op: 'read',
      partition: 0,
      at: at(0),
      direction: 'forward',
      countMax: 99,
      bytesMax: 99,
      ...call,
    }),
  );
}

describe('the model of a tape image', () => {
  it.each<[Partial<ReadCall>, TapeObject[], string]>([
    [{}, OBJECTS.slice(0, 3), 'filemark'],
    [{ at: at(3) }, OBJECTS.slice(3), 'end-of-data'],
    [{ at: at(5) }, [], 'end-of-data'],
    [{ countMax: 2 }, OBJECTS.slice(0, 2), 'limit'],
    [{ bytesMax: 2 }, OBJECTS.slice(0, 1), 'limit'],
    [{ at: at(3), bytesMax: 1 }, OBJECTS.slice(3, 4), 'limit'],
    [{ at: at(5), direction: 'reverse' }, [block(4), block(3, 3, 3), FILEMARK], 'filemark'],
    [{ at: at(2), direction: 'reverse' }, [block(2, 2), block(1)], 'beginning-of-partition'],
  ])('reads %o', (call, objects, stoppedBy) => {
    const reply = read(recorded(), call);
    expect(unpackObjects(reply.lengths, reply.data)).toEqual(objects);
    expect(reply.stoppedBy).toBe(stoppedBy);
  });

  it('stops before a damaged object, and rejects when that alone is asked for', () => {
    const image = recorded();
    image.damage(1);
    expect(read(image, {})).toMatchObject({ stoppedBy: 'damaged', lengths: Uint32Array.of(1) });
    expect(() => read(image, { at: at(1), countMax: 1 })).toThrow(CapstanError);
    image.answer({ op: 'append', partition: 0, at: at(1), ...packObjects([block(9)]) });
    expect(read(image, { at: at(1), countMax: 1 }).data).toEqual(Uint8Array.of(9));
  });

  it('drops at an append what was behind it, and at a crash what was not synced', () => {
    const image = recorded();
    image.answer({ op: 'sync' });
    image.answer({ op: 'append', partition: 0, at: at(1), ...packObjects([FILEMARK]) });
    expect(image.objects()).toEqual([block(1), FILEMARK]);
    image.answer({ op: 'truncate', partition: 0, at: at(0) });
    expect(image.objects()).toEqual([]);
    image.crash();
    expect(image.objects()).toEqual(OBJECTS);
  });

  it('fails the next call of an operation as it was told, and changes nothing by it', () => {
    const image = recorded();
    const full = new CapstanError('NO_SPACE', { path: 'here' });
    image.failNext('append', full);
    const append = { op: 'append', partition: 0, at: at(0), ...packObjects([FILEMARK]) } as const;
    expect(() => image.answer(append)).toThrow(full);
    expect(image.objects()).toEqual(OBJECTS);
    expect(image.answer(append)).toEqual({ objectCount: 1 });
  });

  it('answers an at past end of data for end of data', () => {
    const farthest = at(Number.MAX_SAFE_INTEGER);
    expect(recorded().answer({ op: 'locate', partition: 0, at: farthest })).toEqual({
      at: 5,
      objectCount: 5,
      filemarksBefore: 1,
      bytesBefore: 7,
    });
  });

  it('refuses a gap, a partition that is not there, and lengths that are not the data', () => {
    const image = recorded();
    const packed = packObjects([block(1)]);
    expect(() => image.answer({ op: 'append', partition: 0, at: at(6), ...packed })).toThrow(
      CapstanError,
    );
    expect(() => image.answer({ op: 'append', partition: 1, at: at(0), ...packed })).toThrow(
      CapstanError,
    );
    const lying = { lengths: Uint32Array.of(2), data: packed.data };
    expect(() => image.answer({ op: 'append', partition: 0, at: at(0), ...lying })).toThrow(
      CapstanError,
    );
  });
});
