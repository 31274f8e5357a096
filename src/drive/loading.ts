/** Commands about the cartridge: LOAD UNLOAD, PREVENT ALLOW MEDIUM REMOVAL. @source SSC-5, SPC-5 */
import { pointerTo } from '../scsi/cdb.ts';
import { PREVENT_ALLOW_MEDIUM_REMOVAL } from '../scsi/commands-primary.ts';
import { LOAD_UNLOAD } from '../scsi/commands-sequential.ts';
import { SENSE } from '../scsi/sense.ts';
import type { Step } from '../tape/image-call.ts';
import { GOOD, check, failed, invalidField, unitCommand } from './command.ts';
import type { CommandRow, Outcome } from './command.ts';
import type { DriveUnit } from './unit.ts';

/**
 * LOAD threads a cartridge that is in the drive, UNLOAD rewinds and gives it back; with HOLD it
 * stays in the drive. All that was acknowledged is durable before GOOD.
 */
function* loadUnload(
  unit: DriveUnit,
  cdb: { readonly load: number; readonly eot: number; readonly hold: number },
): Step<Outcome> {
  if (cdb.load === 1 && cdb.eot === 1) return invalidField(pointerTo(LOAD_UNLOAD.fields.eot));
  if (unit.medium === undefined) return check(SENSE.MEDIUM_NOT_PRESENT);
  if (cdb.load === 0 && unit.removalPrevented) return check(SENSE.MEDIUM_REMOVAL_PREVENTED);
  const failure = yield* unit.medium.rewind();
  if (failure !== undefined) return failed(unit, failure);
  unit.loaded = cdb.load === 1;
  unit.unloadRequested = cdb.load === 0 && cdb.hold === 0;
  return GOOD;
}

function preventAllow(unit: DriveUnit, cdb: { readonly prevent: number }): Outcome {
  // 2 and 3 once meant a persistent prevention; no standard has them now.
  if (cdb.prevent > 1) return invalidField(pointerTo(PREVENT_ALLOW_MEDIUM_REMOVAL.fields.prevent));
  unit.removalPrevented = cdb.prevent === 1;
  return GOOD;
}

export const LOADING_COMMANDS: readonly CommandRow[] = [
  unitCommand(LOAD_UNLOAD, loadUnload),
  unitCommand(PREVENT_ALLOW_MEDIUM_REMOVAL, preventAllow),
];
