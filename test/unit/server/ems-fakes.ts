/** A clock that a test turns, and a network whose hosts are functions: both without chance or delay. */
import { CapstanError } from '../../../src/base/errors.ts';
import type { Cancel, Clock } from '../../../src/ports/clock.ts';
import type { DuplexStream, Endpoint, Listener, Network } from '../../../src/ports/network.ts';

/** Lets everything run that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
}

export class FakeClock implements Clock {
  #nowMs = 1_000_000;
  #timers: { readonly atMs: number; readonly callback: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): Cancel {
    const timer = { atMs: this.#nowMs + delayMs, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  get timerCount(): number {
    return this.#timers.length;
  }

  /** Moves time on, from one timer to the next. */
  async advance(byMs: number): Promise<void> {
    const endMs = this.#nowMs + byMs;
    await settle();
    for (;;) {
      const [next] = this.#timers
        .filter(({ atMs }) => atMs <= endMs)
        .toSorted((left, right) => left.atMs - right.atMs);
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#nowMs = next.atMs;
      next.callback();
      await settle();
    }
    this.#nowMs = endMs;
  }
}

/** One end of a connection; `received` is what came, `deliver` what the other end is given. */
export class FakeStream implements DuplexStream {
  readonly peer = 'host';
  readonly written: Uint8Array[] = [];
  destroyed = false;
  /** While true, writes do not come to an end. */
  stuck = false;
  onWrite: (bytes: Uint8Array) => void = () => {};
  #incoming: (Uint8Array | undefined | Error)[] = [];
  #wake: () => void = () => {};

  async read(): Promise<Uint8Array | undefined> {
    while (this.#incoming.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const next = this.#incoming.shift();
    if (next instanceof Error) throw next;
    return next;
  }

  /** Bytes that arrive, undefined for the end, an error for the loss of the connection. */
  deliver(item: Uint8Array | undefined | Error): void {
    this.#incoming.push(item);
    this.#wake();
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.destroyed) return Promise.reject(lost('destroyed'));
    if (this.stuck) return new Promise(() => {});
    this.written.push(bytes);
    this.onWrite(bytes);
    return Promise.resolve();
  }

  end(): Promise<void> {
    return Promise.resolve();
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.deliver(lost('destroyed'));
  }
}

export function lost(reason: string): CapstanError {
  return new CapstanError('CONNECTION_LOST', { peer: 'host', reason });
}

/** `answer` says what becomes of each connection; `connections` are those that came about. */
export class FakeNetwork implements Network {
  readonly connections: FakeStream[] = [];
  attemptCount = 0;
  answer: (stream: FakeStream, endpoint: Endpoint) => 'accept' | 'refuse' | 'hang' = () => 'accept';

  connect(endpoint: Endpoint): Promise<DuplexStream> {
    this.attemptCount += 1;
    const stream = new FakeStream();
    switch (this.answer(stream, endpoint)) {
      case 'accept':
        this.connections.push(stream);
        return Promise.resolve(stream);
      case 'refuse':
        return Promise.reject(
          new CapstanError('CONNECTION_REFUSED', { peer: 'host', reason: 'connection refused' }),
        );
      case 'hang':
        return new Promise((resolve) => {
          this.late = () => {
            this.connections.push(stream);
            resolve(stream);
          };
        });
    }
  }

  /** Lets a connection come about that hung. */
  late: () => void = () => {};

  listen(): Promise<Listener> {
    return Promise.reject(new Error('nobody listens here'));
  }
}
