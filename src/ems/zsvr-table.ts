/**
 * The texts of $ZSVR's tape events, one template an event; zsvr-events.ts formats and parses by them.
 *
 * A template is the event's text with `<field>` for what varies and `[…]` around what may be missing.
 * Each says where it is from: `manual`, `analogy` (formed like its neighbours' in the manual), or `ours` (the
 * manuals that we have name the event or the situation and print no text).
 *
 * @source EMS Programming Manual (520372), "ZTAP" events, pages 204 to 271 by the PDF's count; DSM/Tape
 * Catalog Messages Manual, p. 205, for status 1516.
 */
import type { MountRequest, ZsvrEvent } from './zsvr-events.ts';

interface ZsvrEventEntry {
  readonly number: number;
  /** The manual's name of the event, less its prefix ZTAP-EVT-. */
  readonly name: string;
  /** Where the text is from. */
  readonly source: 'manual' | 'analogy' | 'ours';
  readonly template: string;
  /** The event's fields that do not vary. */
  readonly fixed: Readonly<Record<string, string | number | boolean>> & {
    readonly kind: ZsvrEvent['kind'];
  };
}

const OPTIONS = '[ REEL <reel>][ DENSITY <density>][ ON <device>]';

function mountRequest(
  number: MountRequest['number'],
  name: string,
  what: string,
  labelType: MountRequest['labelType'],
  ring: boolean,
): ZsvrEventEntry {
  return {
    number,
    name,
    source: number < 602 ? 'analogy' : 'manual',
    template:
      `$ZSVR: <requestNumber> MOUNT ${what}<volume>${OPTIONS}` +
      `${ring ? ' WITH RING' : ' NO RING'}[ <comment>]`,
    fixed: { kind: 'mount-request', number, labelType, ring },
  };
}

/** An event whose fields are all in its text. */
function entry(
  number: number,
  name: string,
  source: ZsvrEventEntry['source'],
  kind: ZsvrEvent['kind'],
  template: string,
  fixed: Readonly<Record<string, string>> = {},
): ZsvrEventEntry {
  return { number, name, source, template, fixed: { kind, ...fixed } };
}

const wrongLabelType = (
  number: number,
  name: string,
  source: ZsvrEventEntry['source'],
  error: number,
  found: 'ANSI' | 'IBM',
  required: string,
): ZsvrEventEntry =>
  entry(
    number,
    name,
    source,
    'wrong-label-type',
    `<device>: ERROR ${error} - VOLUME <volume> IS ${found} TAPE, NOT ${required}`,
    { found, required: required.split(' ')[0] ?? '' },
  );

const unrequested = (
  number: number,
  name: string,
  source: ZsvrEventEntry['source'],
  what: string,
  labelType: string,
): ZsvrEventEntry =>
  entry(
    number,
    name,
    source,
    'unrequested-tape',
    `[$ZSVR: ]STATUS ${what} TAPE <volume> ONLINE ON <device>`,
    { labelType },
  );

export const ZSVR_EVENTS: readonly ZsvrEventEntry[] = [
  mountRequest(600, 'MOUNTOUT', '', 'ansi', true),
  mountRequest(601, 'MOUNTIN', '', 'ansi', false),
  {
    number: 602,
    name: 'MOUNTSCRATCH',
    source: 'manual',
    template: `$ZSVR: <requestNumber> MOUNT SCRATCH TAPE${OPTIONS} WITH RING[ <comment>]`,
    fixed: { kind: 'scratch-request', labelType: 'ansi', ring: true },
  },
  // DSM/TC names the scratch tape that it has picked.
  mountRequest(602, 'MOUNTSCRATCH', 'SCRATCH TAPE ', 'ansi', true),
  mountRequest(603, 'MTIBMOUT', 'IBM ', 'ibm', true),
  mountRequest(604, 'MTIBMIN', 'IBM ', 'ibm', false),
  mountRequest(605, 'MTIBMSCRATCH', 'IBM SCRATCH TAPE ', 'ibm', true),
  entry(
    606,
    'REQNL',
    'manual',
    'unlabelled-request',
    '$ZSVR: <requestNumber> REQUEST TO USE <device> UNLABELED[ <comment>]',
  ),
  entry(
    607,
    'REQBLP',
    'ours',
    'bypass-request',
    '$ZSVR: <requestNumber> REQUEST TO USE <device> BYPASS LABELS[ <comment>]',
  ),
  entry(
    608,
    'REQUNKNOWN',
    'manual',
    'unknown-tape',
    '$ZSVR: <requestNumber> UNKNOWN TAPE ON <device>, ACCEPT OR MOUNT CORRECT TAPE TO PROCEED',
  ),
  mountRequest(609, 'MTTMFOUT', 'TMF ', 'tmf', true),
  mountRequest(610, 'MTTMFIN', 'TMF ', 'tmf', false),
  entry(
    613,
    'PROTECTERR',
    'manual',
    'not-expired',
    '<device>: ERROR 2 - PROTECTION VIOLATION, VOLUME <volume> NOT EXPIRED',
  ),
  entry(
    614,
    'WRONGTAPEERR',
    'manual',
    'wrong-tape',
    '<device>: ERROR 3 - WRONG TAPE, <volume> MOUNTED, SHOULD BE <wanted>',
  ),
  entry(
    616,
    'USENLTAPEERR',
    'manual',
    'labelled-tape',
    '<device>: ERROR 5 - WRONG TAPE, <volume> MOUNTED, USE UNLABELED TAPE',
  ),
  wrongLabelType(617, 'USEIBMTAPEERR', 'manual', 6, 'ANSI', 'IBM TAPE AS REQUIRED'),
  wrongLabelType(618, 'USEANSITAPEERR', 'analogy', 7, 'IBM', 'ANSI TAPE AS REQUIRED'),
  entry(
    619,
    'WRITEPROTECTERR',
    'manual',
    'write-protected',
    '<device>: ERROR 8 - VOLUME <volume> IS WRITE PROTECTED',
  ),
  wrongLabelType(622, 'USEBACKUPTAPEERR', 'manual', 11, 'IBM', 'BACKUP TAPE AS REQUESTED'),
  entry(
    634,
    'VOLREJECTED',
    'manual',
    'volume-rejected',
    '[$ZSVR: ]STATUS 502 - VOLUME <volume> REJECTED',
  ),
  entry(
    636,
    'EXECREJECT',
    'manual',
    'reject-executed',
    '[$ZSVR: ]STATUS 1502 - EXECUTED MEDIACOM REJECT <requestNumber>',
  ),
  entry(
    637,
    'EXECACCEPT',
    'manual',
    'accept-executed',
    '[$ZSVR: ]STATUS 1503 - EXECUTED TAPECOM ACCEPT <requestNumber>',
  ),
  entry(
    638,
    'REQMATCHED',
    'ours',
    'request-matched',
    '[$ZSVR: ]STATUS 1504 - VOLUME <volume> ON <device> MATCHES REQUEST <requestNumber>',
  ),
  entry(
    639,
    'UNREQNL',
    'manual',
    'unrequested-unlabelled-tape',
    '[$ZSVR: ]STATUS 1505 - UNREQUESTED NL TAPE ONLINE ON <device>',
  ),
  unrequested(640, 'UNREQANSI', 'manual', '1506 - UNREQUESTED ANSI', 'ansi'),
  unrequested(641, 'UNREQIBM', 'analogy', '1507 - UNREQUESTED IBM', 'ibm'),
  unrequested(642, 'UNREQOLDTMF', 'manual', '1508 - UNREQUESTED OLD TMF', 'old-tmf'),
  unrequested(644, 'UNREQNEWTMF', 'manual', '1510 - UNREQUESTED NEW TMF', 'new-tmf'),
  entry(648, 'ACCEPTMOUNT', 'manual', 'mounted', '$ZSVR: <requestNumber> VOLUME <volume> MOUNTED'),
  entry(
    649,
    'CANCELMOUNT',
    'ours',
    'request-cancelled',
    '$ZSVR: <requestNumber> REQUEST FOR VOLUME[ <volume>] CANCELLED',
  ),
  entry(
    650,
    'CANCELDEVICE',
    'ours',
    'device-request-cancelled',
    '$ZSVR: <requestNumber> REQUEST TO USE <device> CANCELLED',
  ),
  entry(
    651,
    'REJECTMOUNT',
    'manual',
    'request-rejected',
    '$ZSVR: <requestNumber> REQUEST FOR VOLUME[ <volume>] REJECTED BY OPERATOR',
  ),
  entry(
    652,
    'ACCEPTDEVICE',
    'ours',
    'device-request-accepted',
    '$ZSVR: <requestNumber> REQUEST TO USE <device> ACCEPTED',
  ),
  entry(
    653,
    'REJECTDEVICE',
    'ours',
    'device-request-rejected',
    '$ZSVR: <requestNumber> REQUEST TO USE <device> REJECTED BY OPERATOR',
  ),
  entry(
    659,
    'DISMOUNTED',
    'manual',
    'dismounted',
    '[$ZSVR: ]STATUS 1512 - <volume> TAPE DISMOUNTED FROM DRIVE <device>',
  ),
  // The manual prints the text of status 1516 and no number of its event.
  entry(
    660,
    'TAPEUSED',
    'manual',
    'used-by',
    '[$ZSVR: ]STATUS 1516 - <volume> TAPE ON DRIVE <device> USED BY <user>',
  ),
];
