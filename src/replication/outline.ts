/**
 * What travels of a manifest where the receiver has an older one of the same tape: the pieces that this lacks.
 * The whole is proven by its digest, whatever the outline said.
 */
import { readUint } from '../base/bytes.ts';
import { OUTLINE_PIECE_BYTES, PIECE_BYTES_MAX, PIECE_BYTES_MIN } from '../ports/engine.ts';
import { violation } from './frame.ts';
import { isNeeded } from './need.ts';
import type { Need } from './messages.ts';

/** Where each piece of an outline begins and ends. */
function* placesOf(
  outline: Uint8Array,
): Generator<{ readonly start: number; readonly end: number }> {
  let start = 0;
  for (let offset = 0; offset < outline.length; offset += OUTLINE_PIECE_BYTES) {
    const end = start + readUint(outline, offset, 2);
    yield { start, end };
    start = end;
  }
}

/** The places of the pieces that `need` asks for. */
export function* neededPlaces(
  outline: Uint8Array,
  need: Need,
): Generator<{ readonly start: number; readonly end: number }> {
  let ordinal = 0;
  for (const place of placesOf(outline)) {
    if (isNeeded(need, ordinal)) yield place;
    ordinal += 1;
  }
}

/** The bytes of `manifest` that `need` asks for, one behind another. */
export function neededPieces(manifest: Uint8Array, outline: Uint8Array, need: Need): Uint8Array {
  const places = [...neededPlaces(outline, need)];
  const bytes = new Uint8Array(places.reduce((sum, { start, end }) => sum + end - start, 0));
  let offset = 0;
  for (const { start, end } of places) {
    bytes.set(manifest.subarray(start, end), offset);
    offset += end - start;
  }
  return bytes;
}

/** Gathers an outline, and takes no more of it than a manifest of the length offered can have. */
export class OutlineIntake {
  readonly #peer: string;
  readonly #manifestBytes: number;
  readonly #parts: Uint8Array[] = [];
  #outlinedBytes = 0;

  constructor(peer: string, manifestBytes: number) {
    this.#peer = peer;
    this.#manifestBytes = manifestBytes;
  }

  get isComplete(): boolean {
    return this.#outlinedBytes === this.#manifestBytes;
  }

  /** Throws PROTOCOL_VIOLATION where it is no outline of that manifest. */
  add(pieces: Uint8Array): void {
    if (pieces.length === 0) throw violation(this.#peer, 'a part of an outline is empty');
    for (const { start, end } of placesOf(pieces)) {
      const length = end - start;
      this.#outlinedBytes += length;
      const isLast = this.#outlinedBytes === this.#manifestBytes;
      const isShort = length < (isLast ? 1 : PIECE_BYTES_MIN);
      if (isShort || length > PIECE_BYTES_MAX || this.#outlinedBytes > this.#manifestBytes) {
        throw violation(this.#peer, `a piece of the manifest has ${length} bytes`);
      }
    }
    this.#parts.push(pieces);
  }

  outline(): Uint8Array {
    const outline = new Uint8Array(this.#parts.reduce((sum, { length }) => sum + length, 0));
    let offset = 0;
    for (const part of this.#parts) {
      outline.set(part, offset);
      offset += part.length;
    }
    return outline;
  }
}
