/** Decodes the regions of a store's packs to chunks. */
import { closeSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { constants, zstdDecompressSync } from 'node:zlib';
import { blake3Keyed } from './blake3.mjs';
import { CHUNK_KEY, headerChecks, openSealed, StoreError, Taker } from './bytes.mjs';
import { Pack, PACK_HEADER_BYTES, VERSION } from './pack-file.mjs';

const SUPERBLOCK_BYTES = 128;
const CHUNK_BYTES_MAX = 2 ** 18;
const PREFIX_BYTES_MAX = 2 ** 21;
const DELTA_WINDOW_LOG = 22;
const CACHED_REGIONS = 16;
/** What a formatted dictionary of zstd begins with. */
const DICTIONARY_MAGIC = Buffer.from([0x37, 0xa4, 0x30, 0xec]);

/** @typedef {import('./pack-file.mjs').Region} Region */

/**
 * @typedef {object} Content a decoded region
 * @property {string} codec
 * @property {Buffer} bytes
 * @property {readonly number[]} ends where each chunk ends
 */

/**
 * The superblock of the store in `folder`, and the key where it fits.
 * @param {string} folder
 * @param {Buffer | undefined} key
 * @returns {{ readonly storeId: Buffer, readonly key: Buffer | undefined }}
 */
export function openSuperblock(folder, key) {
  const bytes = readFileSync(join(folder, 'store'));
  const damage = (/** @type {string} */ what) => new StoreError(join(folder, 'store'), what);
  if (bytes.toString('latin1', 0, 8) !== 'CAPSSTOR') throw damage('this is no store of Capstan');
  if (bytes.length < 12 || bytes.readUInt32LE(8) !== VERSION)
    throw damage(`only version ${VERSION} of the format is known`);
  if (bytes.length !== SUPERBLOCK_BYTES || !headerChecks(bytes))
    throw damage('the superblock is damaged');
  const sealed = bytes.readUInt32LE(12) === 1;
  if (sealed && key === undefined) throw damage('the store is encrypted: give --key-file');
  if (!sealed && key !== undefined) throw damage('the store is not encrypted: it takes no key');
  const storeId = bytes.subarray(16, 32);
  if (key !== undefined) {
    const nonce = Buffer.concat([bytes.subarray(32, 36), Buffer.alloc(8, 0xff)]);
    const opened = openSealed(key, nonce, bytes.subarray(36, 52), storeId, Buffer.alloc(0));
    if (opened === undefined) throw damage('the key is not the one of this store');
  }
  return { storeId, key };
}

/** All packs of a store. */
export class Packs {
  /**
   * @param {string} folder
   * @param {Buffer | undefined} key
   * @param {{ readonly storeId: Buffer, readonly verify: boolean }} options
   */
  constructor(folder, key, { storeId, verify }) {
    this.key = key;
    this.verify = verify;
    /** @type {Map<number, { readonly pack: Pack, readonly offset: number }>} */
    this.places = new Map();
    /** @type {Map<number, Content>} */
    this.cache = new Map();
    this.packs = readdirSync(join(folder, 'packs'))
      .filter((name) => /^\d{8}\.pack$/.test(name))
      .map((name) => new Pack(folder, name, storeId))
      .sort((a, b) => a.number - b.number);
    for (const pack of this.packs) {
      const header = pack.read(0, PACK_HEADER_BYTES);
      const whole = header.length === PACK_HEADER_BYTES && headerChecks(header);
      if (whole && header.readUInt32LE(8) !== VERSION)
        throw pack.damage(0, `only version ${VERSION} of the format is known`);
      if (whole && !header.subarray(16, 32).equals(storeId))
        throw pack.damage(0, 'the pack belongs to another store');
      for (const [id, offset] of pack.regionsByTable(key) ?? pack.regionsByScan())
        this.places.set(id, { pack, offset });
    }
  }

  close() {
    for (const pack of this.packs) closeSync(pack.file);
  }

  /**
   * The decoded region; throws a StoreError where it is missing or damaged.
   * @param {number} id
   * @returns {Content}
   */
  content(id) {
    const cached = this.cache.get(id);
    if (cached !== undefined) {
      this.cache.delete(id);
      this.cache.set(id, cached);
      return cached;
    }
    const content = this.decode(id);
    this.cache.set(id, content);
    for (const oldest of this.cache.keys()) {
      if (this.cache.size <= CACHED_REGIONS) break;
      this.cache.delete(oldest);
    }
    return content;
  }

  /**
   * A chunk's bytes.
   * @param {number} reference
   */
  chunk(reference) {
    const id = Math.floor(reference / 256);
    const place = reference % 256;
    const { bytes, ends } = this.content(id);
    const end = ends[place];
    if (end === undefined) throw new StoreError('packs', `region ${id} has no chunk ${place}`);
    return bytes.subarray(place === 0 ? 0 : ends[place - 1], end);
  }

  /**
   * @param {number} id
   * @returns {Content}
   */
  decode(id) {
    const place = this.places.get(id);
    if (place === undefined)
      throw new StoreError('packs', `region ${id}, which an image refers to, is missing`);
    const { pack, offset } = place;
    const damage = (/** @type {string} */ what) => pack.damage(offset, what);
    const found = pack.regionAt(offset);
    if (found === undefined) throw damage("the region's checksum does not match");
    const { header, bytes } = found;
    if (header.id !== id) throw damage('another region lies here');
    if (header.sealed !== (this.key !== undefined))
      throw damage(`the region is ${header.sealed ? '' : 'not '}encrypted`);
    const body = this.key === undefined ? bytes.subarray(64) : this.openBody(bytes, damage);
    const taker = new Taker(body, `${pack.name} at ${offset}`);
    /** @type {Buffer[]} */
    const digests = [];
    /** @type {number[]} */
    const ends = [];
    let end = 0;
    for (let i = 0; i < header.chunkCount; i += 1) {
      digests.push(taker.raw(32));
      const length = taker.u32();
      if (length === 0 || length > CHUNK_BYTES_MAX)
        throw damage('a chunk has a length that cannot be');
      ends.push((end += length));
    }
    if (end !== header.contentBytes) throw damage('the chunks are not as long as the content');
    const bases = Array.from({ length: header.baseCount }, () => taker.raw(8));
    if (bases.length > 0 !== (header.codec === 'delta'))
      throw damage('the bases do not fit the codec');
    const prefix = this.prefix(bases, damage);
    const content = decompress(header, taker.raw(taker.left), prefix, damage);
    if (this.verify)
      digests.forEach((digest, i) => {
        const chunk = content.subarray(i === 0 ? 0 : ends[i - 1], ends[i]);
        if (!blake3Keyed(CHUNK_KEY, chunk).equals(digest))
          throw damage(`the digest of chunk ${i} does not match`);
      });
    return { codec: header.codec, bytes: content, ends };
  }

  /**
   * What is sealed behind a region's header.
   * @param {Buffer} region
   * @param {(what: string) => StoreError} damage
   */
  openBody(region, damage) {
    const nonce = region.subarray(32, 44);
    const tag = region.subarray(44, 60);
    const key = this.key ?? Buffer.alloc(0);
    const body = openSealed(key, nonce, tag, region.subarray(0, 28), region.subarray(64));
    if (body === undefined) throw damage('what is sealed was changed');
    return body;
  }

  /**
   * What a delta was compressed against; empty without bases.
   * @param {readonly Buffer[]} bases
   * @param {(what: string) => StoreError} damage
   */
  prefix(bases, damage) {
    let sum = 0;
    const parts = bases.map((base) => {
      const id = base.readUInt32LE(0);
      const first = base.readUInt8(4);
      const count = base.readUInt8(5);
      const { codec, bytes, ends } = this.content(id);
      if (codec === 'delta') throw damage('its base is itself a delta');
      if (count === 0 || first + count > ends.length) throw damage('its base is shorter');
      const part = bytes.subarray(first === 0 ? 0 : ends[first - 1], ends[first + count - 1]);
      sum += part.length;
      if (sum > PREFIX_BYTES_MAX) throw damage('its bases are too long');
      return part;
    });
    return Buffer.concat(parts);
  }
}

/**
 * @param {Region} header
 * @param {Buffer} stored
 * @param {Buffer} prefix
 * @param {(what: string) => StoreError} damage
 * @returns {Buffer}
 */
function decompress({ codec, contentBytes }, stored, prefix, damage) {
  if (codec === 'raw') {
    if (stored.length !== contentBytes)
      throw damage('what is stored raw is not as long as it says');
    return stored;
  }
  const formatted = prefix.subarray(0, 4).equals(DICTIONARY_MAGIC);
  const dictionary = formatted ? Buffer.concat([Buffer.alloc(1), prefix]) : prefix;
  const options = {
    info: true,
    maxOutputLength: contentBytes,
    params: { [constants.ZSTD_d_windowLogMax]: DELTA_WINDOW_LOG },
    ...(codec === 'delta' ? { dictionary } : {}),
  };
  /** @type {Buffer} */
  let content;
  let frameBytes;
  try {
    // With `info` it also says how much of `stored` it took; the declarations do not know that yet.
    /** @type {unknown} */
    const result = zstdDecompressSync(stored, options);
    const { buffer, engine } =
      /** @type {{ readonly buffer: Buffer, readonly engine: { readonly bytesWritten: number } }} */ (
        result
      );
    content = buffer;
    frameBytes = engine.bytesWritten;
  } catch (error) {
    throw damage(
      `it does not decompress: ${error instanceof Error ? error.message : 'zstd failed'}`,
    );
  }
  if (frameBytes !== stored.length) throw damage('something stands behind its frame');
  if (content.length !== contentBytes) throw damage('it does not decompress to the length it says');
  return content;
}
