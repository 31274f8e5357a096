/**
 * Command descriptor blocks (CDB): one format a command, from which both sides speak. The initiator
 * builds with it, the device server parses with it and refuses every bit that it does not declare.
 */
import { assert } from '../base/assert.ts';
import { readUint, toSigned, toUnsigned, writeUint } from '../base/bytes.ts';
import type { FieldPointer } from './sense.ts';

/**
 * A field: `bits` wide, its most significant bit is bit `msb` of `byte`. Wide ones fill whole
 * bytes.
 */
export interface CdbField {
  readonly byte: number;
  readonly msb: number;
  readonly bits: number;
  readonly signed?: true;
}

export interface CdbFormat<Name extends string = string> {
  readonly name: string;
  readonly opcode: number;
  /** Bytes of the CDB. */
  readonly length: 6 | 10 | 12 | 16;
  readonly fields: Readonly<Record<Name, CdbField>>;
}

/** The field of one bit. */
export const flag = (byte: number, bit: number): CdbField => ({ byte, msb: bit, bits: 1 });
/** The field of `bits` bits within one byte. */
export const bitField = (byte: number, msb: number, bits: number): CdbField => ({
  byte,
  msb,
  bits,
});
/** The field of `width` whole bytes. */
export const bytesField = (byte: number, width: number): CdbField => ({
  byte,
  msb: 7,
  bits: width * 8,
});
/** The field of `width` whole bytes in two's complement. */
export const signedField = (byte: number, width: number): CdbField => ({
  ...bytesField(byte, width),
  signed: true,
});

const isWide = (field: CdbField): boolean => field.bits > 8;

/**
 * Builds the CDB; fields that are not named are 0. A value that does not fit is the caller's error.
 */
export function buildCdb<Name extends string>(
  format: CdbFormat<Name>,
  values: Partial<Record<Name, number>> = {},
): Uint8Array {
  const cdb = new Uint8Array(format.length);
  cdb[0] = format.opcode;
  for (const [name, value] of Object.entries(values) as [Name, number][]) {
    const field = format.fields[name];
    const raw = field.signed ? toUnsigned(value, field.bits) : value;
    assert(
      Number.isInteger(raw) && raw >= 0 && raw < 2 ** field.bits,
      `${name} of ${format.name} fits into ${field.bits} bits`,
    );
    if (isWide(field)) writeUint(cdb, field.byte, field.bits / 8, raw);
    else cdb[field.byte] = (cdb[field.byte] ?? 0) | (raw << (field.msb - field.bits + 1));
  }
  return cdb;
}

/** The bits that each byte of the CDB may have set. */
function declaredBits(format: CdbFormat): Uint8Array {
  const mask = new Uint8Array(format.length);
  mask[0] = 0xff;
  for (const field of Object.values(format.fields)) {
    if (isWide(field)) mask.fill(0xff, field.byte, field.byte + field.bits / 8);
    else {
      const bits = (2 ** field.bits - 1) << (field.msb - field.bits + 1);
      mask[field.byte] = (mask[field.byte] ?? 0) | bits;
    }
  }
  return mask;
}

const masks = new WeakMap<CdbFormat, Uint8Array>();

/**
 * The first bit that is set and not declared, or undefined. A CDB cut short is at fault where it
 * ends.
 */
export function undeclaredBit(format: CdbFormat, cdb: Uint8Array): FieldPointer | undefined {
  let mask = masks.get(format);
  if (mask === undefined) masks.set(format, (mask = declaredBits(format)));
  if (cdb.length < format.length) return { inCdb: true, byte: cdb.length };
  for (let byte = 0; byte < format.length; byte += 1) {
    const undeclared = (cdb[byte] ?? 0) & ~(mask[byte] ?? 0) & 0xff;
    if (undeclared !== 0) return { inCdb: true, byte, bit: 31 - Math.clz32(undeclared) };
  }
  return undefined;
}

/** The fields' values; the CDB has the format's length at least. */
export function parseCdb<Name extends string>(
  format: CdbFormat<Name>,
  cdb: Uint8Array,
): Record<Name, number> {
  const values: Partial<Record<Name, number>> = {};
  for (const [name, field] of Object.entries<CdbField>(format.fields) as [Name, CdbField][]) {
    const raw = isWide(field)
      ? readUint(cdb, field.byte, field.bits / 8)
      : ((cdb[field.byte] ?? 0) >> (field.msb - field.bits + 1)) & (2 ** field.bits - 1);
    values[name] = field.signed ? toSigned(raw, field.bits) : raw;
  }
  return values as Record<Name, number>;
}

/** Where a field begins, for INVALID FIELD IN CDB. */
export function pointerTo(field: CdbField): FieldPointer {
  return { inCdb: true, byte: field.byte, bit: field.msb };
}
