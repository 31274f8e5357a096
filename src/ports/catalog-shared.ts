/**
 * The catalog's part about shared vaults: the servers that share them, and the rows as the vault's ledger
 * has them. The contract that holds for every method is in catalog.ts. Conformance suite:
 * test/conformance/catalog-shared.ts.
 */
import type { CopyTarget, GenerationRow, PoolRow, TapeRow } from './catalog.ts';
import type { LockRow } from './catalog-media.ts';

/** Another server of a shared vault, and how it is reached. */
export interface PeerRow extends CopyTarget {
  /** 'SHA256:…' of the key that it shows when it calls; not known yet where it is missing. */
  readonly clientKey?: string | undefined;
}

/** What changed of a vault's rows: those that are there now, and the names of those that are gone. */
export interface VaultChanges {
  readonly pools: readonly PoolRow[];
  readonly tapes: readonly TapeRow[];
  readonly generations: readonly GenerationRow[];
  readonly gonePools: readonly string[];
  readonly goneTapes: readonly string[];
  /** Of the tapes, those that come from another vault of this server, which has them no more. */
  readonly arriving?: readonly string[] | undefined;
  /** All locks on the vault's tapes and pools; those that are kept stay where it is missing. */
  readonly locks?: readonly LockRow[] | undefined;
}

export interface SharedCatalog {
  /** Says under which identity the vault is shared; without one it is this server's alone. NOT_FOUND. */
  shareVault(name: string, sharedId: string | undefined): Promise<void>;
  /**
   * Has the vault's rows be as another server, or the vault's ledger, has them. A pool or tape whose name
   * is taken in another vault of this server is left out, a pool's tapes with it; resolves with the names
   * of these.
   */
  applyVaultChanges(vault: string, changes: VaultChanges): Promise<readonly string[]>;
  /** Inserts, or replaces the row of the same server. */
  putPeer(peer: PeerRow): Promise<void>;
  /** NOT_FOUND. */
  deletePeer(server: string): Promise<void>;
  listPeers(): Promise<readonly PeerRow[]>;
}
