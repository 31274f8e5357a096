/** One connection of a TACL session: moves bytes between stream and session, and watches their silences. */
import { concatBytes } from '../base/bytes.ts';
import { isCapstanError } from '../base/errors.ts';
import { SECOND_MS } from '../base/units.ts';
import type { DistributorEvent } from '../ems/printing-distributor.ts';
import type { SessionEffect, TaclSession } from '../ems/tacl-session.ts';
import type { Cancel, Clock } from '../ports/clock.ts';
import type { DuplexStream } from '../ports/network.ts';

/** Silence after which the last event is taken for whole; EMSDIST's DELAY has the same default. */
export const QUIET_MS = 500;
/** How long a sign of life may take. */
export const KEEP_ALIVE_ANSWER_MS = 30 * SECOND_MS;
/** Most bytes that wait for a host which does not read. */
export const OUTGOING_BYTES_MAX = 64 * 1024;

/** How long what may take, ms. */
export interface ConnectionTimes {
  /** Each answer of the log-on. */
  readonly responseTimeoutMs: number;
  /** Silence after which the host is asked for a sign of life; 0 never asks. */
  readonly keepAliveMs: number;
}

export interface ConnectionListener {
  readonly onReady: () => void;
  readonly onEvent: (event: DistributorEvent) => void;
  /** Nothing came for QUIET_MS, and what had come has been given. */
  readonly onQuiet: () => void;
  /** All that the host had printed when it was last asked for a timing mark has been given. */
  readonly onMarkPassed: () => void;
}

export interface ConnectionOptions {
  readonly stream: DuplexStream;
  readonly session: TaclSession;
  readonly clock: Clock;
  readonly times: ConnectionTimes;
  readonly listener: ConnectionListener;
}

export class EmsConnection {
  readonly #stream: DuplexStream;
  readonly #session: TaclSession;
  readonly #clock: Clock;
  readonly #times: ConnectionTimes;
  readonly #listener: ConnectionListener;
  #reason: string | undefined;
  /** What waits to be written, and its length with what is being written. */
  readonly #outgoing: Uint8Array[] = [];
  #outgoingBytes = 0;
  #writing = false;
  /** A mark has come back, and it is not quiet yet: the event before it may not have been given. */
  #markPassed = false;
  #cancelResponse: Cancel = () => {};
  #cancelQuiet: Cancel = () => {};
  #cancelAlive: Cancel = () => {};

  constructor({ stream, session, clock, times, listener }: ConnectionOptions) {
    this.#stream = stream;
    this.#session = session;
    this.#clock = clock;
    this.#times = times;
    this.#listener = listener;
  }

  /** Runs until the connection has ended; resolves with the reason. */
  async run(): Promise<string> {
    this.#awaitResponse();
    try {
      while (this.#reason === undefined) {
        const bytes = await this.#stream.read();
        if (this.#reason !== undefined) break;
        if (bytes === undefined) this.end('the host ended it');
        else this.#receive(bytes);
      }
    } catch (error) {
      this.end(connectionReason(error));
      // A mistake of ours is no end of a connection.
      if (!isCapstanError(error)) throw error;
    }
    return this.#reason ?? '';
  }

  /** Ends the connection; the first reason counts. */
  end(reason: string): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#cancelResponse();
    this.#cancelQuiet();
    this.#cancelAlive();
    this.#stream.destroy();
  }

  /** Asks for a timing mark behind all that the host has printed. */
  mark(): void {
    if (this.#reason === undefined) this.#apply(this.#session.probe());
  }

  #receive(bytes: Uint8Array): void {
    const answersBefore = this.#session.answerCount;
    this.#apply(this.#session.receive(bytes));
    if (this.#reason !== undefined) return;
    // Only an answer that led on counts: a host that babbles does not hold a log-on open.
    if (this.#session.answerCount !== answersBefore) this.#awaitResponse();
    this.#cancelQuiet();
    this.#cancelQuiet = this.#clock.after(QUIET_MS, () => {
      this.#apply(this.#session.idle());
      if (this.#reason !== undefined || this.#session.state !== 'ready') return;
      this.#listener.onQuiet();
      if (!this.#markPassed) return;
      this.#markPassed = false;
      this.#listener.onMarkPassed();
    });
    this.#watchLife();
  }

  #apply(effects: readonly SessionEffect[]): void {
    for (const effect of effects) {
      if (this.#reason !== undefined) return;
      switch (effect.kind) {
        case 'send':
          this.#send(effect.bytes);
          break;
        case 'event':
          this.#listener.onEvent(effect.event);
          break;
        case 'ready':
          this.#cancelResponse();
          this.#watchLife();
          this.#listener.onReady();
          break;
        case 'mark-passed':
          this.#markPassed = true;
          break;
        case 'failed':
          this.end(effect.reason);
          break;
      }
    }
  }

  #send(bytes: Uint8Array): void {
    this.#outgoing.push(bytes);
    this.#outgoingBytes += bytes.length;
    if (this.#outgoingBytes > OUTGOING_BYTES_MAX) this.end('the host does not read');
    else if (!this.#writing) void this.#write();
  }

  async #write(): Promise<void> {
    this.#writing = true;
    try {
      while (this.#outgoing.length > 0 && this.#reason === undefined) {
        const bytes = concatBytes(this.#outgoing.splice(0));
        await this.#stream.write(bytes);
        this.#outgoingBytes -= bytes.length;
      }
    } catch (error) {
      this.end(connectionReason(error));
      if (!isCapstanError(error)) throw error;
    } finally {
      this.#writing = false;
    }
  }

  #awaitResponse(): void {
    this.#cancelResponse();
    const { responseTimeoutMs } = this.#times;
    this.#cancelResponse = this.#clock.after(responseTimeoutMs, () => {
      this.end(`no answer at log-on within ${responseTimeoutMs / SECOND_MS} s`);
    });
  }

  /** Once established: after silence a question, and after more silence the end. */
  #watchLife(): void {
    this.#cancelAlive();
    const { keepAliveMs } = this.#times;
    if (this.#session.state !== 'ready' || keepAliveMs === 0) return;
    this.#cancelAlive = this.#clock.after(keepAliveMs, () => {
      this.#cancelAlive = this.#clock.after(KEEP_ALIVE_ANSWER_MS, () => {
        this.end(`no sign of life within ${KEEP_ALIVE_ANSWER_MS / SECOND_MS} s`);
      });
      this.#apply(this.#session.probe());
    });
  }
}

/** An error's own clause, without the name of the peer, which the message has already. */
export function connectionReason(error: unknown): string {
  if (isCapstanError(error, 'CONNECTION_LOST', 'CONNECTION_REFUSED')) {
    return String(error.fields['reason'] ?? error.message);
  }
  return error instanceof Error ? error.message : String(error);
}
