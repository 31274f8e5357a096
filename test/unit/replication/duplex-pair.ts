/** Two ends of a stream in memory, with faults: cut, changed byte, silence, small pieces. */
import { CapstanError } from '../../../src/base/errors.ts';
import type { DuplexStream } from '../../../src/ports/network.ts';

export interface Faults {
  /** The connection is lost when so many bytes have gone this way. */
  readonly cutAfterBytes?: number;
  /** The byte at this offset arrives with these bits turned over. */
  readonly flip?: { readonly offset: number; readonly bits: number };
  /** Nothing arrives from this offset on, and nobody is told. */
  readonly silentAfterBytes?: number;
  /** Bytes that one read gives at most. */
  readonly pieceBytesMax?: number;
}

/** What one way holds before a write has to wait, bytes. */
const BUFFER_BYTES_MAX = 64 * 1024;

class Way {
  readonly #faults: Faults;
  readonly #onLoss: () => void;
  readonly #pieces: Uint8Array[] = [];
  #bufferedBytes = 0;
  #ended = false;
  #lost = false;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;
  bytesWritten = 0;

  constructor(faults: Faults, onLoss: () => void) {
    this.#faults = faults;
    this.#onLoss = onLoss;
  }

  #check(): void {
    if (this.#lost) throw new CapstanError('CONNECTION_LOST', { peer: 'peer', reason: 'cut' });
  }

  #wake(): void {
    this.#wakeReader?.();
    this.#wakeWriter?.();
  }

  lose(): void {
    this.#lost = true;
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async read(): Promise<Uint8Array | undefined> {
    for (;;) {
      this.#check();
      const piece = this.#pieces.shift();
      if (piece !== undefined) {
        const max = this.#faults.pieceBytesMax ?? piece.length;
        if (piece.length > max) this.#pieces.unshift(piece.subarray(max));
        this.#bufferedBytes -= Math.min(max, piece.length);
        this.#wakeWriter?.();
        return piece.subarray(0, max);
      }
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#check();
    const { cutAfterBytes, flip, silentAfterBytes } = this.#faults;
    const sent = bytes.slice();
    const start = this.bytesWritten;
    this.bytesWritten += sent.length;
    if (flip !== undefined && flip.offset >= start && flip.offset < this.bytesWritten) {
      sent[flip.offset - start] = (sent[flip.offset - start] ?? 0) ^ flip.bits;
    }
    const lastByte = Math.min(cutAfterBytes ?? Infinity, silentAfterBytes ?? Infinity);
    const arriving = sent.subarray(0, Math.max(0, Math.min(sent.length, lastByte - start)));
    if (arriving.length > 0) this.#pieces.push(arriving);
    this.#bufferedBytes += sent.length;
    this.#wakeReader?.();
    if (cutAfterBytes !== undefined && this.bytesWritten >= cutAfterBytes) {
      // What arrived is read before the loss is seen.
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
      this.#onLoss();
    }
    while (this.#bufferedBytes > BUFFER_BYTES_MAX) {
      this.#check();
      await new Promise<void>((resolve) => {
        this.#wakeWriter = resolve;
      });
    }
    this.#check();
  }
}

export interface DuplexPair {
  readonly near: DuplexStream;
  readonly far: DuplexStream;
  /** Bytes that each end has written. */
  bytesWritten(): { readonly near: number; readonly far: number };
}

/** A pair of connected ends; faults by the end whose bytes they hit. */
export function duplexPair(
  faults: { readonly near?: Faults; readonly far?: Faults } = {},
): DuplexPair {
  const lose = (): void => {
    forward.lose();
    back.lose();
  };
  const forward: Way = new Way(faults.near ?? {}, lose);
  const back: Way = new Way(faults.far ?? {}, lose);
  const end = (peer: string, incoming: Way, outgoing: Way): DuplexStream => ({
    peer,
    read: () => incoming.read(),
    write: (bytes) => outgoing.write(bytes),
    end: async () => outgoing.end(),
    destroy: lose,
  });
  return {
    near: end('west', back, forward),
    far: end('east', forward, back),
    bytesWritten: () => ({ near: forward.bytesWritten, far: back.bytesWritten }),
  };
}
