/**
 * The line to a host's TACL port: what was said in each session, in both directions; and it can be taken
 * away, as a crash of the host takes it, and given back.
 */
import type { DuplexStream, Endpoint, Listener, Network } from '../../src/ports/network.ts';

/** One connection, from its beginning to its end. */
export interface TaclConversation {
  /** What the host sent. */
  fromHost: string;
  /** What the tape server sent. */
  fromServer: string;
}

export class HostLine implements Network {
  readonly conversations: TaclConversation[] = [];
  readonly #network: Network;
  readonly #streams = new Set<DuplexStream>();
  #listener: Listener | undefined;

  constructor(network: Network) {
    this.#network = network;
  }

  connect(endpoint: Endpoint): Promise<DuplexStream> {
    return this.#network.connect(endpoint);
  }

  async listen(
    endpoint: Endpoint,
    onConnection: (stream: DuplexStream) => void,
  ): Promise<Listener> {
    this.#listener = await this.#network.listen(endpoint, (stream) => {
      const conversation = { fromHost: '', fromServer: '' };
      this.conversations.push(conversation);
      this.#streams.add(stream);
      onConnection(this.#recorded(stream, conversation));
    });
    return this.#listener;
  }

  /** Breaks every session and listens no more. */
  async takeDown(): Promise<void> {
    const closed = this.#listener?.close();
    for (const stream of this.#streams) stream.destroy();
    this.#streams.clear();
    await closed;
  }

  #recorded(stream: DuplexStream, conversation: TaclConversation): DuplexStream {
    return {
      peer: stream.peer,
      read: async () => {
        const bytes = await stream.read();
        if (bytes !== undefined) conversation.fromServer += textOf(bytes);
        return bytes;
      },
      write: (bytes) => {
        conversation.fromHost += textOf(bytes);
        return stream.write(bytes);
      },
      end: () => stream.end(),
      destroy: () => stream.destroy(),
    };
  }
}

/** Printable characters and ends of lines as they are, other bytes as `<FF>`. */
function textOf(bytes: Uint8Array): string {
  const characters = Array.from(bytes, (byte) => {
    const isText = (byte >= 0x20 && byte < 0x7f) || byte === 0x0a || byte === 0x0d;
    return isText ? String.fromCodePoint(byte) : `<${byte.toString(16).padStart(2, '0')}>`;
  });
  return characters.join('');
}
