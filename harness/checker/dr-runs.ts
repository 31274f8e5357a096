/**
 * What Instant DR's runs must be: one at a time, by schedule when it says, each with a result for every
 * tape, and no result that is not so.
 */
import { MINUTE_MS } from '../../src/base/units.ts';
import type { IdrResultRow } from '../../src/ports/catalog-instant-dr.ts';
import { parseSchedule } from '../../src/server/schedule.ts';
import { other } from '../workload/dr-sides.ts';
import type { Side } from '../workload/dr-sides.ts';
import type { SimulatedServer } from '../world/simulated-server.ts';
import type { World } from '../world/world.ts';
import { hold } from './violation.ts';

const STARTED = '223101';
const PASSED_OVER = '423106';
const ATTEMPTS_MAX = 12;
const RUNS_MAX = 20;

/** What the checker looks at. */
interface CheckedWorld {
  readonly world: World;
  readonly servers: Readonly<Record<Side, SimulatedServer>>;
  readonly schedules: readonly string[];
  readonly timeZone: string;
  /** Since when a side serves without a break, ms since 1970. */
  readonly servesSinceMs: Readonly<Record<Side, number>>;
  /** `generation:digest` that each side was last seen to have. */
  readonly tapes: readonly {
    readonly name: string;
    readonly seen: Readonly<Record<Side, string | undefined>>;
  }[];
  scheme(side: Side): Promise<{ readonly role: string }>;
  /** Its schedules rested for a time since the check before. */
  roleChanged(side: Side): boolean;
}

/** What was seen of runs before; one a world and side. */
interface Seen {
  eventId: number;
  /** By run and tape. */
  readonly results: Map<string, IdrResultRow>;
  /** Occurrences up to here were accounted for. */
  occurrencesUntilMs: number;
}

const SEEN = new WeakMap<CheckedWorld, Record<Side, Seen>>();

function seenOf(dr: CheckedWorld, side: Side): Seen {
  let seen = SEEN.get(dr);
  if (seen === undefined) {
    const nowMs = dr.world.clock.nowMs();
    const none = (): Seen => ({ eventId: 0, results: new Map(), occurrencesUntilMs: nowMs });
    seen = { east: none(), west: none() };
    SEEN.set(dr, seen);
  }
  return seen[side];
}

/** Throws InvariantViolation. */
export async function checkRuns(dr: CheckedWorld, side: Side): Promise<void> {
  const { catalog } = dr.servers[side];
  const seen = seenOf(dr, side);
  const events = await catalog.listEvents({ afterId: seen.eventId, limit: 10_000 });
  seen.eventId = events.at(-1)?.id ?? seen.eventId;
  await checkSchedule(dr, side, events);
  const runs = await catalog.listIdrRuns({ limit: RUNS_MAX });
  hold(
    runs.filter((run) => run.state === 'running').length <= 1,
    () => `two runs of the scheme go on ${side} at a time`,
  );
  const tapes = await catalog.listTapes();
  for (const run of runs.slice(0, 5)) {
    const results = await catalog.listIdrResults(run.id);
    for (const result of results) await checkResult(dr, side, seen, result);
    const byLine = /cannot be reached|was lost|broke the replication/.test(run.reason ?? '');
    if (run.state === 'failed' && byLine && run.cause !== 'swap') {
      hold(
        run.attempts === ATTEMPTS_MAX,
        () => `run ${run.id} of ${side} was given up after ${run.attempts} attempts`,
      );
    }
    if (run.state !== 'done') continue;
    const told = new Set(results.map(({ tape }) => tape));
    const untold = tapes.find((tape) => tape.createdAtMs < run.startedAtMs && !told.has(tape.name));
    hold(untold === undefined, () => `run ${run.id} of ${side} is done without ${untold?.name}`);
  }
}

/** Each occurrence while the server served starts a run, or is passed over, to the second; no other does. */
async function checkSchedule(
  dr: CheckedWorld,
  side: Side,
  events: readonly { readonly messageId: string; readonly text: string; readonly atMs: number }[],
): Promise<void> {
  const seen = seenOf(dr, side);
  const answered = events
    .filter(
      ({ messageId, text }) =>
        messageId === PASSED_OVER || (messageId === STARTED && text.endsWith('by schedule')),
    )
    .map(({ atMs }) => atMs);
  const nowMs = dr.world.clock.nowMs();
  const fromMs = seen.occurrencesUntilMs;
  seen.occurrencesUntilMs = nowMs;
  const schedules = dr.schedules.map((text) => parseSchedule(text, dr.timeZone));
  const isOccurrence = (atMs: number): boolean =>
    schedules.some((schedule) => schedule.nextMs(atMs - 1) === atMs);
  const sinceMs = dr.servesSinceMs[side];
  const strange = answered.filter((atMs) => !isOccurrence(atMs));
  // What was missed is made up once, at the start.
  const made = strange.filter((atMs) => Math.abs(atMs - sinceMs) < MINUTE_MS);
  hold(strange.length === made.length, () => `a run of ${side} starts at a time of no schedule`);
  hold(made.length <= 1, () => `${side} makes up ${made.length} runs at one start`);
  const times = answered.filter((atMs) => isOccurrence(atMs));
  hold(new Set(times).size === times.length, () => `an occurrence is answered twice on ${side}`);
  const role = (await dr.scheme(side)).role;
  if (!dr.servers[side].running || sinceMs > fromMs || role !== 'source') return;
  if (dr.roleChanged(side)) return;
  for (const schedule of schedules) {
    for (
      let at = schedule.nextMs(fromMs);
      at !== undefined && at < nowMs;
      at = schedule.nextMs(at)
    ) {
      const atMs = at;
      hold(answered.includes(atMs), () => `an occurrence of ${side} at ${atMs} is not answered`);
    }
  }
}

/** A result is final, and says what is so. */
async function checkResult(
  dr: CheckedWorld,
  side: Side,
  seen: Seen,
  result: IdrResultRow,
): Promise<void> {
  const key = `${result.runId} ${result.tape}`;
  const before = seen.results.get(key);
  if (before !== undefined) {
    hold(
      before.atMs === result.atMs && before.outcome === result.outcome,
      () =>
        `run ${result.runId} of ${side} says of ${result.tape} ${before.outcome}, then ${result.outcome} anew`,
    );
    return;
  }
  seen.results.set(key, result);
  const { generation, outcome } = result;
  if ((outcome !== 'copied' && outcome !== 'unchanged') || generation === undefined) return;
  const there = await dr.servers[other(side)].catalog.findTape(result.tape);
  const orphan = dr.tapes.find(({ name }) => name === result.tape)?.seen[other(side)];
  const found = Math.max(there?.generation ?? -1, Number(orphan?.split(':')[0] ?? -1));
  hold(
    found >= generation,
    () =>
      `${side} says ${outcome} of ${result.tape}, generation ${generation}; the other has ${found}`,
  );
}
