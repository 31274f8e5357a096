/** What may happen on a bad line, and at its ends. */
import fc from 'fast-check';
import { MINUTE_MS, SECOND_MS } from '../../src/base/units.ts';
import { STREAM_FAULTS } from '../world/simulated-stream.ts';
import { TAPE_COUNT } from './bad-line.ts';
import type { BadLineProfile, BadLineWorld } from './bad-line.ts';
import { advanceForm, count, flag, formsFor, oneOf } from './command-form.ts';
import type { DrawnCommand } from './command-form.ts';
import type { Side } from './dr-sides.ts';
import { SCHEME } from './dr-world.ts';
import { COMMON_PROFILE, CRASH_POINTS } from './fault-profile.ts';

type OfSide = Readonly<{ side: Side }>;
type OfTape = Readonly<{ side: Side; tape: number }>;

const form = formsFor<BadLineWorld>();
const side = oneOf('east', 'west');
const ofTape = { side, tape: count };
const powerCut = flag(', power cut');

const serves = ({ dr }: Readonly<BadLineWorld>, { side: at }: OfSide): boolean =>
  dr.servers[at].running;
const isIdle = (line: Readonly<BadLineWorld>, each: OfTape): boolean =>
  serves(line, each) &&
  !line.dr.isMounted(each.side, each.tape) &&
  line.dr.tape(each.tape).seen[each.side] !== undefined;
const isMounted = ({ dr }: Readonly<BadLineWorld>, each: OfTape): boolean =>
  dr.isMounted(each.side, each.tape);

const job = form('job({side}, {tape}, {blocks} blocks, seed {seed})', {
  fields: { ...ofTape, blocks: count, seed: count },
  possible: isIdle,
  perform: (line, { side: at, tape, ...data }) => line.job(at, tape, data),
});

const mount = form('mount({side}, {tape})', {
  fields: ofTape,
  possible: isIdle,
  perform: (line, { side: at, tape }) => line.mount(at, tape),
});

const write = form('write({side}, {tape}, {blocks} blocks, seed {seed})', {
  fields: { ...ofTape, blocks: count, seed: count },
  possible: isMounted,
  perform: (line, { side: at, tape, ...data }) => line.write(at, tape, data),
});

const dismount = form('dismount({side}, {tape})', {
  fields: ofTape,
  possible: isMounted,
  perform: ({ dr }, { side: at, tape }) => dr.dismount(at, tape),
});

const cancel = form('cancel({tape})', {
  fields: { tape: count },
  possible: (line) => serves(line, { side: 'east' }),
  perform: (line, { tape }) => line.cancel(tape),
});

const retry = form('retry({tape})', {
  fields: { tape: count },
  possible: (line) => serves(line, { side: 'east' }),
  perform: ({ dr }, { tape }) => dr.ask('east', 'autocopy.retry', { name: dr.tape(tape).name }),
});

const instantDr = form('{name}(east)', {
  fields: { name: oneOf('idr.dispatch', 'idr.verify', 'idr.cancel') },
  possible: (line) => serves(line, { side: 'east' }),
  perform: ({ dr }, { name }) => dr.ask('east', name, { name: SCHEME }),
});

const advance = advanceForm<BadLineWorld>();

const network = form('network({kind})', {
  fields: { kind: oneOf('down', 'cut', 'stall', 'heal') },
  perform: ({ wire, world }, { kind }) => {
    if (kind === 'heal') wire.heal();
    else wire.fail(kind);
    // What it let through, or ended, is dealt with before anybody looks.
    return world.advance(0);
  },
});

/** A fault of all that goes over the line, or of a byte of it. */
const ambush = form('{kind}(after {bytes} bytes)', {
  fields: { kind: oneOf('corrupt', 'cut'), bytes: count },
  perform: (line, { kind, bytes }) => {
    line.isChanged ||= kind === 'corrupt';
    line.wire.ambush(kind, bytes);
  },
});

/** A fault of one stream: of the connections still to be made, the nth from 1. */
const stream = form('stream({nth}, {fault} after {bytes} bytes)', {
  fields: { nth: count, fault: oneOf(...STREAM_FAULTS), bytes: count },
  perform: ({ wire }, { nth, fault, bytes }) => wire.plan(nth, { fault, afterBytes: bytes }),
});

const streamLater = form('stream({nth}, {fault} after {ms} ms)', {
  fields: { nth: count, fault: oneOf(...STREAM_FAULTS), ms: count },
  perform: ({ wire }, { nth, fault, ms }) => wire.plan(nth, { fault, afterMs: ms }),
});

/** A byte of the next page of a manifest is another, and its frame's checksum fits. */
const forge = form('forge(byte {place} of a manifest)', {
  fields: { place: count },
  perform: (line, { place }) => {
    line.isChanged = true;
    line.wire.forgeManifest(place);
  },
});

const crash = form('crash({side}{powerCut})', {
  fields: { side, powerCut },
  possible: serves,
  perform: ({ dr }, each) => dr.servers[each.side].crash(each.powerCut ? 'power-cut' : 'kill'),
});

const crashInside = form('crashInside({side}, {place} operation {after}{powerCut})', {
  fields: { side, place: oneOf('disk', 'catalog'), after: count, powerCut },
  possible: serves,
  perform: ({ dr }, each) =>
    dr.servers[each.side].planCrash({
      in: each.place,
      count: each.after,
      kind: each.powerCut ? 'power-cut' : 'kill',
    }),
});

/** The next sync of the server's store takes so long. */
const slowDisk = form('slowDisk({side}, {seconds} s)', {
  fields: { side, seconds: count },
  possible: serves,
  perform: ({ dr }, each) => dr.servers[each.side].slowDown(each.seconds * SECOND_MS),
});

const restart = form('restart({side})', {
  fields: { side },
  possible: ({ dr }, { side: at }) => !dr.servers[at].running,
  perform: ({ dr }, { side: at }) => dr.restart(at),
});

const tape = fc.nat({ max: TAPE_COUNT - 1 });
const sides = { side: fc.constantFrom('east' as const, 'west' as const) };
const mostlyEast = { side: fc.constantFrom<Side[]>('east', 'east', 'east', 'west') };
const data = { blocks: fc.integer({ min: 1, max: 20 }), seed: fc.nat({ max: 9 }) };
const bytes = fc.nat({ max: 20_000 });
/** Mostly in the map of objects: of what it says of chunks, parcels prove anything that is changed. */
const forgedPlace = fc.integer({ min: 16, max: 48 });
const streamFaults = {
  nth: fc.integer({ min: 1, max: 3 }),
  fault: fc.constantFrom(...STREAM_FAULTS),
};

/** With their weights. */
export const BAD_LINE_COMMANDS: readonly DrawnCommand<BadLineWorld>[] = [
  job.drawn({ ...mostlyEast, tape, ...data }, 8),
  mount.drawn({ ...sides, tape }, 2),
  write.drawn({ ...sides, tape, ...data }),
  dismount.drawn({ ...sides, tape }, 2),
  cancel.drawn({ tape }),
  retry.drawn({ tape }),
  instantDr.drawn(
    { name: fc.constantFrom('idr.dispatch', 'idr.dispatch', 'idr.verify', 'idr.cancel') },
    2,
  ),
  advance.drawn({ time: fc.constantFrom(10, 200, SECOND_MS) }, 2),
  advance.drawn({ time: fc.constantFrom(...[0.5, 5, 11, 61].map((each) => each * MINUTE_MS)) }, 3),
  network.drawn({ kind: fc.constantFrom('down', 'cut', 'stall') }),
  network.drawn({ kind: fc.constant('heal') }, 2),
  ambush.drawn({ kind: fc.constantFrom('corrupt', 'cut'), bytes }),
  stream.drawn({ ...streamFaults, bytes: fc.nat({ max: 5000 }) }, 4),
  streamLater.drawn({ ...streamFaults, ms: fc.constantFrom(5, 300, SECOND_MS, 20 * SECOND_MS) }, 4),
  forge.drawn({ place: forgedPlace }, 3),
  crash.drawn({ ...sides, powerCut: fc.boolean() }),
  crashInside.drawn({ ...sides, ...CRASH_POINTS }),
  slowDisk.drawn({ ...sides, seconds: fc.constantFrom(1, 90, 900) }),
  restart.drawn(sides, 3),
];

export const badLineProfile: fc.Arbitrary<BadLineProfile> = fc.record({
  ...COMMON_PROFILE,
  limited: fc.boolean(),
});
