/** The way between two addresses of the simulated network, and what can be wrong with it. */
import type { Connection } from './simulated-stream.ts';
import type { Trace } from './trace.ts';

export type WireState = 'up' | 'down' | 'stalled';

/** A fault that waits until so many more bytes have passed, in both directions together. */
interface Ambush {
  kind: 'corrupt' | 'cut';
  bytesLeft: number;
}

export class Wire {
  readonly name: string;
  readonly latencyMs: number;
  readonly bytesPerMs: number;
  readonly #trace: Trace;
  readonly #connections = new Set<Connection>();
  readonly #onHeal: (() => void)[] = [];
  #state: WireState = 'up';
  #ambush: Ambush | undefined;
  #bytesPassed = 0;

  constructor(name: string, trace: Trace, speed: { latencyMs: number; bytesPerMs: number }) {
    this.name = name;
    this.#trace = trace;
    this.latencyMs = speed.latencyMs;
    this.bytesPerMs = speed.bytesPerMs;
  }

  get state(): WireState {
    return this.#state;
  }

  get stalled(): boolean {
    return this.#state === 'stalled';
  }

  /** Bytes that have gone through, in both directions together. */
  get bytesPassed(): number {
    return this.#bytesPassed;
  }

  add(connection: Connection): void {
    this.#connections.add(connection);
  }

  remove(connection: Connection): void {
    this.#connections.delete(connection);
  }

  /** Takes down every connection; new ones are possible at once. */
  cut(): void {
    this.#trace.record(`wire ${this.name}: cut`);
    this.#dropAll();
  }

  #dropAll(): void {
    for (const connection of this.#connections) connection.lose('the network dropped it');
  }

  /** Nothing gets through, and both sides are told so. */
  takeDown(): void {
    this.#state = 'down';
    this.#trace.record(`wire ${this.name}: down`);
    this.#dropAll();
  }

  /** Nothing gets through, and nobody is told. */
  stall(): void {
    this.#state = 'stalled';
    this.#trace.record(`wire ${this.name}: stalled`);
  }

  /** One of the three. */
  fail(kind: 'down' | 'cut' | 'stall'): void {
    if (kind === 'down') this.takeDown();
    else if (kind === 'cut') this.cut();
    else this.stall();
  }

  /** All is well again; what a stall held back arrives. No ambush is left. */
  heal(): void {
    this.#ambush = undefined;
    if (this.#state === 'up') return;
    this.#state = 'up';
    this.#trace.record(`wire ${this.name}: healed`);
    for (const connection of this.#connections) connection.release();
    for (const callback of this.#onHeal.splice(0)) callback();
  }

  /** Calls `callback` once the wire is up; at once where it is. */
  whenUp(callback: () => void): void {
    if (this.#state === 'up') callback();
    else this.#onHeal.push(callback);
  }

  /** After `bytes` more bytes the next one is changed, or all connections are cut. */
  ambush(kind: Ambush['kind'], bytes: number): void {
    this.#ambush = { kind, bytesLeft: bytes };
  }

  /** Bytes come to the end of the wire: changes them where a fault wants it; false where they are lost. */
  pass(bytes: Uint8Array): boolean {
    this.#bytesPassed += bytes.length;
    const ambush = this.#ambush;
    if (ambush === undefined) return true;
    if (ambush.bytesLeft >= bytes.length) {
      ambush.bytesLeft -= bytes.length;
      return true;
    }
    this.#ambush = undefined;
    if (ambush.kind === 'cut') {
      this.cut();
      return false;
    }
    this.#trace.record(`wire ${this.name}: a byte is changed on the way`);
    bytes[ambush.bytesLeft] = (bytes[ambush.bytesLeft] ?? 0) ^ (1 << (ambush.bytesLeft % 8));
    return true;
  }
}
