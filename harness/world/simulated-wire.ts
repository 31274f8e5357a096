/** The way between two addresses of the simulated network, and what can be wrong with it. */
import type { Connection } from './simulated-stream.ts';
import type { Trace } from './trace.ts';

export type WireState = 'up' | 'down' | 'stalled';

/** What is counted until a fault comes: bytes, or ends of lines. */
export type WireUnit = 'bytes' | 'lines';

/** A fault that waits until so much more has passed, in both directions together. */
interface Ambush {
  readonly kind: 'corrupt' | 'cut' | 'stall';
  readonly unit: WireUnit;
  left: number;
  readonly onSprung: () => void;
}

const LINE_FEED = 0x0a;

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
  ambush(kind: 'corrupt' | 'cut', bytes: number): void {
    this.#ambush = { kind, unit: 'bytes', left: bytes, onSprung: () => undefined };
  }

  /** Behind so much more the wire stalls, also in the middle of what is sent together; calls `onStalled` then. */
  stallBehind(count: number, unit: WireUnit, onStalled: () => void): void {
    this.#ambush = { kind: 'stall', unit, left: count, onSprung: onStalled };
  }

  /**
   * Bytes come to the end of the wire; how many of them get through: all, none where they are lost, those
   * before it where the wire stalls. Changes them where a fault wants it.
   */
  pass(bytes: Uint8Array): number {
    const ambush = this.#ambush;
    const at = ambush === undefined ? undefined : sprungAt(ambush, bytes);
    const passed = ambush?.kind === 'stall' ? (at ?? bytes.length) : bytes.length;
    this.#bytesPassed += passed;
    if (ambush === undefined || at === undefined) return passed;
    this.#ambush = undefined;
    ambush.onSprung();
    switch (ambush.kind) {
      case 'stall':
        this.stall();
        return passed;
      case 'cut':
        this.cut();
        return 0;
      case 'corrupt':
        this.#trace.record(`wire ${this.name}: a byte is changed on the way`);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
        return passed;
    }
  }
}

/** The byte before which the fault comes; undefined where it has to wait for more, which is counted. */
function sprungAt(ambush: Ambush, bytes: Uint8Array): number | undefined {
  if (ambush.unit === 'bytes') {
    if (ambush.left < bytes.length) return ambush.left;
    ambush.left -= bytes.length;
    return undefined;
  }
  for (const [index, byte] of bytes.entries()) {
    if (ambush.left <= 0) return index;
    if (byte === LINE_FEED) ambush.left -= 1;
  }
  return undefined;
}
