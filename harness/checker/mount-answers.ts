/**
 * Whether a host's request was rightly answered with a mount, judged by what the server could know: the
 * volume, the ring and the device that were asked for, and that the request was open.
 */
import { SECOND_MS } from '../../src/base/units.ts';
import type { MountRow } from '../../src/ports/catalog.ts';

/** An end of a request that the server hears of later than this was not heard in time. */
export const HEARING_MS = 5 * SECOND_MS;
/**
 * After trouble: the longest pause before a session, the longest silence before a lost line is noticed,
 * and the catching up.
 */
export const RECOVERY_MS = 240 * SECOND_MS;

/** A host's request, as the host knows it. Times are the world's, from its beginning. */
export interface AskedMount {
  readonly requestNumber: number;
  readonly volume: string;
  readonly ring: boolean;
  readonly device: string | undefined;
  readonly askedAtMs: number;
  readonly state: 'waiting' | 'mounted' | 'ended';
  readonly endedAtMs: number;
  /** It ended with the host, which told nobody of it. */
  readonly lost: boolean;
  /** Since when the server was seen to have it in its queue. */
  readonly knownSinceMs: number | undefined;
  /** The server has mounted the tape for it before. */
  readonly answered: boolean;
  /** In which of the server's lives an operator took it out of the queue. */
  readonly droppedInLife: number | undefined;
  /** In which of the server's lives its job gave the tape back. */
  readonly gaveBackInLife: number | undefined;
}

export interface Answer {
  readonly mount: MountRow;
  readonly device: string;
  readonly atMs: number;
  /** An operator mounted the tape by hand. */
  readonly byHand: boolean;
  readonly life: number;
}

/** What the server could know. */
export interface Hearing {
  /** The last moment at which it may not have heard the host. */
  readonly troubleMs: number;
  /** Since when the host's distributor prints for it: what was logged before, it printed then. */
  readonly sessionSinceMs: number;
  /** Whether it may ask the host which requests are open. */
  readonly mayAsk: boolean;
  readonly mountDelayMs: number;
}

/** What is wrong with an answer to one of these requests, which have its number, newest last; else undefined. */
export function wrongAnswer(
  answer: Answer,
  asked: readonly AskedMount[],
  hearing: Hearing,
): string | undefined {
  const { requestNumber } = answer.mount;
  if (asked.length === 0) return `request ${requestNumber} was answered, and nobody made it`;
  const complaints = asked.toReversed().map((each, newer) => {
    const next = asked[asked.length - newer];
    return wrongSubject(answer, each, hearing) ?? wrongTime(answer, each, next, hearing);
  });
  return complaints.includes(undefined) ? undefined : complaints[0];
}

function wrongSubject(
  { mount: { tape, ring }, device, atMs, byHand, life }: Answer,
  each: AskedMount,
  { mountDelayMs }: Hearing,
): string | undefined {
  const what = `request ${each.requestNumber}`;
  if (each.volume !== tape) return `${what} for ${each.volume} was answered with ${tape}`;
  if (each.ring !== ring) return `${what} was answered ${ring ? 'with a' : 'without its'} ring`;
  if ((each.device ?? device) !== device) return `${what} was answered on ${device}`;
  if (byHand) return undefined;
  if (each.droppedInLife === life) return `${what} was answered after an operator had dropped it`;
  const waitedMs = atMs - each.askedAtMs;
  return waitedMs < mountDelayMs ? `${what} was answered after ${waitedMs} ms` : undefined;
}

function wrongTime(
  { mount: { tape }, atMs, life }: Answer,
  each: AskedMount,
  next: AskedMount | undefined,
  { troubleMs, sessionSinceMs, mayAsk }: Hearing,
): string | undefined {
  if (each.state === 'ended' && each.gaveBackInLife === life && atMs > each.endedAtMs) {
    return `request ${each.requestNumber} was answered with ${tape} again, which its job had given back`;
  }
  // The host's tape: the server has mounted it before this look, and that was in order.
  if (each.state !== 'ended') return undefined;
  const what = `request ${each.requestNumber} for ${tape} was answered`;
  const isReplayed = each.endedAtMs < sessionSinceMs && sessionSinceMs <= atMs;
  const isKnown = each.answered || each.knownSinceMs !== undefined;
  if (isReplayed && !each.lost && !isKnown && troubleMs <= sessionSinceMs) {
    return `${what} although the host told of its end as it told of it`;
  }
  if (atMs - each.endedAtMs <= HEARING_MS) return undefined;
  if (each.lost && !mayAsk) {
    // Only the next request of its number says that it is no more.
    const isToldOf = next !== undefined && atMs - Math.max(next.askedAtMs, troubleMs) > RECOVERY_MS;
    return isToldOf ? `${what} although the host has used its number again` : undefined;
  }
  const couldNotHear = troubleMs >= each.endedAtMs - HEARING_MS;
  if (couldNotHear && atMs - troubleMs <= RECOVERY_MS) return undefined;
  return `${what} ${(atMs - each.endedAtMs) / SECOND_MS} s after its end`;
}

/** Who asked later, and was served before one of these that could have had the tape as well; else undefined. */
export function outOfTurn(
  { mount: { requestNumber, tape }, device, byHand }: Answer,
  jobs: readonly AskedMount[],
): string | undefined {
  const served = jobs.findLast(
    (each) => each.requestNumber === requestNumber && each.volume === tape,
  );
  if (served === undefined || byHand) return undefined;
  const passed = jobs.find(
    (each) =>
      each !== served &&
      each.state === 'waiting' &&
      each.volume === tape &&
      (each.device ?? device) === device &&
      // What was answered once, and given back, waits again behind the others.
      !each.answered &&
      each.droppedInLife === undefined &&
      (each.knownSinceMs ?? Infinity) <= served.askedAtMs,
  );
  return passed && `request ${requestNumber} was answered before request ${passed.requestNumber}`;
}
