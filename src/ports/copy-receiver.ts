/** What the receiving side of replication asks of the server it belongs to. */
import type { Generation } from '../base/units.ts';
import type { LabelType } from './catalog.ts';
import type { Engine } from './engine.ts';

/** One version of a tape. */
export interface TapeVersion {
  readonly generation: Generation;
  /** BLAKE3 of the manifest. */
  readonly manifestDigest: Uint8Array;
}

/**
 * Where a tape lies, by what is the same for every machine that reaches it: a copy to the same place would
 * be none. Empty where there is no such thing to tell.
 */
export interface TapePlace {
  /** Identity of a shared vault. */
  readonly vault: string;
  /** Identity of a file system that several machines can mount. */
  readonly fileSystem: string;
}

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
  /** Of an encrypted tape: which key it needs. The copy is as encrypted as the tape. */
  readonly keyId?: string;
  /**
   * The receiver's version that the sender knows to be an earlier one of what it offers: a tape that was
   * written on the receiver is replaced only where it still is that version.
   */
  readonly replaces?: TapeVersion;
  /** Where it lies, as far as the sender has said. */
  readonly place?: TapePlace;
}

/** A copy being received. Exactly one of `commit` and `abandon` is called. */
export interface IncomingCopy {
  /** Store of the vault that the pool lies in; chunks go there. */
  readonly engine: Engine;
  /** The image in it that the copy is to replace: what the two have in common does not travel. */
  readonly olderImage?: string | undefined;
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

/** A tape that a sender asks for, in its own version. Names are not yet checked. */
export interface TapeInquiry extends TapeVersion {
  readonly tape: string;
  /** The pool on the receiver. */
  readonly pool: string;
}

/** What a receiver has of a tape. */
export interface Holding extends TapeVersion {
  readonly pool: string;
  /** The sender's version is this one or an earlier one of it. */
  readonly knowsOurs: boolean;
  /** A host has it, and may be writing it. */
  readonly mounted: boolean;
  /** Some of it is known to be damaged. */
  readonly damaged: boolean;
}

/** What a sender asks of the receiver beside copies. Each rejects PEER_REFUSED where that is not done. */
export interface InstantDrReceiver {
  /** A holding for each tape, in their order; undefined where there is none. */
  inquire(inquiry: {
    readonly sourceServer: string;
    readonly scheme: string;
    readonly thorough: boolean;
    readonly tapes: readonly TapeInquiry[];
    /** Where they lie, as far as the sender has said. */
    readonly places?: readonly TapePlace[];
  }): Promise<readonly (Holding | undefined)[]>;
  /** Deletes a tape that is still this version; one that is not there is no error. */
  remove(
    removal: TapeInquiry & { readonly sourceServer: string; readonly scheme: string },
  ): Promise<void>;
  /** Becomes the source of the scheme; durable when it resolves. */
  takeOver(request: {
    readonly sourceServer: string;
    readonly scheme: string;
    readonly pools: readonly { readonly pool: string; readonly targetPool: string }[];
  }): Promise<void>;
}

export interface CopyReceiver {
  offer(offer: TapeOffer): Promise<OfferAnswer>;
  /** Missing where only copies are taken. */
  readonly instantDr?: InstantDrReceiver;
}
