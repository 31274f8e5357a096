import { describe, expect, it } from 'vitest';
import { TapeImageModel } from '../../../harness/model/tape-image.ts';
import { MODE_SELECT_6 } from '../../../src/scsi/commands-primary.ts';
import {
  ERASE_6,
  LOCATE_10,
  READ_6,
  READ_POSITION,
  REWIND,
  SPACE_6,
  WRITE_6,
  WRITE_FILEMARKS_6,
} from '../../../src/scsi/commands-sequential.ts';
import { parseShortPosition } from '../../../src/scsi/position.ts';
import { bench, block, said } from './bench.ts';
import type { Bench } from './bench.ts';

/** Writes 'b' blocks of the lengths and 'm' filemarks, rewinds. */
function record(made: Bench, lengths: readonly number[]): Bench {
  lengths.forEach((length, number) => {
    const result =
      length === 0
        ? made.send(WRITE_FILEMARKS_6, { filemarkCount: 1, immed: 1 })
        : made.send(WRITE_6, { transferLength: length }, { dataOut: block(length, number) });
    expect(said(result)).toBe('GOOD');
  });
  made.send(REWIND);
  return made;
}

const at = (made: Bench): number | undefined =>
  parseShortPosition(made.send(READ_POSITION, {}, { dataInLength: 20 }).dataIn)
    ?.logicalObjectNumber;

const readVariable = (made: Bench, transferLength: number, sili = 0) =>
  made.send(READ_6, { transferLength, sili }, { dataInLength: transferLength });

const readFixed = (made: Bench, transferLength: number, blockLength: number) =>
  made.send(READ_6, { transferLength, fixed: 1 }, { dataInLength: transferLength * blockLength });

function setBlockLength(made: Bench, length: number, bufferedMode = 1): void {
  const dataOut = Uint8Array.of(0, 0, bufferedMode << 4, 8, 0, 0, 0, 0, 0, 0, 0, 0);
  new DataView(dataOut.buffer).setUint32(8, length);
  expect(said(made.send(MODE_SELECT_6, { pf: 1, parameterListLength: 12 }, { dataOut }))).toBe(
    'GOOD',
  );
}

describe('READ of one variable block', () => {
  it('of the exact length is GOOD', () => {
    const made = record(bench(), [100]);
    const result = readVariable(made, 100);
    expect(said(result)).toBe('GOOD');
    expect(result.dataIn).toEqual(block(100, 0));
    expect(result.residual).toBe(0);
  });

  it('that is shorter has ILI and the positive difference, or is GOOD with SILI', () => {
    const made = record(bench(), [100, 100]);
    const result = readVariable(made, 160);
    expect(said(result)).toBe('0/00/00 INCORRECT LENGTH ILI residual 60');
    expect(result.dataIn).toEqual(block(100, 0));
    expect(result.residual).toBe(60);
    const silent = readVariable(made, 160, 1);
    expect(said(silent)).toBe('GOOD');
    expect(silent.dataIn).toEqual(block(100, 1));
  });

  it('that is longer is cut, with ILI and the negative difference, and passed over whole', () => {
    const made = record(bench(), [100, 50]);
    const result = readVariable(made, 30);
    expect(said(result)).toBe('0/00/00 INCORRECT LENGTH ILI residual -70');
    expect(result.dataIn).toEqual(block(100, 0).slice(0, 30));
    expect(result.residual).toBe(0);
    expect(at(made)).toBe(1);
  });

  it('that is longer is GOOD with SILI, unless a block length is set', () => {
    const made = record(bench(), [100, 100]);
    expect(said(readVariable(made, 30, 1))).toBe('GOOD');
    setBlockLength(made, 30);
    expect(said(readVariable(made, 30, 1))).toBe('0/00/00 INCORRECT LENGTH ILI residual -70');
  });

  it('at a filemark passes it and has the requested length as residual', () => {
    const made = record(bench(), [0, 10]);
    const result = readVariable(made, 500);
    expect(said(result)).toBe('0/00/01 FILEMARK DETECTED FM residual 500');
    expect(result.dataIn).toHaveLength(0);
    expect(result.residual).toBe(500);
    expect(at(made)).toBe(1);
  });

  it('at end of data is BLANK CHECK without EOM, and stays there', () => {
    const made = record(bench(), [10]);
    readVariable(made, 10);
    for (let attempt = 0; attempt < 2; attempt += 1) {
      expect(said(readVariable(made, 500))).toBe('8/00/05 END OF DATA DETECTED residual 500');
    }
    expect(at(made)).toBe(1);
  });

  it('of no bytes moves nothing', () => {
    const made = record(bench(), [10]);
    expect(said(readVariable(made, 0))).toBe('GOOD');
    expect(at(made)).toBe(0);
  });

  it('into less room than it asked for fills the room', () => {
    const made = record(bench(), [100]);
    const result = made.send(READ_6, { transferLength: 100 }, { dataInLength: 40 });
    expect(result.dataIn).toEqual(block(100, 0).slice(0, 40));
  });
});

describe('READ of fixed blocks', () => {
  it('reads many at once', () => {
    const made = record(bench(), [64, 64, 64]);
    setBlockLength(made, 64);
    const result = readFixed(made, 3, 64);
    expect(said(result)).toBe('GOOD');
    expect(result.dataIn).toEqual(
      Uint8Array.from([0, 1, 2].flatMap((number) => [...block(64, number)])),
    );
  });

  it('joins blocks of two batches of the image', () => {
    const made = bench();
    setBlockLength(made, 3);
    made.send(WRITE_6, { fixed: 1, transferLength: 400 }, { dataOut: block(1200) });
    made.send(REWIND);
    expect(readFixed(made, 200, 3).dataIn).toEqual(block(1200).slice(0, 600));
    expect(readFixed(made, 200, 3).dataIn).toEqual(block(1200).slice(600));
    expect(made.image.callCounts.read).toBe(2);
  });

  it('stops behind a filemark in the middle with the blocks before it', () => {
    const made = record(bench(), [64, 64, 0, 64]);
    setBlockLength(made, 64);
    const result = readFixed(made, 5, 64);
    expect(said(result)).toBe('0/00/01 FILEMARK DETECTED FM residual 3');
    expect(result.dataIn).toHaveLength(128);
    expect(result.residual).toBe(192);
    expect(at(made)).toBe(3);
  });

  it('stops behind a block of another length, which is not counted as read', () => {
    const made = record(bench(), [64, 65, 64]);
    setBlockLength(made, 64);
    const result = readFixed(made, 3, 64);
    expect(said(result)).toBe('0/00/00 INCORRECT LENGTH ILI residual 2');
    expect(result.dataIn).toEqual(block(64, 0));
    expect(at(made)).toBe(2);
  });

  it('stops before end of data', () => {
    const made = record(bench(), [64]);
    setBlockLength(made, 64);
    expect(said(readFixed(made, 4, 64))).toBe('8/00/05 END OF DATA DETECTED residual 3');
    expect(at(made)).toBe(1);
  });

  it('needs a block length, no SILI, and a transfer within the limits', () => {
    const made = record(bench(), [64]);
    expect(said(readFixed(made, 1, 64))).toBe('5/24/00 INVALID FIELD IN CDB');
    setBlockLength(made, 64);
    const both = made.send(READ_6, { fixed: 1, sili: 1, transferLength: 1 }, { dataInLength: 64 });
    expect(said(both)).toBe('5/24/00 INVALID FIELD IN CDB');
    for (const [length, count] of [
      [64, 65_537],
      [65_536, 1025],
    ] as const) {
      setBlockLength(made, length);
      const huge = made.send(READ_6, { fixed: 1, transferLength: count });
      expect(said(huge)).toBe('5/24/00 INVALID FIELD IN CDB');
      const dataOut = new Uint8Array(8);
      expect(said(made.send(WRITE_6, { fixed: 1, transferLength: count }, { dataOut }))).toBe(
        '5/24/00 INVALID FIELD IN CDB',
      );
    }
    expect(at(made)).toBe(0);
  });
});

describe('WRITE', () => {
  it('drops what was behind the position', () => {
    const made = record(bench(), [10, 10, 0, 10]);
    made.send(LOCATE_10, { logicalObjectIdentifier: 1 });
    made.send(WRITE_6, { transferLength: 5 }, { dataOut: block(5, 9) });
    made.send(WRITE_FILEMARKS_6);
    expect(made.image.objects()).toEqual([
      { kind: 'block', data: block(10, 0) },
      { kind: 'block', data: block(5, 9) },
    ]);
  });

  it('of fixed blocks writes each of them', () => {
    const made = bench();
    setBlockLength(made, 16);
    const dataOut = block(48);
    expect(said(made.send(WRITE_6, { fixed: 1, transferLength: 3 }, { dataOut }))).toBe('GOOD');
    made.send(WRITE_FILEMARKS_6);
    expect(made.image.objects().map((each) => each.kind === 'block' && each.data.length)).toEqual([
      16, 16, 16,
    ]);
  });

  it('without a ring is DATA PROTECT, and so are marks and erasure; a flush is not', () => {
    const made = bench({ writeProtected: true });
    const dataOut = block(5);
    for (const result of [
      made.send(WRITE_6, { transferLength: 5 }, { dataOut }),
      made.send(WRITE_FILEMARKS_6, { filemarkCount: 1 }),
      made.send(ERASE_6, { long: 1 }),
    ]) {
      expect(said(result)).toBe('7/27/00 WRITE PROTECTED');
    }
    expect(made.send(WRITE_6, { transferLength: 5 }, { dataOut }).residual).toBe(5);
    expect(said(made.send(WRITE_FILEMARKS_6))).toBe('GOOD');
    expect(made.drive.state.modified).toBe(false);
    expect(made.image.objects()).toEqual([]);
  });

  it('of fewer bytes than the CDB says is ABORTED COMMAND, and writes nothing', () => {
    const made = bench();
    const result = made.send(WRITE_6, { transferLength: 100 }, { dataOut: block(99) });
    expect(said(result)).toBe('B/4B/00 DATA PHASE ERROR');
    expect(at(made)).toBe(0);
  });

  it('of nothing is GOOD and leaves the tape as it is', () => {
    const made = record(bench(), [10]);
    expect(said(made.send(WRITE_6))).toBe('GOOD');
    made.send(WRITE_FILEMARKS_6);
    expect(made.image.objects()).toHaveLength(1);
  });

  it('keeps a copy: the host may reuse its memory at once', () => {
    const made = bench();
    const dataOut = block(10);
    made.send(WRITE_6, { transferLength: 10 }, { dataOut });
    dataOut.fill(0);
    made.send(WRITE_FILEMARKS_6);
    expect(made.image.objects()).toEqual([{ kind: 'block', data: block(10) }]);
  });
});

describe('early warning and end of medium', () => {
  const small = () => bench({ capacityBytes: 100_000, earlyWarningBytes: 10_000 });

  it('WRITE past early warning writes and returns NO SENSE with EOM, each time', () => {
    const made = small();
    for (let count = 0; count < 9; count += 1) {
      const good = made.send(
        WRITE_6,
        { transferLength: 10_000 },
        { dataOut: block(10_000, count) },
      );
      expect(said(good)).toBe('GOOD');
    }
    for (let count = 9; count < 11; count += 1) {
      const result = made.send(WRITE_6, { transferLength: 5000 }, { dataOut: block(5000, count) });
      expect(said(result)).toBe('0/00/02 END OF PARTITION MEDIUM DETECTED EOM residual 0');
      expect(result.residual).toBe(0);
    }
    expect(made.image.durableObjects()).toHaveLength(11);
    const position = made.send(READ_POSITION, {}, { dataInLength: 20 }).dataIn;
    expect(parseShortPosition(position)).toMatchObject({ endOfPartition: true });
  });

  it('comes an eighth before the end of a small tape, where nothing else is said', () => {
    const made = bench({ capacityBytes: 80_000 });
    const write = () => made.send(WRITE_6, { transferLength: 10_000 }, { dataOut: block(10_000) });
    for (let count = 0; count < 7; count += 1) expect(said(write())).toBe('GOOD');
    expect(said(write())).toContain('END OF PARTITION');
    expect(said(write())).toContain('VOLUME OVERFLOW');
  });

  it('WRITE past the end is VOLUME OVERFLOW with the residual, and nothing of the block is written', () => {
    const made = small();
    made.send(WRITE_6, { transferLength: 95_000 }, { dataOut: block(95_000) });
    const result = made.send(WRITE_6, { transferLength: 6000 }, { dataOut: block(6000) });
    expect(said(result)).toBe('D/00/02 VOLUME OVERFLOW EOM residual 6000');
    expect(result.residual).toBe(6000);
    expect(at(made)).toBe(1);
  });

  it('WRITE of fixed blocks writes those that fit', () => {
    const made = small();
    setBlockLength(made, 1000);
    const dataOut = block(120_000);
    const result = made.send(WRITE_6, { fixed: 1, transferLength: 120 }, { dataOut });
    expect(said(result)).toBe('D/00/02 VOLUME OVERFLOW EOM residual 20');
    expect(result.residual).toBe(20_000);
    expect(made.image.durableObjects()).toHaveLength(100);
  });

  it('WRITE FILEMARKS ends, too: a filemark takes room', () => {
    const made = small();
    const result = made.send(WRITE_FILEMARKS_6, { filemarkCount: 100 });
    expect(said(result)).toBe('D/00/02 VOLUME OVERFLOW EOM residual 3');
    expect(made.image.durableObjects()).toHaveLength(97);
  });

  it('the room is reckoned anew where the position moved', () => {
    const made = small();
    made.send(WRITE_6, { transferLength: 80_000 }, { dataOut: block(80_000) });
    made.send(SPACE_6, { code: 0, count: -1 });
    const again = made.send(WRITE_6, { transferLength: 80_000 }, { dataOut: block(80_000) });
    expect(said(again)).toBe('GOOD');
    made.send(SPACE_6, { code: 3 });
    const more = made.send(WRITE_6, { transferLength: 80_000 }, { dataOut: block(80_000) });
    expect(said(more)).toBe('D/00/02 VOLUME OVERFLOW EOM residual 80000');
  });

  it('a tape that holds more than its capacity takes nothing more', () => {
    const { image } = record(bench(), [50_000, 60_000]);
    const made = bench({ capacityBytes: 100_000 }, image);
    made.send(SPACE_6, { code: 3 });
    const result = made.send(WRITE_6, { transferLength: 1 }, { dataOut: block(1) });
    expect(said(result)).toBe('D/00/02 VOLUME OVERFLOW EOM residual 1');
    expect(made.image.objects()).toHaveLength(2);
  });

  it('each partition has its share of the capacity', () => {
    const made = bench(
      { capacityBytes: 40_000, partitionCount: 2, earlyWarningBytes: 100 },
      new TapeImageModel(2),
    );
    const write = () => made.send(WRITE_6, { transferLength: 15_000 }, { dataOut: block(15_000) });
    expect(said(write())).toBe('GOOD');
    expect(said(write())).toBe('D/00/02 VOLUME OVERFLOW EOM residual 15000');
    made.send(LOCATE_10, { cp: 1, partition: 1 });
    expect(said(write())).toBe('GOOD');
  });
});

describe('ERASE', () => {
  it.each([0, 1])('with LONG %i drops what is behind the position, durably', (long) => {
    const made = record(bench(), [10, 0, 10]);
    made.send(LOCATE_10, { logicalObjectIdentifier: 1 });
    expect(said(made.send(ERASE_6, { long }))).toBe('GOOD');
    expect(made.image.durableObjects()).toHaveLength(1);
    expect(at(made)).toBe(1);
    expect(said(readVariable(made, 10))).toContain('END OF DATA');
  });
});

describe('batches', () => {
  it('carry many blocks into and out of the image in one call', () => {
    const made = bench({ capacityBytes: 1e9 });
    for (let number = 0; number < 320; number += 1) {
      made.send(WRITE_6, { transferLength: 32_768 }, { dataOut: block(32_768, number) });
    }
    made.send(WRITE_FILEMARKS_6, { filemarkCount: 1 });
    expect(made.image.callCounts.append).toBe(10 + 1);
    expect(made.image.callCounts.sync).toBe(1);
    made.send(REWIND);
    for (let number = 0; number < 320; number += 1) {
      expect(readVariable(made, 32_768).dataIn).toEqual(block(32_768, number));
    }
    expect(said(readVariable(made, 1))).toContain('FILEMARK');
    expect(made.image.callCounts.read).toBeLessThanOrEqual(11);
  });

  it('of small blocks end at the object limit', () => {
    const made = bench();
    for (let number = 0; number < 600; number += 1) {
      made.send(WRITE_6, { transferLength: 3 }, { dataOut: block(3, number) });
    }
    expect(made.image.callCounts.append).toBe(2);
    expect(made.drive.state.bufferedCount).toBe(600 - 512);
    const position = made.send(READ_POSITION, {}, { dataInLength: 20 }).dataIn;
    expect(parseShortPosition(position)).toMatchObject({
      logicalObjectNumber: 600,
      lastObjectNumber: 512,
      bufferedBytes: 88 * 3,
    });
  });

  it('a block larger than a batch goes straight through', () => {
    const made = bench({ capacityBytes: 1e9 });
    const large = block(3_000_000);
    made.send(WRITE_6, { transferLength: 7 }, { dataOut: block(7) });
    expect(said(made.send(WRITE_6, { transferLength: 3_000_000 }, { dataOut: large }))).toBe(
      'GOOD',
    );
    made.send(WRITE_FILEMARKS_6);
    expect(made.image.durableObjects()).toEqual([
      { kind: 'block', data: block(7) },
      { kind: 'block', data: large },
    ]);
  });

  it('are not made in unbuffered mode: WRITE is durable with GOOD', () => {
    const made = bench();
    setBlockLength(made, 0, 0);
    made.send(WRITE_6, { transferLength: 7 }, { dataOut: block(7) });
    expect(made.image.durableObjects()).toHaveLength(1);
  });
});
