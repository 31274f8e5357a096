/** EBCDIC, code page 037, for the characters that ASCII has too. */
import { assert } from './assert.ts';

/**
 * Runs of characters whose codes follow one another, by the first one's code. The code page has no others
 * of ASCII's characters.
 * @source IBM code page 00037
 */
const RUNS = [
  [0x40, ' '],
  [0x4b, '.<(+|'],
  [0x50, '&'],
  [0x5a, '!$*);'],
  [0x60, '-/'],
  [0x6b, ',%_>?'],
  [0x79, '`:#@\'="'],
  [0x81, 'abcdefghi'],
  [0x91, 'jklmnopqr'],
  [0xa1, '~stuvwxyz'],
  [0xb0, '^'],
  [0xba, '[]'],
  [0xc0, '{ABCDEFGHI'],
  [0xd0, '}JKLMNOPQR'],
  [0xe0, '\\'],
  [0xe2, 'STUVWXYZ'],
  [0xf0, '0123456789'],
] as const;

const CODES = new Map<string, number>();
for (const [first, characters] of RUNS) {
  for (const [index, character] of Array.from(characters).entries()) {
    CODES.set(character, first + index);
  }
}
const CHARACTERS = new Map(Array.from(CODES, ([character, code]) => [code, character]));

/** The text's characters as EBCDIC; each must be printable ASCII. */
export function encodeEbcdic(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => {
    const code = CODES.get(character);
    assert(code !== undefined, 'EBCDIC text has printable ASCII characters only');
    return code;
  });
}

/** The bytes as text; what is no printable character of ASCII becomes `?`. */
export function decodeEbcdic(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += CHARACTERS.get(byte) ?? '?';
  return text;
}
