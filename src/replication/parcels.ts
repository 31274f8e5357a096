/**
 * Parcels one behind another, as the engine gives and takes them: which chunks each says it brings.
 *
 * ```
 * codec u8 │ chunk count u8 │ base count u16 │ content length u32 │ stored length u32
 * digest (32) and length u32 of each chunk │ digest of each base │ stored bytes
 * ```
 * Little-endian, as on disk; docs/formats/replication.md tells what it means. What it says of the
 * content the engine checks.
 */
import { DIGEST_BYTES, PARCEL_BYTES_MAX } from '../ports/engine.ts';

const PARCEL_HEADER_BYTES = 12;
const CHUNK_ENTRY_BYTES = DIGEST_BYTES + 4;

/** For each parcel of `parcels` where its chunks' digests begin; undefined where one does not end within. */
export function chunksOfParcels(parcels: Uint8Array): number[][] | undefined {
  const view = new DataView(parcels.buffer, parcels.byteOffset, parcels.byteLength);
  const places: number[][] = [];
  for (let start = 0; start < parcels.length;) {
    if (parcels.length - start < PARCEL_HEADER_BYTES) return undefined;
    const chunkCount = view.getUint8(start + 1);
    const baseCount = view.getUint16(start + 2, true);
    const lists = chunkCount * CHUNK_ENTRY_BYTES + baseCount * DIGEST_BYTES;
    const parcelBytes = PARCEL_HEADER_BYTES + lists + view.getUint32(start + 8, true);
    if (parcelBytes > Math.min(PARCEL_BYTES_MAX, parcels.length - start)) return undefined;
    const first = start + PARCEL_HEADER_BYTES;
    places.push(Array.from({ length: chunkCount }, (_, i) => first + i * CHUNK_ENTRY_BYTES));
    start += parcelBytes;
  }
  return places;
}

/** The chunks that a copy needs, and which of them have come. */
export class NeededChunks {
  readonly #digests: Uint8Array;
  /** By the digest's first bytes, then the next that is free: ordinal + 1, or 0. */
  readonly #slots: Uint32Array;
  readonly #arrived: Uint8Array;

  /** `digests`: DIGEST_BYTES each, no two alike. */
  constructor(digests: Uint8Array) {
    this.#digests = digests;
    this.#slots = new Uint32Array(2 ** Math.ceil(Math.log2(2 * this.count + 1)));
    this.#arrived = new Uint8Array(this.count);
    for (let ordinal = 0; ordinal < this.count; ordinal += 1) {
      let slot = this.#slotOf(digests, ordinal * DIGEST_BYTES);
      while (this.#slots[slot] !== 0) slot = (slot + 1) % this.#slots.length;
      this.#slots[slot] = ordinal + 1;
    }
  }

  get count(): number {
    return this.#digests.length / DIGEST_BYTES;
  }

  /** Whether the chunk whose digest stands in `bytes` at `offset` is needed and comes for the first time. */
  take(bytes: Uint8Array, offset: number): boolean {
    for (let slot = this.#slotOf(bytes, offset); ; slot = (slot + 1) % this.#slots.length) {
      const ordinal = (this.#slots[slot] ?? 0) - 1;
      if (ordinal < 0) return false;
      if (!this.#isAt(ordinal, bytes, offset)) continue;
      const isNew = this.#arrived[ordinal] === 0;
      this.#arrived[ordinal] = 1;
      return isNew;
    }
  }

  #slotOf(bytes: Uint8Array, offset: number): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    return view.getUint32(offset, true) % this.#slots.length;
  }

  #isAt(ordinal: number, bytes: Uint8Array, offset: number): boolean {
    for (let index = 0; index < DIGEST_BYTES; index += 1) {
      if (this.#digests[ordinal * DIGEST_BYTES + index] !== bytes[offset + index]) return false;
    }
    return true;
  }
}
