import { describe, expect, it } from 'vitest';
import {
  MODE_SELECT_10,
  MODE_SELECT_6,
  MODE_SENSE_10,
  MODE_SENSE_6,
} from '../../../src/scsi/commands-primary.ts';
import { LOAD_UNLOAD } from '../../../src/scsi/commands-sequential.ts';
import { parseModeParameters } from '../../../src/scsi/mode.ts';
import { parseSense } from '../../../src/scsi/sense.ts';
import { bench, said } from './bench.ts';
import type { Bench } from './bench.ts';

const sense6 = (made: Bench, values: Partial<Record<keyof typeof MODE_SENSE_6.fields, number>>) =>
  made.send(MODE_SENSE_6, { allocationLength: 255, ...values }, { dataInLength: 255 });
const select6 = (made: Bench, list: readonly number[]) =>
  made.send(
    MODE_SELECT_6,
    { pf: 1, parameterListLength: list.length },
    { dataOut: Uint8Array.from(list) },
  );
const pageOf = (made: Bench, pageCode: number, pageControl = 0): number[] => {
  const parsed = parseModeParameters(6, sense6(made, { pageCode, pageControl }).dataIn);
  return 'fault' in parsed ? [] : [...(parsed.pages[0]?.bytes ?? [])];
};

describe('MODE SENSE', () => {
  it('page 0 is header and block descriptor alone, as Linux asks at each open', () => {
    expect([...sense6(bench({ writeProtected: true }), {}).dataIn]).toEqual([
      11, 0, 0x90, 8, 0x5e, 0, 0, 0, 0, 0, 0, 0,
    ]);
    expect([...sense6(bench(), { dbd: 1 }).dataIn]).toEqual([3, 0, 0x10, 0]);
  });

  it('tells of write protection while the tape is loaded', () => {
    const made = bench({ writeProtected: true });
    made.send(LOAD_UNLOAD);
    expect(sense6(made, {}).dataIn[2]).toBe(0x10);
    made.send(LOAD_UNLOAD, { load: 1 });
    expect(sense6(made, {}).dataIn[2]).toBe(0x90);
  });

  it('page 3Fh is all pages, in both forms', () => {
    const made = bench();
    const six = parseModeParameters(6, sense6(made, { pageCode: 0x3f }).dataIn);
    const ten = parseModeParameters(
      10,
      made.send(MODE_SENSE_10, { pageCode: 0x3f, allocationLength: 512 }, { dataInLength: 512 })
        .dataIn,
    );
    const codes = (parsed: typeof six) =>
      'fault' in parsed ? parsed : parsed.pages.map((page) => page.bytes[0]);
    expect(codes(six)).toEqual([0x0f, 0x10]);
    expect(codes(ten)).toEqual([0x0f, 0x10]);
  });

  it('refuses pages that are not there, subpages, and saved values', () => {
    const made = bench();
    expect(said(sense6(made, { pageCode: 0x08 }))).toBe('5/24/00 INVALID FIELD IN CDB');
    expect(said(sense6(made, { pageCode: 0x10, subpageCode: 1 }))).toBe(
      '5/24/00 INVALID FIELD IN CDB',
    );
    expect(said(sense6(made, { pageCode: 0x10, pageControl: 3 }))).toBe(
      '5/39/00 SAVING PARAMETERS NOT SUPPORTED',
    );
  });
});

describe('MODE SELECT', () => {
  it('sets block length and buffered mode as Linux sends them', () => {
    const made = bench();
    expect(said(select6(made, [0, 0, 0x00, 8, 0, 0, 0, 0, 0, 0, 2, 0]))).toBe('GOOD');
    const parsed = parseModeParameters(6, sense6(made, {}).dataIn);
    expect(parsed).toMatchObject({
      bufferedMode: 0,
      blockDescriptor: { blockLength: 512, densityCode: 0x5e },
    });
  });

  it('changes the compression page where it may be changed, default and changeable stay', () => {
    const made = bench();
    const off = [0x0f, 0x0e, 0x40, 0x80, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0];
    const before = pageOf(made, 0x0f, 2);
    expect(said(select6(made, [0, 0, 0x10, 0, ...off]))).toBe('GOOD');
    expect(pageOf(made, 0x0f)).toEqual(off);
    expect(pageOf(made, 0x0f, 2)).toEqual(before);
    expect(pageOf(made, 0x0f, 1).slice(2, 4)).toEqual([0x80, 0x80]);
  });

  it('leaves the block length where it has pages only, and forgets that a page could be saved', () => {
    const made = bench();
    select6(made, [0, 0, 0x13, 8, 0, 0, 0, 0, 0, 0, 2, 0]);
    // WRITE DELAY TIME, bytes 6 and 7, may be changed.
    const page = pageOf(made, 0x10).with(7, 50);
    expect(said(select6(made, [0, 0, 0x13, 0, 0x90, ...page.slice(1)]))).toBe('GOOD');
    expect(pageOf(made, 0x10)).toEqual(page);
    expect(parseModeParameters(6, sense6(made, {}).dataIn)).toMatchObject({
      speed: 3,
      bufferedMode: 1,
      blockDescriptor: { blockLength: 512 },
    });
  });

  it('takes back exactly what MODE SENSE gave', () => {
    const made = bench();
    const given = made.send(
      MODE_SENSE_10,
      { pageCode: 0x3f, allocationLength: 512 },
      { dataInLength: 512 },
    ).dataIn;
    const dataOut = given.slice();
    dataOut.set([0, 0]);
    const values = { pf: 1, parameterListLength: dataOut.length };
    expect(said(made.send(MODE_SELECT_10, values, { dataOut }))).toBe('GOOD');
  });

  it.each([
    ['a bit that may not change', [0, 0, 0x10, 0, 0x10, 0x0e, 0, 1], { byte: 7, bit: 0 }],
    ['a page that is not there', [0, 0, 0x10, 0, 0x08, 2, 0, 0], { byte: 4, bit: 5 }],
    ['a page of another length', [0, 0, 0x10, 0, 0x10, 2, 0, 0], { byte: 5, bit: 7 }],
    ['an unknown density', [0, 0, 0x10, 8, 0x44, 0, 0, 0, 0, 0, 2, 0], { byte: 4, bit: 7 }],
    ['buffered mode 2', [0, 0, 0x20, 8, 0, 0, 0, 0, 0, 0, 2, 0], { byte: 2, bit: 6 }],
    ['a descriptor of 4 bytes', [0, 0, 0x10, 4, 0, 0, 0, 0], { byte: 3 }],
  ])('refuses %s, points at it, and changes nothing', (_, list, pointer) => {
    const made = bench();
    const isPage = list[3] === 0 && list[5] === 0x0e;
    const whole = isPage ? [...list, ...pageOf(made, 0x10).slice(4)] : list;
    const before = [...sense6(made, { pageCode: 0x3f }).dataIn];
    const result = select6(made, whole);
    expect(said(result)).toBe('5/26/00 INVALID FIELD IN PARAMETER LIST');
    expect(parseSense(result.sense)?.fieldPointer).toEqual({ inCdb: false, ...pointer });
    expect([...sense6(made, { pageCode: 0x3f }).dataIn]).toEqual(before);
  });

  it('refuses a list that ends within a page, data that are missing, and saving', () => {
    const made = bench();
    expect(said(select6(made, [0, 0, 0x10, 0, 0x10, 0x0e, 0]))).toBe(
      '5/1A/00 PARAMETER LIST LENGTH ERROR',
    );
    const short = made.send(
      MODE_SELECT_6,
      { pf: 1, parameterListLength: 12 },
      { dataOut: new Uint8Array(4) },
    );
    expect(said(short)).toBe('B/4B/00 DATA PHASE ERROR');
    expect(said(made.send(MODE_SELECT_6, { pf: 1, sp: 1 }))).toBe('5/24/00 INVALID FIELD IN CDB');
    expect(said(made.send(MODE_SELECT_6, { pf: 1 }))).toBe('GOOD');
  });
});
