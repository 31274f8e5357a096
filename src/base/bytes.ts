/** Bytes without Node: big-endian numbers, ASCII text, joining and comparing. */
import { assert } from './assert.ts';

/** Widest number of {@link readUint} and {@link writeUint}, bytes. */
const UINT_WIDTH_MAX = 8;

/**
 * The unsigned big-endian number of `width` (1 to 8) bytes at `offset`. Bytes behind the end are
 * the caller's error; of an eight-byte number above 2^53 - 1 the lowest bits are rounded.
 */
export function readUint(bytes: Uint8Array, offset: number, width: number): number {
  assert(width >= 1 && width <= UINT_WIDTH_MAX, 'a number has 1 to 8 bytes');
  assert(offset >= 0 && offset + width <= bytes.length, 'a number lies within its bytes');
  let value = 0;
  for (let index = offset; index < offset + width; index += 1) {
    value = value * 256 + (bytes[index] ?? 0);
  }
  return value;
}

/** The two's complement big-endian number of `width` (1 to 6) bytes at `offset`. */
export function readInt(bytes: Uint8Array, offset: number, width: number): number {
  return toSigned(readUint(bytes, offset, width), width * 8);
}

/** `value`, an unsigned number of `bits` bits (at most 48), read as two's complement. */
export function toSigned(value: number, bits: number): number {
  return value >= 2 ** (bits - 1) ? value - 2 ** bits : value;
}

/**
 * `value` as the unsigned number of `bits` bits (at most 48) that stands for it in two's
 * complement.
 */
export function toUnsigned(value: number, bits: number): number {
  const limit = 2 ** (bits - 1);
  assert(
    Number.isInteger(value) && value >= -limit && value < limit,
    'a signed number fits into its bits',
  );
  return value < 0 ? value + 2 * limit : value;
}

/** Writes the whole number `value` >= 0 big-endian into `width` (1 to 8) bytes at `offset`. */
export function writeUint(bytes: Uint8Array, offset: number, width: number, value: number): void {
  assert(width >= 1 && width <= UINT_WIDTH_MAX, 'a number has 1 to 8 bytes');
  assert(offset >= 0 && offset + width <= bytes.length, 'a number lies within its bytes');
  assert(
    Number.isSafeInteger(value) && value >= 0 && value < 2 ** (width * 8),
    'a number fits into its bytes',
  );
  let rest = value;
  for (let index = offset + width - 1; index >= offset; index -= 1) {
    bytes[index] = rest % 256;
    rest = Math.floor(rest / 256);
  }
}

/** The text's characters as bytes; each must be below U+0080. */
export function encodeAscii(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    assert(code < 0x80, 'ASCII text has characters below U+0080 only');
    bytes[index] = code;
  }
  return bytes;
}

/** Writes `text` at `offset`, cut to `width` characters and filled up with spaces. */
export function writeAscii(bytes: Uint8Array, offset: number, width: number, text: string): void {
  bytes.set(encodeAscii(text.slice(0, width).padEnd(width, ' ')), offset);
}

/** The bytes as text; what is not ASCII becomes `?`, so that nothing from outside gets through. */
export function decodeAscii(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte < 0x80 ? String.fromCharCode(byte) : '?';
  return text;
}

/** The parts, one after another, in bytes of their own. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Whether both hold the same bytes. Not for secrets: the time it takes tells where they differ. */
export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  for (let index = 0; index < left.length; index += 1) {
    if (left[index] !== right[index]) return false;
  }
  return true;
}
