/**
 * Tapes that a host has just given back, and has not told of in its event log yet.
 *
 * A drive's UNLOAD is seen at once, the host's events half a second later or more. So a request that the
 * host satisfied with a tape which was in its drive already may be heard, or heard to be satisfied (648),
 * behind the UNLOAD of that tape. The host's word that the tape was dismounted (659) comes behind both:
 * until then, or for HEARD_MS_MAX, no request of the host for that tape is answered.
 */
import { SECOND_MS } from '../base/units.ts';
import type { Clock } from '../ports/clock.ts';

/** Longest wait for a host's 659: EMSDIST's own delay, a silence, and a slow line. A filter may leave it out. */
export const HEARD_MS_MAX = 5 * SECOND_MS;

/** A tape in a drive of a host, or a request for it. */
interface Place {
  readonly host: string;
  readonly tape: string;
}

export class UnheardDismounts {
  readonly #clock: Pick<Clock, 'nowMs'>;
  /** By host and tape: until when its 659 is waited for. */
  readonly #untilMs = new Map<string, number>();

  constructor(clock: Pick<Clock, 'nowMs'>) {
    this.#clock = clock;
  }

  /** The tape has left its drive. */
  expect(mount: Place): void {
    this.#untilMs.set(keyOf(mount), this.#clock.nowMs() + HEARD_MS_MAX);
  }

  /** The host has told of it; whether that was waited for. */
  hear(dismounted: Place): boolean {
    return this.#untilMs.delete(keyOf(dismounted));
  }

  /** How long a request for the tape still has to wait, ms; 0 for not at all. */
  leftMs(request: Place): number {
    const key = keyOf(request);
    const leftMs = (this.#untilMs.get(key) ?? 0) - this.#clock.nowMs();
    if (leftMs <= 0) this.#untilMs.delete(key);
    return Math.max(0, leftMs);
  }
}

const keyOf = ({ host, tape }: Place): string => `${host} ${tape}`;
