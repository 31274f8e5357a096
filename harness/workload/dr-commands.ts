/** What may happen to a data centre with Instant DR, and which faults and schedules a case has. */
import fc from 'fast-check';
import { MINUTE_MS, SECOND_MS } from '../../src/base/units.ts';
import { advanceForm, count, flag, formsFor, oneOf } from './command-form.ts';
import type { DrawnCommand } from './command-form.ts';
import { COMMON_PROFILE, CRASH_POINTS } from './fault-profile.ts';
import type { Side } from './dr-sides.ts';
import { DR_TAPES, SCHEME } from './dr-world.ts';
import type { DrProfile, DrWorld } from './dr-world.ts';

type OfSide = Readonly<{ side: Side }>;
type OfTape = Readonly<{ side: Side; tape: number }>;

const form = formsFor<DrWorld>();
const side = oneOf('east', 'west');
const ofTape = { side, tape: count };

const serves = ({ servers }: Readonly<DrWorld>, { side: at }: OfSide): boolean =>
  servers[at].running;
const isIdle = (dr: Readonly<DrWorld>, each: OfTape): boolean =>
  serves(dr, each) && !dr.isMounted(each.side, each.tape);

/** A host mounts a tape, writes it and gives it back. */
const job = form('job({side}, {tape}, seed {seed})', {
  fields: { ...ofTape, seed: count },
  possible: isIdle,
  perform: async (dr, { side: at, tape, seed }) => {
    await dr.mount(at, tape);
    await dr.write(at, tape, seed);
    await dr.dismount(at, tape);
  },
});

const mount = form('mount({side}, {tape})', {
  fields: ofTape,
  possible: isIdle,
  perform: async (dr, { side: at, tape }) => {
    await dr.mount(at, tape);
    await dr.write(at, tape, 3);
  },
});

const dismount = form('dismount({side}, {tape})', {
  fields: ofTape,
  possible: (dr, { side: at, tape }) => dr.isMounted(at, tape),
  perform: (dr, { side: at, tape }) => dr.dismount(at, tape),
});

const operation = form('{name}({side})', {
  fields: { side, name: oneOf('idr.dispatch', 'idr.verify', 'idr.swap', 'idr.cancel') },
  possible: serves,
  perform: (dr, { side: at, name }) => dr.ask(at, name, { name: SCHEME }),
});

/** An operator on the standby takes the role over without the other. */
const takeover = form('takeover({side})', {
  fields: { side },
  possible: serves,
  perform: async (dr, { side: at }) => {
    const error = await dr.ask(at, 'idr.swap', { name: SCHEME, takeover: true });
    if (error === undefined) dr.forced = true;
  },
});

const advance = advanceForm<DrWorld>();

const network = form('network({kind})', {
  fields: { kind: oneOf('down', 'cut', 'stall', 'heal') },
  possible: ({ wire }, { kind }) => kind !== 'heal' || wire.state !== 'up',
  perform: ({ wire }, { kind }) => {
    if (kind === 'heal') wire.heal();
    else wire.fail(kind);
  },
});

/** All connections are cut after so many more bytes. */
const ambush = form('cut(after {bytes} bytes)', {
  fields: { bytes: count },
  perform: ({ wire }, { bytes }) => wire.ambush('cut', bytes),
});

const crash = form('crash({side}{powerCut})', {
  fields: { side, powerCut: flag(', power cut') },
  possible: serves,
  perform: ({ servers }, each) => servers[each.side].crash(each.powerCut ? 'power-cut' : 'kill'),
});

const crashInside = form('crashInside({side}, {place} operation {after}{powerCut})', {
  fields: { side, place: oneOf('disk', 'catalog'), after: count, powerCut: flag(', power cut') },
  possible: serves,
  perform: ({ servers }, each) =>
    servers[each.side].planCrash({
      in: each.place,
      count: each.after,
      kind: each.powerCut ? 'power-cut' : 'kill',
    }),
});

/** A copy is about to take the place of the tape: the process is killed on the way. */
const crashAtPublishing = form('crashAtPublishing({side}, disk operation {after}{powerCut})', {
  fields: { side, after: count, powerCut: flag(', power cut') },
  possible: serves,
  perform: ({ servers }, each) =>
    servers[each.side].planCrash({
      in: 'disk',
      from: 'publishImage',
      count: each.after,
      kind: each.powerCut ? 'power-cut' : 'kill',
    }),
});

const restart = form('restart({side})', {
  fields: { side },
  possible: ({ servers }, { side: at }) => !servers[at].running,
  perform: (dr, { side: at }) => dr.restart(at),
});

const sides = { side: fc.constantFrom('east' as const, 'west' as const) };
const mostlyEast = { side: fc.constantFrom<Side[]>('east', 'east', 'east', 'west') };
const mostlyWest = { side: fc.constantFrom<Side[]>('west', 'west', 'west', 'east') };
const tape = fc.nat({ max: DR_TAPES.length - 1 });
const seed = fc.nat({ max: 9 });
const times = fc.constantFrom(1 / 60, 1, 5, 61, 200).map((minutes) => minutes * MINUTE_MS);

/** With their weights. */
export const DR_COMMANDS: readonly DrawnCommand<DrWorld>[] = [
  job.drawn({ ...mostlyEast, tape, seed }, 2),
  job.drawn({ ...sides, tape, seed }),
  mount.drawn({ ...mostlyEast, tape }),
  dismount.drawn({ ...sides, tape }, 2),
  operation.drawn({ ...mostlyEast, name: fc.constant('idr.dispatch') }, 2),
  operation.drawn({ ...sides, name: fc.constant('idr.verify') }),
  operation.drawn({ ...sides, name: fc.constant('idr.swap') }, 2),
  operation.drawn({ ...sides, name: fc.constant('idr.cancel') }),
  takeover.drawn({ side: fc.constant('west') }),
  advance.drawn({ time: times }, 3),
  advance.drawn({ time: fc.constant(SECOND_MS) }),
  network.drawn({ kind: fc.constantFrom('down', 'cut', 'stall') }),
  network.drawn({ kind: fc.constant('heal') }, 2),
  ambush.drawn({ bytes: fc.nat({ max: 6000 }) }),
  crash.drawn({ ...sides, powerCut: fc.boolean() }),
  crashInside.drawn({ ...sides, ...CRASH_POINTS }),
  crashAtPublishing.drawn({ ...mostlyWest, after: fc.nat({ max: 9 }), powerCut: fc.boolean() }, 2),
  restart.drawn(sides, 2),
];

export const drProfile: fc.Arbitrary<DrProfile> = fc.record({
  ...COMMON_PROFILE,
  schedules: fc.constantFrom<readonly string[]>(
    [],
    ['daily at 02:30, 14:00'],
    ['*/20 * * * *'],
    ['15 * * * *', 'daily at 04:00'],
  ),
});
