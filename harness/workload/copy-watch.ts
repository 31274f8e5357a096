/**
 * What happens to the tapes of a data centre and to their copies, as `east` tells it: for the judgement of
 * AutoCopy's rhythm (checker/attempts.ts).
 */
import { checkAttempts } from '../checker/attempts.ts';
import type { CopyIncident } from '../checker/attempts.ts';
import type { DataCentre } from './data-centre.ts';

/** Event of the event log: a copy is given up. */
const COPY_FAILED_ID = '622103';

export class CopyWatch {
  readonly #centre: DataCentre;
  readonly #incidents = new Map<string, CopyIncident[]>();
  /** Of all tapes, since the beginning. */
  readonly counts = { attempt: 0, failure: 0, ringDismount: 0 };

  constructor(centre: DataCentre) {
    this.#centre = centre;
    centre.onEvent((event) => {
      if (event.kind === 'mounted') this.#note(event.mount.tape, 'mount');
      if (event.kind === 'dismounted') {
        this.#note(event.mount.tape, event.mount.ring ? 'ring-dismount' : 'dismount');
      }
      if (event.kind === 'copy-started') this.#note(event.tape, 'attempt');
      if (event.kind === 'event-logged' && event.row.messageId === COPY_FAILED_ID) {
        const tape = [...centre.tapes.keys()].find((name) => event.row.text.includes(` ${name} `));
        if (tape !== undefined) this.#note(tape, 'failure');
      }
    });
  }

  #note(tape: string, what: CopyIncident['what']): void {
    const incidents = this.#incidents.get(tape) ?? [];
    this.#incidents.set(tape, incidents);
    incidents.push({ atMs: this.#centre.world.clock.elapsedMs, what });
    if (what === 'attempt' || what === 'failure') this.counts[what] += 1;
    if (what === 'ring-dismount') this.counts.ringDismount += 1;
  }

  /** Throws InvariantViolation where a tape's copies have another rhythm. */
  check(disk: Parameters<typeof checkAttempts>[2]): void {
    const nowMs = this.#centre.world.clock.elapsedMs;
    for (const [tape, incidents] of this.#incidents) checkAttempts(tape, incidents, disk, nowMs);
  }

  /** What was owed is asked for anew, as an operator may: the rhythm begins from here. */
  forget(): void {
    for (const incidents of this.#incidents.values()) incidents.length = 0;
  }
}
