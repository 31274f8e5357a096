/** The kinds of live events: what each tells, and those that a stream says of itself. */
import { CapstanError } from '../base/errors.ts';
import type { ServerEvent } from '../server/context.ts';

/** Every kind that happens in a server; docs/reference/api.md has the same table, and a test compares. */
export const EVENT_KINDS = {
  'event-logged': 'an entry came to the event log',
  'ems-line': 'a host printed a line',
  mounted: 'a tape is in a drive',
  dismounted: 'a tape left its drive',
  'copy-started': 'an attempt to copy a tape began',
  'copy-progress': 'how far a copy is',
  'copy-finished': 'a copy is done, or was not needed',
  'copy-attempt-failed': 'an attempt to copy a tape failed',
  'idr-run': 'a run of Instant DR began, went on or ended',
  'idr-tape': 'what a run of Instant DR did with a tape',
  'verify-progress': 'how far a verification is',
  'collect-progress': 'how far a collection of a vault is',
  fault: 'a fault of the program in work that nobody waits for',
} as const satisfies Record<ServerEvent['kind'], string>;

/** What a reader that comes again has missed and cannot be told any more. */
export type EventsMissed = { readonly kind: 'events-missed' } & (
  | {
      /** The event log begins later by now: entries between the two are gone. */
      readonly why: 'put-by';
      readonly afterId: number;
      readonly beforeId: number;
    }
  | {
      /** The event log never had the reader's last event: it is another log, or an older copy of it. */
      readonly why: 'other-log';
      readonly lastEventId: number;
      readonly newestId: number;
    }
  | {
      /** Of these kinds nothing is kept: whatever happened meanwhile is not told. */
      readonly why: 'not-kept';
      readonly kinds: readonly ServerEvent['kind'][];
    }
);

/** The last event of a stream that its server ends. */
export interface StreamClosing {
  readonly kind: 'stream-closing';
  /** 'not-allowed': the session is over, or lacks a right by now; to come again is useless. */
  readonly why: 'server-stops' | 'not-allowed' | 'failed';
  readonly reason: string;
}

export type StreamEvent = ServerEvent | EventsMissed | StreamClosing;

/** What streams say of themselves, whatever kinds were asked for. */
export const STREAM_KINDS = {
  'events-missed': 'what happened before and cannot be told any more',
  'stream-closing': 'the server ends the stream, and why',
} as const satisfies Record<(EventsMissed | StreamClosing)['kind'], string>;

const isKind = (text: string): text is ServerEvent['kind'] => Object.hasOwn(EVENT_KINDS, text);

/** `copy-started,copy-finished`. Throws INVALID_ARGUMENT. */
export function parseKinds(text: string): ReadonlySet<ServerEvent['kind']> {
  const names = text.split(',');
  const kinds = names.filter(isKind);
  const strange = names.find((name) => !isKind(name));
  if (strange === undefined) return new Set(kinds);
  const known = Object.keys(EVENT_KINDS).join(', ');
  throw new CapstanError('INVALID_ARGUMENT', {
    what: `"kinds" of the stream`,
    reason: `${JSON.stringify(strange.slice(0, 40))} is no kind; there is ${known}`,
  });
}
