/**
 * The native engine: chunk stores and the tape images in them. One open store is one vault.
 *
 * Contract for every implementation (conformance suite: test/conformance/engine.ts):
 * - Names of images match IMAGE_NAME_PATTERN; the engine makes paths of nothing else.
 * - Calls on one image run in the order they were made; calls on different images may overlap.
 * - Nothing is durable before `TapeImage.sync`, `Engine.sync` or `publishImage` resolves; what these
 *   acknowledged survives a power cut. After a crash an image is as of its last sync.
 * - Data whose checksum or digest does not match is never returned: STORE_CORRUPT names the place.
 * - Rejections are CapstanErrors: NOT_FOUND, ALREADY_EXISTS, IN_USE (image open for writing),
 *   STORE_CORRUPT, STORE_LOCKED, STORE_FAILED, NO_SPACE, DISK_IO, LIMIT_EXCEEDED, INVALID_ARGUMENT.
 *   After NO_SPACE the image is as before the call, and reading goes on. `append` says so before it takes
 *   anything: there is room for what it took, and for a few labels and filemarks behind that, where the
 *   file system can keep room (fallocate). After a failed fsync the
 *   store takes no more writes (STORE_FAILED) until it is opened anew: its state is not known.
 */
import type { Generation } from '../base/units.ts';
import type {
  AppendCall,
  AppendReply,
  LocateCall,
  LocateReply,
  ReadCall,
  ReadReply,
  SpaceCall,
  SpaceReply,
  TruncateCall,
  TruncateReply,
} from '../tape/image-call.ts';

/** What an image may be named: a tape's name, or `<tape>.<suffix>` while it is staged. */
export const IMAGE_NAME_PATTERN = /^[A-Z0-9][A-Z0-9._-]{0,63}$/;
/** Bytes of a chunk's digest (BLAKE3, 256 bits). */
export const DIGEST_BYTES = 32;
/** Of a piece in a manifest's outline: its length, and the beginning of its digest. */
export const OUTLINE_PIECE_BYTES = 18;
/** Bytes of a piece at least (but for a manifest's last), and at most. */
export const PIECE_BYTES_MIN = 64;
export const PIECE_BYTES_MAX = 4096;
/** Largest manifest that is taken from a peer, bytes. */
export const MANIFEST_BYTES_MAX = 256 * 1024 * 1024;
/** Largest chunk, bytes of its content. */
export const CHUNK_BYTES_MAX = 256 * 1024;
/** Largest parcel, bytes: its header, 255 chunks, 2040 bases, and 1 MiB of content stored as it is. */
export const PARCEL_BYTES_MAX = 12 + 255 * (DIGEST_BYTES + 4) + 2040 * DIGEST_BYTES + 1024 * 1024;

export interface PartitionInfo {
  readonly objectCount: number;
  readonly filemarkCount: number;
  /** Bytes of all blocks. */
  readonly payloadBytes: number;
  readonly chunkCount: number;
}

export interface ImageInfo {
  readonly name: string;
  /** As given with the last sync; 0 for a new image. */
  readonly generation: Generation;
  readonly partitions: readonly PartitionInfo[];
}

export interface StoreStatistics {
  readonly imageCount: number;
  readonly packCount: number;
  readonly chunkCount: number;
  /** Content bytes of the unique chunks. */
  readonly uniqueBytes: number;
  /** Bytes that the packs take on disk. */
  readonly storedBytes: number;
  /** Since opening: bytes appended through images, and of these bytes in chunks that were new. */
  readonly appendedBytes: number;
  readonly newChunkBytes: number;
}

export interface Damage {
  /** File and offset, or image and object: `packs/00000001.pack at 4096`. */
  readonly place: string;
  readonly what: string;
}

export interface VerifyReport {
  readonly imageCount: number;
  readonly chunkCount: number;
  readonly bytesRead: number;
  readonly damages: readonly Damage[];
}

export interface CollectOptions {
  /** A pack of which less than this share is referred to is given up; what is, is copied. Default 0.5. */
  readonly liveShareMin?: number;
  /** At most so many packs, so that a collection can be done in steps. */
  readonly packCountMax?: number;
  /** It is a further step of the collection before, and counts as one with it. Default false. */
  readonly continues?: boolean;
}

export interface CollectReport {
  readonly packsRemoved: number;
  /** Of the packs removed, bytes on disk. */
  readonly freedBytes: number;
  /** Written anew, since they are still referred to. */
  readonly copiedBytes: number;
}

/** A manifest: which chunks make up an image and where its records end. Equal images, equal bytes. */
export interface ManifestSummary {
  /** BLAKE3 of the manifest's bytes. */
  readonly digest: Uint8Array;
  readonly partitions: readonly PartitionInfo[];
  /** The unique chunks' digests in order of first use, DIGEST_BYTES each: a chunk's ordinal is its place. */
  readonly digests: Uint8Array;
}

/** A manifest as far as another one has its pieces. */
export interface FilledManifest {
  /** Zeros where a piece lacks. */
  readonly manifest: Uint8Array;
  /** For each piece of the outline 1 where it lacks, else 0. */
  readonly lacking: Uint8Array;
}

export interface TransferBatch {
  /** Parcels one behind another: docs/formats/replication.md has their bytes. */
  readonly parcels: Uint8Array;
  /** Of the chunks asked for, how many come with them. */
  readonly chunkCount: number;
}

/** What goes to another store of the chunks that it lacks, in the form in which it lies here. */
export interface Transfer {
  /** Digests of chunks that do not come, and that deltas rest on: the other store may have them. */
  readonly bases: Uint8Array;
  /**
   * What the other store lacks of `bases` (see {@link Engine.lackingChunks}), before the first read: deltas
   * whose bases are there then travel as such. What it has must stay there until they have come.
   */
  useBases(lacking: Uint8Array): void;
  /**
   * The next parcels, of `bytesMax` in all, or one; undefined at the end. STORE_CORRUPT where a region cannot
   * be read: the next call goes on behind it. One call at a time. They may lie in the memory of `into`, which
   * nobody else looks at until the call has ended.
   */
  read(options: {
    readonly bytesMax: number;
    readonly into?: Uint8Array;
  }): Promise<TransferBatch | undefined>;
}

export interface TapeImage {
  readonly name: string;
  info(): Promise<ImageInfo>;
  append(call: Omit<AppendCall, 'op'>): Promise<AppendReply>;
  read(call: Omit<ReadCall, 'op'>): Promise<ReadReply>;
  space(call: Omit<SpaceCall, 'op'>): Promise<SpaceReply>;
  locate(call: Omit<LocateCall, 'op'>): Promise<LocateReply>;
  truncate(call: Omit<TruncateCall, 'op'>): Promise<TruncateReply>;
  /** Makes everything durable and records `generation` with it, in one atomic step. */
  sync(options: { readonly generation: Generation }): Promise<void>;
  /** What was not synced is given up. Idempotent. */
  close(): Promise<void>;
}

export interface Engine {
  /** An empty image, durable when this resolves. */
  createImage(name: string, options: { readonly partitionCount: number }): Promise<void>;
  /** One writer at a time (IN_USE); readers see the image as of its last sync before they opened it. */
  openImage(name: string, mode: 'read' | 'write'): Promise<TapeImage>;
  /** By name. Damaged images are left out; `verify` names them. */
  listImages(): Promise<readonly ImageInfo[]>;
  removeImage(name: string): Promise<void>;
  /**
   * Renames `from`, staged for the tape `to` (`TO.SUFFIX`), atomically taking the place of an image of that
   * name; durable. INVALID_ARGUMENT where it is another tape's: an image's file says whose it is.
   */
  publishImage(from: string, to: string): Promise<void>;

  /** The image's manifest as of its last sync. */
  exportManifest(name: string): Promise<Uint8Array>;
  /** Parses and checks a manifest from anywhere; rejects STORE_CORRUPT or LIMIT_EXCEEDED. */
  readManifest(manifest: Uint8Array): Promise<ManifestSummary>;
  /**
   * What the manifest's pieces are, cut by content: OUTLINE_PIECE_BYTES each, of which the first two are its
   * length, big-endian.
   */
  outlineManifest(manifest: Uint8Array): Promise<Uint8Array>;
  /**
   * The manifest of that outline, with the pieces that `older` has; its digest tells whether they are the right
   * ones. INVALID_ARGUMENT where it is no outline, LIMIT_EXCEEDED where its manifest would be too long.
   */
  fillManifest(outline: Uint8Array, older: Uint8Array): Promise<FilledManifest>;
  /** One byte per digest: 1 where this store lacks the chunk. */
  lackingChunks(digests: Uint8Array): Promise<Uint8Array>;
  /** For another store that lacks these chunks, no two alike; STORE_CORRUPT where one is not here. */
  openTransfer(digests: Uint8Array): Promise<Transfer>;
  /**
   * Takes parcels; each is checked, its chunks' digests as well, before anything of it is taken. Not yet
   * durable, but `parcels` may be used again. INVALID_ARGUMENT where one says what is not so, NOT_FOUND where the base of a delta is not here.
   */
  addParcels(parcels: Uint8Array): Promise<void>;
  /**
   * Makes (or replaces) the image `name` out of a manifest all of whose chunks are here (NOT_FOUND names
   * the first that is not). Durable only after `sync()`.
   */
  stageImage(
    name: string,
    manifest: Uint8Array,
    options: { readonly generation: Generation },
  ): Promise<void>;
  /** Makes all chunks added and all images staged so far durable. */
  sync(): Promise<void>;

  /** Reads every chunk of the images named (all where none is) and compares checksums and digests. */
  verify(options: {
    readonly images?: readonly string[];
    readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
  }): Promise<VerifyReport>;
  /** Digests of the chunks of these images that are damaged and not here in another place: a peer may heal. */
  damagedChunks(images: readonly string[]): Promise<Uint8Array>;
  /**
   * Gives space back that nothing refers to. Goes beside reading, writing and copying; what a transfer was
   * told is here stays for this collection, in however many steps, and the next. A pack in which something is damaged that nothing
   * needs is given up whatever its share; one in which something needed is, never. STORE_CORRUPT where an
   * image cannot be read.
   */
  collect(options: CollectOptions): Promise<CollectReport>;
  statistics(): Promise<StoreStatistics>;
  close(): Promise<void>;
}
