/** What is noted of one direction of a connection, for whoever checks how long a side has waited. */

/** A keep-alive of replication: nothing else there is of this length and type. */
const isPing = (bytes: Uint8Array): boolean => bytes.length === 12 && bytes[0] === 0x0b;
/** Of so many first pieces it is kept what kinds of frames they were. */
const FIRST_PIECES_MAX = 8;

export class StreamWatch {
  #waitsSinceMs: number | undefined;
  #idleSinceMs: number | undefined;
  readonly #firstTypes: number[] = [];
  /** The longest that a read has waited. */
  longestWaitMs = 0;
  /** The longest that reads, one behind another, have got keep-alives and nothing else. */
  longestIdleMs = 0;

  /** Whether a frame of this type was among the first that were read. */
  began(type: number): boolean {
    return this.#firstTypes.includes(type);
  }

  /** A read begins. */
  waits(atMs: number): void {
    this.#waitsSinceMs = atMs;
    this.#idleSinceMs ??= atMs;
  }

  /** A read ends with `bytes`, or with the stream's end or loss. */
  got(bytes: Uint8Array | undefined, atMs: number): void {
    if (this.#waitsSinceMs === undefined) return;
    this.look(atMs);
    this.#waitsSinceMs = undefined;
    if (bytes === undefined || !isPing(bytes)) this.#idleSinceMs = undefined;
    const type = bytes?.[0];
    if (type !== undefined && this.#firstTypes.length < FIRST_PIECES_MAX) {
      this.#firstTypes.push(type);
    }
  }

  /** A read that still waits counts, too. */
  look(atMs: number): void {
    const { longestWaitMs, longestIdleMs } = this;
    if (this.#waitsSinceMs === undefined) return;
    this.longestWaitMs = Math.max(longestWaitMs, atMs - this.#waitsSinceMs);
    this.longestIdleMs = Math.max(longestIdleMs, atMs - (this.#idleSinceMs ?? atMs));
  }
}
