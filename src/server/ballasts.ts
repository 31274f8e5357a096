/**
 * Room for what makes room: where the disk under the catalog or a vault is full, erasing, deleting,
 * collecting and dismounting take what is held back for them, and once they are done it is held again.
 *
 * What fills a disk never gets at it: a host's blocks, a copy that comes in, further tapes are refused as
 * before.
 */
import { isCapstanError } from '../base/errors.ts';
import { MINUTE_MS } from '../base/units.ts';
import type { Ballast, BallastPorts } from '../ports/ballast.ts';
import type { Catalog } from '../ports/catalog.ts';
import type { Cancel, Clock } from '../ports/clock.ts';
import { Sequence } from './context.ts';

/** What is not held whole is made up for so often. */
export const HOLD_INTERVAL_MS = 5 * MINUTE_MS;

export interface BallastsOptions {
  readonly ports: {
    readonly ballasts?: BallastPorts;
    readonly catalog: Catalog;
    readonly clock: Clock;
  };
  readonly background: (what: string, work: () => Promise<void>) => void;
}

export class Ballasts {
  readonly #options: BallastsOptions;
  /** Vaults that are open here: in the folder of another one a ballast might be anywhere. */
  #openVaults: () => readonly string[] = () => [];
  /** A ballast that is being held is held before it is given up. */
  readonly #changes = new Sequence();
  /** How many have asked for what is held and are not done. */
  #rescues = 0;
  #isReleased = false;
  #cancel: Cancel = () => {};
  #stopped = false;

  constructor(options: BallastsOptions) {
    this.#options = options;
  }

  /** Holds what is to be held, now and whenever it is not. */
  async start(openVaults: () => readonly string[]): Promise<void> {
    this.#openVaults = openVaults;
    await this.#hold();
  }

  /** A vault is open that was not, room was given up, or there is some again. */
  holdAgain(): void {
    this.#options.background('hold room back', () => this.#hold());
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  /**
   * Runs what makes room; where it finds none, once more with what was held back. It must leave everything
   * as it was where it fails. While several do so, what one of them was given is nobody else's to hold again.
   */
  async rescue<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!isCapstanError(error, 'NO_SPACE')) throw error;
      this.#rescues += 1;
      try {
        if (!(await this.#release())) throw error;
        return await work();
      } finally {
        this.#rescues -= 1;
        // Before anybody else can take it.
        await this.#hold();
      }
    }
  }

  async #all(): Promise<readonly Ballast[]> {
    const { ballasts, catalog } = this.#options.ports;
    if (ballasts === undefined) return [];
    const open = this.#openVaults();
    const vaults = (await catalog.listVaults()).filter(({ name }) => open.includes(name));
    return [ballasts.catalog, ...vaults.map((row) => ballasts.vault(row))];
  }

  /** Whether something was given up since it was held last. */
  #release(): Promise<boolean> {
    return this.#changes.run(async () => {
      for (const ballast of await this.#all()) {
        if (await ballast.release()) this.#isReleased = true;
      }
      return this.#isReleased;
    });
  }

  async #hold(): Promise<void> {
    this.#cancel();
    const isWhole = await this.#changes.run(async () => {
      // The last of them holds.
      if (this.#rescues > 0) return true;
      const held = [];
      for (const ballast of await this.#all()) held.push(await ballast.hold());
      this.#isReleased = false;
      return !held.includes(false);
    });
    this.#cancel();
    if (this.#stopped || isWhole) return;
    // There may be room again.
    this.#cancel = this.#options.ports.clock.after(HOLD_INTERVAL_MS, () =>
      this.#options.background('hold room back', () => this.#hold()),
    );
  }
}
