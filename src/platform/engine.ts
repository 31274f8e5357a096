/**
 * The native engine behind the port: keeps calls on one image in order. On real files every operation runs on a worker thread; on a simulated
 * disk it runs inside the call, so that a simulated world stays deterministic.
 */
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { generation, logicalObjectNumber } from '../base/units.ts';
import type { Generation } from '../base/units.ts';
import type {
  CollectOptions,
  CollectReport,
  Engine,
  ImageInfo,
  FilledManifest,
  ManifestSummary,
  StoreStatistics,
  TapeImage,
  Transfer,
  VerifyReport,
} from '../ports/engine.ts';
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
import { nativeModule, translated } from './native-module.ts';
import type {
  NativeDisk,
  NativeImage,
  NativeImageInfo,
  NativeOptions,
  NativeStore,
  SimulatedFile,
} from './native-module.ts';
import { refuseForeignFolder } from './store-folder.ts';

export { SimulatedCrash } from './native-module.ts';

/** A pack is sealed once it is this long, bytes. */
export const PACK_BYTES_MAX = 256 * 1024 * 1024;
const STORE_ID_BYTES = 16;
const NONCE_SALT_BYTES = 4;
/** What an opening draws at random: the id of a store that it makes, and the salt of its nonces. */
const RANDOM_BYTES = STORE_ID_BYTES + NONCE_SALT_BYTES;
const VERIFY_PROGRESS_INTERVAL_MS = 100;
/** A pack of which less is referred to is given up by a collection. */
const LIVE_SHARE_MIN = 0.5;
/** Packs that one collection gives up at most: all there can be. */
const PACK_COUNT_MAX = 0xffff_ffff;

function imageInfo(info: NativeImageInfo): ImageInfo {
  return { ...info, generation: generation(info.generation) };
}

class NativeTapeImage implements TapeImage {
  readonly name: string;
  readonly #image: NativeImage;
  /** The last call made: worker threads keep no order among themselves. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(name: string, image: NativeImage) {
    this.name = name;
    this.#image = image;
  }

  #next<T>(call: () => Promise<T>): Promise<T> {
    const result = this.#last.then(() => translated(call()));
    this.#last = result.catch(() => {
      // Whoever made that call is told; the next one runs all the same.
    });
    return result;
  }

  info(): Promise<ImageInfo> {
    return this.#next(async () => imageInfo(await this.#image.info()));
  }

  append(call: Omit<AppendCall, 'op'>): Promise<AppendReply> {
    return this.#next(async () => ({
      objectCount: logicalObjectNumber(
        await this.#image.append(call.partition, call.at, call.lengths, call.data),
      ),
    }));
  }

  read(call: Omit<ReadCall, 'op'>): Promise<ReadReply> {
    return this.#next(async () => {
      const { partition, at, countMax, bytesMax, into } = call;
      const reverse = call.direction === 'reverse';
      const read = await this.#image.read(partition, at, reverse, countMax, bytesMax, into);
      const { lengths, data, stoppedBy, filledBytes } = read;
      const filled = into === undefined || filledBytes === 0 ? data : into.subarray(0, filledBytes);
      return { lengths, data: filled, stoppedBy };
    });
  }

  space(call: Omit<SpaceCall, 'op'>): Promise<SpaceReply> {
    return this.#next(async () => {
      const filemarks = call.over === 'filemarks';
      const reply = await this.#image.space(call.partition, call.at, filemarks, call.count);
      return { ...reply, at: logicalObjectNumber(reply.at) };
    });
  }

  locate(call: Omit<LocateCall, 'op'>): Promise<LocateReply> {
    return this.#next(async () => {
      const reply = await this.#image.locate(call.partition, call.at);
      return {
        ...reply,
        at: logicalObjectNumber(reply.at),
        objectCount: logicalObjectNumber(reply.objectCount),
      };
    });
  }

  truncate(call: Omit<TruncateCall, 'op'>): Promise<TruncateReply> {
    return this.#next(async () => ({
      objectCount: logicalObjectNumber(await this.#image.truncate(call.partition, call.at)),
    }));
  }

  sync(options: { readonly generation: Generation }): Promise<void> {
    return this.#next(() => this.#image.sync(options.generation));
  }

  close(): Promise<void> {
    return this.#next(() => this.#image.close());
  }
}

class NativeEngine implements Engine {
  readonly #store: NativeStore;

  constructor(store: NativeStore) {
    this.#store = store;
  }

  createImage(name: string, options: { readonly partitionCount: number }): Promise<void> {
    return translated(this.#store.createImage(name, options.partitionCount));
  }

  async openImage(name: string, mode: 'read' | 'write'): Promise<TapeImage> {
    return new NativeTapeImage(
      name,
      await translated(this.#store.openImage(name, mode === 'write')),
    );
  }

  async listImages(): Promise<readonly ImageInfo[]> {
    return (await translated(this.#store.listImages())).map(imageInfo);
  }

  removeImage(name: string): Promise<void> {
    return translated(this.#store.removeImage(name));
  }

  publishImage(from: string, to: string): Promise<void> {
    return translated(this.#store.publishImage(from, to));
  }

  exportManifest(name: string): Promise<Uint8Array> {
    return translated(this.#store.exportManifest(name));
  }

  readManifest(manifest: Uint8Array): Promise<ManifestSummary> {
    return translated(this.#store.readManifest(manifest));
  }

  outlineManifest(manifest: Uint8Array): Promise<Uint8Array> {
    return translated(this.#store.outlineManifest(manifest));
  }

  fillManifest(outline: Uint8Array, older: Uint8Array): Promise<FilledManifest> {
    return translated(this.#store.fillManifest(outline, older));
  }

  lackingChunks(digests: Uint8Array): Promise<Uint8Array> {
    return translated(this.#store.lackingChunks(digests));
  }

  async openTransfer(digests: Uint8Array): Promise<Transfer> {
    const transfer = await translated(this.#store.openTransfer(digests));
    return {
      bases: await translated(transfer.bases()),
      useBases: (lacking) => transfer.useBases(lacking),
      read: async ({ bytesMax, into }) => {
        const { filledBytes, ...batch } = await translated(transfer.read(bytesMax, into));
        if (into !== undefined && filledBytes > 0) {
          return { ...batch, parcels: into.subarray(0, filledBytes) };
        }
        return batch.parcels.length === 0 ? undefined : batch;
      },
    };
  }

  addParcels(parcels: Uint8Array): Promise<void> {
    return translated(this.#store.addParcels(parcels));
  }

  stageImage(
    name: string,
    manifest: Uint8Array,
    options: { readonly generation: Generation },
  ): Promise<void> {
    return translated(this.#store.stageImage(name, manifest, options.generation));
  }

  sync(): Promise<void> {
    return translated(this.#store.sync());
  }

  async verify(options: {
    readonly images?: readonly string[];
    readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
  }): Promise<VerifyReport> {
    const { onProgress } = options;
    const timer =
      onProgress &&
      setInterval(() => {
        const { doneBytes, totalBytes } = this.#store.verifyProgress();
        onProgress(doneBytes, totalBytes);
      }, VERIFY_PROGRESS_INTERVAL_MS);
    try {
      return await translated(this.#store.verify(options.images ?? []));
    } finally {
      clearInterval(timer);
    }
  }

  damagedChunks(images: readonly string[]): Promise<Uint8Array> {
    return translated(this.#store.damagedChunks(images));
  }

  collect(options: CollectOptions): Promise<CollectReport> {
    const {
      liveShareMin = LIVE_SHARE_MIN,
      packCountMax = PACK_COUNT_MAX,
      continues = false,
    } = options;
    return translated(this.#store.collect(liveShareMin, packCountMax, continues));
  }

  statistics(): Promise<StoreStatistics> {
    return translated(this.#store.statistics());
  }

  close(): Promise<void> {
    return translated(this.#store.close());
  }
}

/** As the native module numbers them. */
const COMPRESSIONS = { off: 0, fast: 1, on: 2 } as const;

export interface OpenEngineOptions {
  /** 'create' makes the store where there is none; 'read' goes beside a writer. */
  readonly mode: 'create' | 'write' | 'read';
  /** A pack is sealed before it is longer. */
  readonly packBytesMax?: number;
  /** 32 bytes: a store made with it is encrypted (AES-256-GCM), and opens with no other. */
  readonly key?: Uint8Array;
  /**
   * 'off' stores chunks as they are, for data that is compressed already; 'fast' is a third faster than
   * 'on' where processors are what is short, and takes a fifth more space. Default: 'on'.
   */
  readonly compression?: keyof typeof COMPRESSIONS;
  /** Above this the index keeps only samples of the digests: less memory, a little less deduplication. */
  readonly indexBytesMax?: number;
}

/** Threads that compress and decompress for one store; who waits for a batch leaves its core to one more. */
const THREAD_COUNT = Math.min(8, availableParallelism()) + 1;

function nativeOptions(options: OpenEngineOptions, random: Uint8Array): NativeOptions {
  return {
    packBytesMax: options.packBytesMax ?? PACK_BYTES_MAX,
    storeId: random.subarray(0, STORE_ID_BYTES),
    key: options.key,
    nonceSalt: new DataView(random.buffer, random.byteOffset).getUint32(STORE_ID_BYTES),
    compression: COMPRESSIONS[options.compression ?? 'on'],
    threadCount: THREAD_COUNT,
    indexBytesMax: options.indexBytesMax,
  };
}

/**
 * Opens the store in the folder `path`. Rejects NOT_FOUND, STORE_LOCKED, STORE_CORRUPT, DISK_IO;
 * INVALID_ARGUMENT where the key is missing or another's, or the folder of a new store has something else in it.
 */
export async function openEngine(path: string, options: OpenEngineOptions): Promise<Engine> {
  if (options.mode === 'create') await refuseForeignFolder(path);
  const native = nativeOptions(options, randomBytes(RANDOM_BYTES));
  const store = nativeModule().openStore(undefined, path, options.mode, native);
  return new NativeEngine(await translated(store));
}

/** The engine's disk in memory; its fault model stands in native/engine/simulated_disk.h. */
export class SimulatedDisk {
  readonly #disk: NativeDisk;

  /** `profile`: what a power cut leaves of what was not synced. */
  constructor(options: {
    readonly seed: number | bigint;
    readonly profile: 'ordered' | 'ext4' | 'any';
  }) {
    const seed = Number(BigInt.asUintN(53, BigInt(options.seed)));
    this.#disk = new (nativeModule().SimulatedDisk)(seed, options.profile);
  }

  /** For openSimulatedEngine. */
  get native(): unknown {
    return this.#disk;
  }

  /** Writes, truncations, syncs and changes of names so far. */
  get operationCount(): number {
    return this.#disk.operationCount;
  }

  /** Whether it has no power. */
  get crashed(): boolean {
    return this.#disk.crashed;
  }

  /** The n-th operation from now (1: the next) is done in part; every call from there on fails. 0: never. */
  crashAtOperation(n: number): void {
    this.#disk.crashAtOperation(n);
  }

  /** Takes the power: what was not synced is lost as the profile has it. */
  powerCut(): void {
    this.#disk.powerCut();
  }

  /** Ends the process: what was written stays, open files and locks go. */
  kill(): void {
    this.#disk.kill();
  }

  /** Gives the power back. */
  restart(): void {
    this.#disk.restart();
  }

  /** What its files take, and what is reserved for them: what counts against the quota. */
  get usedBytes(): number {
    return this.#disk.usedBytes;
  }

  setQuotaBytes(bytes: number | undefined): void {
    this.#disk.setQuotaBytes(bytes);
  }

  /** The n-th operation of `kind` from now fails; with `persistent`, all behind it, too. */
  failOperation(fault: {
    readonly after: number;
    readonly kind: 'write' | 'sync' | 'read' | 'any';
    readonly error: 'io' | 'no-space';
    readonly persistent: boolean;
  }): void {
    this.#disk.failOperation(fault.after, fault.kind, fault.error, fault.persistent);
  }

  clearFaults(): void {
    this.#disk.clearFaults();
  }

  /** Turns a bit over; false where the file has no such byte. */
  rot(place: { readonly path: string; readonly offset: number; readonly bit: number }): boolean {
    return this.#disk.rot(place.path, place.offset, place.bit);
  }

  files(): readonly SimulatedFile[] {
    return this.#disk.files();
  }

  /** Of all that is on it, durable or not; hexadecimal. */
  hash(): string {
    return this.#disk.hash();
  }
}

/** Opens a store on a simulated disk. Everything runs inside the calls; a dead disk gives SimulatedCrash. */
export async function openSimulatedEngine(
  disk: SimulatedDisk,
  path: string,
  options: OpenEngineOptions,
): Promise<Engine> {
  const native = nativeOptions(options, new Uint8Array(RANDOM_BYTES));
  const store = nativeModule().openStore(disk.native as NativeDisk, path, options.mode, native);
  return new NativeEngine(await translated(store));
}
