/**
 * Requests whose tape the host looked at and gave back: it is mounted for them again after a while, not for
 * ever.
 */
import { MINUTE_MS } from '../base/units.ts';
import type { MountRequestRow } from '../ports/catalog.ts';
import type { Clock } from '../ports/clock.ts';

/** How often a tape is mounted for a request whose host gives it back. */
export const REFUSALS_MAX = 3;
/** From a refusal to the next mount. */
const PAUSE_MS = MINUTE_MS;

type RequestKey = Pick<MountRequestRow, 'host' | 'requestNumber'>;

export class RefusedRequests {
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #refusals = new Map<
    string,
    { readonly count: number; readonly reason: string; readonly notBeforeMs: number }
  >();

  constructor(clock: Pick<Clock, 'nowMs'>) {
    this.#clock = clock;
  }

  /** The host gave the tape back; why, as an operator reads it. */
  add(request: RequestKey, why: string): string {
    const key = textOf(request);
    const count = (this.#refusals.get(key)?.count ?? 0) + 1;
    const reason = `the host refused the tape: ${why}`;
    this.#refusals.set(key, { count, reason, notBeforeMs: this.#clock.nowMs() + PAUSE_MS });
    return reason;
  }

  /** The request is over, or its number has come round. */
  forget(request: RequestKey): void {
    this.#refusals.delete(textOf(request));
  }

  /** Undefined where the tape may be mounted for it. */
  reasonToWait(request: RequestKey): string | undefined {
    const refusal = this.#refusals.get(textOf(request));
    if (refusal === undefined) return undefined;
    if (refusal.count >= REFUSALS_MAX) return `${refusal.reason}, ${REFUSALS_MAX} times`;
    return this.#clock.nowMs() < refusal.notBeforeMs ? refusal.reason : undefined;
  }
}

const textOf = ({ host, requestNumber }: RequestKey): string => `${host} ${requestNumber}`;
