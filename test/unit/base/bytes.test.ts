import { describe, expect, it } from 'vitest';
import { AssertionError } from '../../../src/base/assert.ts';
import {
  concatBytes,
  decodeAscii,
  encodeAscii,
  equalBytes,
  readInt,
  readUint,
  toSigned,
  toUnsigned,
  writeAscii,
  writeUint,
} from '../../../src/base/bytes.ts';

describe('numbers', () => {
  it('are big-endian, of 1 to 8 bytes', () => {
    const bytes = new Uint8Array(9);
    writeUint(bytes, 1, 3, 0x010203);
    expect([...bytes]).toEqual([0, 1, 2, 3, 0, 0, 0, 0, 0]);
    expect(readUint(bytes, 0, 4)).toBe(0x010203);
    writeUint(bytes, 1, 8, Number.MAX_SAFE_INTEGER);
    expect(readUint(bytes, 1, 8)).toBe(Number.MAX_SAFE_INTEGER);
  });

  it('are two-complement where they are signed', () => {
    expect(readInt(Uint8Array.of(0xff, 0xff, 0xfe), 0, 3)).toBe(-2);
    expect(readInt(Uint8Array.of(0x7f, 0xff, 0xff), 0, 3)).toBe(0x7fffff);
    expect(toUnsigned(-1, 32)).toBe(0xffffffff);
    expect(toSigned(toUnsigned(-(2 ** 31), 32), 32)).toBe(-(2 ** 31));
  });

  it('that do not fit are a programmer error, not a silent cut', () => {
    const bytes = new Uint8Array(4);
    expect(() => writeUint(bytes, 0, 2, 0x10000)).toThrow(AssertionError);
    expect(() => writeUint(bytes, 0, 2, -1)).toThrow(AssertionError);
    expect(() => writeUint(bytes, 3, 2, 1)).toThrow(AssertionError);
    expect(() => readUint(bytes, 2, 4)).toThrow(AssertionError);
  });
});

describe('text', () => {
  it('becomes ASCII and back, and foreign bytes become question marks', () => {
    expect(decodeAscii(encodeAscii('VOL1 ~'))).toBe('VOL1 ~');
    expect(decodeAscii(Uint8Array.of(0x41, 0x80, 0xff))).toBe('A??');
    expect(() => encodeAscii('É')).toThrow(AssertionError);
  });

  it('is filled up and cut to its field', () => {
    const bytes = new Uint8Array(6);
    writeAscii(bytes, 1, 4, 'AB');
    expect([...bytes]).toEqual([0, 0x41, 0x42, 0x20, 0x20, 0]);
    writeAscii(bytes, 0, 3, 'WXYZ');
    expect(decodeAscii(bytes.subarray(0, 4))).toBe('WXY ');
  });
});

it('bytes are joined into a copy and compared by content', () => {
  const part = Uint8Array.of(1, 2);
  const whole = concatBytes([part, new Uint8Array(0), Uint8Array.of(3)]);
  part[0] = 9;
  expect(equalBytes(whole, Uint8Array.of(1, 2, 3))).toBe(true);
  expect(equalBytes(whole, Uint8Array.of(1, 2))).toBe(false);
  expect(equalBytes(whole, Uint8Array.of(1, 2, 4))).toBe(false);
});
