/**
 * What is left to do of events that were replayed: after a loss of the session, or a stop of the server,
 * the distributor prints all that was logged meanwhile, ended requests and their ends alike.
 */
import type { ZsvrEvent } from './zsvr-events.ts';

const REQUEST_KINDS: ReadonlySet<ZsvrEvent['kind']> = new Set([
  'mount-request',
  'scratch-request',
  'unlabelled-request',
  'bypass-request',
]);

const END_KINDS: ReadonlySet<ZsvrEvent['kind']> = new Set([
  'mounted',
  'request-cancelled',
  'request-rejected',
  'device-request-cancelled',
  'device-request-accepted',
  'device-request-rejected',
]);

/**
 * The events in their order, without the requests that a later one of them ends, or whose number a later one
 * has: a host that was loaded anew told of no end. The ends stay: they may end requests that were known before.
 */
export function withoutEndedRequests(events: readonly ZsvrEvent[]): readonly ZsvrEvent[] {
  const endedLater = new Set<number>();
  const askedLater = new Set<number>();
  const kept: ZsvrEvent[] = [];
  for (const event of events.toReversed()) {
    if ('requestNumber' in event) {
      const { kind, requestNumber } = event;
      if (END_KINDS.has(kind)) endedLater.add(requestNumber);
      else if (REQUEST_KINDS.has(kind)) {
        // A number comes round again: what ended it then is no end of an earlier request.
        const isEnded = endedLater.delete(requestNumber);
        if (isEnded || askedLater.has(requestNumber)) continue;
        askedLater.add(requestNumber);
      }
    }
    kept.push(event);
  }
  return kept.reverse();
}
