/**
 * Mount requests that another server of a shared vault satisfied. They wait here no more, and are remembered
 * for a while: the host may tell of one later than that server did, and where the server is lost before the
 * host was heard to have the tape, the request is open as before.
 *
 * @source `ems_InterSystemCommunication_hosts`: "primarily used to cancel pending mounts on other VTS systems"
 */
import { MINUTE_MS } from '../base/units.ts';
import type { MountRequestRow } from '../ports/catalog.ts';
import type { Clock } from '../ports/clock.ts';

/** How many are remembered, and how long each is. */
const ANSWERED_MAX = 1000;
const ANSWERED_MS = 10 * MINUTE_MS;

type RequestKey = Pick<MountRequestRow, 'host' | 'requestNumber'>;

interface Answered {
  readonly server: string;
  readonly atMs: number;
  /** What waited here. */
  readonly request: MountRequestRow | undefined;
}

export class AnsweredRequests {
  readonly #clock: Clock;
  readonly #answered = new Map<string, Answered>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(key: RequestKey, server: string, request: MountRequestRow | undefined): void {
    if (this.#answered.size >= ANSWERED_MAX) {
      const [oldest = ''] = this.#answered.keys();
      this.#answered.delete(oldest);
    }
    this.#answered.set(textOf(key), { server, atMs: this.#clock.nowMs(), request });
  }

  /** Whether another server has satisfied the request; it is kept in case that one is lost. */
  has(request: MountRequestRow): boolean {
    const key = textOf(request);
    const answered = this.#answered.get(key);
    if (answered === undefined || request.receivedAtMs > answered.atMs + ANSWERED_MS) return false;
    this.#answered.set(key, { ...answered, request });
    return true;
  }

  /** The host said that the request is over. */
  delete(key: RequestKey): void {
    this.#answered.delete(textOf(key));
  }

  /** What a server that is lost had satisfied, and the host was not heard to have. */
  takeOf(server: string): readonly MountRequestRow[] {
    const requests: MountRequestRow[] = [];
    for (const [key, answered] of this.#answered) {
      if (answered.server !== server) continue;
      this.#answered.delete(key);
      if (answered.request !== undefined) requests.push(answered.request);
    }
    return requests;
  }
}

const textOf = ({ host, requestNumber }: RequestKey): string => `${host} ${requestNumber}`;
