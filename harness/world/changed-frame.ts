/** A frame of a manifest in which a byte is changed and the checksum made to fit: as of a peer that is broken. */
import { readUint, writeUint } from '../../src/base/bytes.ts';
import { crc32 } from '../../src/base/crc32.ts';
import { FRAMES, FRAME_HEADER_BYTES } from '../../src/replication/frame.ts';

/** Behind the page's offset. */
const PAGE_START = FRAME_HEADER_BYTES + 4;

/** Changes a byte of the page, if `piece` is a whole MANIFEST frame; whether it is. */
export function changeManifest(piece: Uint8Array, place: number): boolean {
  if (piece[0] !== FRAMES.manifest.type || piece.length <= PAGE_START) return false;
  if (readUint(piece, 4, 4) !== piece.length - FRAME_HEADER_BYTES) return false;
  const offset = PAGE_START + (place % (piece.length - PAGE_START));
  piece[offset] = (piece[offset] ?? 0) ^ (1 << (place % 8));
  writeUint(piece, 8, 4, crc32(piece.subarray(FRAME_HEADER_BYTES), crc32(piece.subarray(0, 8))));
  return true;
}
