/** Branded numbers, so that a block number cannot be taken for a size, and units by name. */

declare const brand: unique symbol;
type Branded<Value, Name extends string> = Value & { readonly [brand]: Name };

/** SSC's LOGICAL OBJECT NUMBER: blocks and filemarks counted from 0 at the beginning of a partition. */
export type LogicalObjectNumber = Branded<number, 'LogicalObjectNumber'>;

/** A tape's version: 0 for a tape never written, one more for each ring mount that changed it. */
export type Generation = Branded<number, 'Generation'>;

export const logicalObjectNumber = (value: number): LogicalObjectNumber =>
  value as LogicalObjectNumber;
export const generation = (value: number): Generation => value as Generation;

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

export const SECOND_MS = 1000;
export const MINUTE_MS = 60 * SECOND_MS;
