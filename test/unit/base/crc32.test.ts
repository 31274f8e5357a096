import { describe, expect, it } from 'vitest';
import { encodeAscii } from '../../../src/base/bytes.ts';
import { crc32 } from '../../../src/base/crc32.ts';

describe('crc32', () => {
  it('gives the check value that catalogues of CRCs list', () => {
    expect(crc32(encodeAscii('123456789'))).toBe(0xcbf43926);
  });

  it('of nothing is zero', () => {
    expect(crc32(new Uint8Array(0))).toBe(0);
  });

  it('goes on from the checksum of what stands before', () => {
    expect(crc32(encodeAscii('6789'), crc32(encodeAscii('12345')))).toBe(0xcbf43926);
  });
});
