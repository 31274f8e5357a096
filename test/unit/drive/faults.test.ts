import { describe, expect, it } from 'vitest';
import { CapstanError } from '../../../src/base/errors.ts';
import { MODE_SELECT_6 } from '../../../src/scsi/commands-primary.ts';
import {
  ERASE_6,
  LOAD_UNLOAD,
  LOCATE_10,
  READ_6,
  REWIND,
  SPACE_6,
  WRITE_6,
  WRITE_FILEMARKS_6,
} from '../../../src/scsi/commands-sequential.ts';
import { bench, block, said } from './bench.ts';
import type { Bench } from './bench.ts';

const FULL = new CapstanError('NO_SPACE', { path: '/vault' });
const BROKEN = new CapstanError('STORE_FAILED', { path: '/vault', what: 'fsync' });

function write(made: Bench, ...lengths: number[]): void {
  for (const length of lengths) {
    const result = made.send(WRITE_6, { transferLength: length }, { dataOut: block(length) });
    expect(said(result)).toBe('GOOD');
  }
}
const read = (made: Bench, length: number) =>
  made.send(READ_6, { transferLength: length }, { dataInLength: length });
const at = (made: Bench): number => made.drive.state.logicalObjectNumber;

function unbuffered(made: Bench): Bench {
  const dataOut = Uint8Array.of(0, 0, 0, 0);
  made.send(MODE_SELECT_6, { pf: 1, parameterListLength: 4 }, { dataOut });
  return made;
}

describe('a damaged object', () => {
  it('is an unrecovered read error with the position just before it, and can be spaced over', () => {
    const made = bench();
    write(made, 10, 20, 30, 40);
    made.send(REWIND);
    made.image.damage(2);
    expect(said(read(made, 10))).toBe('GOOD');
    expect(said(read(made, 20))).toBe('GOOD');
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const result = read(made, 30);
      expect(said(result)).toBe('3/11/00 UNRECOVERED READ ERROR residual 30');
      expect(result.dataIn).toHaveLength(0);
      expect(at(made)).toBe(2);
    }
    expect(made.drive.state.lastFailure?.code).toBe('STORE_CORRUPT');
    expect(said(made.send(SPACE_6, { code: 0, count: 1 }))).toBe('GOOD');
    expect(read(made, 40).dataIn).toEqual(block(40));
  });

  it('in a transfer of fixed blocks leaves those before it read', () => {
    const made = bench();
    write(made, 16, 16, 16);
    made.send(REWIND);
    made.image.damage(1);
    const dataOut = Uint8Array.of(0, 0, 0x10, 8, 0, 0, 0, 0, 0, 0, 0, 16);
    made.send(MODE_SELECT_6, { pf: 1, parameterListLength: 12 }, { dataOut });
    const result = made.send(READ_6, { fixed: 1, transferLength: 3 }, { dataInLength: 48 });
    expect(said(result)).toBe('3/11/00 UNRECOVERED READ ERROR residual 2');
    expect(result.dataIn).toEqual(block(16));
    expect(at(made)).toBe(1);
  });

  it('is never read in place of what is asked for where a call fails once', () => {
    const made = bench();
    write(made, 10, 20);
    made.send(REWIND);
    made.image.failNext('read', new CapstanError('DISK_IO', { place: 'a pack', what: 'EIO' }));
    expect(said(read(made, 10))).toBe('3/11/00 UNRECOVERED READ ERROR residual 10');
    expect(read(made, 10).dataIn).toEqual(block(10));
  });
});

describe('a full disk', () => {
  it('fails acknowledged blocks as a deferred error with their count; the position is what the image has', () => {
    const made = bench();
    write(made, 10, 20);
    made.send(WRITE_FILEMARKS_6, { filemarkCount: 1 });
    write(made, 30, 40, 50);
    made.image.failNext('append', FULL);
    expect(said(made.send(WRITE_FILEMARKS_6, { filemarkCount: 1 }))).toBe(
      '3/0C/00 WRITE ERROR residual 3 deferred',
    );
    expect(at(made)).toBe(3);
    expect(made.image.durableObjects()).toHaveLength(3);
    // The filemark was not written: a deferred error is about earlier commands.
    expect(said(made.send(WRITE_FILEMARKS_6, { filemarkCount: 1 }))).toBe('GOOD');
    expect(made.image.durableObjects()).toHaveLength(4);
  });

  it('fails the command itself where nothing was acknowledged', () => {
    const made = bench();
    made.image.failNext('append', FULL);
    expect(said(made.send(WRITE_FILEMARKS_6, { filemarkCount: 2 }))).toBe(
      '3/0C/00 WRITE ERROR residual 2',
    );
    expect(at(made)).toBe(0);
    expect(made.drive.state.lastFailure).toBe(FULL);
  });

  it('fails WRITE itself in unbuffered mode', () => {
    const made = unbuffered(bench());
    write(made, 10);
    made.image.failNext('append', FULL);
    const result = made.send(WRITE_6, { transferLength: 20 }, { dataOut: block(20) });
    expect(said(result)).toBe('3/0C/00 WRITE ERROR residual 20');
    expect(result.residual).toBe(20);
    expect(at(made)).toBe(1);
  });

  it('in the middle of a long transfer leaves what had gone through', () => {
    const made = bench({ capacityBytes: 1e9 });
    const dataOut = Uint8Array.of(0, 0, 0x10, 8, 0, 0, 0, 0, 0, 0, 0x80, 0);
    made.send(MODE_SELECT_6, { pf: 1, parameterListLength: 12 }, { dataOut });
    write(made, 10);
    made.send(WRITE_FILEMARKS_6);
    const NOTHING = new CapstanError('DISK_IO', { place: 'a pack', what: 'EIO' });
    let appends = 0;
    const answer = made.image.answer.bind(made.image);
    made.image.answer = (call) => {
      if (call.op === 'append' && (appends += 1) === 2) throw NOTHING;
      return answer(call);
    };
    const result = made.send(
      WRITE_6,
      { fixed: 1, transferLength: 80 },
      { dataOut: block(80 * 32_768) },
    );
    expect(said(result)).toBe('3/0C/00 WRITE ERROR residual 48');
    expect(result.residual).toBe(48 * 32_768);
    expect(at(made)).toBe(1 + 32);
    made.send(REWIND);
    expect(made.image.durableObjects()).toHaveLength(33);
  });

  it.each([
    ['REWIND', (made: Bench) => made.send(REWIND)],
    ['SPACE', (made: Bench) => made.send(SPACE_6, { code: 1, count: -1 })],
    ['LOCATE', (made: Bench) => made.send(LOCATE_10)],
    ['READ', (made: Bench) => read(made, 10)],
    ['ERASE', (made: Bench) => made.send(ERASE_6)],
    ['UNLOAD', (made: Bench) => made.send(LOAD_UNLOAD)],
    ['WRITE FILEMARKS of none', (made: Bench) => made.send(WRITE_FILEMARKS_6)],
  ])('is told by %s, which is not performed then', (_, command) => {
    const made = bench();
    write(made, 10);
    made.send(WRITE_FILEMARKS_6, { filemarkCount: 1 });
    write(made, 20);
    made.image.failNext('append', FULL);
    expect(said(command(made))).toBe('3/0C/00 WRITE ERROR residual 1 deferred');
    expect(at(made)).toBe(2);
    expect(made.drive.state.loaded).toBe(true);
    expect(made.image.durableObjects()).toHaveLength(2);
    expect(made.drive.unloadRequested).toBe(false);
  });

  it('met while a batch is full refuses the next block', () => {
    const made = bench({ capacityBytes: 1e9 });
    for (let count = 0; count < 32; count += 1) write(made, 32_768);
    made.image.failNext('append', FULL);
    const result = made.send(WRITE_6, { transferLength: 5 }, { dataOut: block(5) });
    expect(said(result)).toBe('3/0C/00 WRITE ERROR residual 32 deferred');
    expect(result.residual).toBe(5);
    expect(at(made)).toBe(0);
  });
});

describe('a store that fails to sync', () => {
  it('is a deferred error for all acknowledged since the last sync, and goes back over it', () => {
    const made = bench();
    write(made, 10, 20);
    made.image.failNext('sync', BROKEN);
    expect(said(made.send(REWIND))).toBe('3/0C/00 WRITE ERROR residual 2 deferred');
    expect(at(made)).toBe(0);
    expect(made.image.durableObjects()).toHaveLength(0);
    write(made, 30);
    expect(said(made.send(REWIND))).toBe('GOOD');
    expect(made.image.durableObjects()).toEqual([{ kind: 'block', data: block(30) }]);
  });

  it('fails the command itself where only its own data are in doubt', () => {
    const made = unbuffered(bench());
    made.image.failNext('sync', BROKEN);
    const result = made.send(WRITE_6, { transferLength: 20 }, { dataOut: block(20) });
    expect(said(result)).toBe('3/0C/00 WRITE ERROR residual 20');
  });

  it('keeps an unload from giving the cartridge back', () => {
    const made = bench();
    write(made, 10);
    made.image.failNext('sync', BROKEN);
    expect(said(made.send(LOAD_UNLOAD))).toBe('3/0C/00 WRITE ERROR residual 1 deferred');
    expect(made.drive.unloadRequested).toBe(false);
    expect(said(made.send(LOAD_UNLOAD))).toBe('GOOD');
    expect(made.image.durableObjects()).toHaveLength(1);
  });
});

it('a move that the image cannot make is an unrecovered read error with the whole residual', () => {
  const made = bench();
  write(made, 10, 20);
  const damaged = new CapstanError('STORE_CORRUPT', { place: 'the map', what: 'checksum' });
  for (const count of [-2, 2]) {
    made.image.failNext('space', damaged);
    expect(said(made.send(SPACE_6, { code: 0, count }))).toBe(
      '3/11/00 UNRECOVERED READ ERROR residual 2',
    );
    expect(at(made)).toBe(2);
  }
  made.image.failNext('locate', damaged);
  expect(said(made.send(LOCATE_10))).toBe('3/11/00 UNRECOVERED READ ERROR');
  expect(at(made)).toBe(2);
});

it('ERASE that fails is a write error of its own', () => {
  const made = bench();
  write(made, 10);
  made.send(REWIND);
  made.image.failNext('truncate', BROKEN);
  expect(said(made.send(ERASE_6))).toBe('3/0C/00 WRITE ERROR');
  expect(made.image.durableObjects()).toHaveLength(1);
});

it('an error that is no CapstanError goes through: it is a bug, not a medium', () => {
  const made = bench();
  const step = made.drive.execute({
    cdb: Uint8Array.of(8, 0, 0, 0, 1, 0),
    dataInLength: 1,
    timeoutMs: 1,
  });
  step.next();
  expect(() => step.throw(new TypeError('a bug'))).toThrow(TypeError);
});
