import { describe, expect, it } from 'vitest';
import { decodeEbcdic, encodeEbcdic } from '../../../src/base/ebcdic.ts';

const PRINTABLE = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)).join(
  '',
);
/** What code page 037 has for them, as Python's codec of that name says. */
const CP037 =
  '405a7f7b5b6c507d4d5d5c4e6b604b61f0f1f2f3f4f5f6f7f8f97a5e4c7e6e6f7cc1c2c3c4c5c6c7c8c9d1d2d3d4' +
  'd5d6d7d8d9e2e3e4e5e6e7e8e9bae0bbb06d79818283848586878889919293949596979899a2a3a4a5a6a7a8a9c0' +
  '4fd0a1';

describe('EBCDIC', () => {
  it('has each printable ASCII character under the code of code page 037', () => {
    expect(Buffer.from(encodeEbcdic(PRINTABLE)).toString('hex')).toBe(CP037);
    expect(decodeEbcdic(encodeEbcdic(PRINTABLE))).toBe(PRINTABLE);
  });

  it('shows what ASCII has not as a question mark', () => {
    expect(decodeEbcdic(Uint8Array.of(0xe5, 0x00, 0x4a, 0xff))).toBe('V???');
  });
});
