/** Which entries of the event log somebody wants to see; the catalog's listEvents does the same in SQL. */
import { parseTimestamp } from '../base/civil-time.ts';
import { CapstanError } from '../base/errors.ts';
import type { EventFilter, EventRow, EventSeverity } from '../ports/catalog.ts';

/** From the mildest to the worst. */
export const SEVERITY_ORDER = [
  'INFO',
  'WARNING',
  'ERROR',
  'CRITICAL',
] as const satisfies readonly EventSeverity[];

/** Whether the entry passes: every part of the filter that is there must hold. */
export function passes(row: EventRow, filter: Omit<EventFilter, 'vaults'>): boolean {
  const { severities, subsystem, messageId, tape, user, text, sinceMs, untilMs } = filter;
  return (
    (severities === undefined || severities.includes(row.severity)) &&
    (subsystem === undefined || row.messageId.slice(1, 3) === subsystem) &&
    (messageId === undefined || row.messageId === messageId) &&
    (user === undefined || row.user === user) &&
    (sinceMs === undefined || row.atMs >= sinceMs) &&
    (untilMs === undefined || row.atMs < untilMs) &&
    (tape === undefined || row.text.split(/[^A-Za-z0-9]+/).includes(tape)) &&
    (text === undefined || row.text.toLowerCase().includes(text.toLowerCase()))
  );
}

/** A severity and all that are worse. */
export function severitiesFrom(severity: EventSeverity): readonly EventSeverity[] {
  return SEVERITY_ORDER.slice(SEVERITY_ORDER.indexOf(severity));
}

/** `2006-08-28 16:25:18`, `2006-08-28T16:25`, `2006-08-28`: UTC, as the lines have it. Throws INVALID_ARGUMENT. */
export function parseEventTime(text: string): number {
  const [, day = '', time = '', second = '00'] =
    /^(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d)(?::(\d\d))?)?Z?$/.exec(text.trim()) ?? [];
  const ms = parseTimestamp(`${day} ${time === '' ? '00:00' : time}:${second}`);
  if (ms !== undefined) return ms;
  throw new CapstanError('INVALID_ARGUMENT', {
    what: `The time ${JSON.stringify(text.slice(0, 40))}`,
    reason: 'it is no time like 2006-08-28 16:25:18 or day like 2006-08-28',
  });
}
