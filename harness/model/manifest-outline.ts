/** Outlines of manifests as the engine makes them, but for the digests, which are the model's. */
import { concatBytes, readUint, writeUint } from '../../src/base/bytes.ts';
import { toHex } from '../../src/base/encodings.ts';
import { CapstanError } from '../../src/base/errors.ts';
import { OUTLINE_PIECE_BYTES, PIECE_BYTES_MAX, PIECE_BYTES_MIN } from '../../src/ports/engine.ts';
import type { FilledManifest } from '../../src/ports/engine.ts';
import { modelDigest } from './model-store.ts';

const GOLDEN = 2_654_435_761;
const CUT_LIMIT = 2 ** 24;

function* piecesOf(manifest: Uint8Array): Generator<Uint8Array> {
  let start = 0;
  let sum = 0;
  for (const [index, byte] of manifest.entries()) {
    sum = (2 * sum + byte + 1) >>> 0;
    const length = index + 1 - start;
    const cut = length >= PIECE_BYTES_MIN && Math.imul(sum, GOLDEN) >>> 0 < CUT_LIMIT;
    if (!cut && length < PIECE_BYTES_MAX && index + 1 < manifest.length) continue;
    yield manifest.subarray(start, index + 1);
    start = index + 1;
  }
}

function outlineOf(piece: Uint8Array): Uint8Array {
  const outline = new Uint8Array(OUTLINE_PIECE_BYTES);
  writeUint(outline, 0, 2, piece.length);
  outline.set(modelDigest(piece).subarray(0, OUTLINE_PIECE_BYTES - 2), 2);
  return outline;
}

/** What Engine.outlineManifest gives. */
export function outlineManifest(manifest: Uint8Array): Uint8Array {
  return concatBytes([...piecesOf(manifest)].map(outlineOf));
}

/** What Engine.fillManifest gives. */
export function fillManifest(outline: Uint8Array, older: Uint8Array): FilledManifest {
  const known = new Map([...piecesOf(older)].map((piece) => [toHex(outlineOf(piece)), piece]));
  const count = outline.length / OUTLINE_PIECE_BYTES;
  const lacking = new Uint8Array(count);
  const pieces = Array.from({ length: count }, (_, index) => {
    const at = index * OUTLINE_PIECE_BYTES;
    const length = readUint(outline, at, 2);
    if (length === 0 || length > PIECE_BYTES_MAX) {
      const reason = `a piece has ${length} bytes`;
      throw new CapstanError('INVALID_ARGUMENT', { what: 'The outline of a manifest', reason });
    }
    const piece = known.get(toHex(outline.subarray(at, at + OUTLINE_PIECE_BYTES)));
    lacking[index] = piece === undefined ? 1 : 0;
    return piece ?? new Uint8Array(length);
  });
  return { manifest: concatBytes(pieces), lacking };
}
