/** One pack's file: where its regions lie, by its table or by reading all of it. */
import { fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { crc32c, headerChecks, openSealed, StoreError, Taker } from './bytes.mjs';

export const VERSION = 2;
export const PACK_HEADER_BYTES = 4096;
const CODECS = /** @type {const} */ (['raw', 'zstd', 'delta']);
const PADDING_BYTES = 4096;
const TRAILER_BYTES = 128;
const TABLE_BYTES_MAX = 256 * 2 ** 20;
const REGION_HEADER_BYTES = 64;
const REGION_BYTES_MAX = REGION_HEADER_BYTES + 255 * 36 + 8 * 8 + 2 ** 20;
const CONTENT_BYTES_MAX = 2 ** 20;
const REGION_ID_MAX = 2 ** 32 - 1025;
const STORE_TAG_BYTES = 8;

/**
 * @typedef {object} Region a region's header
 * @property {number} id
 * @property {number} totalBytes
 * @property {number} contentBytes
 * @property {(typeof CODECS)[number]} codec
 * @property {boolean} sealed
 * @property {number} chunkCount
 * @property {number} baseCount
 * @property {number} bodyCrc
 */

/**
 * Nothing where the bytes are no header of a region, or of one that belongs elsewhere.
 * @param {Buffer} bytes
 * @param {{ readonly storeId: Buffer, readonly pack: number, readonly offset: number }} site
 * @returns {Region | undefined}
 */
function parseRegionHeader(bytes, { storeId, pack, offset }) {
  if (bytes.length < REGION_HEADER_BYTES) return undefined;
  const header = bytes.subarray(0, REGION_HEADER_BYTES);
  if (header.toString('latin1', 0, 4) !== 'REGN') return undefined;
  const place = Buffer.alloc(8);
  place.writeUInt32LE(pack, 0);
  place.writeUInt32LE(offset, 4);
  if (crc32c(place, crc32c(header.subarray(0, 60))) !== header.readUInt32LE(60)) return undefined;
  if (!header.subarray(20, 28).equals(storeId.subarray(0, STORE_TAG_BYTES))) return undefined;
  const region = {
    id: header.readUInt32LE(4),
    totalBytes: header.readUInt32LE(8),
    contentBytes: header.readUInt32LE(12),
    codec: CODECS[header.readUInt8(16)],
    sealed: header.readUInt8(17) === 1,
    chunkCount: header.readUInt8(18),
    baseCount: header.readUInt8(19),
    bodyCrc: header.readUInt32LE(28),
  };
  const { id, codec, totalBytes, contentBytes, chunkCount, baseCount } = region;
  if (
    id === 0 ||
    id > REGION_ID_MAX ||
    codec === undefined ||
    header.readUInt8(17) > 1 ||
    chunkCount === 0 ||
    baseCount > 8 ||
    contentBytes > CONTENT_BYTES_MAX ||
    totalBytes > REGION_BYTES_MAX ||
    totalBytes < REGION_HEADER_BYTES + 36 * chunkCount + 8 * baseCount
  )
    return undefined;
  return { ...region, codec };
}

/** One pack's file. */
export class Pack {
  /**
   * @param {string} folder of the store
   * @param {string} name `00000001.pack`
   * @param {Buffer} storeId
   */
  constructor(folder, name, storeId) {
    this.storeId = storeId;
    this.name = `packs/${name}`;
    this.number = Number.parseInt(name, 10);
    this.file = openSync(join(folder, this.name), 'r');
    this.size = fstatSync(this.file).size;
  }

  /**
   * Fewer bytes where the file ends.
   * @param {number} offset
   * @param {number} count
   */
  read(offset, count) {
    const bytes = Buffer.alloc(Math.max(0, Math.min(count, this.size - offset)));
    let done = 0;
    while (done < bytes.length) {
      const got = readSync(this.file, bytes, done, bytes.length - done, offset + done);
      if (got === 0) break;
      done += got;
    }
    return bytes.subarray(0, done);
  }

  /**
   * @param {number} offset
   * @param {string} what
   */
  damage(offset, what) {
    return new StoreError(`${this.name} at ${offset}`, what);
  }

  /**
   * @param {number} offset
   * @returns {Region | undefined}
   */
  headerAt(offset) {
    const { storeId, number } = this;
    const bytes = this.read(offset, REGION_HEADER_BYTES);
    return parseRegionHeader(bytes, { storeId, pack: number, offset });
  }

  /**
   * A region whose header and CRC are right.
   * @param {number} offset
   * @returns {{ readonly header: Region, readonly bytes: Buffer } | undefined}
   */
  regionAt(offset) {
    const header = this.headerAt(offset);
    if (header === undefined) return undefined;
    const bytes = this.read(offset, header.totalBytes);
    if (bytes.length < header.totalBytes) return undefined;
    if (crc32c(bytes.subarray(REGION_HEADER_BYTES)) !== header.bodyCrc) return undefined;
    return { header, bytes };
  }

  /**
   * Number and offset of the regions that the table has; nothing where no trailer or table checks.
   * @param {Buffer | undefined} key
   * @returns {readonly (readonly [number, number])[] | undefined}
   */
  regionsByTable(key) {
    if (this.size < PACK_HEADER_BYTES + TRAILER_BYTES) return undefined;
    const trailer = this.read(this.size - TRAILER_BYTES, TRAILER_BYTES);
    if (trailer.toString('latin1', 0, 8) !== 'CAPSTABL' || !headerChecks(trailer)) return undefined;
    const offset = Number(trailer.readBigUInt64LE(32));
    const length = trailer.readUInt32LE(40);
    const sealed = trailer.readUInt32LE(48) === 1;
    if (
      trailer.readUInt32LE(8) !== VERSION ||
      trailer.readUInt32LE(12) !== this.number ||
      !trailer.subarray(16, 32).equals(this.storeId) ||
      length > TABLE_BYTES_MAX ||
      offset + length > this.size - TRAILER_BYTES ||
      sealed !== (key !== undefined)
    )
      return undefined;
    /** @type {Buffer} */
    let table = this.read(offset, length);
    if (crc32c(table) !== trailer.readUInt32LE(44)) return undefined;
    if (key !== undefined) {
      const nonce = trailer.subarray(52, 64);
      const opened = openSealed(
        key,
        nonce,
        trailer.subarray(64, 80),
        trailer.subarray(0, 44),
        table,
      );
      if (opened === undefined) return undefined;
      table = opened;
    }
    const taker = new Taker(table, `${this.name} at ${offset}`);
    const regionCount = taker.u32();
    const listBytes = 36 * taker.u32() + 8 * taker.u32();
    if (taker.left !== 20 * regionCount + listBytes)
      throw taker.error('the table is not as long as it says');
    return Array.from({ length: regionCount }, () => {
      const row = taker.raw(20);
      return /** @type {const} */ ([row.readUInt32LE(0), row.readUInt32LE(4)]);
    });
  }

  /**
   * Number and offset of the regions that are whole, read from front to back.
   * @returns {(readonly [number, number])[]}
   */
  regionsByScan() {
    /** @type {(readonly [number, number])[]} */
    const found = [];
    let offset = PACK_HEADER_BYTES;
    while (offset < this.size) {
      const region = this.regionAt(offset);
      if (region !== undefined) {
        found.push([region.header.id, offset]);
        offset += region.header.totalBytes;
        continue;
      }
      const next = Math.ceil(offset / PADDING_BYTES) * PADDING_BYTES;
      const padding = this.read(offset, next - offset);
      offset = padding.length > 0 && padding.every((byte) => byte === 0) ? next : this.next(offset);
    }
    return found;
  }

  /**
   * Where the next region should be behind the damaged one at `offset`; the end where there is none.
   * @param {number} offset
   */
  next(offset) {
    const damaged = this.headerAt(offset);
    if (damaged !== undefined) return offset + damaged.totalBytes;
    const windowBytes = 2 ** 20;
    for (let start = offset + 1; start < this.size; start += windowBytes) {
      const window = this.read(start, windowBytes + 3);
      for (let at = window.indexOf('REGN'); at >= 0; at = window.indexOf('REGN', at + 1))
        if (this.headerAt(start + at) !== undefined) return start + at;
    }
    return this.size;
  }
}
