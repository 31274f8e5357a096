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
 * Each text says where it is from: `manual`, `analogy` (formed like its neighbours' in the manual), or
 * `ours` (the manuals that we have name the event or the situation and print no text).
 *
 * @source EMS Programming Manual (520372), "ZTAP" events, pages 204 to 271 by the PDF's count; DSM/Tape
 * Catalog Messages Manual, p. 205, for status 1516.
 */
import { assert } from '../base/assert.ts';
import { ZSVR_EVENTS } from './zsvr-table.ts';

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
  /** The labels, if any, are to be passed over. */
  | {
      readonly kind: 'bypass-request';
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
  /** A labelled tape where an unlabelled one was asked for. */
  | { readonly kind: 'labelled-tape'; readonly device: string; readonly volume: string }
  /** A tape of another label type than was asked for. */
  | {
      readonly kind: 'wrong-label-type';
      readonly found: 'ANSI' | 'IBM';
      readonly required: 'ANSI' | 'IBM' | 'BACKUP';
      readonly device: string;
      readonly volume: string;
    }
  | { readonly kind: 'write-protected'; readonly device: string; readonly volume: string }
  | { readonly kind: 'volume-rejected'; readonly volume: string }
  | { readonly kind: 'reject-executed'; readonly requestNumber: number }
  | { readonly kind: 'accept-executed'; readonly requestNumber: number }
  | {
      readonly kind: 'request-matched';
      readonly requestNumber: number;
      readonly volume: string;
      readonly device: string;
    }
  | {
      readonly kind: 'unrequested-tape';
      readonly labelType: 'ansi' | 'ibm' | 'old-tmf' | 'new-tmf';
      readonly volume: string;
      readonly device: string;
    }
  | { readonly kind: 'unrequested-unlabelled-tape'; readonly device: string }
  | { readonly kind: 'mounted'; readonly requestNumber: number; readonly volume: string }
  /** The volume is missing where any scratch tape was asked for. */
  | { readonly kind: 'request-cancelled'; readonly requestNumber: number; readonly volume?: string }
  | { readonly kind: 'request-rejected'; readonly requestNumber: number; readonly volume?: string }
  /** The end of a request for a device: unlabelled, labels bypassed, or with an unknown tape in it. */
  | {
      readonly kind:
        | 'device-request-cancelled'
        | 'device-request-accepted'
        | 'device-request-rejected';
      readonly requestNumber: number;
      readonly device: string;
    }
  | { readonly kind: 'dismounted'; readonly volume: string; readonly device: string }
  | {
      readonly kind: 'used-by';
      readonly volume: string;
      readonly device: string;
      /** `\LAB.$BATCH` */
      readonly user: string;
    };

type FieldName =
  | 'requestNumber'
  | 'volume'
  | 'wanted'
  | 'device'
  | 'reel'
  | 'density'
  | 'comment'
  | 'user';

/** What a field looks like in a text, and whether it is a number. */
const FIELDS = {
  requestNumber: { pattern: String.raw`\d{4}`, numeric: true },
  volume: { pattern: '[A-Z0-9]{1,6}', numeric: false },
  wanted: { pattern: '[A-Z0-9]{1,6}', numeric: false },
  device: { pattern: String.raw`\$[A-Z][A-Z0-9]{0,6}`, numeric: false },
  reel: { pattern: String.raw`\d{1,4}`, numeric: true },
  density: { pattern: String.raw`\d{3,5}`, numeric: true },
  comment: { pattern: `[!-~][ -~]{0,${COMMENT_CHARS_MAX - 1}}`, numeric: false },
  user: { pattern: String.raw`\\[A-Z][A-Z0-9]{0,6}\.\$[A-Z0-9]{1,6}`, numeric: false },
} as const satisfies Record<FieldName, { readonly pattern: string; readonly numeric: boolean }>;

/** The table with each template as a regular expression over a whole text, its fields as named groups. */
const COMPILED_EVENTS = ZSVR_EVENTS.map((row) => {
  const source = row.template
    .replaceAll(/[$.*+?()|^{}\\]/g, String.raw`\$&`)
    .replaceAll('[', '(?:')
    .replaceAll(']', ')?')
    .replaceAll(/<(\w+)>/g, (_, name: FieldName) => `(?<${name}>${FIELDS[name].pattern})`);
  return { ...row, fixedValues: Object.entries(row.fixed), pattern: new RegExp(`^${source}$`) };
});

type Values = Readonly<Record<string, string | number | boolean | undefined>>;

/** The event's number and text. Asserts that every field has its form; a comment is made to have it. */
export function formatZsvrEvent(event: ZsvrEvent): {
  readonly eventNumber: number;
  readonly text: string;
} {
  const values: Values = { ...event };
  const row = COMPILED_EVENTS.find(({ fixedValues }) =>
    fixedValues.every(([name, value]) => values[name] === value),
  );
  assert(row !== undefined, `$ZSVR has the event ${JSON.stringify(event)}`);
  const text = row.template
    .replace(/\[([^\]]*)\]/g, (_, group: string) => {
      const field = /<(\w+)>/.exec(group)?.[1];
      const value = field === undefined ? undefined : printField(field, values[field]);
      return value === undefined || value === '' ? '' : group;
    })
    .replace(/<(\w+)>/g, (_, field: string) => printField(field, values[field]) ?? '');
  assert(
    row.pattern.test(text) && text.length <= ZSVR_TEXT_CHARS_MAX,
    `an event's fields have their form: ${text}`,
  );
  return { eventNumber: row.number, text };
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
