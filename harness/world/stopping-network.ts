/**
 * A network of a process that can be made to stop in the middle of what it sends: the rest of it never comes,
 * nothing comes behind it, and nobody is told. Connections made later are well.
 */
import type { DuplexStream, Endpoint, Listener, Network } from '../../src/ports/network.ts';

export class StoppingNetwork implements Network {
  readonly #network: Network;
  /** Bytes that are still sent before the stop. */
  #bytesLeft = Infinity;

  constructor(network: Network) {
    this.#network = network;
  }

  connect(endpoint: Endpoint): Promise<DuplexStream> {
    return this.#network.connect(endpoint);
  }

  listen(endpoint: Endpoint, onConnection: (stream: DuplexStream) => void): Promise<Listener> {
    return this.#network.listen(endpoint, (stream) => onConnection(this.#stopping(stream)));
  }

  /** Whoever sends the byte behind so many more, of all connections together, sends no other. */
  stopAfter(bytes: number): void {
    this.#bytesLeft = bytes;
  }

  /** No stop is planned any more; what has stopped stays so. */
  cancelStop(): void {
    this.#bytesLeft = Infinity;
  }

  #stopping(stream: DuplexStream): DuplexStream {
    return {
      peer: stream.peer,
      read: () => stream.read(),
      write: async (bytes) => {
        const sent = Math.min(this.#bytesLeft, bytes.length);
        this.#bytesLeft -= sent;
        if (sent === bytes.length) return stream.write(bytes);
        this.cancelStop();
        if (sent > 0) await stream.write(bytes.subarray(0, sent));
        return new Promise<never>(() => {});
      },
      end: () => stream.end(),
      destroy: () => stream.destroy(),
    };
  }
}
