/**
 * The tape events of NonStop's $ZSVR: one table of texts that formats them and parses them.
 *
 * A template is the event's text with `<field>` for what varies and `[…]` around what may be missing:
 * a group is printed where its field is there, and one without a field is only read. An event number
 * may have several templates; the first that matches is meant. Blanks in runs count as one.
 *
 * Terms: a request number (ACTION-ID) is a mount request's four digits; "with ring" lets the tape be
 * written; `comment` is the MOUNTMSG of the host's DEFINE.
 *
 * @source EMS Programming Manual (520372), "ZTAP" events, pages 204 to 271 by the PDF's count. The
 * manual's pages for 600 and 601 follow 602 to 610 here by analogy, and the text of 649 is ours.
 */
import { assert } from '../base/assert.ts';

/** The process that these events come from. */
export const ZSVR_PROCESS = '$ZSVR';
/** Longest comment, characters: DEFINE MOUNTMSG. */
export const COMMENT_CHARS_MAX = 80;
/** Longest text that is looked at; every text of the table is shorter. */
export const ZSVR_TEXT_CHARS_MAX = 256;
export const REQUEST_NUMBER_MAX = 9999;

interface RequestOptions {
  /** Which volume of a file that spans several. */
  readonly reel?: number;
  /** Bits per inch: 800, 1600 or 6250. */
  readonly density?: number;
  /** `$TAPE0`; there where the user asked for a device, and for continuation volumes. */
  readonly device?: string;
  readonly comment?: string;
}

/** A host asks for a volume by name. */
export interface MountRequest extends RequestOptions {
  readonly kind: 'mount-request';
  readonly number: 600 | 601 | 602 | 603 | 604 | 605 | 609 | 610;
  readonly requestNumber: number;
  readonly volume: string;
  readonly labelType: 'ansi' | 'ibm' | 'tmf';
  readonly ring: boolean;
}

export type ZsvrEvent =
  | MountRequest
  /** Any scratch tape will do. */
  | (RequestOptions & {
      readonly kind: 'scratch-request';
      readonly requestNumber: number;
      readonly labelType: 'ansi';
      readonly ring: true;
    })
  | {
      readonly kind: 'unlabelled-request';
      readonly requestNumber: number;
      readonly device: string;
      readonly comment?: string;
    }
  | { readonly kind: 'unknown-tape'; readonly requestNumber: number; readonly device: string }
  | { readonly kind: 'not-expired'; readonly device: string; readonly volume: string }
  | {
      readonly kind: 'wrong-tape';
      readonly device: string;
      readonly volume: string;
      readonly wanted: string;
    }
  | { readonly kind: 'write-protected'; readonly device: string; readonly volume: string }
  | { readonly kind: 'volume-rejected'; readonly volume: string }
  | { readonly kind: 'reject-executed'; readonly requestNumber: number }
  | { readonly kind: 'accept-executed'; readonly requestNumber: number }
  | { readonly kind: 'unrequested-tape'; readonly volume: string; readonly device: string }
  | { readonly kind: 'mounted'; readonly requestNumber: number; readonly volume: string }
  | { readonly kind: 'request-cancelled'; readonly requestNumber: number; readonly volume: string }
  | { readonly kind: 'request-rejected'; readonly requestNumber: number; readonly volume: string }
  | { readonly kind: 'dismounted'; readonly volume: string; readonly device: string };

type FieldName = 'requestNumber' | 'volume' | 'wanted' | 'device' | 'reel' | 'density' | 'comment';

/** What a field looks like in a text, and whether it is a number. */
const FIELDS = {
  requestNumber: { pattern: String.raw`\d{4}`, numeric: true },
  volume: { pattern: '[A-Z0-9]{1,6}', numeric: false },
  wanted: { pattern: '[A-Z0-9]{1,6}', numeric: false },
  device: { pattern: String.raw`\$[A-Z][A-Z0-9]{0,6}`, numeric: false },
  reel: { pattern: String.raw`\d{1,4}`, numeric: true },
  density: { pattern: String.raw`\d{3,5}`, numeric: true },
  comment: { pattern: `[!-~][ -~]{0,${COMMENT_CHARS_MAX - 1}}`, numeric: false },
} as const satisfies Record<FieldName, { readonly pattern: string; readonly numeric: boolean }>;

interface ZsvrEventEntry {
  readonly number: number;
  /** The manual's name of the event, less its prefix ZTAP-EVT-. */
  readonly name: string;
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
    template:
      `$ZSVR: <requestNumber> MOUNT ${what}<volume>${OPTIONS}` +
      `${ring ? ' WITH RING' : ' NO RING'}[ <comment>]`,
    fixed: { kind: 'mount-request', number, labelType, ring },
  };
}

export const ZSVR_EVENTS: readonly ZsvrEventEntry[] = [
  mountRequest(600, 'MOUNTOUT', '', 'ansi', true),
  mountRequest(601, 'MOUNTIN', '', 'ansi', false),
  {
    number: 602,
    name: 'MOUNTSCRATCH',
    template: `$ZSVR: <requestNumber> MOUNT SCRATCH TAPE${OPTIONS} WITH RING[ <comment>]`,
    fixed: { kind: 'scratch-request', labelType: 'ansi', ring: true },
  },
  // DSM/TC names the scratch tape that it has picked.
  mountRequest(602, 'MOUNTSCRATCH', 'SCRATCH TAPE ', 'ansi', true),
  mountRequest(603, 'MTIBMOUT', 'IBM ', 'ibm', true),
  mountRequest(604, 'MTIBMIN', 'IBM ', 'ibm', false),
  mountRequest(605, 'MTIBMSCRATCH', 'IBM SCRATCH TAPE ', 'ibm', true),
  {
    number: 606,
    name: 'REQNL',
    template: '$ZSVR: <requestNumber> REQUEST TO USE <device> UNLABELED[ <comment>]',
    fixed: { kind: 'unlabelled-request' },
  },
  {
    number: 608,
    name: 'REQUNKNOWN',
    template:
      '$ZSVR: <requestNumber> UNKNOWN TAPE ON <device>, ACCEPT OR MOUNT CORRECT TAPE TO PROCEED',
    fixed: { kind: 'unknown-tape' },
  },
  mountRequest(609, 'MTTMFOUT', 'TMF ', 'tmf', true),
  mountRequest(610, 'MTTMFIN', 'TMF ', 'tmf', false),
  {
    number: 613,
    name: 'PROTECTERR',
    template: '<device>: ERROR 2 - PROTECTION VIOLATION, VOLUME <volume> NOT EXPIRED',
    fixed: { kind: 'not-expired' },
  },
  {
    number: 614,
    name: 'WRONGTAPEERR',
    template: '<device>: ERROR 3 - WRONG TAPE, <volume> MOUNTED, SHOULD BE <wanted>',
    fixed: { kind: 'wrong-tape' },
  },
  {
    number: 619,
    name: 'WRITEPROTECTERR',
    template: '<device>: ERROR 8 - VOLUME <volume> IS WRITE PROTECTED',
    fixed: { kind: 'write-protected' },
  },
  {
    number: 634,
    name: 'VOLREJECTED',
    template: '[$ZSVR: ]STATUS 502 - VOLUME <volume> REJECTED',
    fixed: { kind: 'volume-rejected' },
  },
  {
    number: 636,
    name: 'EXECREJECT',
    template: '[$ZSVR: ]STATUS 1502 - EXECUTED MEDIACOM REJECT <requestNumber>',
    fixed: { kind: 'reject-executed' },
  },
  {
    number: 637,
    name: 'EXECACCEPT',
    template: '[$ZSVR: ]STATUS 1503 - EXECUTED TAPECOM ACCEPT <requestNumber>',
    fixed: { kind: 'accept-executed' },
  },
  {
    number: 640,
    name: 'UNREQANSI',
    template: '[$ZSVR: ]STATUS 1506 - UNREQUESTED ANSI TAPE <volume> ONLINE ON <device>',
    fixed: { kind: 'unrequested-tape' },
  },
  {
    number: 648,
    name: 'ACCEPTMOUNT',
    template: '$ZSVR: <requestNumber> VOLUME <volume> MOUNTED',
    fixed: { kind: 'mounted' },
  },
  {
    number: 649,
    name: 'CANCELMOUNT',
    template: '$ZSVR: <requestNumber> REQUEST FOR VOLUME <volume> CANCELLED',
    fixed: { kind: 'request-cancelled' },
  },
  {
    number: 651,
    name: 'REJECTMOUNT',
    template: '$ZSVR: <requestNumber> REQUEST FOR VOLUME <volume> REJECTED BY OPERATOR',
    fixed: { kind: 'request-rejected' },
  },
  {
    number: 659,
    name: 'DISMOUNTED',
    template: '[$ZSVR: ]STATUS 1512 - <volume> TAPE DISMOUNTED FROM DRIVE <device>',
    fixed: { kind: 'dismounted' },
  },
];

/** The table with each template as a regular expression over a whole text, its fields as named groups. */
const COMPILED_EVENTS = ZSVR_EVENTS.map((entry) => {
  const source = entry.template
    .replaceAll(/[$.*+?()|^{}\\]/g, String.raw`\$&`)
    .replaceAll('[', '(?:')
    .replaceAll(']', ')?')
    .replaceAll(/<(\w+)>/g, (_, name: FieldName) => `(?<${name}>${FIELDS[name].pattern})`);
  return { ...entry, pattern: new RegExp(`^${source}$`) };
});

type Values = Readonly<Record<string, string | number | boolean | undefined>>;

/** The event's number and text. Asserts that every field has its form; a comment is made to have it. */
export function formatZsvrEvent(event: ZsvrEvent): {
  readonly eventNumber: number;
  readonly text: string;
} {
  const values: Values = { ...event };
  const entry = COMPILED_EVENTS.find(({ fixed }) =>
    Object.entries(fixed).every(([name, value]) => values[name] === value),
  );
  assert(entry !== undefined, `$ZSVR has the event ${JSON.stringify(event)}`);
  const text = entry.template
    .replace(/\[([^\]]*)\]/g, (_, group: string) => {
      const field = /<(\w+)>/.exec(group)?.[1];
      const value = field === undefined ? undefined : printField(field, values[field]);
      return value === undefined || value === '' ? '' : group;
    })
    .replace(/<(\w+)>/g, (_, field: string) => printField(field, values[field]) ?? '');
  assert(
    entry.pattern.test(text) && text.length <= ZSVR_TEXT_CHARS_MAX,
    `an event's fields have their form: ${text}`,
  );
  return { eventNumber: entry.number, text };
}

/** The event that a text of $ZSVR tells of; undefined for any other number or text. Never throws. */
export function parseZsvrEvent(eventNumber: number, text: string): ZsvrEvent | undefined {
  if (text.length > ZSVR_TEXT_CHARS_MAX) return undefined;
  const line = text.replaceAll(/ +/g, ' ').trim();
  for (const { number, pattern, fixed } of COMPILED_EVENTS) {
    if (number !== eventNumber) continue;
    const match = pattern.exec(line);
    if (match === null) continue;
    const values: Record<string, string | number | boolean> = { ...fixed };
    for (const [name, value] of Object.entries(match.groups ?? {})) {
      if (value === undefined) continue;
      values[name] = FIELDS[name as FieldName].numeric ? Number(value) : value;
    }
    // The templates name exactly the fields of their kind, which the round trip's test proves.
    return values as unknown as ZsvrEvent;
  }
  return undefined;
}

/** A comment as a text can carry it: printable, no blanks in runs or at its ends, not too long. */
export function cleanComment(comment: string): string {
  return comment
    .replaceAll(/[^!-~]+/g, ' ')
    .trim()
    .slice(0, COMMENT_CHARS_MAX)
    .trim();
}

function printField(name: string, value: Values[string]): string | undefined {
  if (value === undefined) return undefined;
  if (name === 'comment') return cleanComment(String(value));
  return name === 'requestNumber' ? String(value).padStart(4, '0') : String(value);
}
