/**
 * Frames of the inter-system communication: a header in JSON, and bytes behind it that are no text.
 *
 *   u32  length of the header   | big-endian
 *   u32  length of the data     |
 *   header                        JSON in ASCII: what is not is escaped
 *   data                          blocks of a tape, mostly none
 *
 * Limits: HEADER_BYTES_MAX and DATA_BYTES_MAX, looked at before memory is taken.
 */
import { concatBytes, decodeAscii, encodeAscii, readUint, writeUint } from '../base/bytes.ts';
import { toAsciiJson } from '../base/encodings.ts';
import { CapstanError } from '../base/errors.ts';
import { MIB } from '../base/units.ts';

/** Largest header, bytes. */
export const HEADER_BYTES_MAX = 4 * MIB;
/** Most data of a frame, bytes: a batch of a drive, whose blocks have 16 MiB at most. */
export const DATA_BYTES_MAX = 64 * MIB;
const PREFIX_BYTES = 8;

export interface IscFrame {
  readonly header: unknown;
  readonly data: Uint8Array;
}

/** Throws LIMIT_EXCEEDED. */
export function encodeFrame(header: unknown, data: Uint8Array): Uint8Array {
  const text = encodeAscii(toAsciiJson(header));
  checkLimit('The header of an ISC frame', text.length, HEADER_BYTES_MAX);
  checkLimit('The data of an ISC frame', data.length, DATA_BYTES_MAX);
  const prefix = new Uint8Array(PREFIX_BYTES);
  writeUint(prefix, 0, 4, text.length);
  writeUint(prefix, 4, 4, data.length);
  return concatBytes([prefix, text, data]);
}

function checkLimit(what: string, bytes: number, limit: number): void {
  if (bytes <= limit) return;
  throw new CapstanError('LIMIT_EXCEEDED', { what, value: `${bytes} bytes`, limit });
}

/** Bytes in, frames out. Throws LIMIT_EXCEEDED, and INVALID_ARGUMENT for a header that is no JSON. */
export class IscFrameDecoder {
  #parts: Uint8Array[] = [];
  #length = 0;

  push(bytes: Uint8Array): readonly IscFrame[] {
    this.#parts.push(bytes);
    this.#length += bytes.length;
    const frames: IscFrame[] = [];
    while (this.#length >= PREFIX_BYTES) {
      const [first = bytes] = this.#parts;
      const prefix = first.length >= PREFIX_BYTES ? first : this.#whole();
      const headerBytes = readUint(prefix, 0, 4);
      const dataBytes = readUint(prefix, 4, 4);
      checkLimit('The header of an ISC frame', headerBytes, HEADER_BYTES_MAX);
      checkLimit('The data of an ISC frame', dataBytes, DATA_BYTES_MAX);
      const end = PREFIX_BYTES + headerBytes + dataBytes;
      if (this.#length < end) break;
      const whole = this.#whole();
      this.#parts = [whole.subarray(end)];
      this.#length -= end;
      const text = decodeAscii(whole.subarray(PREFIX_BYTES, PREFIX_BYTES + headerBytes));
      const data = whole.subarray(PREFIX_BYTES + headerBytes, end);
      frames.push({ header: parse(text), data });
    }
    return frames;
  }

  #whole(): Uint8Array {
    const [first] = this.#parts;
    const whole =
      this.#parts.length === 1 && first !== undefined ? first : concatBytes(this.#parts);
    this.#parts = [whole];
    return whole;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    const fields = { what: 'The header of an ISC frame', reason: 'it is no JSON' };
    throw new CapstanError('INVALID_ARGUMENT', fields, { cause });
  }
}
