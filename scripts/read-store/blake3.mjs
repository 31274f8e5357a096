/**
 * Keyed BLAKE3 of up to some MiB in plain JavaScript.
 * @source O'Connor, Aumasson, Neves, Wilcox-O'Hearn, "BLAKE3: one function, fast everywhere" (2020), section 2.
 */

const INITIAL = Int32Array.of(0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a);
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const ROUND_COUNT = 7;
const BLOCK_BYTES = 64;
const CHUNK_BYTES = 1024;
const CHUNK_START = 1;
const CHUNK_END = 2;
const PARENT = 4;
const ROOT = 8;
const KEYED_HASH = 16;

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

// Signed words: V8 keeps them out of the heap.
const v = new Int32Array(16);
const block = new Int32Array(16);

/**
 * Mixes two words of the block into the state's words a, b, c and d.
 * @param {number} a
 * @param {number} b
 * @param {number} c
 * @param {number} d
 * @param {number} step which two words: those of this step of the schedule
 */
function mix(a, b, c, d, step) {
  const x = block[SCHEDULE[step] ?? 0] ?? 0;
  const y = block[SCHEDULE[step + 1] ?? 0] ?? 0;
  let va = v[a] ?? 0;
  let vb = v[b] ?? 0;
  let vc = v[c] ?? 0;
  let vd = v[d] ?? 0;
  va = (va + vb + x) | 0;
  vd ^= va;
  vd = (vd >>> 16) | (vd << 16);
  vc = (vc + vd) | 0;
  vb ^= vc;
  vb = (vb >>> 12) | (vb << 20);
  va = (va + vb + y) | 0;
  vd ^= va;
  vd = (vd >>> 8) | (vd << 24);
  vc = (vc + vd) | 0;
  vb ^= vc;
  vb = (vb >>> 7) | (vb << 25);
  v[a] = va;
  v[b] = vb;
  v[c] = vc;
  v[d] = vd;
}

/**
 * Puts the first eight words of the output in the place of `chaining`.
 * @param {Int32Array} chaining
 * @param {number} counter
 * @param {number} length bytes of the block
 * @param {number} flags
 */
function compress(chaining, counter, length, flags) {
  for (let i = 0; i < 8; i += 1) v[i] = chaining[i] ?? 0;
  for (let i = 0; i < 4; i += 1) v[8 + i] = INITIAL[i] ?? 0;
  v[12] = counter;
  v[13] = 0;
  v[14] = length;
  v[15] = flags;
  for (let step = 0; step < 16 * ROUND_COUNT; step += 16) {
    mix(0, 4, 8, 12, step);
    mix(1, 5, 9, 13, step + 2);
    mix(2, 6, 10, 14, step + 4);
    mix(3, 7, 11, 15, step + 6);
    mix(0, 5, 10, 15, step + 8);
    mix(1, 6, 11, 12, step + 10);
    mix(2, 7, 8, 13, step + 12);
    mix(3, 4, 9, 14, step + 14);
  }
  for (let i = 0; i < 8; i += 1) chaining[i] = (v[i] ?? 0) ^ (v[i + 8] ?? 0);
}

/**
 * @param {Int32Array} key
 * @param {Uint8Array} bytes at most 1024
 * @param {number} counter
 * @param {number} rootFlag
 * @returns {Int32Array} the chunk's chaining value
 */
function chunkValue(key, bytes, counter, rootFlag) {
  const blockCount = Math.max(1, Math.ceil(bytes.length / BLOCK_BYTES));
  const padded = new DataView(new ArrayBuffer(blockCount * BLOCK_BYTES));
  new Uint8Array(padded.buffer).set(bytes);
  const chaining = Int32Array.from(key);
  for (let i = 0; i < blockCount; i += 1) {
    for (let word = 0; word < 16; word += 1)
      block[word] = padded.getInt32(i * BLOCK_BYTES + 4 * word, true);
    const last = i === blockCount - 1;
    const flags = KEYED_HASH | (i === 0 ? CHUNK_START : 0) | (last ? CHUNK_END | rootFlag : 0);
    compress(chaining, counter, Math.min(BLOCK_BYTES, bytes.length - i * BLOCK_BYTES), flags);
  }
  return chaining;
}

/**
 * The left side of a tree is the largest power of two of chunks that leaves something for the right.
 * @param {Int32Array} key
 * @param {Uint8Array} bytes
 * @param {number} counter of its first chunk
 * @param {number} rootFlag
 * @returns {Int32Array} the chaining value of the subtree
 */
function treeValue(key, bytes, counter, rootFlag) {
  if (bytes.length <= CHUNK_BYTES) return chunkValue(key, bytes, counter, rootFlag);
  let left = CHUNK_BYTES;
  while (left * 2 < bytes.length) left *= 2;
  const leftValue = treeValue(key, bytes.subarray(0, left), counter, 0);
  const rightValue = treeValue(key, bytes.subarray(left), counter + left / CHUNK_BYTES, 0);
  block.set(leftValue);
  block.set(rightValue, 8);
  const chaining = Int32Array.from(key);
  compress(chaining, 0, BLOCK_BYTES, KEYED_HASH | PARENT | rootFlag);
  return chaining;
}

/**
 * @param {Buffer} key 32 bytes
 * @param {Uint8Array} bytes
 * @returns {Buffer} the digest, 32 bytes
 */
export function blake3Keyed(key, bytes) {
  const words = Int32Array.from({ length: 8 }, (_, i) => key.readInt32LE(4 * i));
  const digest = Buffer.alloc(32);
  treeValue(words, bytes, 0, ROOT).forEach((word, i) => digest.writeInt32LE(word, 4 * i));
  return digest;
}
