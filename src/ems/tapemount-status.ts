/**
 * What MEDIACOM prints for STATUS TAPEMOUNT: the host's outstanding mount requests, a line each.
 *
 *   Tape   Tape    Label   Node or           Write  Action
 *   Mount  Name    Type    Device            Prot   Needed
 *   0007   LAB001  ANSI    \LAB.$TAPE0       NO     MOUNT REQUESTED TAPE
 *
 * The columns and their words are the manual's; their widths are not known, so blanks separate them. A
 * tape that is to be write-protected is one without a ring.
 *
 * @source DSM/TC Operator Interface (MEDIACOM) Manual, p. 206 to 208.
 */
import type { MountRequest } from './zsvr-events.ts';

const HEADERS = [
  /^Tape +Tape +Label +Node or +Write +Action$/i,
  /^Mount +Name +Type +Device +Prot/i,
];
const NONE = /^\*WARNING\* No tape mounts/i;
const ROW = new RegExp(
  String.raw`^(?<number>\d{1,4}) +(?:(?<volume>[A-Z0-9]{1,6}) +)?` +
    String.raw`(?<label>ANSI|BACKUP|BLP|IBM|NL|TMF|UNREADABLE) +` +
    String.raw`(?:(?<node>\\[A-Z][A-Z0-9]{0,6})(?:\.(?<device>\$[A-Z][A-Z0-9]{0,6}))?|(?<alone>\$[A-Z][A-Z0-9]{0,6})) +` +
    String.raw`(?<protect>YES|NO) +(?<action>[A-Z ]+)$`,
  'i',
);

/** A request that is open on the host. */
export interface OutstandingMount {
  readonly requestNumber: number;
  /** As if it had just been logged; undefined where it asks for no tape by its name. */
  readonly request: MountRequest | undefined;
}

/** The requests in the order of the lines; undefined where a line is no part of such a table. Never throws. */
export function parseTapemountStatus(
  lines: readonly string[],
): readonly OutstandingMount[] | undefined {
  const mounts: OutstandingMount[] = [];
  let isTable = false;
  for (const line of lines.map((each) => each.trim()).filter((each) => each !== '')) {
    if (NONE.test(line) || HEADERS.some((header) => header.test(line))) {
      isTable = true;
      continue;
    }
    const groups = ROW.exec(line)?.groups;
    if (groups === undefined) return undefined;
    const requestNumber = Number(groups['number']);
    mounts.push({ requestNumber, request: requestOf(requestNumber, groups) });
  }
  return isTable ? mounts : undefined;
}

function requestOf(
  requestNumber: number,
  groups: Readonly<Record<string, string | undefined>>,
): MountRequest | undefined {
  const { volume, label = '', device = groups['alone'], protect = '', action = '' } = groups;
  if (volume === undefined || !/^MOUNT (?:REQUESTED|SCRATCH) TAPE$/i.test(action)) return undefined;
  const labelType = LABEL_TYPES[label.toUpperCase()];
  if (labelType === undefined) return undefined;
  const ring = protect.toUpperCase() === 'NO';
  return {
    kind: 'mount-request',
    number: NUMBERS[labelType][ring ? 0 : 1],
    requestNumber,
    volume: volume.toUpperCase(),
    labelType,
    ring,
    ...(device !== undefined && { device: device.toUpperCase() }),
  };
}

/** Of requests for a tape by its name; a BACKUP label is an ANSI one. */
const LABEL_TYPES: Readonly<Record<string, MountRequest['labelType']>> = {
  ANSI: 'ansi',
  BACKUP: 'ansi',
  IBM: 'ibm',
  TMF: 'tmf',
};

/** The events' numbers with ring and without. */
const NUMBERS = { ansi: [600, 601], ibm: [603, 604], tmf: [609, 610] } as const;
