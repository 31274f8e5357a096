/**
 * What EMSDIST TYPE PRINTING prints: an event a paragraph, a header line and continuation lines.
 *
 *   96-10-03 15:09:51 \NET.$FTI1  TANDEM.MHS.G01          000023 $ZL1
 *           the text goes on here
 *   YY-MM-DD HH:MM:SS node.process  OWNER.SUBSYSTEM.VERSION NNNNNN text
 *
 * A critical event has an asterisk two columns before the subsystem. The time is the host's local
 * wall time. Whatever is neither header nor continuation ends the event before it and is skipped;
 * an event that breaks a limit is dropped, and the next header line starts anew.
 *
 * @source Guardian User's Guide, "Printing distributor"; EMS Manual (426909-005), EMSDIST.
 */
import { assert } from '../base/assert.ts';
import { civilTimeMs, formatTimestamp } from '../base/civil-time.ts';

/** Longest line that is looked at, characters; a longer one is no line of EMSDIST. */
export const LINE_CHARS_MAX = 1024;
/** Longest text of an event, characters. */
export const EVENT_TEXT_CHARS_MAX = 4096;
/** Blanks before a continuation line's text. */
const CONTINUATION_INDENT = 8;
/** Fewer are still taken for a continuation: terminals differ. */
const CONTINUATION_INDENT_MIN = 4;
/** Where the printing distributor wraps a text, columns. A word is not cut. */
const WRAP_COLUMNS = 79;
const PROCESS_COLUMNS = 11;
const SUBSYSTEM_COLUMNS = 23;
/** Two digits of a year from here on are of the 20th century. */
const CENTURY_PIVOT_YEAR = 70;

export interface DistributorEvent {
  /** The host's local wall time, as the milliseconds at which UTC shows that time. Whole seconds. */
  readonly localTimeMs: number;
  /** `\LAB` */
  readonly node: string;
  /** `$ZSVR`, or `02,171` (CPU and PIN) of a process without a name. */
  readonly process: string;
  /** Owner, subsystem and version: `TANDEM.ZSVR.H06`. */
  readonly subsystem: string;
  readonly critical?: boolean;
  /** 0 to 999999. */
  readonly eventNumber: number;
  /** Printable ASCII, no blanks in runs or at its ends. */
  readonly text: string;
  /** Blanks in runs or at its ends were printed; `text` is shorter than what the host logged. */
  readonly padded?: true;
}

const HEADER_PATTERN =
  /^(\d\d)-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d) +(\\[A-Z][A-Z0-9]{0,7})\.(\$[A-Z0-9]{1,6}|\d{1,3},\d{1,4}) +(\*?) *([A-Z0-9-]{1,8}\.[A-Z0-9-]{1,10}\.[A-Z0-9]{1,3}) +(\d{6})(?: (.*))?$/;

/** The event's lines, each ended by CR LF; blanks of the text as they are. Asserts the fields' forms. */
export function formatDistributorLines(event: DistributorEvent): string {
  const head = [
    formatTimestamp(event.localTimeMs).slice(2),
    `${event.node}.${event.process}`.padEnd(PROCESS_COLUMNS - (event.critical === true ? 1 : 0)),
    ...(event.critical === true ? ['*'] : []),
    event.subsystem.padEnd(SUBSYSTEM_COLUMNS),
    String(event.eventNumber).padStart(6, '0'),
  ].join(' ');
  assert(HEADER_PATTERN.test(head), `an event's header has its form: ${head}`);
  assert(event.text.length <= EVENT_TEXT_CHARS_MAX, "an event's text has at most 4096 characters");
  const lines: string[] = [];
  let line = head;
  let first = true;
  const text = event.text.replaceAll(/[^ -~]+/g, ' ');
  for (const word of text === '' ? [] : text.split(' ')) {
    if (!first && line.length + 1 + word.length > WRAP_COLUMNS) {
      lines.push(line);
      line = ' '.repeat(CONTINUATION_INDENT) + word;
    } else {
      line += ` ${word}`;
    }
    first = false;
  }
  lines.push(line);
  assert(
    lines.every(({ length }) => length <= LINE_CHARS_MAX),
    'a word of an event fits into a line',
  );
  return lines.map((each) => `${each}\r\n`).join('');
}

/** Reads lines (without their ends) one by one; an event is whole when the next line is not its own. */
export class DistributorParser {
  #event: DistributorEvent | undefined;

  /** The event that `line` ended, if any. Never throws. */
  push(line: string): DistributorEvent[] {
    const indent = /^ */.exec(line)?.[0].length ?? 0;
    if (indent >= CONTINUATION_INDENT_MIN && line.length <= LINE_CHARS_MAX) {
      const event = this.#event;
      if (event !== undefined) {
        const text = cleanText(`${event.text} ${line}`);
        const padded = isPadded(line.slice(Math.min(indent, CONTINUATION_INDENT)));
        this.#event =
          text.length <= EVENT_TEXT_CHARS_MAX
            ? { ...event, text, ...(padded && { padded }) }
            : undefined;
      }
      return [];
    }
    const ended = this.flush();
    if (line.length <= LINE_CHARS_MAX) this.#event = parseHeader(line);
    return ended;
  }

  /** The event that may still go on. */
  get pending(): DistributorEvent | undefined {
    return this.#event;
  }

  /** Nothing more of the event will come: gives it out. */
  flush(): DistributorEvent[] {
    const event = this.#event;
    this.#event = undefined;
    return event === undefined ? [] : [event];
  }
}

function parseHeader(line: string): DistributorEvent | undefined {
  const match = HEADER_PATTERN.exec(line);
  if (match === null) return undefined;
  const [yy = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map(Number);
  const year = yy + (yy >= CENTURY_PIVOT_YEAR ? 1900 : 2000);
  const localTimeMs = civilTimeMs({ year, month, day, hour, minute, second });
  if (localTimeMs === undefined) return undefined;
  const [node = '', process = '', star = '', subsystem = '', eventNumber = '', text = ''] =
    match.slice(7);
  return {
    localTimeMs,
    node,
    process,
    subsystem,
    ...(star === '*' ? { critical: true } : {}),
    eventNumber: Number(eventNumber),
    text: cleanText(text),
    ...(isPadded(text) && { padded: true }),
  };
}

/** Whether {@link cleanText} takes away blanks that a line has. */
function isPadded(text: string): boolean {
  return /^ | {2}| $/.test(text);
}

/** Printable ASCII with single blanks between words: how a text is printed, wrapped and compared. */
function cleanText(text: string): string {
  return text.replaceAll(/[^!-~]+/g, ' ').trim();
}
