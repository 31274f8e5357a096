/**
 * The sequences of a played script, and whether two plays have the same ones.
 *
 * What may differ between a play in simulated time and one with real processes, and nothing else:
 *
 *   numbers and times of entries, the address in them    not compared
 *   times in a TACL session                              `<time>`
 *   why a network has no connection, in its own words    one word for each of those in NETWORK_WORDS
 *
 * All else is equal to the letter: messages and their order, users and programs, attempts, generations, bytes
 * sent, what the host and the server said to each other, digests of the tapes.
 */
import type { EventRow } from '../../src/ports/catalog.ts';
import { EVENT_MESSAGES } from '../../src/server/event-messages.ts';
import type { EventMessage } from '../../src/server/event-messages.ts';
import type { Recording } from '../workload/two-sites.ts';

export interface Sequence {
  /** `event log of east, AutoCopy copies a tape` */
  readonly name: string;
  readonly lines: readonly string[];
}

const UNREACHABLE = [
  [/\S+:\d+ cannot be reached: there is no way to it\.$/, '<down>'],
  [/\S+:\d+ cannot be reached: ssh: connect to host \S+ port \d+: Connection refused\.$/, '<down>'],
] as const;

/** Of which messages, and which words. What is not in it has to be equal. */
const NETWORK_WORDS: Readonly<
  Partial<Record<EventMessage, readonly (readonly [RegExp, string])[]>>
> = {
  COPY_ATTEMPT_FAILED: UNREACHABLE,
  IDR_LINE_LOST: UNREACHABLE,
  EMS_SESSION_LOST: [[/(?:the connection was reset|the host ended it)$/, '<broken>']],
  EMS_SESSION_FAILED: [[/(?:nobody listens there|connect ECONNREFUSED \S+)$/, '<down>']],
};

/** `2026-01-01 00:10:19`, and with a year of two digits. */
const EMS_TIME = /\b(?:\d\d)?\d\d-\d\d-\d\d \d\d:\d\d:\d\d\b/g;

/** What two plays must have in common. */
export function sequencesOf({ acts, conversations, tapes }: Recording): readonly Sequence[] {
  return [
    ...acts.flatMap(({ name, events }) =>
      (['east', 'west'] as const).map((side) => ({
        name: `event log of ${side}, ${name}`,
        lines: events[side].map(entryText),
      })),
    ),
    ...conversations.flatMap(({ fromHost, fromServer }, index) => [
      { name: `TACL session ${index + 1}, what the host said`, lines: spoken(fromHost) },
      { name: `TACL session ${index + 1}, what the server said`, lines: spoken(fromServer) },
    ]),
    { name: 'tapes at the end', lines: tapes },
  ];
}

function entryText({ severity, messageId, user, program, text }: EventRow): string {
  return [severity, messageId, user, program, withoutNetworkWords(messageId, text)].join('|');
}

function withoutNetworkWords(messageId: string, text: string): string {
  const words = Object.entries(NETWORK_WORDS).find(
    ([message]) => EVENT_MESSAGES[message as EventMessage].id === messageId,
  )?.[1];
  return (words ?? []).reduce((rest, [pattern, word]) => rest.replace(pattern, word), text);
}

function spoken(text: string): readonly string[] {
  return text.replaceAll(EMS_TIME, '<time>').split(/\r?\n/);
}

/** Where two plays part: the first place of each sequence, in two lines. Empty where they are the same. */
export function differencesOf(
  one: { readonly name: string; readonly sequences: readonly Sequence[] },
  other: { readonly name: string; readonly sequences: readonly Sequence[] },
): readonly string[] {
  const names = new Set([...one.sequences, ...other.sequences].map(({ name }) => name));
  const width = Math.max(one.name.length, other.name.length) + 1;
  return [...names].flatMap((name) => {
    const [ours, theirs] = [one, other].map(
      ({ sequences }) => sequences.find((each) => each.name === name)?.lines ?? [],
    ) as [readonly string[], readonly string[]];
    const length = Math.max(ours.length, theirs.length);
    const at = Array.from({ length }).findIndex((_, index) => ours[index] !== theirs[index]);
    if (at < 0) return [];
    return [
      `${name}, line ${at + 1} of ${ours.length} and ${theirs.length}`,
      `  ${`${one.name}:`.padEnd(width)} ${ours[at] ?? '(nothing more)'}`,
      `  ${`${other.name}:`.padEnd(width)} ${theirs[at] ?? '(nothing more)'}`,
    ];
  });
}
