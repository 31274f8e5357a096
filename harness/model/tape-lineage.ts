/** Which version of a tape came from which, as who watches both servers sees it: the oracle of Instant DR. */

/** `generation:digest` */
export type VersionKey = string;

/** One tape's versions on both servers. */
export class TapeLineage {
  readonly #parents = new Map<VersionKey, VersionKey | undefined>();
  readonly #makers = new Map<VersionKey, string>();

  has(key: VersionKey): boolean {
    return this.#parents.has(key);
  }

  /** A host made `key` out of `parent`, undefined for a new tape, on the server `maker`. */
  add(key: VersionKey, parent: VersionKey | undefined, maker: string): void {
    if (this.#parents.has(key)) return;
    this.#parents.set(key, parent);
    this.#makers.set(key, maker);
  }

  /** The server on which a host made the version. */
  makerOf(key: VersionKey): string | undefined {
    return this.#makers.get(key);
  }

  /** Whether `later` is `earlier`, or came from it. */
  descends(later: VersionKey, earlier: VersionKey): boolean {
    for (let key: VersionKey | undefined = later; key !== undefined;) {
      if (key === earlier) return true;
      key = this.#parents.get(key);
    }
    return false;
  }
}
