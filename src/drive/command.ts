/** What a command of the device server is: a row of a family's table, and how one ends. */
import { assert } from '../base/assert.ts';
import { parseCdb } from '../scsi/cdb.ts';
import type { CdbFormat } from '../scsi/cdb.ts';
import { SENSE } from '../scsi/sense.ts';
import type { FieldPointer, Sense } from '../scsi/sense.ts';
import type { Step } from '../tape/image-call.ts';
import type { MediumFailure, TapeMedium } from '../tape/medium.ts';
import type { DriveUnit } from './unit.ts';

/** How a command ended: GOOD without sense, else CHECK CONDITION; data may come with either. */
export interface Outcome {
  readonly dataIn?: Uint8Array;
  readonly sense?: Sense;
  /** Bytes of the data-out that were taken; all where there is no sense, none where there is. */
  readonly takenBytes?: number;
}

export const GOOD: Outcome = {};

export const check = (sense: Sense): Outcome => ({ sense });

export const invalidField = (fieldPointer: FieldPointer): Outcome =>
  check({ ...SENSE.INVALID_FIELD_IN_CDB, fieldPointer });

/** Parameter data, cut to the room that the initiator allocated, which is no error. */
export const parameterData = (bytes: Uint8Array, allocationLength: number): Outcome => ({
  dataIn: bytes.subarray(0, allocationLength),
});

/** The most that INFORMATION of fixed format sense can say. */
const INFORMATION_MAX = 2 ** 31 - 1;

const NOTHING = new Uint8Array(0);

/** One command of the drive. Later rows of one opcode differ in their service action. */
export interface CommandRow {
  readonly format: CdbFormat;
  /** Without a loaded medium it ends with MEDIUM NOT PRESENT. */
  readonly needsMedium: boolean;
  run(unit: DriveUnit, cdb: Uint8Array, dataOut: Uint8Array | undefined): Step<Outcome>;
}

/** A command that is performed with or without a medium. */
export function unitCommand<Name extends string>(
  format: CdbFormat<Name>,
  handle: (
    unit: DriveUnit,
    cdb: Record<Name, number>,
    dataOut: Uint8Array,
  ) => Outcome | Step<Outcome>,
): CommandRow {
  return {
    format,
    needsMedium: false,
    *run(unit, cdb, dataOut = NOTHING) {
      const result = handle(unit, parseCdb(format, cdb), dataOut);
      return Symbol.iterator in result ? yield* result : result;
    },
  };
}

/** A command that is performed with a loaded medium only. */
export function mediumCommand<Name extends string>(
  format: CdbFormat<Name>,
  handle: (
    unit: DriveUnit,
    medium: TapeMedium,
    cdb: Record<Name, number>,
    dataOut: Uint8Array,
  ) => Outcome | Step<Outcome>,
): CommandRow {
  return {
    format,
    needsMedium: true,
    *run(unit, cdb, dataOut = NOTHING) {
      const { medium } = unit;
      assert(medium !== undefined && unit.loaded, 'the drive looked for a medium before');
      const result = handle(unit, medium, parseCdb(format, cdb), dataOut);
      return Symbol.iterator in result ? yield* result : result;
    },
  };
}

/**
 * The sense of a medium that failed. What was acknowledged before and is lost comes deferred, with
 * the number of objects lost; `information` is the residual of a command that failed by itself.
 */
export function failed(unit: DriveUnit, failure: MediumFailure, information?: number): Outcome {
  unit.lastFailure = failure.cause;
  const residual = information === undefined ? {} : { information };
  if (failure.kind === 'unreadable') return check({ ...SENSE.UNRECOVERED_READ_ERROR, ...residual });
  if (failure.acknowledgedCount === 0) return check({ ...SENSE.WRITE_ERROR, ...residual });
  const lost = Math.min(failure.acknowledgedCount, INFORMATION_MAX);
  return check({ ...SENSE.WRITE_ERROR, deferred: true, information: lost });
}
