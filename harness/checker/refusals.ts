/** What the target refuses, the source hears at once: seen in the logs of both, where the line had no fault. */
import { MINUTE_MS, SECOND_MS } from '../../src/base/units.ts';
import type { EventRow } from '../../src/ports/catalog.ts';
import type { Side } from '../workload/dr-sides.ts';
import type { SimulatedServer } from '../world/simulated-server.ts';
import type { Wire } from '../world/simulated-wire.ts';
import type { World } from '../world/world.ts';
import { hold } from './violation.ts';

const REFUSED = '622104';
const HEARD_MS_MAX = 5 * SECOND_MS;
/** How long before a source may have given up. */
const TOLD_MS_MAX = 20 * MINUTE_MS;
const GIVEN_UP = 'makes no progress';
/** Instant DR's copies have results in place of events. */
const RUNS_MAX = 20;
const EVENTS_MAX = 1000;

interface CheckedWorld {
  readonly world: World;
  readonly wire: Wire;
  readonly servers: Readonly<Record<Side, SimulatedServer>>;
}

export class Refusals {
  readonly #checked: CheckedWorld;
  readonly #eventIds: Record<Side, number> = { east: 0, west: 0 };
  #told: readonly EventRow[] = [];
  #refused: readonly EventRow[] = [];
  /** Since when both serve and the line is well, ms since 1970; undefined where they do not. */
  #quietSinceMs: number | undefined = 0;

  constructor(checked: CheckedWorld) {
    this.#checked = checked;
  }

  /** Throws InvariantViolation. */
  async check(): Promise<void> {
    const { world, wire, servers } = this.#checked;
    const nowMs = world.clock.nowMs();
    const runs = await servers.east.catalog.listIdrRuns({ limit: RUNS_MAX });
    const isOfRun = (atMs: number): boolean =>
      runs.some((run) => run.startedAtMs <= atMs && atMs <= (run.endedAtMs ?? nowMs));
    this.#told = [...this.#told, ...(await this.#newEvents('east'))];
    this.#refused = [
      ...this.#refused,
      ...(await this.#newEvents('west')).filter(({ messageId }) => messageId === REFUSED),
    ];
    this.#quietSinceMs ??= nowMs;
    for (const refusal of this.#refused) {
      const { atMs } = refusal;
      if (atMs <= this.#quietSinceMs || atMs + HEARD_MS_MAX > nowMs || isOfRun(atMs)) continue;
      this.#checkHeard(refusal);
    }
    const isQuiet = wire.isWell && servers.east.running && servers.west.running;
    if (!isQuiet) this.#quietSinceMs = undefined;
    this.#refused = this.#refused.filter(({ atMs }) => atMs + HEARD_MS_MAX > nowMs);
    this.#told = this.#told.filter(({ atMs }) => atMs + TOLD_MS_MAX > nowMs);
  }

  #checkHeard(refusal: EventRow): void {
    const [, tape = '', reason = ''] =
      /^Copy of cartridge (\w+) from \w+ refused: (.*)$/.exec(refusal.text) ?? [];
    const told = this.#told.filter(({ text }) => text.includes(tape));
    const isTold = told.some(({ atMs, text }) =>
      text.includes(reason)
        ? Math.abs(atMs - refusal.atMs) <= HEARD_MS_MAX
        : // A disk took so long that the source had gone when the target looked once more.
          text.includes(GIVEN_UP) && atMs < refusal.atMs,
    );
    hold(isTold, () => `the source tells nothing of what the target says: ${refusal.text}`);
  }

  async #newEvents(side: Side): Promise<readonly EventRow[]> {
    const { catalog } = this.#checked.servers[side];
    const afterId = this.#eventIds[side];
    const events = await catalog.listEvents({ afterId, limit: EVENTS_MAX });
    this.#eventIds[side] = events.at(-1)?.id ?? afterId;
    return events;
  }
}
