/**
 * One connection of the simulated network: two pipes, one a direction.
 *
 * Fault model: bytes arrive late and in order; a wire that is stalled holds them back until it is
 * healed; a cut loses what is on the way; a byte may be changed on the way, as by a fault beneath the
 * SSH layer's authentication code (a broken peer), which only digests of the content find. And a connection
 * may have a fault of its own ({@link STREAM_FAULTS}), of which those beside it have nothing.
 */
import { assert, assertNever } from '../../src/base/assert.ts';
import { CapstanError } from '../../src/base/errors.ts';
import type { DuplexStream } from '../../src/ports/network.ts';
import type { Life } from './life.ts';
import type { SimulatedClock } from './simulated-clock.ts';
import type { Wire } from './simulated-wire.ts';
import { StreamWatch } from './stream-watch.ts';

/** What one side may have sent and the other not yet read, bytes. */
const BUFFER_BYTES_MAX = 256 * 1024;

/** What can be wrong with one connection of several. */
export const STREAM_FAULTS = [
  /** It is lost, and both sides are told. */
  'broken',
  /** It is lost, and only who made it is told. */
  'reset',
  /** It is lost, and only who accepted it is told. */
  'dropped',
  /** Nothing comes through any more, and nobody is told. */
  'silent',
  /** What who accepted it says comes through no more, and nobody is told. */
  'unanswered',
  /** All waits on the way until the wire is healed. */
  'held',
  /** From now on all comes LATE_MS later than over the others. */
  'late',
] as const;

export type StreamFault = (typeof STREAM_FAULTS)[number];

/** Comes when so many bytes have arrived, in both directions together, or so long after the beginning. */
export type PlannedFault = { readonly fault: StreamFault } & (
  | { readonly afterBytes: number }
  | { readonly afterMs: number }
);

const LATE_MS = 20_000;

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
  /** How many of these have come to its end. */
  #come = 0;
  #bufferedBytes = 0;
  #lineFreeAtMs = 0;
  #ended = false;
  #lost: CapstanError | undefined;
  readonly watch = new StreamWatch();
  /** What comes to its end vanishes, and still takes its room. */
  muted = false;
  /** What comes to its end waits there. */
  held = false;
  /** What is sent arrives so much later. */
  lateMs = 0;
  /** So many bytes have come to its end. */
  onArrival: (bytes: number) => void = () => undefined;
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
    const arrivalMs = Math.ceil(this.#lineFreeAtMs + this.#wire.latencyMs + this.lateMs);
    this.#clock.after(arrivalMs - this.#clock.elapsedMs, () => {
      this.#come += 1;
      this.release();
    });
  }

  /** Lets arrive what has come to the end of the wire, unless that or the connection is stalled. */
  release(): void {
    while (this.#come > 0 && !this.#wire.stalled && !this.held && this.#lost === undefined) {
      this.#come -= 1;
      const bytes = this.#onTheWay.shift();
      if (this.muted) continue;
      if (bytes === undefined) this.#ended = true;
      else this.#arrive(bytes);
      this.onArrival(bytes?.length ?? 0);
    }
    this.#serveReader();
  }

  #arrive(bytes: Uint8Array): void {
    const passed = this.#wire.pass(bytes);
    if (passed > 0) this.#arrived.push(bytes.subarray(0, passed));
    if (passed === bytes.length || !this.#wire.stalled) return;
    this.#onTheWay.unshift(bytes.subarray(passed));
    this.#come += 1;
  }

  #serveReader(): void {
    const { reader } = this;
    if (reader === undefined) return;
    const bytes = this.#arrived.shift();
    if (bytes === undefined && !this.#ended && this.#lost === undefined) return;
    this.reader = undefined;
    this.watch.got(bytes, this.#clock.elapsedMs);
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
      this.watch.waits(this.#clock.elapsedMs);
      this.#serveReader();
    });
  }

  /** Who reads is told `error`; what is on the way stays there. */
  loseReader(error: CapstanError): void {
    const { reader } = this;
    this.reader = undefined;
    this.watch.got(undefined, this.#clock.elapsedMs);
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
  #planned: PlannedFault | undefined;

  constructor(
    clock: SimulatedClock,
    wire: Wire,
    ends: { near: { life: Life; peer: string }; far: { life: Life; peer: string } },
  ) {
    this.#wire = wire;
    const forward = new Pipe(clock, wire);
    const back = new Pipe(clock, wire);
    this.#pipes = [forward, back];
    this.near = new SimulatedStream(clock, this, { incoming: back, outgoing: forward }, ends.near);
    this.far = new SimulatedStream(clock, this, { incoming: forward, outgoing: back }, ends.far);
    this.#planned = wire.add(this);
    if (this.#planned !== undefined) this.#await(clock, this.#planned);
  }

  #await(clock: SimulatedClock, planned: PlannedFault): void {
    const come = (): void => {
      if (this.#planned !== planned) return;
      this.#planned = undefined;
      if (!this.closed) this.fail(planned.fault);
    };
    if ('afterMs' in planned) {
      clock.after(planned.afterMs, come);
      return;
    }
    let bytesLeft = planned.afterBytes;
    const countDown = (bytes: number): void => {
      bytesLeft -= bytes;
      if (bytesLeft < 0) come();
    };
    for (const pipe of this.#pipes) pipe.onArrival = countDown;
  }

  /** From now on it has the fault. */
  fail(fault: StreamFault): void {
    const [forward, back] = this.#pipes;
    this.#wire.note(`a connection of ${this.far.peer} to ${this.near.peer} is ${fault}`);
    switch (fault) {
      case 'broken':
        return this.lose('the network dropped it');
      case 'reset':
        [forward.muted, back.muted] = [true, true];
        return this.near.destroy();
      case 'dropped':
        [forward.muted, back.muted] = [true, true];
        return this.far.destroy();
      case 'silent':
        [forward.muted, back.muted] = [true, true];
        return undefined;
      case 'unanswered':
        back.muted = true;
        return undefined;
      case 'held':
        [forward.held, back.held] = [true, true];
        return undefined;
      case 'late':
        [forward.lateMs, back.lateMs] = [LATE_MS, LATE_MS];
        return undefined;
      default:
        return assertNever(fault);
    }
  }

  otherThan(side: SimulatedStream): SimulatedStream {
    return side === this.near ? this.far : this.near;
  }

  /** Whether this side is told what the other does. */
  reaches(side: SimulatedStream): boolean {
    return !this.#pipes[side === this.near ? 1 : 0].muted;
  }

  /** Whether it has no fault, and none is planned. */
  get isWell(): boolean {
    const isHit = this.#pipes.some(({ held, muted, lateMs }) => held || muted || lateMs > 0);
    return this.#planned === undefined && !isHit;
  }

  /** Whether nothing comes through just now. */
  get isStalled(): boolean {
    return this.#wire.stalled || this.#pipes.some(({ held, muted }) => held || muted);
  }

  /** Both sides learn that the connection is lost, for `reason`. Idempotent. */
  lose(reason: string): void {
    this.#wire.remove(this);
    for (const side of [this.near, this.far]) side.noteLoss();
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
    const other = this.otherThan(side);
    const isMuted = !this.reaches(other);
    if (other.lostAtMs !== undefined || !(this.#wire.stalled || isMuted)) return this.lose(reason);
    side.lose(new CapstanError('CONNECTION_LOST', { peer: side.peer, reason }));
    return isMuted ? undefined : this.#wire.whenUp(() => this.lose(reason));
  }

  /** Whether it is lost, or both sides have ended. */
  get closed(): boolean {
    return this.#pipes.every((pipe) => pipe.closed);
  }

  /** The wire is healed: what it held arrives, and nothing more is planned. */
  release(): void {
    this.#planned = undefined;
    for (const pipe of this.#pipes) {
      pipe.held = false;
      pipe.lateMs = 0;
      pipe.release();
    }
  }
}

/** One side's end of a connection; its calls do not settle once the process there has died. */
export class SimulatedStream implements DuplexStream {
  readonly peer: string;
  readonly #connection: Connection;
  readonly #incoming: Pipe;
  readonly #outgoing: Pipe;
  /** Of the process whose end it is. */
  readonly life: Life;
  readonly #clock: SimulatedClock;
  #lost: CapstanError | undefined;
  #lostAtMs: number | undefined;
  #hasEnded = false;
  /** So many bytes are written. */
  onWrite: ((bytes: number) => void) | undefined;

  constructor(
    clock: SimulatedClock,
    connection: Connection,
    { incoming, outgoing }: { incoming: Pipe; outgoing: Pipe },
    end: { life: Life; peer: string },
  ) {
    this.#clock = clock;
    this.#connection = connection;
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.life = end.life;
    this.peer = end.peer;
    end.life.onEnd(() => connection.drop(this));
  }

  /** This side has lost the connection, whatever the other knows. */
  lose(error: CapstanError): void {
    this.#lost ??= error;
    this.noteLoss();
    this.#incoming.loseReader(error);
    this.#outgoing.loseWriter(error);
  }

  noteLoss(): void {
    this.#lostAtMs ??= this.#clock.elapsedMs;
  }

  /** When this side lost the connection, or dropped it. */
  get lostAtMs(): number | undefined {
    return this.#lostAtMs;
  }

  /** Whether this side has said that it will say no more. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** The other side's end. */
  get other(): SimulatedStream {
    return this.#connection.otherThan(this);
  }

  /** How long this side has waited for the other. */
  get watch(): StreamWatch {
    return this.#incoming.watch;
  }

  /** Whether nothing comes through just now. */
  get isStalled(): boolean {
    return this.#connection.isStalled;
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
    return this.life.call(() =>
      this.#lost === undefined ? this.#incoming.read() : Promise.reject(this.#lost),
    );
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.life.call(async () => {
      assert(this.#outgoing.writer === undefined, 'one write is pending at a time');
      this.onWrite?.(bytes.length);
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
    return this.life.call(() => {
      if (this.#writeError !== undefined) return Promise.reject(this.#writeError);
      this.#hasEnded = true;
      this.#outgoing.send(undefined);
      return Promise.resolve();
    });
  }

  destroy(): void {
    this.#connection.drop(this);
  }
}
