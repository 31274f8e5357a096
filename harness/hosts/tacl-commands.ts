/** The programs that TACL starts by a line: MEDIACOM, FUP COPY, SCF RESET. */
import { isCapstanError } from '../../src/base/errors.ts';
import { runMediacom } from './mediacom.ts';
import type { NonStopHost } from './nonstop-host.ts';

/** What TACL says to a line that names no program. */
export const NOT_A_COMMAND = '*ERROR* Name of variable, built-in, or file needed';

/** Runs one line; the lines that it prints. */
export async function runTaclCommand(host: NonStopHost, line: string): Promise<readonly string[]> {
  const [, program = '', rest = ''] = /^\s*(\S+)\s*(.*)$/.exec(line) ?? [];
  switch (program.toUpperCase()) {
    case 'MEDIACOM':
      return runMediacom(host.node, host.zsvr, rest);
    case 'FUP': {
      const copy = /^COPY\s+(\S+?)\s*,\s*(\S+)$/i.exec(rest);
      const [, file = '', to = ''] = copy ?? [];
      if (copy === null || to !== '$0') return ['*ERROR* Expecting COPY file, $0'];
      return host.copyToCollector(file);
    }
    case 'SCF': {
      const device = /^RESET TAPE (\$\w+)$/i.exec(rest)?.[1];
      return device === undefined ? ['*ERROR* Expecting RESET TAPE'] : resetTape(host, device);
    }
    default:
      return [NOT_A_COMMAND];
  }
}

/** A device that no job uses gives its tape back and is ready for the next. */
async function resetTape(host: NonStopHost, name: string): Promise<readonly string[]> {
  const device = host.zsvr.devices.find((each) => each.name === name.toUpperCase());
  if (device === undefined) return [`SCF E00004 ${name}: device not found`, '*ERROR* Not reset'];
  if (device.inUse) return [`*ERROR* ${name}: device in use`];
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
