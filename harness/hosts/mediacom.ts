/**
 * MEDIACOM as an operator uses it about tapes: STATUS TAPEMOUNT, STATUS TAPEDRIVE, and ACCEPT, REJECT
 * and ALTER TAPEMOUNT.
 *
 * The columns and their words are the manual's; the widths, and the option TAPENAME of ALTER, are ours.
 *
 * @source DSM/TC Operator Interface (MEDIACOM) Manual, p. 42 and 201 to 208; EMS Programming Manual
 * (520372), p. 223, for ALTER.
 */
import type { MountOptions, OutstandingRequest } from './mount-request.ts';
import { asksForDevice } from './mount-request.ts';
import type { Zsvr } from './zsvr.ts';

/** Runs one command; the lines that it prints. */
export async function runMediacom(
  node: string,
  zsvr: Zsvr,
  command: string,
): Promise<readonly string[]> {
  const words = command.trim().toUpperCase().replaceAll(/\s+/g, ' ');
  const mounts = /^STATUS TAPEMOUNT(?: (\d{1,4}))?( ?, ?DETAIL)?$/.exec(words);
  if (mounts !== null) return statusTapemount(node, zsvr, mounts[1], mounts[2] !== undefined);
  if (words === 'STATUS TAPEDRIVE') return statusTapedrive(zsvr);
  const answer = ANSWER.exec(words);
  if (answer === null) return ['*ERROR* Command not recognized'];
  const [, verb, onNode, number, volume] = answer;
  if ((verb === 'ALTER') !== (volume !== undefined)) return ['*ERROR* Command not recognized'];
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
    `Device         ${request.device ?? ''}`,
    `Write Prot     ${request.ring ? 'NO' : 'YES'}`,
    `Process        ${request.process ?? ''}`,
    `Comment        ${request.comment ?? ''}`,
    `Action Needed  ${actionText(request)}`,
    '',
  ]);
}

/** A request as far as the table shows it. */
type ShownRequest = MountOptions & Pick<OutstandingRequest, 'requestNumber'>;

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
    `${node}${request.device === undefined ? '' : `.${request.device}`}`.padEnd(17),
    (request.ring ? 'NO' : 'YES').padEnd(6),
    actionText(request),
  ].join(' ');
}

const numberText = ({ requestNumber }: ShownRequest): string =>
  String(requestNumber).padStart(4, '0');

const labelText = ({ labels = 'ANSI' }: ShownRequest): string => labels;

function actionText(request: ShownRequest): string {
  if (asksForDevice(request)) return 'ACCEPT or REJECT TAPEMOUNT';
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
      const status = device.inUse ? 'INUSE' : device.isDown ? 'DOWN' : 'FREE';
      return `${device.name.padEnd(11)} ${status.padEnd(7)} ${volume}`.trimEnd();
    }),
  ];
}
