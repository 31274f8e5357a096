/** Two ends of a stream in memory. What goes over it is counted by whoever sends. */
import type { DuplexStream } from '../../src/ports/network.ts';

/** What one way holds before a write has to wait. */
const BUFFER_BYTES_MAX = 4 * 1024 * 1024;

class Way {
  readonly #parts: Uint8Array[] = [];
  #bytes = 0;
  #ended = false;
  #wake: (() => void) | undefined;

  #change(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  /** One reader and one writer, which never wait at once: what one waits for the other does. */
  async #changed(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  end(): void {
    this.#ended = true;
    this.#change();
  }

  async read(): Promise<Uint8Array | undefined> {
    while (this.#parts.length === 0 && !this.#ended) await this.#changed();
    const part = this.#parts.shift();
    this.#bytes -= part?.length ?? 0;
    this.#change();
    return part;
  }

  async write(bytes: Uint8Array): Promise<void> {
    while (this.#bytes > BUFFER_BYTES_MAX) await this.#changed();
    // The writer may use its buffer again.
    this.#parts.push(bytes.slice());
    this.#bytes += bytes.length;
    this.#change();
  }
}

/** Two connected ends. */
export function memoryStream(): readonly [DuplexStream, DuplexStream] {
  const ways = [new Way(), new Way()] as const;
  const end = (peer: string, incoming: Way, outgoing: Way): DuplexStream => ({
    peer,
    read: () => incoming.read(),
    write: (bytes) => outgoing.write(bytes),
    end: async () => outgoing.end(),
    destroy: () => {
      incoming.end();
      outgoing.end();
    },
  });
  return [end('target', ways[1], ways[0]), end('source', ways[0], ways[1])];
}
