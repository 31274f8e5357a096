/**
 * Keyed BLAKE3 of up to some MiB in plain JavaScript.
 * @source O'Connor, Aumasson, Neves, Wilcox-O'Hearn, "BLAKE3: one function, fast everywhere" (2020), section 2.
 */

const INITIAL = Uint32Array.of(
  0x6a09e667,
  0xbb67ae85,
  0x3c6ef372,
  0xa54ff53a,
  0x510e527f,
  0x9b05688c,
  0x1f83d9ab,
  0x5be0cd19,
);
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const ROUND_COUNT = 7;
const BLOCK_BYTES = 64;
const CHUNK_BYTES = 1024;
const CHUNK_START = 1;
const CHUNK_END = 2;
const PARENT = 4;
const ROOT = 8;
const KEYED_HASH = 16;
/** Of four words each: the columns, then the diagonals. */
const MIXES = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
];

/** @returns {Uint8Array} which word of a block each step of each round takes */
function makeSchedule() {
  const schedule = new Uint8Array(16 * ROUND_COUNT);
  let order = PERMUTATION.map((_, i) => i);
  for (let round = 0; round < ROUND_COUNT; round += 1) {
    schedule.set(order, 16 * round);
    order = PERMUTATION.map((from) => order[from] ?? 0);
  }
  return schedule;
}
const SCHEDULE = makeSchedule();

/**
 * Mixes two words of a block into four of the state.
 * @param {Uint32Array} v
 * @param {readonly number[]} places
 * @param {number} x
 * @param {number} y
 */
function mix(v, places, x, y) {
  const [ia = 0, ib = 0, ic = 0, id = 0] = places;
  let a = v[ia] ?? 0;
  let b = v[ib] ?? 0;
  let c = v[ic] ?? 0;
  let d = v[id] ?? 0;
  a = (a + b + x) | 0;
  d ^= a;
  d = (d >>> 16) | (d << 16);
  c = (c + d) | 0;
  b ^= c;
  b = (b >>> 12) | (b << 20);
  a = (a + b + y) | 0;
  d ^= a;
  d = (d >>> 8) | (d << 24);
  c = (c + d) | 0;
  b ^= c;
  b = (b >>> 7) | (b << 25);
  v[ia] = a;
  v[ib] = b;
  v[ic] = c;
  v[id] = d;
}

const state = new Uint32Array(16);

/**
 * The first eight words of the output.
 * @param {Uint32Array} chaining
 * @param {Uint32Array} block 16 words
 * @param {number} counter
 * @param {number} length bytes of the block
 * @param {number} flags
 * @returns {Uint32Array}
 */
function compress(chaining, block, counter, length, flags) {
  state.set(chaining);
  state.set(INITIAL.subarray(0, 4), 8);
  state[12] = counter;
  state[13] = 0;
  state[14] = length;
  state[15] = flags;
  for (let step = 0; step < 8 * ROUND_COUNT; step += 1) {
    const x = block[SCHEDULE[2 * step] ?? 0] ?? 0;
    const y = block[SCHEDULE[2 * step + 1] ?? 0] ?? 0;
    mix(state, MIXES[step % 8] ?? [], x, y);
  }
  const out = new Uint32Array(8);
  for (let i = 0; i < 8; i += 1) out[i] = (state[i] ?? 0) ^ (state[i + 8] ?? 0);
  return out;
}

/**
 * @param {Uint8Array} bytes at most 64
 * @returns {Uint32Array} 16 words, filled up with zeros
 */
function wordsOf(bytes) {
  const padded = new Uint8Array(BLOCK_BYTES);
  padded.set(bytes);
  const view = new DataView(padded.buffer);
  return Uint32Array.from({ length: 16 }, (_, i) => view.getUint32(4 * i, true));
}

/**
 * @param {Uint32Array} key
 * @param {Uint8Array} bytes at most 1024
 * @param {number} counter
 * @param {number} rootFlag
 */
function chunkValue(key, bytes, counter, rootFlag) {
  const blockCount = Math.max(1, Math.ceil(bytes.length / BLOCK_BYTES));
  let chaining = key;
  for (let i = 0; i < blockCount; i += 1) {
    const block = bytes.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES);
    const last = i === blockCount - 1;
    const flags = KEYED_HASH | (i === 0 ? CHUNK_START : 0) | (last ? CHUNK_END | rootFlag : 0);
    chaining = compress(chaining, wordsOf(block), counter, block.length, flags);
  }
  return chaining;
}

/**
 * The value of a subtree: the left side is the largest power of two of chunks that leaves some for the right.
 * @param {Uint32Array} key
 * @param {Uint8Array} bytes
 * @param {number} counter of its first chunk
 * @param {number} rootFlag
 * @returns {Uint32Array}
 */
function treeValue(key, bytes, counter, rootFlag) {
  if (bytes.length <= CHUNK_BYTES) return chunkValue(key, bytes, counter, rootFlag);
  let left = CHUNK_BYTES;
  while (left * 2 < bytes.length) left *= 2;
  const block = new Uint32Array(16);
  block.set(treeValue(key, bytes.subarray(0, left), counter, 0));
  block.set(treeValue(key, bytes.subarray(left), counter + left / CHUNK_BYTES, 0), 8);
  return compress(key, block, 0, BLOCK_BYTES, KEYED_HASH | PARENT | rootFlag);
}

/**
 * @param {Uint8Array} key 32 bytes
 * @param {Uint8Array} bytes
 * @returns {Buffer} the digest, 32 bytes
 */
export function blake3Keyed(key, bytes) {
  const words = treeValue(wordsOf(key).subarray(0, 8), bytes, 0, ROOT);
  const digest = Buffer.alloc(32);
  words.forEach((word, i) => digest.writeUInt32LE(word, 4 * i));
  return digest;
}
