/**
 * Commands that every device has: INQUIRY, REQUEST SENSE, TEST UNIT READY, REPORT LUNS, RESERVE,
 * RELEASE.
 * @source SPC-5 (RESERVE, RELEASE: SPC-2)
 */
import { writeUint } from '../base/bytes.ts';
import { pointerTo } from '../scsi/cdb.ts';
import {
  INQUIRY,
  RELEASE_6,
  REPORT_LUNS,
  REQUEST_SENSE,
  RESERVE_6,
  TEST_UNIT_READY,
} from '../scsi/commands-primary.ts';
import { buildStandardInquiry, buildVpdPage } from '../scsi/inquiry.ts';
import { SENSE, buildDescriptorSense, buildSense } from '../scsi/sense.ts';
import type { Sense } from '../scsi/sense.ts';
import { GOOD, invalidField, mediumCommand, parameterData, unitCommand } from './command.ts';
import type { CommandRow, Outcome } from './command.ts';
import type { DriveUnit } from './unit.ts';

const SEQUENTIAL_ACCESS_DEVICE = 0x01;

function inquiry(
  unit: DriveUnit,
  cdb: { readonly evpd: number; readonly pageCode: number; readonly allocationLength: number },
): Outcome {
  const pageFault = invalidField(pointerTo(INQUIRY.fields.pageCode));
  if (cdb.evpd === 0) {
    if (cdb.pageCode !== 0) return pageFault;
    const data = { ...unit.identity, deviceType: SEQUENTIAL_ACCESS_DEVICE, removable: true };
    return parameterData(buildStandardInquiry(data), cdb.allocationLength);
  }
  const page = buildVpdPage(cdb.pageCode, SEQUENTIAL_ACCESS_DEVICE, unit.identity);
  return page === undefined ? pageFault : parameterData(page, cdb.allocationLength);
}

/** Sense as data, with GOOD: what waits for a command, else whether the unit is ready. */
function requestSense(
  unit: DriveUnit,
  cdb: { readonly desc: number; readonly allocationLength: number },
): Outcome {
  const idle: Sense = unit.loaded
    ? SENSE.NO_ADDITIONAL_SENSE_INFORMATION
    : SENSE.MEDIUM_NOT_PRESENT;
  const sense = unit.pendingSense.shift() ?? idle;
  const bytes = cdb.desc === 1 ? buildDescriptorSense(sense) : buildSense(sense);
  return parameterData(bytes, cdb.allocationLength);
}

const SELECT_WELL_KNOWN = 1;
const SELECT_ALL = 2;

/** The drive is LUN 0 and the only one. */
function reportLuns(
  _unit: DriveUnit,
  cdb: { readonly selectReport: number; readonly allocationLength: number },
): Outcome {
  if (cdb.selectReport > SELECT_ALL)
    return invalidField(pointerTo(REPORT_LUNS.fields.selectReport));
  const lists = cdb.selectReport !== SELECT_WELL_KNOWN;
  const bytes = new Uint8Array(8 + (lists ? 8 : 0));
  writeUint(bytes, 0, 4, bytes.length - 8);
  return parameterData(bytes, cdb.allocationLength);
}

export const PRIMARY_COMMANDS: readonly CommandRow[] = [
  mediumCommand(TEST_UNIT_READY, () => GOOD),
  unitCommand(REQUEST_SENSE, requestSense),
  unitCommand(INQUIRY, inquiry),
  unitCommand(REPORT_LUNS, reportLuns),
  // One initiator has the drive: nobody is there to be kept out.
  unitCommand(RESERVE_6, () => GOOD),
  unitCommand(RELEASE_6, () => GOOD),
];
