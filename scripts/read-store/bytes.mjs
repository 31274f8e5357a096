/** What every part of a store is read with: errors with a place, CRC-32C, varints, opening what is sealed. */
import { createDecipheriv } from 'node:crypto';

/** The key of every digest. */
export const CHUNK_KEY = Buffer.from('Capstan chunk identity 2 (keyed)', 'latin1');

/** Something in the store is not as docs/formats/store.md has it; `message` says where and what. */
export class StoreError extends Error {
  /**
   * @param {string} place `packs/00000001.pack at 4096`
   * @param {string} what
   */
  constructor(place, what) {
    super(`${place}: ${what}`);
  }
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});

/**
 * @param {Uint8Array} bytes
 * @param {number} before the CRC of what stands before them
 * @returns {number} CRC-32C
 */
export function crc32c(bytes, before = 0) {
  let value = ~before;
  for (let i = 0; i < bytes.length; i += 1)
    value = (value >>> 8) ^ (CRC_TABLE[(value ^ (bytes[i] ?? 0)) & 0xff] ?? 0);
  return ~value >>> 0;
}

/**
 * Whether `header` ends with the CRC of what is before.
 * @param {Buffer} header
 */
export function headerChecks(header) {
  const end = header.length - 4;
  return end > 0 && crc32c(header.subarray(0, end)) === header.readUInt32LE(end);
}

/**
 * Nothing where the tag does not fit.
 * @param {Buffer} key
 * @param {Buffer} nonce
 * @param {Buffer} tag
 * @param {Buffer} authenticated
 * @param {Buffer} sealed
 * @returns {Buffer | undefined}
 */
export function openSealed(key, nonce, tag, authenticated, sealed) {
  const cipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 });
  cipher.setAAD(authenticated);
  cipher.setAuthTag(tag);
  const opened = cipher.update(sealed);
  try {
    cipher.final();
    return opened;
  } catch {
    return undefined;
  }
}

/** Takes numbers and pieces from the front; every read past the end throws a StoreError. */
export class Taker {
  /**
   * @param {Buffer} bytes
   * @param {string} place for errors
   */
  constructor(bytes, place) {
    this.bytes = bytes;
    this.place = place;
    this.offset = 0;
  }

  get left() {
    return this.bytes.length - this.offset;
  }

  /**
   * @param {string} what
   * @returns {StoreError}
   */
  error(what) {
    return new StoreError(this.place, what);
  }

  /** @param {number} count */
  raw(count) {
    if (count > this.left) throw this.error('it is cut short');
    const from = this.offset;
    this.offset += count;
    return this.bytes.subarray(from, this.offset);
  }

  u8() {
    return this.raw(1).readUInt8();
  }

  u32() {
    return this.raw(4).readUInt32LE();
  }

  u64() {
    return this.exact(Number(this.raw(8).readBigUInt64LE()));
  }

  varint() {
    let value = 0;
    for (let scale = 1; scale < 2 ** 70; scale *= 128) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return this.exact(value);
    }
    throw this.error('a varint is too long');
  }

  /** A varint that says a number of either sign. */
  zigzag() {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** @param {number} value */
  exact(value) {
    if (value > Number.MAX_SAFE_INTEGER) throw this.error('a number is greater than 2^53 - 1');
    return value;
  }
}
