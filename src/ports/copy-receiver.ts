/** What the receiving side of replication asks of the server it belongs to. */
import type { Generation } from '../base/units.ts';
import type { LabelType } from './catalog.ts';
import type { Engine } from './engine.ts';

/** What a sender offers, checked against names and limits before it is passed on. */
export interface TapeOffer {
  readonly sourceServer: string;
  readonly tape: string;
  /** The pool on the receiver. */
  readonly pool: string;
  readonly labelType: LabelType;
  readonly capacityBytes: number;
  readonly generation: Generation;
  readonly manifestBytes: number;
  /** BLAKE3 of the manifest. */
  readonly manifestDigest: Uint8Array;
}

/** A copy being received. Exactly one of `commit` and `abandon` is called. */
export interface IncomingCopy {
  /** Store of the vault that the pool lies in; chunks go there. */
  readonly engine: Engine;
  /**
   * Stages the manifest under a temporary name, makes it durable, publishes it as the tape, records it in
   * the catalog. Resolves when the copy would survive a power cut: only then it is acknowledged.
   */
  commit(manifest: Uint8Array): Promise<void>;
  /** Leaves nothing staged behind; chunks received stay for the next attempt. */
  abandon(): Promise<void>;
}

export type OfferAnswer =
  | { readonly kind: 'accept'; readonly copy: IncomingCopy }
  /** Same generation and digest: nothing to do. */
  | { readonly kind: 'present' }
  /** The receiver has a newer generation; the sender is told which. */
  | { readonly kind: 'stale'; readonly generation: Generation }
  | { readonly kind: 'refuse'; readonly reason: string };

export interface CopyReceiver {
  offer(offer: TapeOffer): Promise<OfferAnswer>;
}
