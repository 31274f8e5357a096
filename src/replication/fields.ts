/** How fields are written into a payload one behind another, and read out of it. */
import { decodeAscii, readUint, writeUint } from '../base/bytes.ts';
import { generation } from '../base/units.ts';
import type { TapeVersion } from '../ports/copy-receiver.ts';
import { DIGEST_BYTES } from '../ports/engine.ts';
import { FRAME_HEADER_BYTES, violation } from './frame.ts';
import type { Frame, FrameKind } from './frame.ts';

/** Writes a payload's fields one behind another. */
export class FieldWriter {
  readonly #frame: Uint8Array;
  #offset = FRAME_HEADER_BYTES;

  constructor(frame: Uint8Array) {
    this.#frame = frame;
  }

  uint(width: number, value: number): this {
    writeUint(this.#frame, this.#offset, width, value);
    this.#offset += width;
    return this;
  }

  bytes(bytes: Uint8Array): this {
    this.#frame.set(bytes, this.#offset);
    this.#offset += bytes.length;
    return this;
  }

  characters(text: string): this {
    for (let index = 0; index < text.length; index += 1) this.uint(1, text.charCodeAt(index));
    return this;
  }

  text(text: string): this {
    return this.uint(1, text.length).characters(text);
  }

  version(version: TapeVersion): this {
    return this.uint(8, version.generation).bytes(version.manifestDigest);
  }
}

/** Reads a payload's fields one behind another; PROTOCOL_VIOLATION where they do not fit it. */
export class FieldReader {
  readonly #peer: string;
  readonly #kind: FrameKind;
  readonly #payload: Uint8Array;
  #offset = 0;

  constructor(peer: string, frame: Frame) {
    this.#peer = peer;
    this.#kind = frame.kind;
    this.#payload = frame.payload;
  }

  fail(what: string): never {
    throw violation(this.#peer, `a ${this.#kind} frame ${what}`);
  }

  bytes(count: number): Uint8Array {
    if (count > this.#payload.length - this.#offset) this.fail('is too short for its fields');
    this.#offset += count;
    return this.#payload.subarray(this.#offset - count, this.#offset);
  }

  rest(): Uint8Array {
    return this.bytes(this.#payload.length - this.#offset);
  }

  uint(width: number): number {
    const value = readUint(this.bytes(width), 0, width);
    return Number.isSafeInteger(value) ? value : this.fail('has a number above 2^53 - 1');
  }

  text(): string {
    return decodeAscii(this.bytes(this.uint(1)));
  }

  version(): TapeVersion {
    return { generation: generation(this.uint(8)), manifestDigest: this.bytes(DIGEST_BYTES) };
  }

  /** A count of at most `max`. */
  count(max: number): number {
    const count = this.uint(2);
    return count <= max ? count : this.fail(`has ${count} entries, over ${max}`);
  }

  get atEnd(): boolean {
    return this.#offset === this.#payload.length;
  }

  choice<Value>(values: readonly Value[]): Value {
    return values[this.uint(1)] ?? this.fail('has a code that version 3 does not know');
  }

  end(): void {
    if (this.#offset < this.#payload.length) this.fail('has bytes behind its fields');
  }
}
