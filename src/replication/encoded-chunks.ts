/**
 * Encoded chunks one behind another, as the engine gives and takes them: where each ends.
 *
 * ```
 * codec u8 │ content length u32 LE │ stored length u32 LE │ stored bytes
 * ```
 */
import { CHUNK_BYTES_MAX } from '../ports/engine.ts';

const CHUNK_HEADER_BYTES = 9;
/** A codec that gains nothing may add a little; a chunk that grew more is none of ours. */
const STORED_BYTES_MAX = CHUNK_BYTES_MAX + CHUNK_BYTES_MAX / 64;

const readUint32Le = (bytes: Uint8Array, offset: number): number =>
  new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset, true);

/**
 * Where each chunk of `encoded` ends, in order; undefined where a length is over its limit or a chunk
 * does not end within.
 */
export function chunkEnds(encoded: Uint8Array): number[] | undefined {
  const ends: number[] = [];
  let offset = 0;
  while (offset < encoded.length) {
    if (encoded.length - offset < CHUNK_HEADER_BYTES) return undefined;
    const contentLength = readUint32Le(encoded, offset + 1);
    const storedLength = readUint32Le(encoded, offset + 5);
    if (contentLength > CHUNK_BYTES_MAX || storedLength > STORED_BYTES_MAX) return undefined;
    offset += CHUNK_HEADER_BYTES + storedLength;
    if (offset > encoded.length) return undefined;
    ends.push(offset);
  }
  return ends;
}

export interface ChunkBatch {
  readonly count: number;
  readonly encoded: Uint8Array;
}

/** Cuts encoded chunks into batches of at most `bytesMax` (or one chunk); `ends` as of {@link chunkEnds}. */
export function batchChunks(
  encoded: Uint8Array,
  ends: readonly number[],
  bytesMax: number,
): ChunkBatch[] {
  const batches: ChunkBatch[] = [];
  let start = 0;
  let count = 0;
  ends.forEach((end, index) => {
    count += 1;
    const next = ends[index + 1];
    if (next !== undefined && next - start <= bytesMax) return;
    batches.push({ count, encoded: encoded.subarray(start, end) });
    start = end;
    count = 0;
  });
  return batches;
}
