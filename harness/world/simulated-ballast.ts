/** Room that is held back on a simulated disk: its quota, less what is held. */
import type { Ballast } from '../../src/ports/ballast.ts';

/** Some images without content, and what a store writes about them. */
const SIZE_BYTES = 24_000;

export class SimulatedBallast implements Ballast {
  readonly #setQuota: (bytes: number | undefined) => void;
  #diskBytes: number | undefined;
  #heldBytes = 0;

  constructor(setQuota: (bytes: number | undefined) => void) {
    this.#setQuota = setQuota;
  }

  /** The disk takes so many bytes in all, what is held among them; undefined: as many as come. */
  resize(bytes: number | undefined): void {
    this.#diskBytes = bytes;
    this.#apply();
  }

  hold(): Promise<boolean> {
    this.#heldBytes = SIZE_BYTES;
    this.#apply();
    return Promise.resolve(true);
  }

  release(): Promise<boolean> {
    const held = this.#heldBytes > 0;
    this.#heldBytes = 0;
    this.#apply();
    return Promise.resolve(held);
  }

  #apply(): void {
    const bytes = this.#diskBytes;
    this.#setQuota(bytes === undefined ? undefined : Math.max(0, bytes - this.#heldBytes));
  }
}
