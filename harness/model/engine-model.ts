/**
 * The obviously right engine: images as lists of digests, chunks in a map, one chunk a block.
 *
 * It keeps the contract of src/ports/engine.ts over a {@link ModelStore}, which tells what would
 * survive a power cut from what would not. Blocks are at most CHUNK_BYTES_MAX long.
 */
import { assert } from '../../src/base/assert.ts';
import { concatBytes } from '../../src/base/bytes.ts';
import { toHex } from '../../src/base/encodings.ts';
import { CapstanError } from '../../src/base/errors.ts';
import { generation, logicalObjectNumber } from '../../src/base/units.ts';
import type { Generation } from '../../src/base/units.ts';
import { CHUNK_BYTES_MAX, IMAGE_NAME_PATTERN } from '../../src/ports/engine.ts';
import type {
  CollectReport,
  Damage,
  Engine,
  ImageInfo,
  FilledManifest,
  ManifestSummary,
  PartitionInfo,
  StoreStatistics,
  TapeImage,
  Transfer,
  VerifyReport,
} from '../../src/ports/engine.ts';
import type { ImageCall, ImageReplies } from '../../src/tape/image-call.ts';
import { packObjects } from '../../src/tape/tape-object.ts';
import {
  decodeParcels,
  encodeParcel,
  fromHex,
  modelDigest,
  objectsOf,
  parseManifest,
  splitDigests,
  writeManifest,
} from './model-store.ts';
import { fillManifest, outlineManifest } from './manifest-outline.ts';
import type { ModelStore, StoredImage } from './model-store.ts';
import { TapeImageModel } from './tape-image.ts';

function notFound(kind: string, name: string): CapstanError {
  return new CapstanError('NOT_FOUND', { kind, name });
}

export class EngineModel implements Engine {
  readonly #store: ModelStore;
  readonly #writers = new Set<string>();
  #appendedBytes = 0;
  #newChunkBytes = 0;

  constructor(store: ModelStore) {
    this.#store = store;
  }

  #image(name: string): StoredImage {
    const image = this.#store.images.get(name);
    if (image === undefined) throw notFound('image', name);
    return image;
  }

  #checkName(name: string): void {
    if (IMAGE_NAME_PATTERN.test(name)) return;
    throw new CapstanError('INVALID_ARGUMENT', {
      what: `The image name ${name}`,
      reason: 'no name',
    });
  }

  #checkNotWritten(name: string): void {
    if (!this.#writers.has(name)) return;
    throw new CapstanError('IN_USE', { kind: 'image', name, by: 'a writer' });
  }

  addChunk(content: Uint8Array): string {
    assert(content.length <= CHUNK_BYTES_MAX, 'a block of the model is one chunk');
    const digest = toHex(modelDigest(content));
    if (!this.#store.chunks.has(digest)) {
      this.#store.checkRoom(content.length);
      this.#store.operation();
      this.#store.chunks.set(digest, content.slice());
      this.#newChunkBytes += content.length;
    }
    return digest;
  }

  async createImage(name: string, options: { readonly partitionCount: number }): Promise<void> {
    this.#checkName(name);
    if (this.#store.images.has(name)) {
      throw new CapstanError('ALREADY_EXISTS', { kind: 'image', name, where: '' });
    }
    this.#store.operation();
    const partitions = Array.from({ length: options.partitionCount }, () => []);
    this.#store.images.set(name, { generation: generation(0), partitions });
    this.#store.makeNamesDurable(name);
  }

  async openImage(name: string, mode: 'read' | 'write'): Promise<TapeImage> {
    const stored = this.#image(name);
    if (mode === 'read') return new OpenImage(name, stored, this.#store);
    this.#checkNotWritten(name);
    this.#writers.add(name);
    return new OpenImage(name, stored, this.#store, {
      keep: (image) => {
        this.#store.operation();
        this.#store.images.set(name, image);
        this.#store.operation();
        this.#store.makeDurable(name);
      },
      addChunk: (content) => {
        this.#appendedBytes += content.length;
        return this.addChunk(content);
      },
      release: () => this.#writers.delete(name),
    });
  }

  async listImages(): Promise<readonly ImageInfo[]> {
    return [...this.#store.images].map(([name, image]) =>
      imageInfo(name, image, this.#store.chunks),
    );
  }

  async removeImage(name: string): Promise<void> {
    this.#image(name);
    this.#checkNotWritten(name);
    this.#store.operation();
    this.#store.images.delete(name);
    this.#store.makeNamesDurable(name);
  }

  async publishImage(from: string, to: string): Promise<void> {
    const image = this.#image(from);
    this.#checkNotWritten(from);
    this.#checkNotWritten(to);
    this.#store.operation();
    this.#store.images.delete(from);
    this.#store.images.set(to, image);
    // A rename is one step of the directory; it takes no data with it that was not synced before.
    this.#store.makeNamesDurable(from, to);
    this.#store.operation();
  }

  async exportManifest(name: string): Promise<Uint8Array> {
    return writeManifest(this.#image(name).partitions, this.#store.chunks);
  }

  async readManifest(manifest: Uint8Array): Promise<ManifestSummary> {
    const { partitions, lengths } = parseManifest(manifest);
    const unique = new Set(partitions.flat().filter((digest) => digest !== ''));
    return {
      digest: modelDigest(manifest),
      partitions: partitions.map((digests, index) => partitionInfo(digests, lengths[index] ?? [])),
      digests: concatBytes([...unique].map(fromHex)),
    };
  }

  async outlineManifest(manifest: Uint8Array): Promise<Uint8Array> {
    return outlineManifest(manifest);
  }

  async fillManifest(outline: Uint8Array, older: Uint8Array): Promise<FilledManifest> {
    return fillManifest(outline, older);
  }

  async lackingChunks(digests: Uint8Array): Promise<Uint8Array> {
    return Uint8Array.from(splitDigests(digests), (hex) => (this.#store.chunks.has(hex) ? 0 : 1));
  }

  /** In the order asked for, each chunk a parcel. */
  async openTransfer(digests: Uint8Array): Promise<Transfer> {
    const parcels = splitDigests(digests).map((hex) => {
      const chunk = this.#store.chunks.get(hex);
      if (chunk === undefined) {
        throw new CapstanError('STORE_CORRUPT', { place: `chunk ${hex}`, what: 'it is missing' });
      }
      return encodeParcel(chunk);
    });
    return {
      bases: new Uint8Array(),
      useBases: () => {},
      read: async ({ bytesMax }) => {
        const batch: Uint8Array[] = [];
        let left = bytesMax;
        for (let next = parcels[0]; next !== undefined; next = parcels[0]) {
          if (batch.length > 0 && next.length > left) break;
          left -= next.length;
          batch.push(next);
          parcels.shift();
        }
        if (batch.length === 0) return undefined;
        return { parcels: concatBytes(batch), chunkCount: batch.length };
      },
    };
  }

  async addParcels(parcels: Uint8Array): Promise<void> {
    for (const content of decodeParcels(parcels)) this.addChunk(content);
  }

  async stageImage(
    name: string,
    manifest: Uint8Array,
    options: { readonly generation: Generation },
  ): Promise<void> {
    this.#checkName(name);
    this.#checkNotWritten(name);
    const { partitions } = parseManifest(manifest);
    const missing = partitions.flat().find((hex) => hex !== '' && !this.#store.chunks.has(hex));
    if (missing !== undefined) throw notFound('chunk', missing);
    this.#store.operation();
    this.#store.images.set(name, { generation: options.generation, partitions });
  }

  async sync(): Promise<void> {
    this.#store.operation();
    this.#store.makeDurable();
    this.#store.operation();
  }

  async verify(options: { readonly images?: readonly string[] }): Promise<VerifyReport> {
    const names = options.images ?? [...this.#store.images.keys()];
    const damages: Damage[] = [];
    for (const name of names) {
      try {
        for (const digests of this.#image(name).partitions) objectsOf(digests, this.#store.chunks);
      } catch (error) {
        if (!(error instanceof CapstanError)) throw error;
        damages.push({ place: `image ${name}`, what: error.message });
      }
    }
    const { chunks } = this.#store;
    const bytesRead = [...chunks.values()].reduce((sum, chunk) => sum + chunk.length, 0);
    return { imageCount: names.length, chunkCount: chunks.size, bytesRead, damages };
  }

  async damagedChunks(): Promise<Uint8Array> {
    return new Uint8Array();
  }

  async collect(): Promise<CollectReport> {
    // Nothing shows of what is given up: the model has no packs, and its chunks cost nothing.
    return { packsRemoved: 0, freedBytes: 0, copiedBytes: 0 };
  }

  async statistics(): Promise<StoreStatistics> {
    const { images, chunks } = this.#store;
    const uniqueBytes = [...chunks.values()].reduce((sum, chunk) => sum + chunk.length, 0);
    return {
      imageCount: images.size,
      packCount: 1,
      chunkCount: chunks.size,
      uniqueBytes,
      storedBytes: uniqueBytes,
      appendedBytes: this.#appendedBytes,
      newChunkBytes: this.#newChunkBytes,
    };
  }

  async close(): Promise<void> {
    this.#writers.clear();
  }
}

function partitionInfo(digests: readonly string[], lengths: readonly number[]): PartitionInfo {
  return {
    objectCount: digests.length,
    filemarkCount: digests.filter((digest) => digest === '').length,
    payloadBytes: lengths.reduce((sum, length) => sum + length, 0),
    chunkCount: new Set(digests.filter((digest) => digest !== '')).size,
  };
}

function imageInfo(
  name: string,
  image: StoredImage,
  chunks: ReadonlyMap<string, Uint8Array>,
): ImageInfo {
  const partitions = image.partitions.map((digests) =>
    partitionInfo(
      digests,
      digests.map((digest) => chunks.get(digest)?.length ?? 0),
    ),
  );
  return { name, generation: image.generation, partitions };
}

interface Writing {
  keep(image: StoredImage): void;
  addChunk(content: Uint8Array): string;
  release(): void;
}

type CallOf<Op extends ImageCall['op']> = Omit<Extract<ImageCall, { op: Op }>, 'op'>;

class OpenImage implements TapeImage {
  readonly name: string;
  readonly #store: ModelStore;
  readonly #model: TapeImageModel;
  readonly #writing: Writing | undefined;
  #stored: StoredImage;

  constructor(name: string, stored: StoredImage, store: ModelStore, writing?: Writing) {
    this.name = name;
    this.#stored = stored;
    this.#store = store;
    this.#writing = writing;
    this.#model = new TapeImageModel(stored.partitions.length);
    stored.partitions.forEach((digests, partition) => {
      const objects = objectsOf(digests, store.chunks);
      const at = logicalObjectNumber(0);
      this.#model.answer({ op: 'append', partition, at, ...packObjects(objects) });
    });
  }

  async info(): Promise<ImageInfo> {
    return imageInfo(this.name, this.#stored, this.#store.chunks);
  }

  async append(call: CallOf<'append'>): Promise<ImageReplies['append']> {
    assert(this.#writing !== undefined, 'what is written was opened for it');
    // Before anything is taken.
    this.#store.checkRoom(call.data.length);
    const reply = this.#model.answer({ op: 'append', ...call }) as ImageReplies['append'];
    for (const object of this.#model.objects(call.partition).slice(call.at)) {
      if (object.kind === 'block') this.#writing.addChunk(object.data);
    }
    return reply;
  }

  async read(call: CallOf<'read'>): Promise<ImageReplies['read']> {
    return this.#model.answer({ op: 'read', ...call }) as ImageReplies['read'];
  }

  async space(call: CallOf<'space'>): Promise<ImageReplies['space']> {
    return this.#model.answer({ op: 'space', ...call }) as ImageReplies['space'];
  }

  async locate(call: CallOf<'locate'>): Promise<ImageReplies['locate']> {
    return this.#model.answer({ op: 'locate', ...call }) as ImageReplies['locate'];
  }

  async truncate(call: CallOf<'truncate'>): Promise<ImageReplies['truncate']> {
    assert(this.#writing !== undefined, 'what is written was opened for it');
    return this.#model.answer({ op: 'truncate', ...call }) as ImageReplies['truncate'];
  }

  async sync(options: { readonly generation: Generation }): Promise<void> {
    const writing = this.#writing;
    assert(writing !== undefined, 'what is written was opened for it');
    const partitions = this.#stored.partitions.map((_, partition) =>
      this.#model
        .objects(partition)
        .map((object) => (object.kind === 'block' ? writing.addChunk(object.data) : '')),
    );
    this.#stored = { generation: options.generation, partitions };
    writing.keep(this.#stored);
  }

  async close(): Promise<void> {
    this.#writing?.release();
  }
}
