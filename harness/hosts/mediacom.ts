/**
 * MEDIACOM as an operator uses it about tapes: STATUS TAPEMOUNT, STATUS TAPEDRIVE, and ACCEPT, REJECT
 * and ALTER TAPEMOUNT.
 *
 * The columns and their words are the manual's, and that ACCEPT is for the super group; the widths, the
 * option TAPENAME of ALTER, and that REJECT and ALTER are for that group, too, are ours. A drive is DOWN
 * where an operator stopped it, UNAVL where it does not answer: ours.
 *
 * @source DSM/TC Operator Interface (MEDIACOM) Manual, p. 42 and 201 to 208; EMS Programming Manual
 * (520372), p. 223, for ALTER.
 */
import type { MountOptions, OutstandingRequest } from './mount-request.ts';
import { asksForDevice } from './mount-request.ts';
import type { TapeDevice } from './tape-device.ts';
import type { Zsvr } from './zsvr.ts';

/** Whether a user is of group 255, `SUPER`. */
export const isOfSuperGroup = (user: string): boolean => /^(?:SUPER\.|255,)/i.test(user);

/** Runs one command of a user, `SUPER.OPERATOR`; the lines that it prints. */
export function runMediacom(
  node: string,
  zsvr: Zsvr,
  command: string,
  user: string,
): readonly string[] {
  const words = command.trim().toUpperCase().replaceAll(/\s+/g, ' ');
  const mounts = /^STATUS TAPEMOUNT(?: (\d{1,4}))?( ?, ?DETAIL)?$/.exec(words);
  if (mounts !== null) return statusTapemount(node, zsvr, mounts[1], mounts[2] !== undefined);
  if (words === 'STATUS TAPEDRIVE') return statusTapedrive(zsvr);
  const answer = ANSWER.exec(words);
  if (answer === null) return ['*ERROR* Command not recognized'];
  const [, verb, onNode, number, volume] = answer;
  if ((verb === 'ALTER') !== (volume !== undefined)) return ['*ERROR* Command not recognized'];
  if (!isOfSuperGroup(user)) {
    return [`*ERROR* ${verb} TAPEMOUNT: security violation, only the super group may (error 48)`];
  }
  if (onNode !== undefined && onNode !== node) return [`*ERROR* ${onNode}: no such node`];
  if (verb === 'REJECT') {
    const done = zsvr.reject(Number(number));
    return [done ? 'TAPEMOUNT REJECTED' : `*ERROR* Tape mount ${number} does not exist`];
  }
  if (volume !== undefined) {
    const altered = zsvr.alter(Number(number), volume);
    if (typeof altered === 'string') return [`*ERROR* Tape mount ${number}: ${altered}`];
    return [`TAPEMOUNT ALTERED, NOW ${String(altered).padStart(4, '0')}`];
  }
  const reason = zsvr.accept(Number(number));
  return [reason === undefined ? 'TAPEMOUNT ACCEPTED' : `*ERROR* Tape mount ${number}: ${reason}`];
}

const ANSWER =
  /^(ACCEPT|REJECT|ALTER) TAPEMOUNT (?:(\\[A-Z][A-Z0-9]{0,6})\.)?(\d{1,4})(?: ?, ?TAPENAME ([A-Z0-9]{1,6}))?$/;

const MOUNT_HEADER = [
  'Tape   Tape    Label   Node or           Write  Action',
  'Mount  Name    Type    Device            Prot   Needed',
];

function statusTapemount(
  node: string,
  zsvr: Zsvr,
  number: string | undefined,
  detail: boolean,
): readonly string[] {
  const chosen = zsvr.requests.filter(
    (each) => number === undefined || each.requestNumber === Number(number),
  );
  if (!detail || chosen.length === 0) return tapemountTable(node, chosen);
  return chosen.flatMap((request) => [
    `Tape Mount     ${numberText(request)}`,
    `Tape Name      ${request.volume ?? ''}`,
    `Label Type     ${labelText(request)}`,
    `Node           ${node}`,
    `Device         ${deviceOf(request) ?? ''}`,
    `Write Prot     ${request.ring ? 'NO' : 'YES'}`,
    `Process        ${request.process ?? ''}`,
    `Comment        ${request.comment ?? ''}`,
    `Action Needed  ${actionText(request)}`,
    '',
  ]);
}

/** A request as far as the table shows it. */
type ShownRequest = MountOptions &
  Pick<OutstandingRequest, 'requestNumber'> &
  Partial<Pick<OutstandingRequest, 'awaitsAccept'>>;

/** What STATUS TAPEMOUNT prints of requests. */
export function tapemountTable(node: string, requests: readonly ShownRequest[]): readonly string[] {
  if (requests.length === 0) return ['*WARNING* No tape mounts found'];
  return [...MOUNT_HEADER, ...requests.map((request) => mountRow(node, request))];
}

function mountRow(node: string, request: ShownRequest): string {
  return [
    numberText(request).padEnd(6),
    (request.volume ?? '').padEnd(7),
    labelText(request).padEnd(7),
    [node, deviceOf(request) ?? []].flat().join('.').padEnd(17),
    (request.ring ? 'NO' : 'YES').padEnd(6),
    actionText(request),
  ].join(' ');
}

const numberText = ({ requestNumber }: ShownRequest): string =>
  String(requestNumber).padStart(4, '0');

/** Whether a tape whose label cannot be read is in a drive for it. */
const hasUnreadable = (request: ShownRequest): boolean =>
  request.awaitsAccept !== undefined && !asksForDevice(request);

const deviceOf = ({ awaitsAccept, device }: ShownRequest): string | undefined =>
  awaitsAccept ?? device;

const labelText = (request: ShownRequest): string =>
  hasUnreadable(request) ? 'UNREADABLE' : (request.labels ?? 'ANSI');

function actionText(request: ShownRequest): string {
  if (asksForDevice(request) || hasUnreadable(request)) return 'ACCEPT or REJECT TAPEMOUNT';
  return request.scratch === true || request.volume === undefined
    ? 'MOUNT SCRATCH TAPE'
    : 'MOUNT REQUESTED TAPE';
}

function statusTapedrive(zsvr: Zsvr): readonly string[] {
  return [
    'Tape Drive  Status  Tape Name  Label Type',
    ...zsvr.devices.map((device) => {
      const tape = zsvr.tapeOn(device.name);
      const volume = tape?.volume ?? device.online ?? '';
      return `${device.name.padEnd(11)} ${driveStatus(device).padEnd(7)} ${volume}`.trimEnd();
    }),
  ];
}

function driveStatus({ isDown, isUnavailable, inUse }: TapeDevice): string {
  if (isDown) return 'DOWN';
  if (isUnavailable) return 'UNAVL';
  return inUse ? 'INUSE' : 'FREE';
}
