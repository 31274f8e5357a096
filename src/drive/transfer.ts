/** Commands that move data and marks: READ, WRITE, WRITE FILEMARKS, ERASE. @source SSC-5 */
import { concatBytes } from '../base/bytes.ts';
import { MIB } from '../base/units.ts';
import { pointerTo } from '../scsi/cdb.ts';
import { ERASE_6, READ_6, WRITE_6, WRITE_FILEMARKS_6 } from '../scsi/commands-sequential.ts';
import { SENSE } from '../scsi/sense.ts';
import type { Step } from '../tape/image-call.ts';
import type { TapeMedium, WriteOutcome } from '../tape/medium.ts';
import { GOOD, check, failed, invalidField, mediumCommand } from './command.ts';
import type { CommandRow, Outcome } from './command.ts';
import type { DriveUnit } from './unit.ts';

/** Most bytes and most blocks that one command moves. */
const TRANSFER_BYTES_MAX = 64 * MIB;
const TRANSFER_BLOCKS_MAX = 65_536;

/**
 * One block of any length. Residuals are bytes: requested less actual, negative where it is longer.
 */
function* readVariable(
  unit: DriveUnit,
  medium: TapeMedium,
  requestedBytes: number,
  sili: boolean,
): Step<Outcome> {
  const object = yield* medium.read();
  switch (object.kind) {
    case 'block': {
      const dataIn = object.data.subarray(0, requestedBytes);
      unit.bytesRead += dataIn.length;
      const information = requestedBytes - object.data.length;
      // With SILI a short block is no error, nor is a long one unless a block length is set.
      const wanted = information >= 0 || unit.mode.blockLength === 0;
      if (information === 0 || (sili && wanted)) return { dataIn };
      return { dataIn, sense: { ...SENSE.INCORRECT_LENGTH, information } };
    }
    case 'filemark':
      return check({ ...SENSE.FILEMARK_DETECTED, information: requestedBytes });
    case 'end-of-data':
      return check({ ...SENSE.END_OF_DATA_DETECTED, information: requestedBytes });
    default:
      return failed(unit, object, requestedBytes);
  }
}

/**
 * Blocks of the length set by MODE SELECT. Residuals are blocks; a block of another length is none.
 */
function* readFixed(unit: DriveUnit, medium: TapeMedium, count: number): Step<Outcome> {
  const { blockLength } = unit.mode;
  const blocks: Uint8Array[] = [];
  const ended = (outcome: Outcome): Outcome => {
    const dataIn = joinBlocks(blocks);
    unit.bytesRead += dataIn.length;
    return { ...outcome, dataIn };
  };
  while (blocks.length < count) {
    const information = count - blocks.length;
    const object = yield* medium.read();
    switch (object.kind) {
      case 'block':
        if (object.data.length !== blockLength) {
          return ended(check({ ...SENSE.INCORRECT_LENGTH, information }));
        }
        blocks.push(object.data);
        break;
      case 'filemark':
        return ended(check({ ...SENSE.FILEMARK_DETECTED, information }));
      case 'end-of-data':
        return ended(check({ ...SENSE.END_OF_DATA_DETECTED, information }));
      default:
        return ended(failed(unit, object, information));
    }
  }
  return ended(GOOD);
}

/** The blocks in one piece; without a copy where they lie in one batch, one after another. */
function joinBlocks(blocks: readonly Uint8Array[]): Uint8Array {
  const first = blocks[0];
  const last = blocks.at(-1);
  if (first === undefined || last === undefined) return new Uint8Array(0);
  const bytes = blocks.reduce((sum, block) => sum + block.length, 0);
  const adjacent =
    first.buffer === last.buffer && last.byteOffset + last.length === first.byteOffset + bytes;
  return adjacent ? new Uint8Array(first.buffer, first.byteOffset, bytes) : concatBytes(blocks);
}

/** FIXED needs a block length, and a transfer has its limits. */
function fixedFault(
  unit: DriveUnit,
  format: typeof READ_6 | typeof WRITE_6,
  count: number,
): Outcome | undefined {
  if (unit.mode.blockLength === 0) return invalidField(pointerTo(format.fields.fixed));
  if (count > TRANSFER_BLOCKS_MAX || count * unit.mode.blockLength > TRANSFER_BYTES_MAX) {
    return invalidField(pointerTo(format.fields.transferLength));
  }
  return undefined;
}

function* read(
  unit: DriveUnit,
  medium: TapeMedium,
  cdb: { readonly fixed: number; readonly sili: number; readonly transferLength: number },
): Step<Outcome> {
  if (cdb.fixed === 1) {
    if (cdb.sili === 1) return invalidField(pointerTo(READ_6.fields.sili));
    const fault = fixedFault(unit, READ_6, cdb.transferLength);
    if (fault !== undefined) return fault;
  }
  if (cdb.transferLength === 0) return GOOD;
  return cdb.fixed === 1
    ? yield* readFixed(unit, medium, cdb.transferLength)
    : yield* readVariable(unit, medium, cdb.transferLength, cdb.sili === 1);
}

function* write(
  unit: DriveUnit,
  medium: TapeMedium,
  cdb: { readonly fixed: number; readonly transferLength: number },
  dataOut: Uint8Array,
): Step<Outcome> {
  if (medium.cartridge.writeProtected) return check(SENSE.WRITE_PROTECTED);
  const fixed = cdb.fixed === 1;
  const fault = fixed ? fixedFault(unit, WRITE_6, cdb.transferLength) : undefined;
  if (fault !== undefined) return fault;
  if (!fixed && cdb.transferLength > unit.model.blockLengthMax) {
    return invalidField(pointerTo(WRITE_6.fields.transferLength));
  }
  if (cdb.transferLength === 0) return GOOD;

  const blockLength = fixed ? unit.mode.blockLength : cdb.transferLength;
  const count = fixed ? cdb.transferLength : 1;
  const bytes = count * blockLength;
  if (dataOut.length < bytes) return check(SENSE.DATA_PHASE_ERROR);

  const run = { count, blockLength, data: dataOut.subarray(0, bytes) };
  const outcome = yield* medium.write(run, unit.mode.bufferedMode !== 0);
  const takenBytes = outcome.writtenCount * blockLength;
  unit.bytesWritten += takenBytes;
  const missing = count - outcome.writtenCount;
  const information = fixed ? missing : missing * blockLength;
  return { ...written(unit, outcome, information), takenBytes };
}

/**
 * How a command that wrote ends. Past early warning it says so, each time, though all was written.
 */
function written(unit: DriveUnit, outcome: WriteOutcome, information: number): Outcome {
  if (outcome.failure !== undefined) return failed(unit, outcome.failure, information);
  switch (outcome.zone) {
    case 'end':
      return check({ ...SENSE.VOLUME_OVERFLOW, information });
    case 'early-warning':
      return check({ ...SENSE.END_OF_PARTITION_MEDIUM_DETECTED, information });
    case 'normal':
      return GOOD;
  }
}

function* writeFilemarks(
  unit: DriveUnit,
  medium: TapeMedium,
  cdb: { readonly immed: number; readonly filemarkCount: number },
): Step<Outcome> {
  const count = cdb.filemarkCount;
  if (count === 0) {
    // Applications rely on it: no filemarks means that the buffer is written to the medium.
    const failure = cdb.immed === 1 ? undefined : yield* medium.synchronize();
    return failure === undefined ? GOOD : failed(unit, failure, 0);
  }
  if (medium.cartridge.writeProtected) return check(SENSE.WRITE_PROTECTED);
  const run = { count, blockLength: 0, data: new Uint8Array(0) };
  const outcome = yield* medium.write(run, cdb.immed === 1);
  return written(unit, outcome, count - outcome.writtenCount);
}

/** Long or short, what is behind the position is gone: a virtual tape has no gaps to erase. */
function* erase(unit: DriveUnit, medium: TapeMedium): Step<Outcome> {
  if (medium.cartridge.writeProtected) return check(SENSE.WRITE_PROTECTED);
  const failure = yield* medium.truncate();
  return failure === undefined ? GOOD : failed(unit, failure);
}

export const TRANSFER_COMMANDS: readonly CommandRow[] = [
  mediumCommand(READ_6, read),
  mediumCommand(WRITE_6, write),
  mediumCommand(WRITE_FILEMARKS_6, writeFilemarks),
  mediumCommand(ERASE_6, erase),
];
