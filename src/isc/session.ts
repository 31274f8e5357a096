/**
 * A session of the inter-system communication: calls and notes, both ways, over one stream.
 *
 * What one side sends arrives in its order; a note that was sent before a reply is heard before it. A side
 * that hears nothing for `silenceMs` ends the session, and every call that waits rejects CONNECTION_LOST:
 * whether it was carried out is not known then.
 */
import { CapstanError, ERRORS, isCapstanError } from '../base/errors.ts';
import type { ErrorCode } from '../base/errors.ts';
import type { Cancel, Clock } from '../ports/clock.ts';
import type { DuplexStream } from '../ports/network.ts';
import { z } from 'zod';
import { DATA_BYTES_MAX, IscFrameDecoder, encodeFrame } from './frame.ts';

/** What a call gives back. */
export interface IscReply {
  readonly result?: unknown;
  readonly data?: Uint8Array;
}

export interface IscSessionOptions {
  readonly stream: DuplexStream;
  readonly clock: Clock;
  /** How long the peer may be silent, milliseconds. */
  readonly silenceMs: number;
  /** Carries out a call of the peer; the operating error that it rejects with, the peer's call does. */
  readonly onCall: (method: string, parameters: unknown, data: Uint8Array) => Promise<IscReply>;
  /** Hears a note of the peer; the next thing is heard once it has settled. */
  readonly onNote: (method: string, parameters: unknown) => Promise<void>;
  /** Once, with what ended the session. */
  readonly onEnd: (reason: string) => void;
}

const NO_DATA = new Uint8Array(0);
/** Calls of a peer that may be under way at one time. */
const CALLS_MAX = 1000;
/** That wait to be sent: a peer that asks without reading has no more held for it. */
const UNSENT_BYTES_MAX = 2 * DATA_BYTES_MAX;

const headers = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('call'),
    id: z.int(),
    method: z.string(),
    parameters: z.unknown(),
  }),
  z.strictObject({ kind: z.literal('reply'), id: z.int(), result: z.unknown() }),
  z.strictObject({
    kind: z.literal('error'),
    id: z.int(),
    code: z.string(),
    fields: z.record(z.string(), z.union([z.string(), z.number()])),
  }),
  z.strictObject({ kind: z.literal('note'), method: z.string(), parameters: z.unknown() }),
  z.strictObject({ kind: z.literal('ping') }),
]);

interface Waiting {
  resolve(reply: Required<IscReply>): void;
  reject(error: CapstanError): void;
}

export class IscSession {
  readonly #options: IscSessionOptions;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #callsUnderWay = 0;
  #writing: Promise<void> = Promise.resolve();
  #unsentBytes = 0;
  #heardAtMs: number;
  #wroteAtMs: number;
  #ended: string | undefined;
  #cancelWatch: Cancel = () => {};

  constructor(options: IscSessionOptions) {
    this.#options = options;
    this.#heardAtMs = options.clock.monotonicMs();
    this.#wroteAtMs = this.#heardAtMs;
    this.#watch();
    // Both sides speak at once: some transports take a session for open with its first bytes only.
    this.#send({ kind: 'ping' });
    void this.#hear();
  }

  get ended(): boolean {
    return this.#ended !== undefined;
  }

  get peer(): string {
    return this.#options.stream.peer;
  }

  /** Has the peer do something. Rejects as the peer's handler does, and CONNECTION_LOST. */
  call(
    method: string,
    parameters: unknown,
    data: Uint8Array = NO_DATA,
  ): Promise<Required<IscReply>> {
    if (this.#ended !== undefined) return Promise.reject(this.#lost(this.#ended));
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#send({ kind: 'call', id, method, parameters }, data);
    });
  }

  /** Tells the peer something that has no answer. */
  note(method: string, parameters: unknown): void {
    if (this.#ended === undefined) this.#send({ kind: 'note', method, parameters });
  }

  /** Ends the session. Idempotent. */
  end(reason: string): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    this.#cancelWatch();
    this.#options.stream.destroy();
    for (const waiting of this.#waiting.values()) waiting.reject(this.#lost(reason));
    this.#waiting.clear();
    this.#options.onEnd(reason);
  }

  #lost(reason: string): CapstanError {
    return new CapstanError('CONNECTION_LOST', { peer: this.peer, reason });
  }

  /** A stream takes one write at a time. */
  #send(header: unknown, data: Uint8Array = NO_DATA): void {
    const frame = encodeFrame(header, data);
    this.#unsentBytes += frame.length;
    if (this.#unsentBytes > UNSENT_BYTES_MAX) {
      this.end('the peer does not take what it is sent');
      return;
    }
    this.#wroteAtMs = this.#options.clock.monotonicMs();
    this.#writing = this.#writing.then(async () => {
      try {
        if (this.#ended === undefined) await this.#options.stream.write(frame);
        this.#unsentBytes -= frame.length;
      } catch (error) {
        if (!isCapstanError(error)) throw error;
        this.end(error.message);
      }
    });
  }

  async #hear(): Promise<void> {
    const decoder = new IscFrameDecoder();
    try {
      for (;;) {
        const bytes = await this.#options.stream.read();
        if (bytes === undefined) return this.end('the peer ended it');
        this.#heardAtMs = this.#options.clock.monotonicMs();
        for (const { header, data } of decoder.push(bytes)) {
          await this.#handle(headers.parse(header), data);
          if (this.#ended !== undefined) return undefined;
        }
      }
    } catch (error) {
      if (isCapstanError(error)) return this.end(error.message);
      if (error instanceof z.ZodError) return this.end('the peer sent what is no message');
      throw error;
    }
  }

  async #handle(header: z.infer<typeof headers>, data: Uint8Array): Promise<void> {
    switch (header.kind) {
      case 'call':
        if (this.#callsUnderWay >= CALLS_MAX) return this.end('the peer asks too much at a time');
        this.#callsUnderWay += 1;
        void this.#answer(header.id, header.method, header.parameters, data);
        return undefined;
      case 'reply':
        this.#take(header.id)?.resolve({ result: header.result, data });
        return undefined;
      case 'error':
        this.#take(header.id)?.reject(errorOf(this.peer, header.code, header.fields));
        return undefined;
      case 'note':
        return this.#options.onNote(header.method, header.parameters);
      default:
        return undefined;
    }
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  async #answer(id: number, method: string, parameters: unknown, data: Uint8Array): Promise<void> {
    try {
      const reply = await this.#options.onCall(method, parameters, data);
      if (this.#ended === undefined) {
        this.#send({ kind: 'reply', id, result: reply.result ?? null }, reply.data);
      }
    } catch (error) {
      const { code, fields } = isCapstanError(error)
        ? error
        : new CapstanError('PEER_REFUSED', {
            peer: 'The other server',
            what: method,
            reason: error instanceof z.ZodError ? 'it is malformed' : 'it has a fault of its own',
          });
      if (this.#ended === undefined) this.#send({ kind: 'error', id, code, fields });
    } finally {
      this.#callsUnderWay -= 1;
    }
  }

  /** Asks for a sign of life by giving one, and ends a session whose peer gives none. */
  #watch(): void {
    const { clock, silenceMs } = this.#options;
    const intervalMs = silenceMs / 4;
    this.#cancelWatch = clock.after(intervalMs, () => {
      const nowMs = clock.monotonicMs();
      if (nowMs - this.#heardAtMs >= silenceMs) {
        this.end(`the peer was silent for ${silenceMs} ms`);
        return;
      }
      if (nowMs - this.#wroteAtMs >= intervalMs) this.#send({ kind: 'ping' });
      this.#watch();
    });
  }
}

function errorOf(
  peer: string,
  code: string,
  fields: Readonly<Record<string, string | number>>,
): CapstanError {
  if (Object.hasOwn(ERRORS, code)) return new CapstanError(code as ErrorCode, fields);
  return new CapstanError('PEER_REFUSED', { peer, what: 'a call', reason: code });
}
