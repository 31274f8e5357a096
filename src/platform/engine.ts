/**
 * The native engine behind the port: loads the module, keeps calls on one image in order, and makes
 * CapstanErrors of its errors. On real files every operation runs on a worker thread; on a simulated
 * disk it runs inside the call, so that a simulated world stays deterministic.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { CapstanError } from '../base/errors.ts';
import type { ErrorCode } from '../base/errors.ts';
import { generation, logicalObjectNumber } from '../base/units.ts';
import type { Generation } from '../base/units.ts';
import type {
  Engine,
  ImageInfo,
  ManifestSummary,
  PartitionInfo,
  StoreStatistics,
  TapeImage,
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

/** A pack is sealed once it is this long, bytes. */
export const PACK_BYTES_MAX = 128 * 1024 * 1024;
const STORE_ID_BYTES = 16;
const VERIFY_PROGRESS_INTERVAL_MS = 100;

interface NativeImageInfo {
  readonly name: string;
  readonly generation: number;
  readonly partitions: readonly PartitionInfo[];
}

interface NativeImage {
  info(): Promise<NativeImageInfo>;
  append(p: number, at: number, lengths: Uint32Array, data: Uint8Array): Promise<number>;
  read(
    partition: number,
    at: number,
    reverse: boolean,
    countMax: number,
    bytesMax: number,
  ): Promise<ReadReply>;
  space(
    partition: number,
    at: number,
    filemarks: boolean,
    count: number,
  ): Promise<Omit<SpaceReply, 'at'> & { at: number }>;
  locate(
    partition: number,
    at: number,
  ): Promise<Omit<LocateReply, 'at' | 'objectCount'> & { at: number; objectCount: number }>;
  truncate(partition: number, at: number): Promise<number>;
  sync(generation: number): Promise<void>;
  close(): Promise<void>;
}

interface NativeStore {
  createImage(name: string, partitionCount: number): Promise<void>;
  openImage(name: string, writable: boolean): Promise<NativeImage>;
  listImages(): Promise<readonly NativeImageInfo[]>;
  removeImage(name: string): Promise<void>;
  publishImage(from: string, to: string): Promise<void>;
  exportManifest(name: string): Promise<Uint8Array>;
  readManifest(manifest: Uint8Array): Promise<ManifestSummary>;
  lackingChunks(digests: Uint8Array): Promise<Uint8Array>;
  readEncodedChunks(digests: Uint8Array): Promise<Uint8Array>;
  addEncodedChunks(encoded: Uint8Array): Promise<Uint8Array>;
  stageImage(name: string, manifest: Uint8Array, generation: number): Promise<void>;
  sync(): Promise<void>;
  verify(images: readonly string[]): Promise<VerifyReport>;
  verifyProgress(): { doneBytes: number; totalBytes: number };
  statistics(): Promise<StoreStatistics>;
  close(): Promise<void>;
}

interface NativeDisk {
  readonly operationCount: number;
  readonly crashed: boolean;
  crashAtOperation(n: number): void;
  powerCut(): void;
  kill(): void;
  restart(): void;
  setQuotaBytes(bytes: number | undefined): void;
  failOperation(n: number, kind: string, error: string, persistent: boolean): void;
  clearFaults(): void;
  rot(path: string, offset: number, bit: number): boolean;
  files(): readonly SimulatedFile[];
  hash(): string;
}

interface NativeModule {
  readonly SimulatedDisk: new (seed: number, profile: string) => NativeDisk;
  openStore(
    disk: NativeDisk | undefined,
    path: string,
    mode: string,
    packBytesMax: number,
    storeId: Uint8Array,
  ): Promise<NativeStore>;
}

let loaded: NativeModule | undefined;

/** Loads the module when it is first needed, so that what does without it works without it. */
function nativeModule(): NativeModule {
  if (loaded !== undefined) return loaded;
  let root = import.meta.dirname;
  while (!existsSync(join(root, 'package.json')) && dirname(root) !== root) root = dirname(root);
  const path = join(root, 'build', 'Release', 'capstan_engine.node');
  try {
    loaded = createRequire(import.meta.url)(path) as NativeModule;
  } catch (cause) {
    throw new Error(
      `The native engine ${path} cannot be loaded: run "npm run build:native" there (it needs ` +
        `python3, make and g++).`,
      { cause },
    );
  }
  return loaded;
}

/** The simulated disk has lost power: its process is dead, and nothing it asked for will be answered. */
export class SimulatedCrash extends Error {
  override readonly name = 'SimulatedCrash';
}

/** Native error codes to ours, with the fields of ours. */
const ERROR_CODES = {
  NOT_FOUND: ['NOT_FOUND', (e) => ({ kind: 'image or chunk', name: e.place })],
  ALREADY_EXISTS: ['ALREADY_EXISTS', (e) => ({ kind: 'image', name: e.place, where: '' })],
  IN_USE: ['IN_USE', (e) => ({ kind: 'image', name: e.place, by: e.what })],
  CORRUPT: ['STORE_CORRUPT', (e) => ({ place: e.place, what: e.what })],
  LOCKED: ['STORE_LOCKED', (e) => ({ path: dirname(e.place), holder: e.what })],
  FAILED: ['STORE_FAILED', (e) => ({ path: e.place, what: e.what })],
  NO_SPACE: ['NO_SPACE', (e) => ({ path: e.place })],
  IO: ['DISK_IO', (e) => ({ place: e.place, what: e.what })],
  LIMIT: ['LIMIT_EXCEEDED', (e) => ({ what: e.place, value: e.what, limit: 'the format' })],
  INVALID: ['INVALID_ARGUMENT', (e) => ({ what: e.place, reason: e.what })],
} as const satisfies Record<string, [ErrorCode, (e: NativeError) => Record<string, string>]>;

interface NativeError extends Error {
  readonly code: keyof typeof ERROR_CODES | 'CRASHED';
  readonly place: string;
  readonly what: string;
}

/** Awaits a native call; its error becomes ours. */
async function translated<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    const native = error as NativeError;
    if (native.code === 'CRASHED') throw new SimulatedCrash(native.message, { cause: error });
    const entry = ERROR_CODES[native.code];
    if (entry === undefined) throw error;
    throw new CapstanError(entry[0], entry[1](native), { cause: error });
  }
}

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
    return this.#next(() =>
      this.#image.read(
        call.partition,
        call.at,
        call.direction === 'reverse',
        call.countMax,
        call.bytesMax,
      ),
    );
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

  lackingChunks(digests: Uint8Array): Promise<Uint8Array> {
    return translated(this.#store.lackingChunks(digests));
  }

  readEncodedChunks(digests: Uint8Array): Promise<Uint8Array> {
    return translated(this.#store.readEncodedChunks(digests));
  }

  addEncodedChunks(encoded: Uint8Array): Promise<Uint8Array> {
    return translated(this.#store.addEncodedChunks(encoded));
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

  statistics(): Promise<StoreStatistics> {
    return translated(this.#store.statistics());
  }

  close(): Promise<void> {
    return translated(this.#store.close());
  }
}

export interface OpenEngineOptions {
  /** 'create' makes the store where there is none; 'read' goes beside a writer. */
  readonly mode: 'create' | 'write' | 'read';
  readonly packBytesMax?: number;
}

/** Opens the store in the folder `path`. Rejects NOT_FOUND, STORE_LOCKED, STORE_CORRUPT, DISK_IO. */
export async function openEngine(path: string, options: OpenEngineOptions): Promise<Engine> {
  const store = nativeModule().openStore(
    undefined,
    path,
    options.mode,
    options.packBytesMax ?? PACK_BYTES_MAX,
    randomBytes(STORE_ID_BYTES),
  );
  return new NativeEngine(await translated(store));
}

export interface SimulatedFile {
  readonly path: string;
  readonly sizeBytes: number;
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
  const storeId = new Uint8Array(STORE_ID_BYTES);
  const store = nativeModule().openStore(
    disk.native as NativeDisk,
    path,
    options.mode,
    options.packBytesMax ?? PACK_BYTES_MAX,
    storeId,
  );
  return new NativeEngine(await translated(store));
}
