/** The programs that TACL starts by a line: MEDIACOM, FUP COPY, SCF RESET, STOP and START of a drive. */
import { isCapstanError } from '../../src/base/errors.ts';
import { isOfSuperGroup, runMediacom } from './mediacom.ts';
import type { NonStopHost } from './nonstop-host.ts';
import type { TapeDevice } from './tape-device.ts';

/** What TACL says to a line that names no program. */
export const NOT_A_COMMAND = '*ERROR* Name of variable, built-in, or file needed';

/** Runs one line; the lines that it prints. */
export async function runTaclCommand(
  host: NonStopHost,
  line: string,
  user: string,
): Promise<readonly string[]> {
  const [, program = '', rest = ''] = /^\s*(\S+)\s*(.*)$/.exec(line) ?? [];
  switch (program.toUpperCase()) {
    case 'MEDIACOM':
      return runMediacom(host.node, host.zsvr, rest, user);
    case 'FUP': {
      const copy = /^COPY\s+(\S+?)\s*,\s*(\S+)$/i.exec(rest);
      const [, file = '', to = ''] = copy ?? [];
      if (copy === null || to !== '$0') return ['*ERROR* Expecting COPY file, $0'];
      return host.copyToCollector(file);
    }
    case 'SCF': {
      const [, verb = '', name = ''] = /^(RESET|STOP|START) TAPE (\$\w+)$/i.exec(rest) ?? [];
      if (verb === '') return ['*ERROR* Expecting RESET, STOP or START TAPE'];
      if (!isOfSuperGroup(user)) return [`SCF E00011 ${name}: security violation`, NOT_DONE];
      const device = host.zsvr.devices.find((each) => each.name === name.toUpperCase());
      if (device === undefined) return [`SCF E00004 ${name}: device not found`, NOT_DONE];
      return runScf(device, verb.toUpperCase());
    }
    default:
      return [NOT_A_COMMAND];
  }
}

const NOT_DONE = '*ERROR* Not done';

/**
 * RESET: a device that no job uses gives its tape back and is ready for the next. STOP takes it out of
 * service, START back into it.
 */
async function runScf(device: TapeDevice, verb: string): Promise<readonly string[]> {
  if (device.inUse) return [`*ERROR* ${device.name}: device in use`];
  if (verb !== 'RESET') {
    device.isDown = verb === 'STOP';
    return [];
  }
  try {
    // A tape that came in is an attention, which the first command after it is told.
    await device.operations.awaitReady();
    await device.operations.unload();
  } catch (error) {
    // Nothing answers there: nothing is in it.
    if (!isCapstanError(error)) throw error;
  }
  device.online = undefined;
  return [];
}
