/**
 * `disaster`: at 03:00, in the middle of the night's run of Instant DR, the first site is lost. The other takes over,
 * its hosts work there, the first site comes back, gives its role up, and in the end everything is where it was.
 *
 *   night -> lost -> elsewhere -> back -> standby -> home
 *
 * Of each command it is said in which of these it makes sense; the finale goes through those that are left. What
 * must hold beside what holds of any world of Instant DR (dr-world.ts): what a run told to be copied before the
 * disaster is there when the other side takes over; hosts can work there at once; the first site's old role
 * is given up exactly where no tape was changed on both sides, and the refusal names each that was; once an operator
 * has decided for one of the two, it is; and at the end every tape is, on both sides, what was written last.
 */
import fc from 'fast-check';
import { isCapstanError } from '../../src/base/errors.ts';
import { MINUTE_MS } from '../../src/base/units.ts';
import { asError, hold } from '../checker/violation.ts';
import type { StartOptions } from '../scenarios/scenario.ts';
import { COMMON_PROFILE } from './fault-profile.ts';
import type { CommonProfile } from './fault-profile.ts';
import { count, duration, formsFor, oneOf } from './command-form.ts';
import type { DrawnCommand } from './command-form.ts';
import { DR_TAPES, DrWorld, SCHEME } from './dr-world.ts';

const HOUR_MS = 60 * MINUTE_MS;
/** The scheme runs once more in the very minute of the disaster. */
const SCHEDULES = ['daily at 01:30, 03:00, 15:00'];
const TIME_ZONE = 'UTC';
const DISASTER_MS = 3 * HOUR_MS;

export const PHASES = ['night', 'lost', 'elsewhere', 'back', 'standby', 'home'] as const;
type Phase = (typeof PHASES)[number];

export interface DisasterProfile extends CommonProfile {
  /** What is lost: the power of the first site, the line to it, or both. */
  readonly loss: 'power' | 'line' | 'site';
  /** How long after 03:00; the run takes some tens of milliseconds. */
  readonly afterMs: number;
  /** Hosts write on the first site once it is back, although it is not theirs any more. */
  readonly careless: boolean;
}

export const disasterProfile: fc.Arbitrary<DisasterProfile> = fc.record({
  ...COMMON_PROFILE,
  loss: fc.constantFrom('power', 'line', 'site'),
  afterMs: fc.constantFrom(0, 3, 9, 15, 20, 25, 60, 5000),
  careless: fc.boolean(),
});

export class Disaster {
  readonly dr: DrWorld;
  readonly profile: DisasterProfile;
  phase: Phase = 'night';
  #refusals = 0;
  /** Tapes that were decided for the other side. */
  readonly #decided: string[] = [];
  /** When the other side had taken over, ms after the disaster. */
  #takenOverMs: number | undefined;

  private constructor(dr: DrWorld, profile: DisasterProfile) {
    this.dr = dr;
    this.profile = profile;
  }

  static async start({
    profile,
    newVault,
    sabotage,
  }: StartOptions<DisasterProfile>): Promise<Disaster> {
    const scheduled = { ...profile, schedules: SCHEDULES, timeZone: TIME_ZONE };
    return new Disaster(await DrWorld.start({ profile: scheduled, newVault, sabotage }), profile);
  }

  get world(): DrWorld['world'] {
    return this.dr.world;
  }

  get executed(): string[] {
    return this.dr.executed;
  }

  check(): Promise<void> {
    return this.dr.check();
  }

  /** How much of the night is left. */
  get nightLeftMs(): number {
    return DISASTER_MS - this.world.clock.elapsedMs;
  }

  /** A host writes a tape, or goes on with one that it has, and gives it back. */
  async work(side: 'east' | 'west', tape: number, seed: number): Promise<void> {
    const { dr } = this;
    if (!dr.isMounted(side, tape)) await dr.mount(side, tape);
    const has = dr.isMounted(side, tape);
    hold(
      has || side === 'east' || dr.tape(tape).seen.west === undefined,
      () => `a host cannot work with ${dr.tape(tape).name} on the other side`,
    );
    if (!has) return;
    await dr.write(side, tape, seed);
    await dr.dismount(side, tape);
  }

  /** 03:00. */
  async strike(): Promise<void> {
    const { dr, profile, world } = this;
    await world.advance(Math.max(0, this.nightLeftMs) + profile.afterMs);
    if (profile.loss !== 'power') dr.wire.takeDown();
    if (profile.loss !== 'line') dr.servers.east.crash('power-cut');
    this.phase = 'lost';
    await dr.check();
    await this.#checkAcknowledged();
  }

  /** What the lost site's runs told to be copied is on the other. */
  async #checkAcknowledged(): Promise<void> {
    const { east } = this.dr.servers;
    for (const run of await east.catalog.listIdrRuns({ limit: 50 })) {
      for (const { tape, outcome, generation = -1 } of await east.catalog.listIdrResults(run.id)) {
        if (outcome !== 'copied' && outcome !== 'unchanged') continue;
        const seen = this.dr.tapes.find(({ name }) => name === tape)?.seen.west;
        hold(
          Number(seen?.split(':')[0] ?? -1) >= generation,
          () => `${tape} was told to be copied at generation ${generation}, and is lost`,
        );
      }
    }
  }

  async takeOver(): Promise<void> {
    const { dr } = this;
    const error = await dr.ask('west', 'idr.swap', { name: SCHEME, takeover: true });
    hold(error === undefined, () => `the other side cannot take over: ${String(error)}`);
    dr.forced = true;
    this.#takenOverMs = this.world.clock.elapsedMs - DISASTER_MS;
    this.phase = 'elsewhere';
  }

  /** The first site, or the line to it, is there again. */
  async comeBack(): Promise<void> {
    const { dr } = this;
    dr.wire.heal();
    if (!dr.servers.east.running) await dr.restart('east');
    this.phase = 'back';
  }

  /** The first site gives its role up; refused exactly where both sides changed a tape. */
  async giveUp(): Promise<void> {
    const { dr } = this;
    const error = await this.#swap('east');
    await dr.check();
    const conflicts = dr.tapes.filter((tape) => dr.conflicts(tape)).map(({ name }) => name);
    if (error === undefined) {
      hold(
        conflicts.length === 0,
        () => `the role was given up although both wrote ${conflicts[0]}`,
      );
      this.phase = 'standby';
      return;
    }
    this.#refusals += 1;
    const said = asError(error).message;
    hold(
      isCapstanError(error, 'INVALID_ARGUMENT') && conflicts.length > 0,
      () => `the role is not given up without a conflict: ${said}`,
    );
    for (const name of conflicts) {
      hold(said.includes(name), () => `the refusal does not name ${name}: ${said}`);
    }
  }

  /** An operator decides for what the other side has: the first site's tapes of both are deleted. */
  async decide(): Promise<void> {
    const { dr } = this;
    await this.#collectTapes('east');
    for (const [index, tape] of dr.tapes.entries()) {
      if (!dr.conflicts(tape)) continue;
      this.#decided.push(tape.name);
      await dr.discard('east', index);
    }
  }

  /** Back to the first site. */
  async failBack(): Promise<void> {
    const error = await this.#swap('west');
    hold(error === undefined, () => `the role does not come home: ${String(error)}`);
    this.phase = 'home';
  }

  /** A swap is refused while a host has a tape. */
  async #swap(side: 'east' | 'west'): Promise<unknown> {
    for (const each of ['east', 'west'] as const) await this.#collectTapes(each);
    this.dr.wire.heal();
    // A run that lost the line tries again within five minutes, and twelve times.
    await this.world.advance(70 * MINUTE_MS);
    await this.dr.check();
    return this.dr.ask(side, 'idr.swap', { name: SCHEME });
  }

  async #collectTapes(side: 'east' | 'west'): Promise<void> {
    for (const [index] of DR_TAPES.entries()) {
      if (this.dr.isMounted(side, index)) await this.dr.dismount(side, index);
    }
  }

  /** Goes through what is left of it, and at the end finds everything in step. */
  async finish(): Promise<void> {
    const { dr, world } = this;
    world.trace.record('> the rest of the disaster');
    if (this.phase === 'night') await this.strike();
    if (this.phase === 'lost') await this.takeOver();
    if (this.phase === 'elsewhere') {
      for (const [index] of DR_TAPES.entries()) await this.work('west', index, index);
      await this.comeBack();
    }
    if (this.phase === 'back') await this.giveUp();
    if (this.phase === 'back') {
      await this.decide();
      await this.giveUp();
    }
    hold(this.phase !== 'back', () => 'the role is not given up although it was decided');
    if (this.phase === 'standby') await this.failBack();
    await dr.finish();
    for (const { name, seen } of dr.tapes) {
      hold(seen.east === seen.west, () => `${name} is ${seen.east} here and ${seen.west} there`);
      hold(seen.east !== undefined, () => `${name} is lost`);
    }
  }

  /** What happened, for people. */
  report(): readonly string[] {
    const { loss, afterMs } = this.profile;
    return [
      `lost at 03:00 and ${afterMs} ms: ${loss}; taken over ${this.#takenOverMs} ms after 03:00`,
      `refused to give the role up: ${this.#refusals} times`,
      `decided for the other side: ${this.#decided.join(', ') || 'nothing'}`,
      ...this.dr.tapes.map(({ name, seen }) => `${name} ${seen.east?.split(':')[0] ?? 'none'}`),
    ];
  }
}

const form = formsFor<Disaster>();
const during =
  (...phases: readonly Phase[]) =>
  ({ phase }: Readonly<Disaster>): boolean =>
    phases.includes(phase);

/** A host of the first site works, where and when there is one. */
const workHere = form('work(east, {tape}, seed {seed})', {
  fields: { tape: count, seed: count },
  possible: ({ phase, dr, profile }) =>
    dr.servers.east.running &&
    (phase === 'night' ||
      phase === 'home' ||
      // It is not known there that the other side has taken over, or nobody told the hosts.
      (profile.careless && (phase === 'back' || profile.loss === 'line'))),
  perform: (scenario, { tape, seed }) => scenario.work('east', tape, seed),
});
const workThere = form('work(west, {tape}, seed {seed})', {
  fields: { tape: count, seed: count },
  possible: during('elsewhere', 'back', 'standby'),
  perform: (scenario, { tape, seed }) => scenario.work('west', tape, seed),
});
/** A host begins to write, and has the tape when the disaster comes. */
const begin = form('begin({tape})', {
  fields: { tape: count },
  possible: ({ phase, dr }) => phase === 'night' && dr.servers.east.running,
  perform: async ({ dr }, { tape }) => {
    if (!dr.isMounted('east', tape)) await dr.mount('east', tape);
    await dr.write('east', tape, 3);
  },
});
const wait = form('wait({time})', {
  fields: { time: duration },
  possible: ({ phase, nightLeftMs }) => phase !== 'night' || nightLeftMs > 0,
  perform: ({ phase, nightLeftMs, world }, { time }) =>
    world.advance(phase === 'night' ? Math.min(time, nightLeftMs) : time),
});
const dispatch = form('dispatch({side})', {
  fields: { side: oneOf('east', 'west') },
  possible: ({ dr }, { side }) => dr.servers[side].running,
  perform: ({ dr }, { side }) => dr.ask(side, 'idr.dispatch', { name: SCHEME }),
});
const cut = form('cut(after {bytes} bytes)', {
  fields: { bytes: count },
  perform: ({ dr }, { bytes }) => dr.wire.ambush('cut', bytes),
});
const strike = form('strike()', {
  possible: during('night'),
  perform: (scenario) => scenario.strike(),
});
const takeOver = form('takeOver()', {
  possible: during('lost'),
  perform: (scenario) => scenario.takeOver(),
});
const comeBack = form('comeBack()', {
  possible: during('elsewhere'),
  perform: (scenario) => scenario.comeBack(),
});
const giveUp = form('giveUp()', {
  possible: during('back'),
  perform: (scenario) => scenario.giveUp(),
});
const decide = form('decide()', {
  possible: during('back'),
  perform: (scenario) => scenario.decide(),
});
const failBack = form('failBack()', {
  possible: during('standby'),
  perform: (scenario) => scenario.failBack(),
});

const tapes = { tape: fc.nat({ max: DR_TAPES.length - 1 }) };
const seeds = { seed: fc.nat({ max: 9 }) };

/** With their weights. */
export const DISASTER_COMMANDS: readonly DrawnCommand<Disaster>[] = [
  workHere.drawn({ ...tapes, ...seeds }, 5),
  workThere.drawn({ ...tapes, ...seeds }, 4),
  begin.drawn(tapes),
  wait.drawn({ time: fc.constantFrom(1, 20, 90, 400).map((minutes) => minutes * MINUTE_MS) }, 2),
  dispatch.drawn({ side: fc.constantFrom('east', 'west') }, 2),
  cut.drawn({ bytes: fc.nat({ max: 4000 }) }),
  strike.drawn({}, 2),
  takeOver.drawn({}, 3),
  comeBack.drawn({}),
  giveUp.drawn({}),
  decide.drawn({}),
  failBack.drawn({}),
];
