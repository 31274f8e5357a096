/** Byte streams to peers: TACL sessions over TCP, and whatever else a stream is made of. */

/** A connected, ordered, two-way byte stream. One `read` and one `write` may be pending at a time. */
export interface DuplexStream {
  /** For messages: who is at the other end. */
  readonly peer: string;
  /**
   * The next bytes (at least one), the caller's until it reads again; undefined once the peer has ended. Rejects
   * CONNECTION_LOST.
   */
  read(): Promise<Uint8Array | undefined>;
  /**
   * Where a stream can bring bytes straight to where they belong: the next bytes, in `into`. Resolves when that is full,
   * or a good while after the call with what has come, or at the peer's end: how many came, 0 at the end. In place of
   * {@link read}, and rejects as that does.
   */
  readonly readInto?: (into: Uint8Array) => Promise<number>;
  /** Resolves when the stream takes more; `bytes` must not be changed until then. */
  write(bytes: Uint8Array): Promise<void>;
  /** No more is written; what was written still arrives. */
  end(): Promise<void>;
  /** Drops the connection at once; pending and later calls reject CONNECTION_LOST. Idempotent. */
  destroy(): void;
}

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export interface Listener {
  /** Where it listens; the port that was picked where 0 was asked for. */
  readonly endpoint: Endpoint;
  close(): Promise<void>;
}

export interface Network {
  /** Rejects CONNECTION_REFUSED. */
  connect(endpoint: Endpoint): Promise<DuplexStream>;
  listen(endpoint: Endpoint, onConnection: (stream: DuplexStream) => void): Promise<Listener>;
}
