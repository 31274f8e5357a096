/** Reads an image's file: which objects its partitions have, and which chunks these lie in. */
import { blake3Keyed } from './blake3.mjs';
import { CHUNK_KEY, crc32c, headerChecks, openSealed, StoreError, Taker } from './bytes.mjs';
import { VERSION } from './pack-file.mjs';

const IMAGE_HEADER_BYTES = 64;
const FRAME_HEADER_BYTES = 64;
const BLOCK_BYTES_MAX = 2 ** 24;
const COUNT_MAX = 2 ** 48;
const REGION_MAX = 2 ** 32 - 1025;
const TAPE_DIGEST_BYTES = 16;

/**
 * @typedef {object} ObjectRun `count` objects alike; length 0 is a filemark, framing 0 a plain block
 * @property {number} length
 * @property {number} count
 * @property {number} framing
 * @property {number} payload
 */

/**
 * @typedef {object} SliceRun `count` times the first `used` bytes of a chunk
 * @property {number} reference
 * @property {number} used
 * @property {number} count
 */

/**
 * @typedef {object} Sums of a partition
 * @property {number} objects
 * @property {number} payload bytes
 * @property {number} framing bytes
 */

/**
 * @typedef {object} Partition
 * @property {ObjectRun[]} objects
 * @property {SliceRun[]} payload
 * @property {SliceRun[]} framing
 * @property {Sums} sums
 */

/**
 * @typedef {object} Image
 * @property {number} generation
 * @property {'closed' | 'open' | 'torn'} state `open`: not closed in order; `torn`: its last frame is not whole
 * @property {readonly Partition[]} partitions
 */

/**
 * @param {Taker} taker
 * @returns {number}
 */
function takeLength(taker) {
  const length = taker.varint() + 1;
  if (length > BLOCK_BYTES_MAX) throw taker.error('a block is longer than 16777216 bytes');
  return length;
}

/**
 * The coded objects of `taker`, to its end.
 * @param {Taker} taker
 * @returns {ObjectRun[]}
 */
function takeObjects(taker) {
  /** @type {ObjectRun[]} */
  const runs = [];
  let length = 0;
  let other = 0;
  let framing = 0;
  let stripped = 0;
  while (taker.left > 0) {
    const first = taker.u8();
    /** @type {ObjectRun} */
    let run;
    if (first % 2 === 0) {
      let code = first >> 3;
      for (let i = 0; i < ((first >> 1) & 3); i += 1) code += taker.u8() * 2 ** (5 + 8 * i);
      run = { length: code + 1, count: 1, framing: 0, payload: code + 1 };
    } else {
      const kind = (first >> 1) & 7;
      let count = (first >> 4) + 1;
      if (count === 16) count += taker.varint();
      if (kind === 0) {
        runs.push({ length: 0, count, framing: 0, payload: 0 });
        continue;
      }
      if (kind === 7) throw taker.error('a kind of run that is not defined');
      let own = kind === 2 ? other : length;
      if (kind === 3 || kind === 6) own = takeLength(taker);
      run = { length: own, count, framing: 0, payload: own };
      if (kind >= 4) {
        const step = taker.zigzag();
        framing = (kind === 6 ? 0 : framing) + step;
        if (kind === 4) stripped += step;
        else stripped = (kind === 6 ? 0 : stripped) + taker.zigzag();
        if (framing <= 0 || framing > BLOCK_BYTES_MAX || stripped < 0 || stripped > own)
          throw taker.error('framing that such a block cannot have');
        run = { length: own, count, framing, payload: own - stripped };
      }
    }
    if (run.length === 0 || run.length > BLOCK_BYTES_MAX || run.count > COUNT_MAX)
      throw taker.error('a run of objects that cannot be');
    if (run.length !== length) {
      other = length;
      length = run.length;
    }
    runs.push(run);
  }
  return runs;
}

/**
 * The coded slices of `taker`, to its end.
 * @param {Taker} taker
 * @returns {SliceRun[]}
 */
function takeSlices(taker) {
  /** @type {SliceRun[]} */
  const runs = [];
  let reference = 0;
  while (taker.left > 0) {
    const head = taker.raw(3).readUIntLE(0, 3);
    const used = (head & 0x3ffff) + 1;
    const step = (head >> 18) & 3;
    let count = (head >> 20) + 1;
    if (count === 16) count += taker.varint();
    let region = Math.floor(reference / 256);
    if (step === 0) reference += 1;
    else if (step === 1) reference = (region + 1) * 256;
    else if (step === 2) {
      region += taker.zigzag();
      reference = region * 256 + taker.u8();
    }
    if (step === 3 || reference < 256 || reference >= (REGION_MAX + 1) * 256 || count > COUNT_MAX)
      throw taker.error('a slice that cannot be');
    runs.push({ reference, used, count });
  }
  return runs;
}

/**
 * Adds `count` objects of a run to the sums; fewer than 0 take away.
 * @param {Sums} sums
 * @param {ObjectRun} run
 * @param {number} count
 */
function addObjects(sums, run, count) {
  sums.objects += count;
  sums.payload += run.payload * count;
  sums.framing += run.framing * count;
}

/**
 * Keeps the first `keep` bytes of a list of `total`; of the last slice perhaps a part.
 * @param {SliceRun[]} runs
 * @param {number} total
 * @param {number} keep
 */
function keepBytes(runs, total, keep) {
  let before = total;
  while (before > keep) {
    const last = runs.pop();
    if (last === undefined) return;
    const { reference, used, count } = last;
    before -= used * count;
    if (before >= keep) continue;
    const whole = Math.floor((keep - before) / used);
    const part = (keep - before) % used;
    if (whole > 0) runs.push({ reference, used, count: whole });
    if (part > 0) runs.push({ reference, used: part, count: 1 });
    return;
  }
}

/**
 * @param {Partition} partition
 * @param {number} keep
 */
function keepObjects({ objects, payload, framing, sums }, keep) {
  const before = { ...sums };
  for (
    let last = objects.at(-1);
    last !== undefined && sums.objects > keep;
    last = objects.at(-1)
  ) {
    const cut = Math.min(last.count, sums.objects - keep);
    addObjects(sums, last, -cut);
    last.count -= cut;
    if (last.count === 0) objects.pop();
  }
  keepBytes(payload, before.payload, sums.payload);
  keepBytes(framing, before.framing, sums.framing);
}

/**
 * @param {Taker} taker
 * @param {readonly Partition[]} partitions
 */
function applyChange(taker, partitions) {
  const partition = partitions[taker.u8()];
  if (partition === undefined) throw taker.error('a change names a partition that is not there');
  const { objects, sums } = partition;
  const keep = taker.varint();
  if (keep > sums.objects) throw taker.error('a change keeps more objects than there are');
  keepObjects(partition, keep);
  const before = { ...sums };
  const sized = () => new Taker(taker.raw(taker.varint()), taker.place);
  for (const run of takeObjects(sized())) {
    objects.push(run);
    addObjects(sums, run, run.count);
  }
  for (const stream of /** @type {const} */ (['payload', 'framing'])) {
    let bytes = 0;
    for (const run of takeSlices(sized())) {
      partition[stream].push(run);
      bytes += run.used * run.count;
    }
    if (bytes !== sums[stream] - before[stream])
      throw taker.error('objects and chunks have different lengths');
  }
}

/**
 * @param {Buffer} storeId
 * @param {string} name of the file
 */
function identityOf(storeId, name) {
  const [tape = ''] = name.split('.', 1);
  const digest = blake3Keyed(CHUNK_KEY, Buffer.from(tape, 'latin1'));
  return Buffer.concat([storeId, digest.subarray(0, TAPE_DIGEST_BYTES)]);
}

/**
 * The frame at `offset`, header and payload; nothing where its header does not check or it is cut short.
 * @param {Buffer} bytes
 * @param {number} offset
 * @param {number} seed CRC of the image's identity
 */
function frameAt(bytes, offset, seed) {
  const header = bytes.subarray(offset, offset + FRAME_HEADER_BYTES);
  if (header.length < FRAME_HEADER_BYTES) return undefined;
  if (crc32c(header.subarray(0, 60), seed) !== header.readUInt32LE(60)) return undefined;
  const magic = header.toString('latin1', 0, 4);
  if (magic !== 'FRAM' && magic !== 'CLSD') return undefined;
  const start = offset + FRAME_HEADER_BYTES;
  const payload = bytes.subarray(start, start + header.readUInt32LE(8));
  if (payload.length < header.readUInt32LE(8)) return undefined;
  return { header, payload, closing: magic === 'CLSD', end: start + payload.length };
}

/**
 * The closing frame at `offset` if it would check but for a single bit.
 * @param {Buffer} bytes
 * @param {number} offset
 * @param {number} seed
 */
function markWithoutRot(bytes, offset, seed) {
  const mark = Buffer.from(bytes.subarray(offset, offset + FRAME_HEADER_BYTES));
  for (let bit = 0; bit < 8 * mark.length; bit += 1) {
    mark.writeUInt8(mark.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    const frame = frameAt(mark, 0, seed);
    if (frame?.closing === true) return { ...frame, end: offset + FRAME_HEADER_BYTES };
    mark.writeUInt8(mark.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
  }
  return undefined;
}

/**
 * @param {Buffer} bytes
 * @param {number} offset
 * @param {number} seed
 */
function anyFrameBehind(bytes, offset, seed) {
  return ['FRAM', 'CLSD'].some((magic) => {
    let at = bytes.indexOf(magic, offset + 1);
    while (at >= 0 && frameAt(bytes, at, seed) === undefined) at = bytes.indexOf(magic, at + 1);
    return at >= 0;
  });
}

/**
 * Throws a StoreError where the image is damaged.
 * @param {string} name
 * @param {Buffer} bytes the file
 * @param {{ readonly storeId: Buffer, readonly key: Buffer | undefined }} store
 * @returns {Image}
 */
export function parseImage(name, bytes, { storeId, key }) {
  const header = bytes.subarray(0, IMAGE_HEADER_BYTES);
  const damage = (/** @type {number} */ offset, /** @type {string} */ what) =>
    new StoreError(`images/${name} at ${offset}`, what);
  if (header.toString('latin1', 0, 8) !== 'CAPSTAPE' || !headerChecks(header))
    throw damage(0, "the image's header is damaged");
  if (header.readUInt32LE(8) !== VERSION)
    throw damage(0, `only version ${VERSION} of the format is known`);
  const partitionCount = header.readUInt32LE(12);
  if (partitionCount === 0 || partitionCount > 4)
    throw damage(0, 'a count of partitions that cannot be');
  const identity = identityOf(storeId, name);
  if (!header.subarray(16, 48).equals(identity))
    throw damage(0, 'the file is the image of another tape, or of another store');
  const seed = crc32c(identity);
  /** @type {Partition[]} */
  const partitions = Array.from({ length: partitionCount }, () => ({
    objects: [],
    payload: [],
    framing: [],
    sums: { objects: 0, payload: 0, framing: 0 },
  }));
  /** @type {Image['state']} */
  let state = 'open';
  let generation = 0;
  let sequence = 0;
  for (let offset = IMAGE_HEADER_BYTES; offset < bytes.length; sequence += 1) {
    const frame = frameAt(bytes, offset, seed) ?? markWithoutRot(bytes, offset, seed);
    if (
      frame === undefined ||
      crc32c(frame.payload, seed) !== frame.header.readUInt32LE(16) ||
      frame.header.readUInt32LE(4) !== sequence
    ) {
      if (anyFrameBehind(bytes, offset, seed)) throw damage(offset, 'a frame is damaged');
      return { generation, state: 'torn', partitions };
    }
    state = frame.closing ? 'closed' : 'open';
    if (!frame.closing) {
      const opened = openFrame(frame, { key, identity }, (what) => damage(offset, what));
      const taker = new Taker(opened, `images/${name} at ${offset}`);
      generation = taker.u64();
      taker.raw(16);
      for (let changes = taker.u8(); changes > 0; changes -= 1) applyChange(taker, partitions);
      if (taker.left > 0) throw damage(offset, 'a frame is longer than what it says');
    }
    offset = frame.end;
  }
  return { generation, state, partitions };
}

/**
 * @param {{ readonly header: Buffer, readonly payload: Buffer }} frame
 * @param {{ readonly key: Buffer | undefined, readonly identity: Buffer }} image
 * @param {(what: string) => StoreError} damage
 * @returns {Buffer}
 */
function openFrame({ header, payload }, { key, identity }, damage) {
  const sealed = header.readUInt32LE(12) === 1;
  if (sealed !== (key !== undefined)) throw damage(`a frame is ${sealed ? '' : 'not '}encrypted`);
  if (key === undefined) return payload;
  const nonce = header.subarray(20, 32);
  const authenticated = Buffer.concat([header.subarray(0, 16), identity]);
  const opened = openSealed(key, nonce, header.subarray(32, 48), authenticated, payload);
  if (opened === undefined) throw damage('what is sealed was changed');
  return opened;
}

/**
 * Puts a framed block together out of its program and its payload.
 * @param {Taker} program
 * @param {Buffer} payload
 * @param {number} length
 * @returns {Buffer}
 */
export function joinBlock(program, payload, length) {
  const pieceCount = program.varint();
  if (pieceCount === 0 || pieceCount * 3 > program.left)
    throw program.error("a program's number of pieces is wrong");
  const pieces = Array.from({ length: pieceCount }, () => {
    return { literal: program.varint(), zeros: program.varint(), payload: program.varint() };
  });
  const block = Buffer.alloc(length);
  let at = 0;
  let taken = 0;
  for (const piece of pieces) {
    at += program.raw(piece.literal).copy(block, at) + piece.zeros;
    at += payload.subarray(taken, taken + piece.payload).copy(block, at);
    taken += piece.payload;
  }
  if (program.left > 0 || taken !== payload.length || at !== length)
    throw program.error("a block's framing does not fit its payload");
  return block;
}
