import { describe, expect, it } from 'vitest';
import { TapeImageModel } from '../../../harness/model/tape-image.ts';
import { AssertionError } from '../../../src/base/assert.ts';
import { CAPSTAN_VTD } from '../../../src/drive/models/capstan-vtd.ts';
import { TapeDrive } from '../../../src/drive/tape-drive.ts';
import {
  INQUIRY,
  PREVENT_ALLOW_MEDIUM_REMOVAL,
  RELEASE_6,
  REPORT_LUNS,
  REQUEST_SENSE,
  RESERVE_6,
  TEST_UNIT_READY,
} from '../../../src/scsi/commands-primary.ts';
import {
  LOAD_UNLOAD,
  READ_6,
  REWIND,
  WRITE_6,
  WRITE_FILEMARKS_6,
} from '../../../src/scsi/commands-sequential.ts';
import { parseStandardInquiry } from '../../../src/scsi/inquiry.ts';
import { describeSense, parseSense } from '../../../src/scsi/sense.ts';
import { bench, block, emptyBench, said } from './bench.ts';

const CARTRIDGE = {
  partitionCount: 1,
  capacityBytes: 1_000_000,
  writeProtected: false,
  volume: 'LAB001',
};

describe('unit attention', () => {
  it('is told once for the power on and once for the medium, and INQUIRY passes it', () => {
    const made = emptyBench();
    made.drive.load(CARTRIDGE);
    expect(said(made.send(INQUIRY, { allocationLength: 36 }, { dataInLength: 36 }))).toBe('GOOD');
    expect(said(made.send(REWIND))).toBe('6/29/00 POWER ON');
    expect(said(made.send(WRITE_6, { transferLength: 3 }, { dataOut: block(3) }))).toBe(
      '6/28/00 NOT READY TO READY CHANGE',
    );
    expect(made.drive.state.logicalObjectNumber).toBe(0);
    expect(said(made.send(TEST_UNIT_READY))).toBe('GOOD');
  });

  it('is taken by REQUEST SENSE as data', () => {
    const made = emptyBench();
    const ask = (desc: number) =>
      made.send(REQUEST_SENSE, { desc, allocationLength: 252 }, { dataInLength: 252 });
    const words = (desc: number): string => {
      const sense = parseSense(ask(desc).dataIn);
      return sense === undefined ? 'none' : describeSense(sense);
    };
    expect(words(0)).toBe('6/29/00 POWER ON');
    expect(words(1)).toBe('2/3A/00 MEDIUM NOT PRESENT');
    made.drive.load(CARTRIDGE);
    expect(words(1)).toBe('6/28/00 NOT READY TO READY CHANGE');
    expect(words(0)).toBe('0/00/00 NO ADDITIONAL SENSE INFORMATION');
  });

  it('of a medium that is gone again is not told', () => {
    const made = emptyBench();
    made.drive.load(CARTRIDGE);
    made.drive.eject();
    expect(said(made.send(TEST_UNIT_READY))).toBe('6/29/00 POWER ON');
    expect(said(made.send(TEST_UNIT_READY))).toBe('2/3A/00 MEDIUM NOT PRESENT');
  });
});

describe('commands', () => {
  it('that are not known are refused', () => {
    const made = bench();
    for (const opcode of [0x04, 0x1d, 0x4d, 0x8c, 0xa3, 0xff]) {
      const cdb = [opcode, ...new Uint8Array(15)];
      expect(said(made.raw(cdb))).toBe('5/20/00 INVALID COMMAND OPERATION CODE');
    }
  });

  it('with a reserved bit set, NACA, or cut short, point at the fault', () => {
    const made = bench();
    const pointer = (cdb: readonly number[]) => parseSense(made.raw(cdb).sense)?.fieldPointer;
    expect(pointer([0x01, 0x02, 0, 0, 0, 0])).toEqual({ inCdb: true, byte: 1, bit: 1 });
    expect(pointer([0x00, 0, 0, 0, 0, 0x04])).toEqual({ inCdb: true, byte: 5, bit: 2 });
    expect(pointer([0x01])).toEqual({ inCdb: true, byte: 1 });
    expect(pointer([])).toEqual({ inCdb: true, byte: 0 });
  });

  it('need a medium, or do not', () => {
    const made = emptyBench();
    made.send(TEST_UNIT_READY);
    for (const opcode of [0x00, 0x01, 0x08, 0x0a, 0x10, 0x11, 0x19, 0x1b]) {
      expect(said(made.raw([opcode, 0, 0, 0, 0, 0]))).toBe('2/3A/00 MEDIUM NOT PRESENT');
    }
    for (const opcode of [0x2b, 0x34]) {
      expect(said(made.raw([opcode, ...new Uint8Array(9)]))).toBe('2/3A/00 MEDIUM NOT PRESENT');
    }
    for (const opcode of [0x03, 0x05, 0x12, 0x16, 0x17, 0x1a, 0x1e]) {
      expect(said(made.raw([opcode, 0, 0, 0, 0, 0]))).toBe('GOOD');
    }
  });

  it('answer within the allocation length, which is no error', () => {
    const made = bench();
    const result = made.send(INQUIRY, { allocationLength: 5 }, { dataInLength: 36 });
    expect(result.dataIn).toHaveLength(5);
    expect(result.residual).toBe(31);
    expect(made.send(INQUIRY, { allocationLength: 255 }, { dataInLength: 255 }).dataIn.length).toBe(
      96,
    );
  });

  it('RESERVE, RELEASE and REPORT LUNS serve the one initiator', () => {
    const made = bench();
    expect(said(made.send(RESERVE_6))).toBe('GOOD');
    expect(said(made.send(RELEASE_6))).toBe('GOOD');
    const luns = (selectReport: number) =>
      made.send(REPORT_LUNS, { selectReport, allocationLength: 16 }, { dataInLength: 16 });
    expect([...luns(0).dataIn]).toEqual([0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect([...luns(1).dataIn]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    expect(said(luns(3))).toBe('5/24/00 INVALID FIELD IN CDB');
  });

  it('INQUIRY refuses a page that is not there, and a page without EVPD', () => {
    const made = bench();
    expect(said(made.send(INQUIRY, { evpd: 1, pageCode: 0xb0, allocationLength: 255 }))).toBe(
      '5/24/00 INVALID FIELD IN CDB',
    );
    expect(said(made.send(INQUIRY, { pageCode: 0x80, allocationLength: 255 }))).toBe(
      '5/24/00 INVALID FIELD IN CDB',
    );
  });
});

describe('UNLOAD', () => {
  it('makes all durable, says so to the server, and leaves the drive not ready', () => {
    const made = bench();
    made.send(WRITE_6, { transferLength: 9 }, { dataOut: block(9) });
    expect(said(made.send(LOAD_UNLOAD))).toBe('GOOD');
    expect(made.image.durableObjects()).toHaveLength(1);
    expect(made.drive.unloadRequested).toBe(true);
    expect(made.drive.state).toMatchObject({ volume: 'BENCH1', loaded: false, modified: true });
    expect(said(made.send(TEST_UNIT_READY))).toBe('2/3A/00 MEDIUM NOT PRESENT');
    made.drive.eject();
    expect(made.drive.unloadRequested).toBe(false);
    expect(made.drive.state.volume).toBeUndefined();
    expect(said(made.send(LOAD_UNLOAD, { load: 1 }))).toBe('2/3A/00 MEDIUM NOT PRESENT');
  });

  it('is undone by LOAD while the cartridge is in the drive', () => {
    const made = bench();
    made.send(LOAD_UNLOAD);
    expect(said(made.send(LOAD_UNLOAD, { load: 1 }))).toBe('GOOD');
    expect(made.drive.unloadRequested).toBe(false);
    expect(said(made.send(TEST_UNIT_READY))).toBe('GOOD');
  });

  it('with HOLD keeps the cartridge', () => {
    const made = bench();
    made.send(LOAD_UNLOAD, { hold: 1 });
    expect(made.drive.unloadRequested).toBe(false);
    expect(made.drive.state.loaded).toBe(false);
  });

  it('is refused while removal is prevented; a server takes the cartridge all the same', () => {
    const made = bench();
    made.send(PREVENT_ALLOW_MEDIUM_REMOVAL, { prevent: 1 });
    expect(said(made.send(LOAD_UNLOAD))).toBe('5/53/02 MEDIUM REMOVAL PREVENTED');
    expect(said(made.send(LOAD_UNLOAD, { load: 1 }))).toBe('GOOD');
    expect(said(made.send(PREVENT_ALLOW_MEDIUM_REMOVAL, { prevent: 2 }))).toBe(
      '5/24/00 INVALID FIELD IN CDB',
    );
    made.drive.eject();
    made.drive.load(CARTRIDGE);
    made.send(TEST_UNIT_READY);
    expect(said(made.send(LOAD_UNLOAD))).toBe('GOOD');
  });

  it('LOAD at end of tape is no place to load to', () => {
    expect(said(bench().send(LOAD_UNLOAD, { load: 1, eot: 1 }))).toBe(
      '5/24/00 INVALID FIELD IN CDB',
    );
  });
});

describe('a server that ends the mount by itself', () => {
  it('synchronizes before it ejects, and may not eject without', () => {
    const made = bench();
    made.send(WRITE_6, { transferLength: 9 }, { dataOut: block(9) });
    expect(() => made.drive.eject()).toThrow(AssertionError);
    expect(made.image.run(made.drive.synchronize())).toBeUndefined();
    made.drive.eject();
    expect(made.image.durableObjects()).toHaveLength(1);
    expect(made.image.run(made.drive.synchronize())).toBeUndefined();
  });

  it('may take out a failed medium: the host hears how much was lost', () => {
    const made = bench();
    made.send(WRITE_6, { transferLength: 9 }, { dataOut: block(9) });
    made.send(WRITE_FILEMARKS_6, { filemarkCount: 1, immed: 1 });
    made.drive.removeMedium();
    expect(said(made.send(TEST_UNIT_READY))).toBe('3/0C/00 WRITE ERROR residual 2 deferred');
    expect(said(made.send(TEST_UNIT_READY))).toBe('2/3A/00 MEDIUM NOT PRESENT');
  });
});

it('a model has its own longest block', () => {
  const image = new TapeImageModel();
  const model = { ...CAPSTAN_VTD, blockLengthMax: 100 };
  const drive = new TapeDrive({ model, serialNumber: 'SHORT', vendor: 'OTHER' });
  drive.load(CARTRIDGE);
  const send = (...cdb: number[]) =>
    image.run(
      drive.execute({
        cdb: Uint8Array.from(cdb),
        dataOut: new Uint8Array(101),
        dataInLength: 96,
        timeoutMs: 1,
      }),
    );
  send(0, 0, 0, 0, 0, 0);
  send(0, 0, 0, 0, 0, 0);
  expect(said(send(0x0a, 0, 0, 0, 101, 0))).toBe('5/24/00 INVALID FIELD IN CDB');
  expect(said(send(0x0a, 0, 0, 0, 100, 0))).toBe('GOOD');
  expect([...send(5, 0, 0, 0, 0, 0).dataIn]).toEqual([0, 0, 0, 100, 0, 1]);
  expect(parseStandardInquiry(send(0x12, 0, 0, 0, 96, 0).dataIn)?.vendor).toBe('OTHER');
});

it('the state counts what was moved since the load, and whether the tape was changed', () => {
  const made = bench();
  made.send(READ_6, { transferLength: 10 }, { dataInLength: 10 });
  expect(made.drive.state).toMatchObject({ modified: false, bytesRead: 0, writeProtected: false });
  made.send(WRITE_6, { transferLength: 9 }, { dataOut: block(9) });
  expect(made.drive.state).toMatchObject({ modified: true, bytesWritten: 9, bufferedCount: 1 });
  made.send(REWIND);
  made.send(READ_6, { transferLength: 4 }, { dataInLength: 4 });
  expect(made.drive.state).toMatchObject({ bytesRead: 4, logicalObjectNumber: 1 });
  made.send(LOAD_UNLOAD);
  made.drive.eject();
  made.drive.load({ ...CARTRIDGE, volume: 'LAB002' });
  expect(made.drive.state).toMatchObject({ volume: 'LAB002', bytesRead: 0, modified: false });
});
