/** Room that is held back on a simulated disk: its quota, less what is held. */
import type { Ballast } from '../../src/ports/ballast.ts';

/** Some images without content, and what a store writes about them. */
export const BALLAST_BYTES = 24_000;

/** What the ballast needs of the disk that it lies on. */
export interface QuotaDisk {
  readonly usedBytes: number;
  setQuotaBytes(bytes: number | undefined): void;
}

export class SimulatedBallast implements Ballast {
  readonly #disk: QuotaDisk;
  #diskBytes: number | undefined;
  #heldBytes = 0;

  constructor(disk: QuotaDisk) {
    this.#disk = disk;
  }

  /** The disk takes so many bytes in all, what is held among them; undefined: as many as come. */
  resize(bytes: number | undefined): void {
    this.#diskBytes = bytes;
    this.#apply();
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Whether as much is held as there can be. */
  get isWhole(): boolean {
    return this.#heldBytes === BALLAST_BYTES || this.#freeBytes === 0;
  }

  get #freeBytes(): number {
    if (this.#diskBytes === undefined) return BALLAST_BYTES;
    return Math.max(0, this.#diskBytes - this.#heldBytes - this.#disk.usedBytes);
  }

  /** Others take what is free. */
  fill(): void {
    this.resize(this.#disk.usedBytes + this.#heldBytes);
  }

  hold(): Promise<boolean> {
    this.#heldBytes = Math.min(BALLAST_BYTES, this.#heldBytes + this.#freeBytes);
    this.#apply();
    return Promise.resolve(this.#heldBytes === BALLAST_BYTES);
  }

  release(): Promise<boolean> {
    const held = this.#heldBytes > 0;
    this.#heldBytes = 0;
    this.#apply();
    return Promise.resolve(held);
  }

  #apply(): void {
    const bytes = this.#diskBytes;
    this.#disk.setQuotaBytes(
      bytes === undefined ? undefined : Math.max(0, bytes - this.#heldBytes),
    );
  }
}
