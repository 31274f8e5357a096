/**
 * One side of a replication connection: messages over a stream, and an end to a peer that is silent.
 *
 * Three clocks watch the peer, none of which it can set: nothing heard for `stallTimeoutMs`; nothing
 * but keep-alives for STALLS_MAX times that; data not taken for as long as either. Each ends in
 * CONNECTION_LOST. A side that has nothing to say sends a PING from time to time, also while it works
 * on its disk.
 */
import { checkName } from '../base/names.ts';
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { SECOND_MS } from '../base/units.ts';
import type { Cancel, Clock } from '../ports/clock.ts';
import type { DuplexStream } from '../ports/network.ts';
import { FEATURE_PLACE, FrameDecoder, PREAMBLE, violation } from './frame.ts';
import type { Frame, FrameKind } from './frame.ts';
import {
  PROTOCOL_VERSION,
  PROTOCOL_VERSION_MIN,
  decodeMessage,
  encodeMessage,
  encodeParts,
} from './messages.ts';
import type { Message, MessageOf } from './messages.ts';

/** A PING follows the last message after this, or after a quarter of the stall time-out. */
const PING_INTERVAL_MS = 5 * SECOND_MS;
/** For so many stall time-outs a peer may send keep-alives and nothing else. */
const STALLS_MAX = 10;

export interface ConnectionOptions {
  readonly stream: DuplexStream;
  readonly clock: Clock;
  /** How long a peer may be silent, milliseconds. */
  readonly stallTimeoutMs: number;
}

/** What a peer said of itself. */
export interface Greeting {
  readonly serverName: string;
  /** The version that both speak. */
  readonly version: number;
}

/** Any message but PING, which nobody waits for. */
export type Said = Exclude<Message, { kind: 'ping' }>;

export class Connection {
  readonly #stream: DuplexStream;
  readonly #clock: Clock;
  readonly #stallTimeoutMs: number;
  readonly #pingIntervalMs: number;
  readonly #decoder: FrameDecoder;
  #frames: Frame[] = [];
  #writing: Promise<void> = Promise.resolve();
  #writesPending = 0;
  #wroteAtMs: number;
  #heardAtMs: number;
  #lost: CapstanError | undefined;
  #features = 0;
  #cancelPing: Cancel;
  #peeked: { pending?: Promise<Said | undefined>; arrived?: true } = {};
  /** Bytes of all frames so far. */
  bytesSent = 0;
  bytesReceived = 0;

  constructor({ stream, clock, stallTimeoutMs }: ConnectionOptions) {
    this.#stream = stream;
    this.#clock = clock;
    this.#stallTimeoutMs = stallTimeoutMs;
    this.#pingIntervalMs = Math.min(PING_INTERVAL_MS, stallTimeoutMs / 4);
    this.#decoder = new FrameDecoder(stream.peer);
    this.#wroteAtMs = clock.monotonicMs();
    this.#heardAtMs = this.#wroteAtMs;
    this.#cancelPing = clock.after(this.#pingIntervalMs, () => this.#ping());
  }

  /** Whether the peer has the feature; known once it has greeted. */
  has(feature: number): boolean {
    return (this.#features & feature) !== 0;
  }

  get peer(): string {
    return this.#stream.peer;
  }

  /** Greets the peer and hears its greeting; `own`: features that not every side has. */
  async greet(serverName: string, own = 0): Promise<Greeting> {
    const features = FEATURE_PLACE | own;
    const hello = { kind: 'hello', version: PROTOCOL_VERSION, features, serverName } as const;
    await this.#enqueue([PREAMBLE, encodeMessage(hello)]);
    const answer = await this.expect('hello');
    if (answer.version < PROTOCOL_VERSION_MIN) {
      throw violation(this.peer, `it speaks version ${answer.version} of the protocol`);
    }
    this.#features = answer.features;
    try {
      return {
        serverName: checkName('server', answer.serverName),
        version: Math.min(answer.version, PROTOCOL_VERSION),
      };
    } catch (error) {
      if (!isCapstanError(error, 'NAME_INVALID')) throw error;
      throw violation(this.peer, error.message, error);
    }
  }

  /** Resolves when the stream has taken the message. */
  send(message: Message): Promise<void> {
    return this.#enqueue(encodeParts(message));
  }

  /**
   * The next message but PING; undefined once the peer has ended between two messages. `patient`: the peer
   * may send PINGs and nothing else for ever.
   */
  async receive(patient = false): Promise<Said | undefined> {
    const { pending } = this.#peeked;
    if (pending !== undefined) {
      this.#peeked = {};
      return pending;
    }
    const stallsMax = patient ? Infinity : STALLS_MAX;
    const limitMs = this.#clock.monotonicMs() + stallsMax * this.#stallTimeoutMs;
    for (;;) {
      const frame = this.#frames.shift();
      if (frame === undefined) {
        const frames = await this.#read(limitMs);
        if (frames === undefined) return this.#ended();
        this.#frames = frames;
        continue;
      }
      const message = decodeMessage(this.peer, frame);
      if (message.kind !== 'ping') return message;
    }
  }

  /** Settles when {@link receive} would, and takes nothing from it. */
  async arrival(): Promise<void> {
    this.#peeked.pending ??= this.receive();
    await this.#peeked.pending;
    this.#peeked.arrived = true;
  }

  /** Whether {@link arrival} has resolved, and nobody has taken what came. */
  get hasArrived(): boolean {
    return this.#peeked.arrived === true;
  }

  /** The next message, which must be one of `kinds`. */
  async expect<Kind extends FrameKind>(...kinds: Kind[]): Promise<MessageOf<Kind>> {
    const message = await this.receive();
    if (message === undefined) throw this.#lose('the peer ended it');
    if ((kinds as FrameKind[]).includes(message.kind)) return message as MessageOf<Kind>;
    throw violation(this.peer, `a ${message.kind} frame came in place of ${kinds.join(' or ')}`);
  }

  /** No more is sent; what was sent still arrives. */
  async end(): Promise<void> {
    this.#cancelPing();
    await this.#writing;
    await this.#stream.end();
  }

  /** No more keep-alives; for a connection that has ended. Idempotent. */
  close(): void {
    this.#cancelPing();
  }

  /** Drops the connection and all that waits on it. Idempotent. */
  destroy(): void {
    this.#cancelPing();
    this.#stream.destroy();
  }

  #ended(): undefined {
    if (this.#decoder.atBoundary) return undefined;
    throw this.#lose('the peer ended it in the middle of a frame');
  }

  /** Drops the connection; the error that says why, which pending calls reject with, too. */
  #lose(reason: string): CapstanError {
    this.#lost ??= new CapstanError('CONNECTION_LOST', { peer: this.peer, reason });
    this.destroy();
    return this.#lost;
  }

  /** The frames that are complete with the next bytes; undefined at the peer's end. */
  async #read(limitMs: number): Promise<Frame[] | undefined> {
    const leftMs = limitMs - this.#clock.monotonicMs();
    const cancel =
      leftMs > this.#stallTimeoutMs
        ? this.#clock.after(this.#stallTimeoutMs, () => {
            this.#lose(`the peer was silent for ${this.#stallTimeoutMs} ms`);
          })
        : this.#clock.after(leftMs, () => this.#lose('the peer is alive, but makes no progress'));
    try {
      const frames = await this.#pull();
      this.#heardAtMs = this.#clock.monotonicMs();
      return frames;
    } catch (error) {
      throw this.#lost ?? error;
    } finally {
      cancel();
    }
  }

  /** Bytes of a large frame come straight to where it lies, where the stream can do that. */
  async #pull(): Promise<Frame[] | undefined> {
    const { room } = this.#decoder;
    if (room !== undefined && this.#stream.readInto !== undefined) {
      const count = await this.#stream.readInto(room);
      this.bytesReceived += count;
      return count === 0 ? undefined : this.#decoder.fill(count);
    }
    const bytes = await this.#stream.read();
    this.bytesReceived += bytes?.length ?? 0;
    return bytes && this.#decoder.push(bytes);
  }

  /** A stream takes one write at a time: the protocol's and the keep-alive's follow each other. */
  #enqueue(parts: readonly Uint8Array[]): Promise<void> {
    this.#writesPending += 1;
    const write = this.#writing.then(async () => {
      try {
        for (const part of parts) await this.#write(part);
      } finally {
        this.#writesPending -= 1;
      }
    });
    this.#writing = write;
    // Whoever called hears of the failure; the keep-alive and the next in line need not.
    write.catch(() => {});
    return write;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    const startMs = this.#clock.monotonicMs();
    let cancel: Cancel;
    const watch = (): void => {
      const nowMs = this.#clock.monotonicMs();
      const quietMs = nowMs - Math.max(this.#heardAtMs, startMs);
      if (quietMs >= this.#stallTimeoutMs || nowMs - startMs >= STALLS_MAX * this.#stallTimeoutMs) {
        this.#lose(`the peer took no data for ${Math.round(nowMs - startMs)} ms`);
      } else {
        cancel = this.#clock.after(this.#stallTimeoutMs - quietMs, watch);
      }
    };
    cancel = this.#clock.after(this.#stallTimeoutMs, watch);
    try {
      await this.#stream.write(bytes);
      this.bytesSent += bytes.length;
      this.#wroteAtMs = this.#clock.monotonicMs();
    } catch (error) {
      throw this.#lost ?? error;
    } finally {
      cancel();
    }
  }

  #ping(): void {
    const idleMs = this.#clock.monotonicMs() - this.#wroteAtMs;
    if (this.#writesPending === 0 && idleMs >= this.#pingIntervalMs) {
      // A failure shows in what the protocol reads or writes next.
      this.send({ kind: 'ping' }).catch(() => {});
    }
    this.#cancelPing = this.#clock.after(this.#pingIntervalMs, () => this.#ping());
  }
}
