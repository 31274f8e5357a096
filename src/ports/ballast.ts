/**
 * Room that is held on a file system and given up when what makes room finds none: the last bytes of a
 * full disk go to who frees others.
 *
 * Contract: neither call rejects. `hold` takes as much as there is, up to the ballast's size, and keeps what
 * it had; `release` gives all of it back, at once for whoever writes next.
 */
import type { VaultRow } from './catalog.ts';

export interface Ballast {
  /** Whether all of it is held now. */
  hold(): Promise<boolean>;
  /** Whether anything was held. */
  release(): Promise<boolean>;
}

export interface BallastPorts {
  /** Beside the catalog. */
  readonly catalog: Ballast;
  /** In a vault's folder. */
  vault(row: VaultRow): Ballast;
}
