import { describe, expect, it } from 'vitest';
import { TapeImageModel } from '../../../harness/model/tape-image.ts';
import {
  LOCATE_10,
  READ_6,
  READ_BLOCK_LIMITS,
  READ_POSITION,
  REWIND,
  SPACE_6,
  SPACE_CODE,
  WRITE_6,
  WRITE_FILEMARKS_6,
} from '../../../src/scsi/commands-sequential.ts';
import { parseLongPosition } from '../../../src/scsi/position.ts';
import { bench, block, said } from './bench.ts';
import type { Bench } from './bench.ts';

/** Objects: 0 block, 1 block, 2 filemark, 3 block, 4 filemark, 5 filemark; the position is 6. */
function recorded(): Bench {
  const made = bench();
  for (const length of [10, 20, 0, 30, 0, 0]) {
    if (length === 0) made.send(WRITE_FILEMARKS_6, { filemarkCount: 1, immed: 1 });
    else made.send(WRITE_6, { transferLength: length }, { dataOut: block(length) });
  }
  return made;
}

const long = (made: Bench) =>
  parseLongPosition(made.send(READ_POSITION, { serviceAction: 6 }, { dataInLength: 32 }).dataIn);
const at = (made: Bench): number | undefined => long(made)?.logicalObjectNumber;
const locate = (made: Bench, logicalObjectIdentifier: number) =>
  made.send(LOCATE_10, { logicalObjectIdentifier });

describe('SPACE', () => {
  const { BLOCKS, FILEMARKS, END_OF_DATA } = SPACE_CODE;
  it.each([
    // code, from, count, what is said, position
    [BLOCKS, 0, 2, 'GOOD', 2],
    [BLOCKS, 0, 5, '0/00/01 FILEMARK DETECTED FM residual 3', 3],
    [BLOCKS, 3, 5, '0/00/01 FILEMARK DETECTED FM residual 4', 5],
    [BLOCKS, 6, 2, '8/00/05 END OF DATA DETECTED residual 2', 6],
    [BLOCKS, 6, -1, '0/00/01 FILEMARK DETECTED FM residual 1', 5],
    [BLOCKS, 4, -2, '0/00/01 FILEMARK DETECTED FM residual 1', 2],
    [BLOCKS, 2, -2, 'GOOD', 0],
    [BLOCKS, 2, -5, '0/00/04 BEGINNING OF PARTITION MEDIUM DETECTED EOM residual 3', 0],
    [BLOCKS, 3, 0, 'GOOD', 3],
    [FILEMARKS, 0, 1, 'GOOD', 3],
    [FILEMARKS, 0, 3, 'GOOD', 6],
    [FILEMARKS, 1, 4, '8/00/05 END OF DATA DETECTED residual 1', 6],
    [FILEMARKS, 6, -2, 'GOOD', 4],
    [FILEMARKS, 3, -1, 'GOOD', 2],
    [FILEMARKS, 6, -5, '0/00/04 BEGINNING OF PARTITION MEDIUM DETECTED EOM residual 2', 0],
    [END_OF_DATA, 0, 0, 'GOOD', 6],
    [END_OF_DATA, 3, -4, 'GOOD', 6],
  ])('code %i from %i by %i: %s', (code, from, count, text, position) => {
    const made = recorded();
    locate(made, from);
    expect(said(made.send(SPACE_6, { code, count }))).toBe(text);
    expect(at(made)).toBe(position);
  });

  it('knows no sequential filemarks and no setmarks', () => {
    const made = recorded();
    for (const code of [2, 4, 5, 15]) {
      expect(said(made.send(SPACE_6, { code, count: 1 }))).toBe('5/24/00 INVALID FIELD IN CDB');
    }
    expect(at(made)).toBe(6);
  });
});

describe('LOCATE', () => {
  it('moves to an object, whatever BT says', () => {
    const made = recorded();
    expect(said(made.send(LOCATE_10, { bt: 1, logicalObjectIdentifier: 3 }))).toBe('GOOD');
    expect(made.send(READ_6, { transferLength: 30 }, { dataInLength: 30 }).dataIn).toEqual(
      block(30),
    );
    expect(said(locate(made, 6))).toBe('GOOD');
  });

  it('behind the last object stops at end of data with BLANK CHECK', () => {
    const made = recorded();
    locate(made, 0);
    expect(said(locate(made, 7))).toBe('8/00/05 END OF DATA DETECTED');
    expect(at(made)).toBe(6);
  });

  it('changes the partition with CP only, to one that is there', () => {
    const made = bench({ partitionCount: 2 }, new TapeImageModel(2));
    made.send(WRITE_6, { transferLength: 5 }, { dataOut: block(5) });
    expect(said(made.send(LOCATE_10, { partition: 1 }))).toBe('GOOD');
    expect(long(made)?.partition).toBe(0);
    expect(said(made.send(LOCATE_10, { partition: 1, cp: 1 }))).toBe('GOOD');
    expect(long(made)).toMatchObject({ partition: 1, logicalObjectNumber: 0 });
    expect(said(made.send(LOCATE_10, { partition: 2, cp: 1 }))).toBe(
      '5/24/00 INVALID FIELD IN CDB',
    );
    made.send(WRITE_6, { transferLength: 6 }, { dataOut: block(6) });
    made.send(REWIND);
    expect(long(made)?.partition).toBe(1);
    expect([made.image.objects(0), made.image.objects(1)].map((each) => each.length)).toEqual([
      1, 1,
    ]);
  });
});

describe('READ POSITION', () => {
  it('counts the filemarks before the position, those in the buffer, too', () => {
    const made = recorded();
    expect(made.image.callCounts.append).toBe(0);
    expect(long(made)).toEqual({
      beginningOfPartition: false,
      endOfPartition: false,
      partition: 0,
      logicalObjectNumber: 6,
      logicalFileIdentifier: 3,
    });
    made.send(REWIND);
    expect(long(made)).toMatchObject({ beginningOfPartition: true, logicalFileIdentifier: 0 });
  });

  it('answers Linux, which asks for the vendor form, as the short form', () => {
    const made = recorded();
    const answer = (form: number) =>
      made.send(READ_POSITION, { serviceAction: form }, { dataInLength: 20 }).dataIn;
    expect(answer(1)).toEqual(answer(0));
    expect((answer(1)[0] ?? 0xff) & 0x04).toBe(0);
  });

  it('refuses forms that it does not know, and an allocation length where there is none', () => {
    const made = recorded();
    expect(said(made.raw([0x34, 8, 0, 0, 0, 0, 0, 0, 32, 0]))).toBe('5/24/00 INVALID FIELD IN CDB');
    expect(said(made.raw([0x34, 0, 0, 0, 0, 0, 0, 0, 20, 0]))).toBe('5/24/00 INVALID FIELD IN CDB');
  });
});

it('REWIND makes durable what was written, with IMMED, too', () => {
  const made = recorded();
  expect(said(made.send(REWIND, { immed: 1 }))).toBe('GOOD');
  expect(made.image.durableObjects()).toHaveLength(6);
});

it('READ BLOCK LIMITS tells 1 to 2^24 - 1 bytes', () => {
  expect([...bench().send(READ_BLOCK_LIMITS, {}, { dataInLength: 6 }).dataIn]).toEqual([
    0, 0xff, 0xff, 0xff, 0, 1,
  ]);
});
