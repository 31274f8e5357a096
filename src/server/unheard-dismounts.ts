/**
 * Tapes that a host has just given back, and has not told of in its event log yet.
 *
 * A drive's UNLOAD is seen at once, the host's events half a second later or more. So a request that the
 * host satisfied with a tape which was in its drive already may be heard, or heard to be satisfied (648),
 * behind the UNLOAD of that tape. The host's word that the tape was dismounted (659) comes behind both:
 * until then no request of the host for that tape is answered.
 *
 * A filter may leave 659 out. So after HEARD_MS_MAX the host is asked for a mark behind all that it has
 * printed, and the request is answered once that has come: no time that passes on a line which is lost says
 * that a host had nothing to say.
 */
import { SECOND_MS } from '../base/units.ts';
import type { Clock } from '../ports/clock.ts';

/** By then a host has printed what it logged at an UNLOAD: EMSDIST's own delay, and a slow machine. */
export const HEARD_MS_MAX = 5 * SECOND_MS;

/** A tape in a drive of a host, or a request for it. */
interface Place {
  readonly host: string;
  readonly tape: string;
}

interface Unheard extends Place {
  /** Until when its 659 is waited for without a question. */
  readonly untilMs: number;
  asked: boolean;
}

export class UnheardDismounts {
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #mark: (host: string) => boolean;
  /** By host and tape. */
  readonly #unheard = new Map<string, Unheard>();

  /** `mark` asks a host for a mark behind all that it has printed; false where nobody listens to it. */
  constructor(clock: Pick<Clock, 'nowMs'>, mark: (host: string) => boolean) {
    this.#clock = clock;
    this.#mark = mark;
  }

  /** The tape has left its drive. */
  expect({ host, tape }: Place): void {
    const untilMs = this.#clock.nowMs() + HEARD_MS_MAX;
    this.#unheard.set(keyOf({ host, tape }), { host, tape, untilMs, asked: false });
  }

  /** The host has told of it; whether that was waited for. */
  hear(dismounted: Place): boolean {
    return this.#unheard.delete(keyOf(dismounted));
  }

  /** What the host was asked for a mark about. */
  asked(host: string): readonly Unheard[] {
    return [...this.#unheard.values()].filter((each) => each.host === host && each.asked);
  }

  /** All that the host had printed when it was asked about these has been heard. */
  forget(unheard: readonly Unheard[]): void {
    for (const each of unheard) {
      if (this.#unheard.get(keyOf(each)) === each) this.#unheard.delete(keyOf(each));
    }
  }

  /** A new session has told what the host logged before: the old one's marks will not come. */
  askAgain(host: string): boolean {
    const lost = this.asked(host);
    for (const each of lost) each.asked = false;
    return lost.length > 0;
  }

  /** Whether a request for the tape has to wait; the host is asked where it should have told by now. */
  keeps(request: Place): boolean {
    const key = keyOf(request);
    const unheard = this.#unheard.get(key);
    if (unheard === undefined) return false;
    if (unheard.asked || unheard.untilMs > this.#clock.nowMs()) return true;
    unheard.asked = this.#mark(unheard.host);
    if (!unheard.asked) this.#unheard.delete(key);
    return unheard.asked;
  }

  /** When a request that has to wait is to be looked at again at the latest, ms from now; 0 for whenever. */
  leftMs(request: Place): number {
    const { untilMs = 0 } = this.#unheard.get(keyOf(request)) ?? {};
    return Math.max(0, untilMs - this.#clock.nowMs());
  }
}

const keyOf = ({ host, tape }: Place): string => `${host} ${tape}`;
