import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodeUtf8,
  fromBase64Url,
  fromHex,
  toBase64Url,
  toHex,
} from '../../../src/base/encodings.ts';

const RUNS = { seed: 41, numRuns: 500 };
const bytes = fc.uint8Array({ maxLength: 70 });

describe('hexadecimal and base64url', () => {
  it('are what Node makes of the same bytes, and come back', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        expect(toHex(value)).toBe(Buffer.from(value).toString('hex'));
        expect(fromHex(toHex(value))).toEqual(value);
        expect(toBase64Url(value)).toBe(Buffer.from(value).toString('base64url'));
        expect(fromBase64Url(toBase64Url(value))).toEqual(value);
      }),
      RUNS,
    );
  });

  it('take one text for one value only', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 9 }), (text) => {
        const read = fromBase64Url(text);
        expect(read === undefined || toBase64Url(read) === text).toBe(true);
      }),
      RUNS,
    );
    for (const text of ['A', 'AB', 'AAB', 'AA==', 'A+', 'A/', 'A A']) {
      expect(fromBase64Url(text)).toBeUndefined();
    }
    for (const text of ['a', 'AB', 'g0', '0x', ' 00']) expect(fromHex(text)).toBeUndefined();
  });
});

describe('UTF-8', () => {
  it('is what Node makes of the same text', () => {
    const text = fc.string({
      unit: fc.oneof(fc.constant('\ud800'), fc.string({ unit: 'binary' })),
    });
    fc.assert(
      fc.property(text, (value) => {
        expect(encodeUtf8(value)).toEqual(new Uint8Array(Buffer.from(value, 'utf8')));
      }),
      RUNS,
    );
  });
});
