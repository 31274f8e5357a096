/** The disk under a simulated server's vault, as the world handles it: open, crash, crash inside. */
import type { Engine } from '../../src/ports/engine.ts';
import { EngineModel } from '../model/engine-model.ts';
import { ModelCrash, ModelStore } from '../model/model-store.ts';
import type { SimulatedBallast } from './simulated-ballast.ts';

/**
 * What is left when a process ends without being asked: all that was handed to the operating system
 * (`kill`), or only what was synced and a part of the rest (`power-cut`).
 */
export type CrashKind = 'kill' | 'power-cut';

export interface SimulatedVault {
  /** Changes of the disk so far, but those of a crash. */
  readonly changeCount: number;
  /** Opens the store that is on the disk, as a new process would. */
  open(): Promise<Engine>;
  /** A store in a folder for a while, on the same disk; made where there is none. */
  openScratch?(path: string): Promise<Engine>;
  /** What is held back on the disk for what makes room; nothing is where it is missing. */
  readonly ballast?: SimulatedBallast | undefined;
  /** The disk takes so many bytes in all from now on; undefined: as many as come. */
  resize(bytes: number | undefined): void;
  /** Others take what is free, but for what is held back. */
  fill(): void;
  /** The disk operation after `count` more ones crashes; undefined: none does. */
  crashAfter(count: number | undefined): void;
  /** Whether an engine's rejection is that crash. */
  isCrash(error: unknown): boolean;
  /** The process that had the store open has ended. */
  crash(kind: CrashKind): void;
}

/**
 * Which of the changes that were not synced a power cut leaves: a prefix of them, any pages of the
 * writes and a prefix of the names' changes, or any sectors and any names (native/engine/simulated_disk.h).
 */
export type Leftovers = 'ordered' | 'ext4' | 'any';

/** Makes a new, empty disk. */
export type NewVault = (options: {
  readonly seed: number;
  readonly leftovers: Leftovers;
}) => SimulatedVault;

/** Over the engine model: quick, and without the native module. */
class ModelVault implements SimulatedVault {
  readonly #store = new ModelStore();

  get changeCount(): number {
    return this.#store.operationCount;
  }

  open(): Promise<Engine> {
    return Promise.resolve(new EngineModel(this.#store));
  }

  resize(bytes: number | undefined): void {
    this.#store.quotaBytes = bytes;
  }

  fill(): void {
    this.#store.quotaBytes = 0;
  }

  crashAfter(count: number | undefined): void {
    this.#store.crashAfter(count);
  }

  isCrash(error: unknown): boolean {
    return error instanceof ModelCrash;
  }

  crash(kind: CrashKind): void {
    this.#store.crashAfter(undefined);
    if (kind === 'power-cut') this.#store.cutPower();
  }
}

/** The model knows no leftovers: what was not synced is gone. */
export const newModelVault: NewVault = () => new ModelVault();
