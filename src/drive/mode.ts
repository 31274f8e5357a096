/** MODE SENSE and MODE SELECT, (6) and (10). @source SPC-5 6.13 to 6.16, SSC-5 8.5 */
import { pointerTo } from '../scsi/cdb.ts';
import {
  MODE_SELECT_10,
  MODE_SELECT_6,
  MODE_SENSE_10,
  MODE_SENSE_6,
} from '../scsi/commands-primary.ts';
import { MODE_PAGE, PAGE_CONTROL, buildModeParameters, parseModeParameters } from '../scsi/mode.ts';
import type { ModeForm, ParsedModeParameters, ParsedPage } from '../scsi/mode.ts';
import { SENSE } from '../scsi/sense.ts';
import type { FieldPointer } from '../scsi/sense.ts';
import { GOOD, check, invalidField, parameterData, unitCommand } from './command.ts';
import type { CommandRow, Outcome } from './command.ts';
import type { ModePageModel } from './model.ts';
import type { DriveUnit } from './unit.ts';

const SUBPAGES_NONE = 0x00;
const SUBPAGES_ALL = 0xff;
/** In a block descriptor: leave the density as it is, and the default. */
const DENSITY_NO_CHANGE = 0x7f;
const DENSITY_DEFAULT = 0x00;
const BUFFERED_MODE_MAX = 1;

const codeOf = (page: ModePageModel): number => page.defaults[0] ?? 0;

interface ModeSenseCdb {
  readonly dbd: number;
  readonly pageControl: number;
  readonly pageCode: number;
  readonly subpageCode: number;
  readonly allocationLength: number;
}

function pageBytes(unit: DriveUnit, page: ModePageModel, pageControl: number): Uint8Array {
  switch (pageControl) {
    case PAGE_CONTROL.CHANGEABLE:
      return Uint8Array.from(page.changeable);
    case PAGE_CONTROL.DEFAULT:
      return Uint8Array.from(page.defaults);
    default:
      return unit.mode.pages.get(codeOf(page)) ?? Uint8Array.from(page.defaults);
  }
}

function modeSense(form: ModeForm): (unit: DriveUnit, cdb: ModeSenseCdb) => Outcome {
  const { fields } = form === 6 ? MODE_SENSE_6 : MODE_SENSE_10;
  return (unit, cdb) => {
    if (cdb.pageControl === PAGE_CONTROL.SAVED) return check(SENSE.SAVING_PARAMETERS_NOT_SUPPORTED);
    if (cdb.subpageCode !== SUBPAGES_NONE && cdb.subpageCode !== SUBPAGES_ALL) {
      return invalidField(pointerTo(fields.subpageCode));
    }
    const all = cdb.pageCode === MODE_PAGE.ALL;
    const pages = unit.model.modePages.filter((page) => all || codeOf(page) === cdb.pageCode);
    // Page 0 asks for header and block descriptor alone, as Linux does at each open.
    if (pages.length === 0 && !all && cdb.pageCode !== 0) {
      return invalidField(pointerTo(fields.pageCode));
    }
    const { blockLength, bufferedMode, speed } = unit.mode;
    const list = buildModeParameters(form, {
      writeProtected: unit.loaded && unit.medium?.cartridge.writeProtected === true,
      bufferedMode,
      speed,
      ...(cdb.dbd === 0 && {
        blockDescriptor: { densityCode: unit.model.densityCode, blockLength },
      }),
      pages: pages.map((page) => pageBytes(unit, page, cdb.pageControl)),
    });
    return parameterData(list, cdb.allocationLength);
  };
}

const listFault = (byte: number, bit?: number): FieldPointer => ({
  inCdb: false,
  byte,
  ...(bit !== undefined && { bit }),
});

/** The first bit of a page that may not be changed and was. */
function pageFault(unit: DriveUnit, page: ParsedPage): FieldPointer | undefined {
  const code = (page.bytes[0] ?? 0) & 0x3f;
  const model = unit.model.modePages.find((each) => codeOf(each) === code);
  const current = unit.mode.pages.get(code);
  if (model === undefined || current === undefined) return listFault(page.offset, 5);
  if (page.bytes.length !== current.length) return listFault(page.offset + 1, 7);
  for (let index = 2; index < current.length; index += 1) {
    const changed = (page.bytes[index] ?? 0) ^ (current[index] ?? 0);
    const forbidden = changed & ~(model.changeable[index] ?? 0) & 0xff;
    if (forbidden !== 0) return listFault(page.offset + index, 31 - Math.clz32(forbidden));
  }
  return undefined;
}

/** What of a mode parameter list cannot be, or undefined. */
function valueFault(
  unit: DriveUnit,
  form: ModeForm,
  list: ParsedModeParameters,
): FieldPointer | undefined {
  if (list.bufferedMode > BUFFERED_MODE_MAX) return listFault(form === 6 ? 2 : 3, 6);
  if (list.blockDescriptor !== undefined) {
    const { densityCode, blockLength } = list.blockDescriptor;
    const known = [DENSITY_DEFAULT, DENSITY_NO_CHANGE, unit.model.densityCode];
    if (!known.includes(densityCode)) return listFault(list.descriptorOffset, 7);
    const { blockLengthMin, blockLengthMax } = unit.model;
    const fits = blockLength >= blockLengthMin && blockLength <= blockLengthMax;
    if (blockLength !== 0 && !fits) return listFault(list.descriptorOffset + 5, 7);
  }
  for (const page of list.pages) {
    const fault = pageFault(unit, page);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** Checks the whole list before anything of it takes effect. */
function modeSelect(
  form: ModeForm,
): (
  unit: DriveUnit,
  cdb: { readonly sp: number; readonly parameterListLength: number },
  dataOut: Uint8Array,
) => Outcome {
  const { fields } = form === 6 ? MODE_SELECT_6 : MODE_SELECT_10;
  return (unit, cdb, dataOut) => {
    if (cdb.sp === 1) return invalidField(pointerTo(fields.sp));
    if (cdb.parameterListLength === 0) return GOOD;
    if (dataOut.length < cdb.parameterListLength) return check(SENSE.DATA_PHASE_ERROR);
    const list = parseModeParameters(form, dataOut.subarray(0, cdb.parameterListLength));
    if ('fault' in list) {
      return list.fault === 'length'
        ? check(SENSE.PARAMETER_LIST_LENGTH_ERROR)
        : check({ ...SENSE.INVALID_FIELD_IN_PARAMETER_LIST, fieldPointer: listFault(list.byte) });
    }
    const fieldPointer = valueFault(unit, form, list);
    if (fieldPointer !== undefined) {
      return check({ ...SENSE.INVALID_FIELD_IN_PARAMETER_LIST, fieldPointer });
    }
    unit.mode.bufferedMode = list.bufferedMode;
    unit.mode.speed = list.speed;
    if (list.blockDescriptor) unit.mode.blockLength = list.blockDescriptor.blockLength;
    for (const { bytes } of list.pages) {
      const page = bytes.slice();
      page[0] = (page[0] ?? 0) & 0x3f;
      unit.mode.pages.set(page[0], page);
    }
    return GOOD;
  };
}

export const MODE_COMMANDS: readonly CommandRow[] = [
  unitCommand(MODE_SENSE_6, modeSense(6)),
  unitCommand(MODE_SENSE_10, modeSense(10)),
  unitCommand(MODE_SELECT_6, modeSelect(6)),
  unitCommand(MODE_SELECT_10, modeSelect(10)),
];
