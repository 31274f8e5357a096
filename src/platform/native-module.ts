/**
 * The native module as it is: what its classes take and give, how it is loaded, and how its errors
 * become ours.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { CapstanError } from '../base/errors.ts';
import type { ErrorCode } from '../base/errors.ts';
import type {
  CollectReport,
  FilledManifest,
  ManifestSummary,
  PartitionInfo,
  StoreStatistics,
  TransferBatch,
  VerifyReport,
} from '../ports/engine.ts';
import type { LocateReply, ReadReply, SpaceReply } from '../tape/image-call.ts';

export interface SimulatedFile {
  readonly path: string;
  readonly sizeBytes: number;
}

export interface NativeImageInfo {
  readonly name: string;
  readonly generation: number;
  readonly partitions: readonly PartitionInfo[];
}

export interface NativeImage {
  info(): Promise<NativeImageInfo>;
  append(p: number, at: number, lengths: Uint32Array, data: Uint8Array): Promise<number>;
  read(
    partition: number,
    at: number,
    reverse: boolean,
    countMax: number,
    bytesMax: number,
    into: Uint8Array | undefined,
  ): Promise<ReadReply & { readonly filledBytes: number }>;
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

export interface NativeTransfer {
  bases(): Promise<Uint8Array>;
  useBases(lacking: Uint8Array): void;
  read(
    bytesMax: number,
    into: Uint8Array | undefined,
  ): Promise<TransferBatch & { readonly filledBytes: number }>;
}

export interface NativeStore {
  createImage(name: string, partitionCount: number): Promise<void>;
  openImage(name: string, writable: boolean): Promise<NativeImage>;
  listImages(): Promise<readonly NativeImageInfo[]>;
  removeImage(name: string): Promise<void>;
  publishImage(from: string, to: string): Promise<void>;
  exportManifest(name: string): Promise<Uint8Array>;
  readManifest(manifest: Uint8Array): Promise<ManifestSummary>;
  outlineManifest(manifest: Uint8Array): Promise<Uint8Array>;
  fillManifest(outline: Uint8Array, older: Uint8Array): Promise<FilledManifest>;
  lackingChunks(digests: Uint8Array): Promise<Uint8Array>;
  openTransfer(digests: Uint8Array): Promise<NativeTransfer>;
  addParcels(parcels: Uint8Array): Promise<void>;
  stageImage(name: string, manifest: Uint8Array, generation: number): Promise<void>;
  sync(): Promise<void>;
  verify(images: readonly string[]): Promise<VerifyReport>;
  verifyProgress(): { doneBytes: number; totalBytes: number };
  damagedChunks(images: readonly string[]): Promise<Uint8Array>;
  collect(liveShare: number, packsMax: number, continues: boolean): Promise<CollectReport>;
  statistics(): Promise<StoreStatistics>;
  close(): Promise<void>;
}

export interface NativeDisk {
  readonly operationCount: number;
  readonly crashed: boolean;
  /** What its files take, and what is reserved for them: what counts against the quota. */
  readonly usedBytes: number;
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

export interface NativeOptions {
  readonly packBytesMax: number;
  readonly storeId: Uint8Array;
  readonly key: Uint8Array | undefined;
  /** 0 to 2^32 - 1: drawn anew for each opening, since copies of an encrypted store may use one key. */
  readonly nonceSalt: number;
  /** 0: off, 1: fast, 2: on. */
  readonly compression: number;
  readonly threadCount: number;
  readonly indexBytesMax: number | undefined;
}

/** Descriptors that came from another process; who has them closes them. */
export interface ReceivedDescriptors {
  readonly input: number;
  readonly output: number;
  readonly note: string;
}

/** One direction of an SSH connection with AES-GCM; native/engine/ssh_packets.h. */
export interface NativeSshSealer {
  seal(packet: Uint8Array): void;
  sealData(channel: number, data: Uint8Array, partBytes: number, into: Uint8Array): number;
}

/** `payloads`: how many, then of each its offset, length, and 1 where it lies in `pieces`. */
export interface NativeSshOpener {
  take(bytes: Uint8Array, from: number, payloads: Uint32Array): number;
}

interface NativeModule {
  readonly SshSealer: new (key: Uint8Array, nonce: Uint8Array) => NativeSshSealer;
  readonly SshOpener: new (
    key: Uint8Array,
    nonce: Uint8Array,
    pieces: Uint8Array,
  ) => NativeSshOpener;
  handOver(path: string, note: string): boolean;
  receiveDescriptors(socket: number): Promise<ReceivedDescriptors>;
  readonly SimulatedDisk: new (seed: number, profile: string) => NativeDisk;
  openStore(
    disk: NativeDisk | undefined,
    path: string,
    mode: string,
    options: NativeOptions,
  ): Promise<NativeStore>;
}

let loaded: NativeModule | undefined;

/** Loads the module when it is first needed, so that what does without it works without it. */
export function nativeModule(): NativeModule {
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
export async function translated<T>(call: Promise<T>): Promise<T> {
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
