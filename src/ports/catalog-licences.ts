/**
 * The catalog's area of licences: the keys that were added, and how late it has been.
 *
 * Contract as in catalog.ts. Conformance suite: test/conformance/catalog-licences.ts.
 */

export interface LicenceRow {
  /** The number that the key carries; `LABORATORY` for the one in the program. */
  readonly number: string;
  /** The key as it was given; empty for `LABORATORY`. */
  readonly key: string;
  readonly addedAtMs: number;
  /** Present where it was taken away: it counts no more, and is remembered. */
  readonly removedAtMs: number | undefined;
  /** The latest time at which a server saw it; a clock that is set back is caught by it. */
  readonly latestMs: number;
  /** Whether the event of its expiry is written. */
  readonly expiryTold: boolean;
}

export interface LicenceCatalog {
  /** By number; those that were taken away, too. */
  listLicences(): Promise<readonly LicenceRow[]>;
  /** Inserts, or takes the place of the one of that number. */
  putLicence(licence: LicenceRow): Promise<void>;
}
