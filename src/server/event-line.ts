/**
 * The line of an entry of the event log.
 *
 * Nine fields between bars (eight in profiles without the program's), 255 characters at most:
 *
 *   2006-08-28 16:25:18|WARNING|440002|5900-E|127.0.0.1|Tapeserver01|administrator||text
 *
 * @source VTS 8.3 Configuration Guide and 6.04.02 Operations Guide, "Event log".
 */
import { formatTimestamp, parseTimestamp } from '../base/civil-time.ts';
import type { EventRow, EventSeverity } from '../ports/catalog.ts';

/** The message ID's first digit. */
export const SEVERITIES: Readonly<Record<string, EventSeverity>> = {
  '2': 'INFO',
  '4': 'WARNING',
  '6': 'ERROR',
  '8': 'CRITICAL',
};

/** Most characters of each field, and of the line. The limit of `program` is ours. */
export const EVENT_LINE_LIMITS = {
  timestamp: 19,
  severity: 8,
  messageId: 6,
  systemId: 7,
  address: 15,
  serverName: 15,
  user: 15,
  program: 15,
  text: 177,
  line: 255,
} as const;

/** The names that stand in every line of a server. */
export interface EventLineNames {
  /** Make and model, at most 7 characters: `5900-E`. */
  readonly systemId: string;
  readonly serverName: string;
  /** Lines of versions before 6.04.02 have no field for the program. */
  readonly hasProgram?: boolean;
}

/** The product's line, without a line end. A line too long loses the end of its text. */
export function formatEventLine(row: EventRow, names: EventLineNames): string {
  const limits = EVENT_LINE_LIMITS;
  const head = [
    formatTimestamp(row.atMs),
    row.severity,
    cleanField(row.messageId, limits.messageId),
    cleanField(names.systemId, limits.systemId),
    cleanField(row.address, limits.address),
    cleanField(names.serverName, limits.serverName),
    cleanField(row.user, limits.user),
    ...(names.hasProgram === false ? [] : [cleanField(row.program, limits.program)]),
    '',
  ].join('|');
  return head + cleanField(row.text, Math.min(limits.text, limits.line - head.length));
}

/**
 * A line's fields, or undefined where it is none; the time loses its milliseconds. A line of a version
 * before 6.04.02 has no program.
 */
export function parseEventLine(line: string): (Omit<EventRow, 'id'> & EventLineNames) | undefined {
  if (line.length > EVENT_LINE_LIMITS.line) return undefined;
  const fields = line.split('|');
  if (fields.length === 8) fields.splice(7, 0, '');
  if (fields.length !== 9) return undefined;
  const [timestamp = '', severity = '', messageId = ''] = fields;
  const [systemId = '', address = '', serverName = '', user = '', program = '', text = ''] =
    fields.slice(3);
  const atMs = parseTimestamp(timestamp);
  const ofId = SEVERITIES[messageId.charAt(0)];
  if (atMs === undefined || ofId === undefined || ofId !== severity) return undefined;
  if (!/^\d{6}$/.test(messageId)) return undefined;
  const parsed = { systemId, address, serverName, user, program, text };
  const fits = Object.entries(parsed).every(
    ([name, value]) => value.length <= EVENT_LINE_LIMITS[name as keyof typeof parsed],
  );
  return fits ? { atMs, severity: ofId, messageId, ...parsed } : undefined;
}

/** Printable ASCII without bars, a blank where anything else stood, cut to its limit. */
export function cleanField(value: string, charsMax: number): string {
  return value
    .replaceAll(/[^!-{}~]+/g, ' ')
    .trim()
    .slice(0, charsMax)
    .trimEnd();
}
