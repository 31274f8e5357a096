/**
 * Commands that move the medium or tell where it is: REWIND, SPACE, LOCATE, READ POSITION.
 * @source SSC-5
 */
import { pointerTo } from '../scsi/cdb.ts';
import {
  LOCATE_10,
  POSITION_FORM,
  READ_BLOCK_LIMITS,
  READ_POSITION,
  REWIND,
  SPACE_6,
  SPACE_CODE,
} from '../scsi/commands-sequential.ts';
import { buildBlockLimits, buildLongPosition, buildShortPosition } from '../scsi/position.ts';
import { SENSE } from '../scsi/sense.ts';
import type { Step } from '../tape/image-call.ts';
import type { TapeMedium } from '../tape/medium.ts';
import { GOOD, check, failed, invalidField, mediumCommand, unitCommand } from './command.ts';
import type { CommandRow, Outcome } from './command.ts';
import type { DriveUnit } from './unit.ts';

/** With IMMED, too, GOOD comes when it is done: it takes no time that a host would want to use. */
function* rewind(unit: DriveUnit, medium: TapeMedium): Step<Outcome> {
  const failure = yield* medium.rewind();
  return failure === undefined ? GOOD : failed(unit, failure);
}

function* spaceOver(
  unit: DriveUnit,
  medium: TapeMedium,
  over: 'blocks' | 'filemarks',
  count: number,
): Step<Outcome> {
  if (count === 0) return GOOD;
  const outcome = yield* medium.space(over, count);
  if ('kind' in outcome) return failed(unit, outcome, Math.abs(count));
  const information = outcome.residual;
  switch (outcome.stoppedBy) {
    case 'count':
      return GOOD;
    case 'filemark':
      return check({ ...SENSE.FILEMARK_DETECTED, information });
    case 'end-of-data':
      return check({ ...SENSE.END_OF_DATA_DETECTED, information });
    case 'beginning-of-partition':
      return check({ ...SENSE.BEGINNING_OF_PARTITION_MEDIUM_DETECTED, information });
  }
}

function* space(
  unit: DriveUnit,
  medium: TapeMedium,
  cdb: { readonly code: number; readonly count: number },
): Step<Outcome> {
  switch (cdb.code) {
    case SPACE_CODE.BLOCKS:
      return yield* spaceOver(unit, medium, 'blocks', cdb.count);
    case SPACE_CODE.FILEMARKS:
      return yield* spaceOver(unit, medium, 'filemarks', cdb.count);
    case SPACE_CODE.END_OF_DATA: {
      // The count is ignored.
      const failure = yield* medium.spaceToEndOfData();
      return failure === undefined ? GOOD : failed(unit, failure);
    }
    default:
      return invalidField(pointerTo(SPACE_6.fields.code));
  }
}

function* locate(
  unit: DriveUnit,
  medium: TapeMedium,
  cdb: {
    readonly cp: number;
    readonly partition: number;
    readonly logicalObjectIdentifier: number;
  },
): Step<Outcome> {
  const partition = cdb.cp === 1 ? cdb.partition : medium.partition;
  if (partition >= medium.cartridge.partitionCount) {
    return invalidField(pointerTo(LOCATE_10.fields.partition));
  }
  const outcome = yield* medium.locate(partition, cdb.logicalObjectIdentifier);
  if (outcome.kind !== 'located') return failed(unit, outcome);
  return outcome.reached ? GOOD : check(SENSE.END_OF_DATA_DETECTED);
}

function* readPosition(
  unit: DriveUnit,
  medium: TapeMedium,
  cdb: { readonly serviceAction: number; readonly allocationLength: number },
): Step<Outcome> {
  const { SHORT, SHORT_VENDOR, LONG } = POSITION_FORM;
  const form = cdb.serviceAction;
  if (form !== SHORT && form !== SHORT_VENDOR && form !== LONG) {
    return invalidField(pointerTo(READ_POSITION.fields.serviceAction));
  }
  // Only the extended form has an allocation length; the others have a length of their own.
  if (cdb.allocationLength !== 0) {
    return invalidField(pointerTo(READ_POSITION.fields.allocationLength));
  }
  const position = yield* medium.report();
  if (position.kind === 'unreadable') return failed(unit, position);
  const data = { ...position, beginningOfPartition: position.logicalObjectNumber === 0 };
  return { dataIn: form === LONG ? buildLongPosition(data) : buildShortPosition(data) };
}

function readBlockLimits(unit: DriveUnit): Outcome {
  const { blockLengthMin, blockLengthMax } = unit.model;
  return { dataIn: buildBlockLimits({ granularity: 0, blockLengthMin, blockLengthMax }) };
}

export const POSITIONING_COMMANDS: readonly CommandRow[] = [
  mediumCommand(REWIND, rewind),
  mediumCommand(SPACE_6, space),
  mediumCommand(LOCATE_10, locate),
  mediumCommand(READ_POSITION, readPosition),
  unitCommand(READ_BLOCK_LIMITS, readBlockLimits),
];
