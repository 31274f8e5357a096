/** The way between two addresses of the simulated network, and what can be wrong with it. */
import { changeManifest } from './changed-frame.ts';
import type { Connection, PlannedFault } from './simulated-stream.ts';
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
  #forgedPlace: number | undefined;
  /** By which of the connections made it is for. */
  readonly #planned = new Map<number, PlannedFault>();
  #connectionsMade = 0;
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

  /** Whether nothing is wrong, and nothing waits to go wrong. */
  get isWell(): boolean {
    if (this.#state !== 'up' || this.#planned.size > 0) return false;
    if (this.#ambush !== undefined || this.#forgedPlace !== undefined) return false;
    return [...this.#connections].every((connection) => connection.isWell);
  }

  /** A connection was made; the fault that is planned for it. */
  add(connection: Connection): PlannedFault | undefined {
    this.#connections.add(connection);
    this.#connectionsMade += 1;
    const planned = this.#planned.get(this.#connectionsMade);
    this.#planned.delete(this.#connectionsMade);
    return planned;
  }

  /** Of the connections that are still to be made the `nth`, from 1, will have the fault. */
  plan(nth: number, fault: PlannedFault): void {
    this.#planned.set(this.#connectionsMade + nth, fault);
  }

  note(what: string): void {
    this.#trace.record(`wire ${this.name}: ${what}`);
  }

  remove(connection: Connection): void {
    this.#connections.delete(connection);
  }

  /** Takes down every connection; new ones are possible at once. */
  cut(): void {
    this.note('cut');
    this.#dropAll();
  }

  #dropAll(): void {
    for (const connection of this.#connections) connection.lose('the network dropped it');
  }

  /** Nothing gets through, and both sides are told so. */
  takeDown(): void {
    this.#state = 'down';
    this.note('down');
    this.#dropAll();
  }

  /** Nothing gets through, and nobody is told. */
  stall(): void {
    this.#state = 'stalled';
    this.note('stalled');
  }

  /** One of the three. */
  fail(kind: 'down' | 'cut' | 'stall'): void {
    if (kind === 'down') this.takeDown();
    else if (kind === 'cut') this.cut();
    else this.stall();
  }

  /** All is well again; what a stall held back arrives. No ambush is left, and no plan. */
  heal(): void {
    this.#ambush = undefined;
    this.#forgedPlace = undefined;
    this.#planned.clear();
    const wasUp = this.#state === 'up';
    this.#state = 'up';
    if (!wasUp) this.note('healed');
    for (const connection of this.#connections) connection.release();
    if (wasUp) return;
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

  /** In the next page of a manifest that passes a byte is changed, and its frame's checksum with it. */
  forgeManifest(place: number): void {
    this.#forgedPlace = place;
  }

  #forge(bytes: Uint8Array): void {
    if (this.#forgedPlace === undefined || !changeManifest(bytes, this.#forgedPlace)) return;
    this.#forgedPlace = undefined;
    this.note('a byte of a manifest is changed, and the checksum fits');
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
    this.#forge(bytes);
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
        this.note('a byte is changed on the way');
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
