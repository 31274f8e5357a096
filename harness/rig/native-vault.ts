/** The native engine on its simulated disk, as a vault of the simulated world. */
import { SimulatedCrash, SimulatedDisk, openSimulatedEngine } from '../../src/platform/engine.ts';
import type { Engine } from '../../src/ports/engine.ts';
import { SimulatedBallast } from '../world/simulated-ballast.ts';
import type { CrashKind, NewVault, SimulatedVault } from '../world/simulated-vault.ts';

const STORE_PATH = '/vault';
/** Small, so that packs are sealed and new ones begun within a case. */
const PACK_BYTES_MAX = 64 * 1024;

class NativeVault implements SimulatedVault {
  readonly ballast: SimulatedBallast;
  readonly #disk: SimulatedDisk;

  constructor(disk: SimulatedDisk) {
    this.#disk = disk;
    this.ballast = new SimulatedBallast(disk);
  }

  get changeCount(): number {
    return this.#disk.operationCount;
  }

  open(): Promise<Engine> {
    return openSimulatedEngine(this.#disk, STORE_PATH, {
      mode: 'create',
      packBytesMax: PACK_BYTES_MAX,
    });
  }

  resize(bytes: number | undefined): void {
    this.ballast.resize(bytes);
  }

  fill(): void {
    this.ballast.fill();
  }

  crashAfter(count: number | undefined): void {
    this.#disk.crashAtOperation(count === undefined ? 0 : count + 1);
  }

  isCrash(error: unknown): boolean {
    return error instanceof SimulatedCrash;
  }

  crash(kind: CrashKind): void {
    if (kind === 'kill') {
      this.#disk.kill();
      return;
    }
    this.#disk.powerCut();
    this.#disk.restart();
  }
}

/** For scenarios with the engine itself in them; needs the native module. */
export const newNativeVault: NewVault = ({ seed, leftovers }) =>
  new NativeVault(new SimulatedDisk({ seed, profile: leftovers }));
