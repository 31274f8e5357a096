/**
 * The disk under the engine model: what it holds, what of that would survive a power cut, and a
 * counter of operations at which it can be made to crash.
 */
import { concatBytes, readUint, writeUint } from '../../src/base/bytes.ts';
import { toHex } from '../../src/base/encodings.ts';
import { CapstanError } from '../../src/base/errors.ts';
import type { Generation } from '../../src/base/units.ts';
import { CHUNK_BYTES_MAX, DIGEST_BYTES } from '../../src/ports/engine.ts';
import type { TapeObject } from '../../src/tape/tape-object.ts';
import { FILEMARK } from '../../src/tape/tape-object.ts';

/** Thrown by the operation at which the store was told to crash. */
export class ModelCrash extends Error {
  override readonly name = 'ModelCrash';
}

/** An image: per partition, for each object the hexadecimal digest of its chunk, '' for a filemark. */
export interface StoredImage {
  readonly generation: Generation;
  readonly partitions: readonly (readonly string[])[];
}

export class ModelStore {
  images = new Map<string, StoredImage>();
  chunks = new Map<string, Uint8Array>();
  #durableImages = new Map<string, StoredImage>();
  #durableChunks = new Map<string, Uint8Array>();
  #operationsLeft: number | undefined;
  #operationCount = 0;
  /** So many bytes of chunks fit; undefined: as many as come. */
  quotaBytes: number | undefined;

  /** Changes that reached the disk, or were about to. */
  get operationCount(): number {
    return this.#operationCount;
  }

  /** To be called before a chunk is added. Throws NO_SPACE. */
  checkRoom(bytes: number): void {
    if (this.quotaBytes === undefined) return;
    let usedBytes = bytes;
    for (const chunk of this.chunks.values()) usedBytes += chunk.length;
    if (usedBytes <= this.quotaBytes) return;
    throw new CapstanError('NO_SPACE', { path: 'the model' });
  }

  /** The operation after `count` more ones crashes, as a process that is killed in it. */
  crashAfter(count: number | undefined): void {
    this.#operationsLeft = count;
  }

  /** To be called before each change that reaches the disk. Throws {@link ModelCrash}. */
  operation(): void {
    this.#operationCount += 1;
    if (this.#operationsLeft === undefined) return;
    if (this.#operationsLeft > 0) {
      this.#operationsLeft -= 1;
      return;
    }
    this.#operationsLeft = undefined;
    throw new ModelCrash('the process was killed in the middle of a disk operation');
  }

  /** All chunks, and the image (all images where none is named), would survive from now on. */
  makeDurable(name?: string): void {
    for (const [digest, chunk] of this.chunks) this.#durableChunks.set(digest, chunk);
    if (name === undefined) this.#durableImages = new Map(this.images);
    else this.#makeImageDurable(name);
  }

  /** The name's entry alone would survive, whatever its chunks do. */
  #makeImageDurable(name: string): void {
    const image = this.images.get(name);
    if (image === undefined) this.#durableImages.delete(name);
    else this.#durableImages.set(name, image);
  }

  /** As {@link makeDurable} of a directory's change: the names as they are now, without their chunks. */
  makeNamesDurable(...names: readonly string[]): void {
    for (const name of names) this.#makeImageDurable(name);
  }

  /** The power fails: what was not durable is gone. */
  cutPower(): void {
    this.images = new Map(this.#durableImages);
    this.chunks = new Map(this.#durableChunks);
    this.#operationsLeft = undefined;
  }
}

export function fromHex(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length / 2);
  for (let index = 0; index < bytes.length; index += 1) {
    bytes[index] = Number.parseInt(hex.slice(2 * index, 2 * index + 2), 16);
  }
  return bytes;
}

/** Stands for BLAKE3: eight lanes of a multiplicative hash. Finds every accident, stops no attacker. */
export function modelDigest(bytes: Uint8Array): Uint8Array {
  const digest = new Uint8Array(DIGEST_BYTES);
  const lanes = Uint32Array.from({ length: 8 }, (_, lane) => 0x811c9dc5 ^ (lane * 0x9e3779b1));
  for (let index = 0; index < bytes.length; index += 1) {
    const lane = index & 7;
    const mixed = Math.imul((lanes[lane] ?? 0) ^ (bytes[index] ?? 0), 0x01000193);
    lanes[lane] = mixed ^ (mixed >>> 15);
  }
  let carry = bytes.length;
  for (let round = 0; round < 16; round += 1) {
    const lane = round & 7;
    const mixed = Math.imul((lanes[lane] ?? 0) ^ carry, 0x85ebca6b);
    carry = (mixed ^ (mixed >>> 13)) >>> 0;
    lanes[lane] = carry;
  }
  lanes.forEach((value, lane) => writeUint(digest, lane * 4, 4, value));
  return digest;
}

export function splitDigests(digests: Uint8Array): string[] {
  return Array.from({ length: digests.length / DIGEST_BYTES }, (_, index) =>
    toHex(digests.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES)),
  );
}

const corrupt = (place: string, what: string): CapstanError =>
  new CapstanError('STORE_CORRUPT', { place, what });

const PARCEL_HEADER_BYTES = 12 + DIGEST_BYTES + 4;

/** A parcel (docs/formats/replication.md) of one chunk, stored as it is. */
export function encodeParcel(content: Uint8Array): Uint8Array {
  const header = new Uint8Array(PARCEL_HEADER_BYTES);
  const view = new DataView(header.buffer);
  header[1] = 1;
  for (const offset of [4, 8, PARCEL_HEADER_BYTES - 4])
    view.setUint32(offset, content.length, true);
  header.set(modelDigest(content), 12);
  return concatBytes([header, content]);
}

/** The chunks of parcels such as {@link encodeParcel} makes. Throws INVALID_ARGUMENT. */
export function decodeParcels(parcels: Uint8Array): Uint8Array[] {
  const check = (fits: boolean, reason: string): void => {
    if (!fits) throw new CapstanError('INVALID_ARGUMENT', { what: 'A parcel', reason });
  };
  const chunks: Uint8Array[] = [];
  for (let offset = 0; offset < parcels.length;) {
    check(parcels.length - offset >= PARCEL_HEADER_BYTES, 'its header is cut');
    const view = new DataView(parcels.buffer, parcels.byteOffset + offset, PARCEL_HEADER_BYTES);
    check(view.getUint32(0, true) === 0x0100, 'it has not one chunk, stored as it is');
    const length = view.getUint32(4, true);
    const alike = [8, PARCEL_HEADER_BYTES - 4].every((at) => view.getUint32(at, true) === length);
    check(alike && length > 0 && length <= CHUNK_BYTES_MAX, 'its length');
    const end = offset + PARCEL_HEADER_BYTES + length;
    check(end <= parcels.length, 'it is cut');
    const content = parcels.slice(offset + PARCEL_HEADER_BYTES, end);
    const digest = parcels.subarray(offset + 12, offset + 12 + DIGEST_BYTES);
    check(toHex(modelDigest(content)) === toHex(digest), 'its digest does not match');
    chunks.push(content);
    offset = end;
  }
  return chunks;
}

/**
 * A manifest's bytes: a count of partitions; per partition a count of objects; per object a length
 * (0 for a filemark) and, of a block, its digest. Numbers are u32 big-endian; a digest of it all ends it.
 */
export function writeManifest(
  partitions: StoredImage['partitions'],
  chunks: ReadonlyMap<string, Uint8Array>,
): Uint8Array {
  const number = (value: number): Uint8Array => {
    const bytes = new Uint8Array(4);
    writeUint(bytes, 0, 4, value);
    return bytes;
  };
  const parts = [number(partitions.length)];
  for (const objects of partitions) {
    parts.push(number(objects.length));
    for (const digest of objects) {
      parts.push(number(chunks.get(digest)?.length ?? 0), fromHex(digest));
    }
  }
  const body = concatBytes(parts);
  return concatBytes([body, modelDigest(body)]);
}

export interface ParsedManifest {
  readonly partitions: StoredImage['partitions'];
  readonly lengths: readonly (readonly number[])[];
}

/** Throws STORE_CORRUPT. */
export function parseManifest(manifest: Uint8Array): ParsedManifest {
  const end = manifest.length - DIGEST_BYTES;
  const body = manifest.subarray(0, Math.max(0, end));
  if (end < 4 || toHex(modelDigest(body)) !== toHex(manifest.subarray(end))) {
    throw corrupt('a manifest', 'its digest does not match');
  }
  // What follows was digested by its writer: it has its form.
  let offset = 0;
  const number = (): number => {
    offset += 4;
    return readUint(body, offset - 4, 4);
  };
  const partitions: string[][] = [];
  const lengths: number[][] = [];
  for (let left = number(); left > 0; left -= 1) {
    const digests: string[] = [];
    const sizes: number[] = [];
    for (let objects = number(); objects > 0; objects -= 1) {
      const length = number();
      sizes.push(length);
      digests.push(length === 0 ? '' : toHex(body.subarray(offset, offset + DIGEST_BYTES)));
      if (length > 0) offset += DIGEST_BYTES;
    }
    partitions.push(digests);
    lengths.push(sizes);
  }
  return { partitions, lengths };
}

/** The objects that digests stand for. Throws STORE_CORRUPT where a chunk is missing or changed. */
export function objectsOf(
  digests: readonly string[],
  chunks: ReadonlyMap<string, Uint8Array>,
): TapeObject[] {
  return digests.map((digest, index) => {
    if (digest === '') return FILEMARK;
    const data = chunks.get(digest);
    if (data === undefined || toHex(modelDigest(data)) !== digest) {
      throw corrupt(`object ${index}`, `chunk ${digest.slice(0, 8)} is missing or changed`);
    }
    return { kind: 'block', data };
  });
}
