/**
 * One connection of the simulated network: two pipes, one a direction.
 *
 * Fault model: bytes arrive late and in order; a wire that is stalled holds them back until it is
 * healed; a cut loses what is on the way; a byte may be changed on the way, as by a fault beneath the
 * SSH layer's authentication code (a broken peer), which only digests of the content find.
 */
import { assert } from '../../src/base/assert.ts';
import { CapstanError } from '../../src/base/errors.ts';
import type { DuplexStream } from '../../src/ports/network.ts';
import type { Life } from './life.ts';
import type { SimulatedClock } from './simulated-clock.ts';
import type { Wire } from './simulated-wire.ts';

/** What one side may have sent and the other not yet read, bytes. */
const BUFFER_BYTES_MAX = 256 * 1024;

interface Waiter<Value> {
  readonly resolve: (value: Value) => void;
  readonly reject: (error: CapstanError) => void;
}

/** One direction: what is on the way, and what has arrived and was not read. */
class Pipe {
  readonly #clock: SimulatedClock;
  readonly #wire: Wire;
  readonly #arrived: Uint8Array[] = [];
  /** On the way or held by a stalled wire; undefined stands for the end of the stream. */
  readonly #onTheWay: (Uint8Array | undefined)[] = [];
  #held = 0;
  #bufferedBytes = 0;
  #lineFreeAtMs = 0;
  #ended = false;
  #lost: CapstanError | undefined;
  reader: Waiter<Uint8Array | undefined> | undefined;
  writer: Waiter<void> | undefined;

  constructor(clock: SimulatedClock, wire: Wire) {
    this.#clock = clock;
    this.#wire = wire;
  }

  get lost(): CapstanError | undefined {
    return this.#lost;
  }

  /** Whether nothing comes through it any more. */
  get closed(): boolean {
    return this.#ended || this.#lost !== undefined;
  }

  get room(): number {
    return BUFFER_BYTES_MAX - this.#bufferedBytes;
  }

  send(bytes: Uint8Array | undefined): void {
    const byteCount = bytes?.length ?? 0;
    this.#bufferedBytes += byteCount;
    this.#onTheWay.push(bytes);
    const startMs = Math.max(this.#clock.elapsedMs, this.#lineFreeAtMs);
    this.#lineFreeAtMs = startMs + byteCount / this.#wire.bytesPerMs;
    const arrivalMs = Math.ceil(this.#lineFreeAtMs + this.#wire.latencyMs);
    this.#clock.after(arrivalMs - this.#clock.elapsedMs, () => {
      this.#held += 1;
      this.release();
    });
  }

  /** Lets arrive what has come to the end of the wire, unless the wire is stalled. */
  release(): void {
    while (this.#held > 0 && !this.#wire.stalled && this.#lost === undefined) {
      this.#held -= 1;
      const bytes = this.#onTheWay.shift();
      if (bytes === undefined) this.#ended = true;
      else this.#arrive(bytes);
    }
    this.#serveReader();
  }

  #arrive(bytes: Uint8Array): void {
    const passed = this.#wire.pass(bytes);
    if (passed > 0) this.#arrived.push(bytes.subarray(0, passed));
    if (passed === bytes.length || !this.#wire.stalled) return;
    this.#onTheWay.unshift(bytes.subarray(passed));
    this.#held += 1;
  }

  #serveReader(): void {
    const { reader } = this;
    if (reader === undefined) return;
    const bytes = this.#arrived.shift();
    if (bytes === undefined && !this.#ended && this.#lost === undefined) return;
    this.reader = undefined;
    if (this.#lost !== undefined) reader.reject(this.#lost);
    else reader.resolve(bytes);
    if (bytes === undefined) return;
    this.#bufferedBytes -= bytes.length;
    const { writer } = this;
    this.writer = undefined;
    writer?.resolve();
  }

  read(): Promise<Uint8Array | undefined> {
    assert(this.reader === undefined, 'one read is pending at a time');
    return new Promise((resolve, reject) => {
      this.reader = { resolve, reject };
      this.#serveReader();
    });
  }

  /** Who reads is told `error`; what is on the way stays there. */
  loseReader(error: CapstanError): void {
    const { reader } = this;
    this.reader = undefined;
    reader?.reject(error);
  }

  loseWriter(error: CapstanError): void {
    const { writer } = this;
    this.writer = undefined;
    writer?.reject(error);
  }

  /** What was on the way and what arrived is gone; who waits here or comes later is told `error`. */
  lose(error: CapstanError): void {
    if (this.#lost !== undefined) return;
    this.#lost = error;
    this.#arrived.length = 0;
    this.loseReader(error);
    this.loseWriter(error);
  }
}

/** A connection; made by the network once the other side has accepted it. */
export class Connection {
  readonly near: SimulatedStream;
  readonly far: SimulatedStream;
  readonly #pipes: readonly [Pipe, Pipe];
  readonly #wire: Wire;

  constructor(
    clock: SimulatedClock,
    wire: Wire,
    ends: { near: { life: Life; peer: string }; far: { life: Life; peer: string } },
  ) {
    this.#wire = wire;
    const forward = new Pipe(clock, wire);
    const back = new Pipe(clock, wire);
    this.#pipes = [forward, back];
    this.near = new SimulatedStream(this, back, forward, ends.near);
    this.far = new SimulatedStream(this, forward, back, ends.far);
    wire.add(this);
  }

  /** Both sides learn that the connection is lost, for `reason`. Idempotent. */
  lose(reason: string): void {
    this.#wire.remove(this);
    // Most connections are ended more than once, and an error with its stack is dear.
    for (const [pipe, { peer }] of [
      [this.#pipes[0], this.near],
      [this.#pipes[1], this.far],
    ] as const) {
      if (pipe.lost === undefined) pipe.lose(new CapstanError('CONNECTION_LOST', { peer, reason }));
    }
  }

  /**
   * One side drops the connection: it is lost for that side at once, for the other as soon as the
   * wire lets the news through. Until then it is half open.
   */
  drop(side: SimulatedStream): void {
    const reason = 'the connection was reset';
    if (!this.#wire.stalled) return this.lose(reason);
    side.lose(new CapstanError('CONNECTION_LOST', { peer: side.peer, reason }));
    return this.#wire.whenUp(() => this.lose(reason));
  }

  /** Whether it is lost, or both sides have ended. */
  get closed(): boolean {
    return this.#pipes.every((pipe) => pipe.closed);
  }

  /** The wire is healed: what it held arrives. */
  release(): void {
    for (const pipe of this.#pipes) pipe.release();
  }
}

/** One side's end of a connection; its calls do not settle once the process there has died. */
export class SimulatedStream implements DuplexStream {
  readonly peer: string;
  readonly #connection: Connection;
  readonly #incoming: Pipe;
  readonly #outgoing: Pipe;
  readonly #life: Life;
  #lost: CapstanError | undefined;

  constructor(
    connection: Connection,
    incoming: Pipe,
    outgoing: Pipe,
    end: { life: Life; peer: string },
  ) {
    this.#connection = connection;
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#life = end.life;
    this.peer = end.peer;
    end.life.onEnd(() => connection.drop(this));
  }

  /** This side has lost the connection, whatever the other knows. */
  lose(error: CapstanError): void {
    this.#lost ??= error;
    this.#incoming.loseReader(error);
    this.#outgoing.loseWriter(error);
  }

  /** Whether the connection is lost, or both sides have ended. */
  get closed(): boolean {
    return this.#lost !== undefined || this.#connection.closed;
  }

  /** Why nothing can be written any more. */
  get #writeError(): CapstanError | undefined {
    return this.#lost ?? this.#outgoing.lost;
  }

  read(): Promise<Uint8Array | undefined> {
    return this.#life.call(() =>
      this.#lost === undefined ? this.#incoming.read() : Promise.reject(this.#lost),
    );
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#life.call(async () => {
      assert(this.#outgoing.writer === undefined, 'one write is pending at a time');
      for (let offset = 0; offset < bytes.length;) {
        const length = Math.min(bytes.length - offset, this.#outgoing.room);
        if (this.#writeError === undefined && length > 0) {
          this.#outgoing.send(bytes.slice(offset, offset + length));
          offset += length;
        } else {
          await this.#waitForRoom();
        }
      }
      if (this.#writeError !== undefined) throw this.#writeError;
    });
  }

  #waitForRoom(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#writeError === undefined) this.#outgoing.writer = { resolve, reject };
      else reject(this.#writeError);
    });
  }

  end(): Promise<void> {
    return this.#life.call(() => {
      if (this.#writeError !== undefined) return Promise.reject(this.#writeError);
      this.#outgoing.send(undefined);
      return Promise.resolve();
    });
  }

  destroy(): void {
    this.#connection.drop(this);
  }
}
