/**
 * `dr-year`: a year of Instant DR by the wall clock of a drawn time zone, over both changes of its clocks.
 *
 * A host writes a backup or two a day; schedules of the form `daily at 02:30, 14:00` run the scheme; lines and
 * servers fail now and then, also in the hours about a change. What must hold, by an oracle that asks the zone's
 * wall clock (model/wall-clock.ts) and nothing of the program: each time of each day starts one run, or is passed
 * over because a run goes, or was missed while the server was down, and is then made up by one run at its start;
 * none comes twice, none at another time; and whenever a run is done, what it calls copied or unchanged is on the
 * target by its digest.
 */
import fc from 'fast-check';
import { MINUTE_MS } from '../../src/base/units.ts';
import type { IdrRunRow } from '../../src/ports/catalog-instant-dr.ts';
import { manifestDigest } from '../checker/image-content.ts';
import { asError, hold } from '../checker/violation.ts';
import { WallClock } from '../model/wall-clock.ts';
import type { StartOptions } from '../scenarios/scenario.ts';
import { COMMON_PROFILE } from './fault-profile.ts';
import type { CommonProfile } from './fault-profile.ts';
import { count, duration, formsFor, oneOf } from './command-form.ts';
import type { DrawnCommand } from './command-form.ts';
import type { Side } from './dr-sides.ts';
import { DR_TAPES, DrWorld } from './dr-world.ts';

const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const YEAR_MS = 365 * DAY_MS;
/** Events of the event log: a run was started, an occurrence was passed over. */
const STARTED = '223101';
const PASSED_OVER = '423106';
/** A server that was down makes up what it missed within this. */
const MADE_UP_MS = MINUTE_MS;

/** Zones whose clocks change at different hours, by an hour or half of one, on both hemispheres; and one without. */
export const YEAR_ZONES = [
  'Europe/Berlin',
  'America/New_York',
  'America/St_Johns',
  'America/Santiago',
  'Australia/Lord_Howe',
  'Pacific/Chatham',
  'Africa/Cairo',
  'Asia/Kolkata',
] as const;

export interface DrYearProfile extends CommonProfile {
  readonly timeZone: (typeof YEAR_ZONES)[number];
  /** The schedule's times, as minutes of the day. */
  readonly times: readonly number[];
  /** When in the day of UTC the host writes, minutes. */
  readonly backupAt: number;
}

export const drYearProfile: fc.Arbitrary<DrYearProfile> = fc.record({
  ...COMMON_PROFILE,
  timeZone: fc.constantFrom(...YEAR_ZONES),
  // Hours in which clocks change somewhere, and one at which none does.
  times: fc
    .uniqueArray(fc.constantFrom(0, 30, 60, 90, 120, 135, 150, 180, 195, 14 * 60), {
      minLength: 1,
      maxLength: 2,
    })
    .map((times) => times.toSorted((left, right) => left - right)),
  backupAt: fc.nat({ max: 23 * 60 }),
});

interface Downtime {
  readonly fromMs: number;
  readonly toMs: number;
}

export class DrYear {
  readonly dr: DrWorld;
  readonly profile: DrYearProfile;
  /** When the year began, ms since 1970. */
  readonly #beganMs: number;
  /** Every moment of the year at which a run is due. */
  readonly #moments: readonly number[];
  readonly #changes: readonly number[];
  #momentIndex = 0;
  #eventId = 0;
  /** When runs were started, or passed over, and nobody looked at it yet. */
  #answers: number[] = [];
  /** When east was down since the last look. */
  #downtimes: Downtime[] = [];
  #checkingRuns: Promise<void> = Promise.resolve();
  #violation: Error | undefined;
  #runCount = 0;

  private constructor(dr: DrWorld, profile: DrYearProfile) {
    this.dr = dr;
    this.profile = profile;
    const clock = new WallClock(profile.timeZone);
    this.#beganMs = dr.world.clock.nowMs();
    const endMs = this.#beganMs + YEAR_MS;
    // What goes on at the year's end may take some days more.
    this.#moments = clock.momentsOf(profile.times, this.#beganMs, endMs + 10 * DAY_MS);
    this.#changes = clock.changes(this.#beganMs, endMs);
    this.#watchRuns();
  }

  static async start({
    profile,
    newVault,
    sabotage,
  }: StartOptions<DrYearProfile>): Promise<DrYear> {
    const { timeZone, times } = profile;
    const schedules = times.length === 0 ? [] : [`daily at ${times.map(timeOfDay).join(', ')}`];
    const scheduled = { ...profile, schedules, timeZone };
    const dr = await DrWorld.start({ profile: scheduled, newVault, sabotage });
    return new DrYear(dr, profile);
  }

  get world(): DrWorld['world'] {
    return this.dr.world;
  }

  get executed(): string[] {
    return this.dr.executed;
  }

  /** Whether some of the year is left. */
  get goesOn(): boolean {
    return this.#nowMs < this.#beganMs + YEAR_MS - DAY_MS;
  }

  get #nowMs(): number {
    return this.world.clock.nowMs();
  }

  /** When a run is due next, as far as the year goes. */
  get nextMoment(): number | undefined {
    return this.#moments.find((atMs) => atMs > this.#nowMs);
  }

  /** When the clocks change next, as far as the year goes. */
  get nextChange(): number | undefined {
    return this.#changes.find((atMs) => atMs > this.#nowMs);
  }

  /** Life until a moment of the year: backups at their hour, and a look each day. */
  async liveUntil(momentMs: number): Promise<void> {
    const { dr, world } = this;
    const untilMs = Math.min(momentMs, this.#beganMs + YEAR_MS);
    for (;;) {
      const today = Math.floor(this.#nowMs / DAY_MS) * DAY_MS + this.profile.backupAt * MINUTE_MS;
      const backupMs = today > this.#nowMs ? today : today + DAY_MS;
      if (backupMs >= untilMs) break;
      await world.advance(backupMs - this.#nowMs);
      const day = Math.floor((backupMs - this.#beganMs) / DAY_MS);
      await this.#backUp(day % DR_TAPES.length, day);
      if (day % 5 === 0) await this.#backUp((day + 1) % DR_TAPES.length, day);
      await this.check();
    }
    await world.advance(Math.max(0, untilMs - this.#nowMs));
    await dr.check();
  }

  async #backUp(tape: number, seed: number): Promise<void> {
    const { dr } = this;
    if (!dr.servers.east.running) return;
    await dr.mount('east', tape);
    // Now and then it begins anew, so that the tapes do not grow all year.
    await dr.write('east', tape, seed % 50, seed % 20 === 0 ? 'beginning' : 'end-of-data');
    await dr.dismount('east', tape);
  }

  /** A server loses its power for a while. */
  async powerless(side: Side, durationMs: number): Promise<void> {
    const { dr, world } = this;
    const fromMs = this.#nowMs;
    if (!dr.servers[side].running) return;
    dr.servers[side].crash('power-cut');
    await world.advance(durationMs);
    if (side === 'east') this.#downtimes.push({ fromMs, toMs: this.#nowMs });
    await dr.restart(side);
    if (side === 'east') this.#watchRuns();
  }

  /** Every run that is done is held to its word, as soon as it is. */
  #watchRuns(): void {
    if (!this.dr.servers.east.running) return;
    this.dr.servers.east.server.onEvent((event) => {
      if (event.kind !== 'idr-run' || event.run.state !== 'done') return;
      this.#runCount += 1;
      this.#checkingRuns = this.#checkingRuns
        .then(() => this.#checkRun(event.run))
        .catch((error: unknown) => {
          this.#violation ??= asError(error);
        });
    });
  }

  async #checkRun(run: IdrRunRow): Promise<void> {
    const { east, west } = this.dr.servers;
    const [source, target] = [east.engine, west.engine];
    for (const { tape, outcome, generation } of await east.catalog.listIdrResults(run.id)) {
      if (source === undefined || target === undefined) return;
      if (outcome !== 'copied' && outcome !== 'unchanged') continue;
      const row = await east.catalog.findTape(tape);
      const mounted = this.dr.isMounted('east', DR_TAPES.indexOf(tape as 'LAB001'));
      if (row?.generation !== generation || mounted) continue;
      const [here, there] = [
        await manifestDigest(source, tape),
        await manifestDigest(target, tape).catch(() => 'nothing'),
      ];
      hold(here === there, () => `run ${run.id} is done and ${tape} is not in step: ${outcome}`);
    }
  }

  async check(): Promise<void> {
    await this.#checkingRuns;
    if (this.#violation !== undefined) throw this.#violation;
    await this.dr.check();
    await this.#checkMoments();
  }

  /** Every moment since the last look has its one answer, and there is no other. */
  async #checkMoments(): Promise<void> {
    const { catalog } = this.dr.servers.east;
    const events = await catalog.listEvents({ afterId: this.#eventId, limit: 10_000 });
    this.#eventId = events.at(-1)?.id ?? this.#eventId;
    this.#answers.push(
      ...events
        .filter(
          ({ messageId, text }) =>
            messageId === PASSED_OVER || (messageId === STARTED && text.endsWith('by schedule')),
        )
        .map(({ atMs }) => atMs),
    );
    // What was answered in this very moment is looked at with the moment.
    const answers = this.#answers.filter((atMs) => atMs < this.#nowMs);
    this.#answers = this.#answers.filter((atMs) => atMs >= this.#nowMs);
    const shown = (atMs: number): string => this.#shown(atMs);
    let next = this.#moments[this.#momentIndex];
    const missed = new Set<Downtime>();
    while (next !== undefined && next < this.#nowMs) {
      const atMs = next;
      const down = this.#downtimes.find(({ fromMs, toMs }) => fromMs <= atMs && atMs <= toMs);
      const times = answers.filter((answer) => answer === atMs).length;
      if (down !== undefined && times === 0) missed.add(down);
      else hold(times === 1, () => `the run of ${shown(atMs)} comes ${times} times`);
      this.#momentIndex += 1;
      next = this.#moments[this.#momentIndex];
    }
    const strange = answers.filter((atMs) => !this.#moments.includes(atMs));
    for (const down of missed) {
      const index = strange.findIndex(
        (atMs) => atMs >= down.toMs && atMs <= down.toMs + MADE_UP_MS,
      );
      hold(index >= 0, () => `what was missed until ${shown(down.toMs)} is not made up`);
      strange.splice(index, 1);
    }
    const [first] = strange;
    hold(first === undefined, () => `a run comes at ${shown(first ?? 0)}, when none is due`);
    this.#downtimes = [];
  }

  /** What the year was like, for people. */
  report(): readonly string[] {
    const { times, timeZone } = this.profile;
    return [
      `daily at ${times.map(timeOfDay).join(', ')} in ${timeZone}`,
      `${this.#moments.length} times were due, ${this.#runCount} runs done`,
      ...this.#changes.map((atMs) => `the clocks changed at ${this.#shown(atMs)}`),
      ...this.dr.tapes.map(({ name, seen }) => `${name} ${seen.east?.split(':')[0] ?? 'none'}`),
    ];
  }

  #shown(atMs: number): string {
    const { timeZone } = this.profile;
    const format = new Intl.DateTimeFormat('sv', {
      timeZone,
      dateStyle: 'short',
      timeStyle: 'medium',
    });
    return `${format.format(atMs)} ${timeZone}`;
  }

  /** The rest of the year without a fault. */
  async finish(): Promise<void> {
    const { dr, world } = this;
    world.trace.record('> the rest of the year');
    dr.wire.heal();
    // A run that lost the line tries again.
    await this.liveUntil(this.#nowMs + 3 * DAY_MS);
    await this.liveUntil(this.#beganMs + YEAR_MS);
    await this.check();
    const [runs, due] = [this.#runCount, this.#moments.length];
    hold(runs >= due / 2, () => `of ${due} runs that were due, ${runs} were done`);
    await dr.finish();
  }
}

const timeOfDay = (minutes: number): string =>
  `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`;

type Fault = 'line down' | 'line stalled' | 'east powerless' | 'west powerless';
const FAULTS = ['line down', 'line stalled', 'east powerless', 'west powerless'] as const;

async function suffer(year: DrYear, fault: Fault, time: number): Promise<void> {
  const { wire } = year.dr;
  if (fault === 'east powerless') return year.powerless('east', time);
  if (fault === 'west powerless') return year.powerless('west', time);
  if (fault === 'line down') wire.takeDown();
  else wire.stall();
  await year.world.advance(time);
  wire.heal();
  return undefined;
}

const form = formsFor<DrYear>();

const live = form('live({days} days)', {
  fields: { days: count },
  possible: (year) => year.goesOn,
  perform: (year, { days }) => year.liveUntil(year.world.clock.nowMs() + days * DAY_MS),
});

/** Something fails so long before the next run is due. */
const faultAtRun = form('fault({fault} {before} before a run, for {time})', {
  fields: { fault: oneOf(...FAULTS), before: duration, time: duration },
  possible: (year) => year.goesOn && year.nextMoment !== undefined,
  perform: async (year, { fault, before, time }) => {
    await year.liveUntil((year.nextMoment ?? 0) - before);
    await suffer(year, fault, time);
  },
});

/** Something fails so long before the clocks change. */
const faultAtChange = form('fault({fault} {before} before the clocks change, for {time})', {
  fields: { fault: oneOf(...FAULTS), before: duration, time: duration },
  possible: (year) => year.goesOn && year.nextChange !== undefined,
  perform: async (year, { fault, before, time }) => {
    await year.liveUntil((year.nextChange ?? 0) - before);
    await suffer(year, fault, time);
  },
});

const faults = fc.constantFrom(...FAULTS);
const inMinutes = (...minutes: readonly number[]): fc.Arbitrary<number> =>
  fc.constantFrom(...minutes.map((each) => each * MINUTE_MS));
const time = inMinutes(1, 20, 50, 130, 400);

/** With their weights. */
export const DR_YEAR_COMMANDS: readonly DrawnCommand<DrYear>[] = [
  live.drawn({ days: fc.constantFrom(3, 20, 60) }),
  faultAtRun.drawn({ fault: faults, before: inMinutes(0, 1, 10), time }, 3),
  faultAtChange.drawn({ fault: faults, before: inMinutes(0, 15, 61, 121), time }, 2),
];
