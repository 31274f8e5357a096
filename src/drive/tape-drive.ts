/**
 * The device server of a tape drive: one logical unit, one initiator, one command after another.
 *
 * It is pure: where it needs the tape image it yields (see tape/image-call.ts). The order in which
 * a command is looked at: unit attention, operation code, fields, medium, then what the command
 * does.
 */
import { assert } from '../base/assert.ts';
import type { CapstanError } from '../base/errors.ts';
import type { ScsiCommand, ScsiResult } from '../ports/scsi-transport.ts';
import { undeclaredBit } from '../scsi/cdb.ts';
import { INQUIRY, REPORT_LUNS, REQUEST_SENSE } from '../scsi/commands-primary.ts';
import type { DeviceIdentity } from '../scsi/inquiry.ts';
import { SENSE, buildSense } from '../scsi/sense.ts';
import { STATUS } from '../scsi/status.ts';
import type { Step } from '../tape/image-call.ts';
import { PARTITION_COUNT_MAX } from '../tape/image-call.ts';
import { TapeMedium } from '../tape/medium.ts';
import type { Cartridge, WriteFailure } from '../tape/medium.ts';
import { check, invalidField } from './command.ts';
import type { CommandRow, Outcome } from './command.ts';
import { LOADING_COMMANDS } from './loading.ts';
import { MODE_COMMANDS } from './mode.ts';
import type { DriveModel } from './model.ts';
import { POSITIONING_COMMANDS } from './positioning.ts';
import { PRIMARY_COMMANDS } from './primary.ts';
import { TRANSFER_COMMANDS } from './transfer.ts';
import { initialMode } from './unit.ts';
import type { DriveUnit } from './unit.ts';

const COMMANDS: ReadonlyMap<number, CommandRow> = new Map(
  [
    ...PRIMARY_COMMANDS,
    ...TRANSFER_COMMANDS,
    ...POSITIONING_COMMANDS,
    ...LOADING_COMMANDS,
    ...MODE_COMMANDS,
  ].map((row) => [row.format.opcode, row]),
);

/** Performed although a unit attention waits. @source SAM-5 5.14 */
const PAST_UNIT_ATTENTION: ReadonlySet<number> = new Set([
  INQUIRY.opcode,
  REPORT_LUNS.opcode,
  REQUEST_SENSE.opcode,
]);

/** Early warning comes at the latest when this part of a partition is left. */
const EARLY_WARNING_FRACTION_MAX = 1 / 8;

const NOTHING = new Uint8Array(0);

export interface TapeDriveOptions {
  readonly model: DriveModel;
  readonly serialNumber: string;
  /** Instead of the model's own. */
  readonly vendor?: string;
  readonly product?: string;
  readonly revision?: string;
}

/**
 * The cartridge to load; early warning lies as the model has it where `earlyWarningBytes` is
 * missing.
 */
export type CartridgeToLoad = Omit<Cartridge, 'earlyWarningBytes'> &
  Partial<Pick<Cartridge, 'earlyWarningBytes'>>;

/** For displays and for the server that mounts. */
export interface DriveState {
  /** The volume in the drive, loaded or unloaded. */
  readonly volume: string | undefined;
  readonly loaded: boolean;
  readonly writeProtected: boolean;
  /** Whether the image was changed since the load, or may have been. */
  readonly modified: boolean;
  readonly partition: number;
  readonly logicalObjectNumber: number;
  /** Of blocks, since the load. */
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Objects acknowledged and not yet in the image. */
  readonly bufferedCount: number;
  /** Why the last 3/0C/00 or 3/11/00 since the load was given. */
  readonly lastFailure: CapstanError | undefined;
}

export class TapeDrive {
  readonly #unit: DriveUnit;

  constructor(options: TapeDriveOptions) {
    const { model, serialNumber } = options;
    const identity: DeviceIdentity = {
      vendor: options.vendor ?? model.vendor,
      product: options.product ?? model.product,
      revision: options.revision ?? model.revision,
      serialNumber,
    };
    this.#unit = {
      model,
      identity,
      mode: initialMode(model),
      medium: undefined,
      loaded: false,
      unloadRequested: false,
      removalPrevented: false,
      pendingSense: [SENSE.POWER_ON],
      bytesRead: 0,
      bytesWritten: 0,
      lastFailure: undefined,
    };
  }

  /** Puts a cartridge in and threads it, at its beginning. The drive is empty before. */
  load(cartridge: CartridgeToLoad): void {
    const unit = this.#unit;
    assert(unit.medium === undefined, 'a drive holds one cartridge');
    assert(
      cartridge.partitionCount >= 1 && cartridge.partitionCount <= PARTITION_COUNT_MAX,
      'a cartridge has 1 to PARTITION_COUNT_MAX partitions',
    );
    const partitionBytes = cartridge.capacityBytes / cartridge.partitionCount;
    const earlyWarningBytes = Math.min(
      cartridge.earlyWarningBytes ?? unit.model.earlyWarningBytes,
      Math.floor(partitionBytes * EARLY_WARNING_FRACTION_MAX),
    );
    unit.medium = new TapeMedium({ ...cartridge, earlyWarningBytes });
    unit.loaded = true;
    unit.bytesRead = 0;
    unit.bytesWritten = 0;
    unit.lastFailure = undefined;
    unit.pendingSense.push(SENSE.NOT_READY_TO_READY_CHANGE);
  }

  /**
   * Whether the host has unloaded the cartridge, durably: the server then takes it out
   * with {@link eject}.
   */
  get unloadRequested(): boolean {
    return this.#unit.unloadRequested;
  }

  get state(): DriveState {
    const { medium, loaded, bytesRead, bytesWritten, lastFailure } = this.#unit;
    return {
      volume: medium?.cartridge.volume,
      loaded,
      writeProtected: medium?.cartridge.writeProtected ?? false,
      modified: medium?.modified ?? false,
      partition: medium?.partition ?? 0,
      logicalObjectNumber: medium?.position ?? 0,
      bytesRead,
      bytesWritten,
      bufferedCount: medium?.bufferedCount ?? 0,
      lastFailure,
    };
  }

  /**
   * Makes all that was acknowledged durable: before {@link eject} where the server ends the mount
   * by itself. A failure names what was lost; the cartridge can be taken out then, too.
   */
  *synchronize(): Step<WriteFailure | undefined> {
    const { medium } = this.#unit;
    return medium === undefined ? undefined : yield* medium.synchronize();
  }

  /** Takes the cartridge out. Nothing is in the buffer: it was unloaded, or synchronized. */
  eject(): void {
    assert((this.#unit.medium?.bufferedCount ?? 0) === 0, 'an ejected cartridge has all its data');
    this.removeMedium();
  }

  /**
   * Takes the cartridge out as it is, after its image has failed. What was in the buffer is lost,
   * and the host learns how much by a deferred error.
   */
  removeMedium(): void {
    const unit = this.#unit;
    const lostCount = unit.medium?.bufferedCount ?? 0;
    unit.medium = undefined;
    unit.loaded = false;
    unit.unloadRequested = false;
    unit.removalPrevented = false;
    // What waited was about this cartridge, but for the power on.
    const kept = unit.pendingSense.filter((sense) => sense !== SENSE.NOT_READY_TO_READY_CHANGE);
    unit.pendingSense.splice(0, unit.pendingSense.length, ...kept);
    if (lostCount > 0) {
      unit.pendingSense.push({ ...SENSE.WRITE_ERROR, deferred: true, information: lostCount });
    }
  }

  /**
   * Performs one command. Its CapstanErrors become sense; the step ends with a result in any case.
   */
  *execute(command: ScsiCommand): Step<ScsiResult> {
    const outcome = yield* this.#perform(command);
    const dataIn = (outcome.dataIn ?? NOTHING).subarray(0, command.dataInLength);
    const dataOutLength = command.dataOut?.length ?? 0;
    const taken = outcome.takenBytes ?? (outcome.sense === undefined ? dataOutLength : 0);
    return {
      status: outcome.sense === undefined ? STATUS.GOOD : STATUS.CHECK_CONDITION,
      sense: outcome.sense === undefined ? NOTHING : buildSense(outcome.sense),
      dataIn,
      residual: dataOutLength > 0 ? dataOutLength - taken : command.dataInLength - dataIn.length,
    };
  }

  *#perform({ cdb, dataOut }: ScsiCommand): Step<Outcome> {
    const unit = this.#unit;
    const opcode = cdb[0] ?? 0;
    const pending = PAST_UNIT_ATTENTION.has(opcode) ? undefined : unit.pendingSense.shift();
    if (pending !== undefined) return check(pending);
    const row = COMMANDS.get(opcode);
    if (row === undefined) return check(SENSE.INVALID_COMMAND_OPERATION_CODE);
    const undeclared = undeclaredBit(row.format, cdb);
    if (undeclared !== undefined) return invalidField(undeclared);
    if (row.needsMedium && !unit.loaded) return check(SENSE.MEDIUM_NOT_PRESENT);
    return yield* row.run(unit, cdb, dataOut);
  }
}
