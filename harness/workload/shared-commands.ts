/** What may happen to a shared vault: hosts and operators at both servers, time, and faults. */
import fc from 'fast-check';
import { MINUTE_MS, SECOND_MS } from '../../src/base/units.ts';
import { SimulatedRandom } from '../world/simulated-random.ts';
import { count, duration, flag, formsFor, oneOf } from './command-form.ts';
import type { DrawnCommand } from './command-form.ts';
import { leftovers } from './fault-profile.ts';
import { DRIVE_COUNT, SITE_NAMES, TAPE_COUNT } from './shared-world.ts';
import type { SharedProfile, SharedWorld, Site, SiteName } from './shared-world.ts';

type Sited = Readonly<{ site: SiteName }>;
type Driven = Sited & Readonly<{ drive: number }>;

const form = formsFor<SharedWorld>();
const site = oneOf(...SITE_NAMES);
const powerCut = flag(', power cut');

const has =
  (fault: keyof SharedProfile) =>
  (shared: Readonly<SharedWorld>): boolean =>
    shared.profile[fault] === true;

const siteOf = ({ sites }: Readonly<SharedWorld>, { site: name }: Sited): Site => sites[name];

const runs = (shared: Readonly<SharedWorld>, sited: Sited): boolean =>
  siteOf(shared, sited).server.running;

const isHeld = (shared: Readonly<SharedWorld>, driven: Driven): boolean =>
  runs(shared, driven) && siteOf(shared, driven).held[driven.drive] !== undefined;

const mount = form('mount({site}, {tape}, drive {drive}{noRing})', {
  fields: { site, tape: count, drive: count, noRing: flag(', no ring') },
  possible: (shared, each) => runs(shared, each) && !isHeld(shared, each),
  perform: (shared, { tape, drive, noRing, ...each }) =>
    shared.mount(siteOf(shared, each), shared.tape(tape), drive, !noRing),
});

interface Written {
  readonly blocks: number;
  readonly seed: number;
}

function dataOf({ blocks, seed }: Written): readonly Uint8Array[] {
  const random = new SimulatedRandom(seed);
  return Array.from({ length: blocks }, () => random.bytes(1 + random.below(3000)));
}

/** A job: the tape is mounted with ring and written, and stays where it is. */
const job = form('job({site}, {tape}, drive {drive}, {blocks} blocks, seed {seed})', {
  fields: { site, tape: count, drive: count, blocks: count, seed: count },
  possible: (shared, each) => runs(shared, each) && !isHeld(shared, each),
  perform: async (shared, { tape, drive, ...each }) => {
    const at = siteOf(shared, each);
    await shared.mount(at, shared.tape(tape), drive, true);
    if (at.held[drive] !== undefined) await shared.write(at, drive, dataOf(each));
  },
});

const write = form('write({site}, drive {drive}, {blocks} blocks, seed {seed})', {
  fields: { site, drive: count, blocks: count, seed: count },
  possible: isHeld,
  perform: (shared, { drive, ...each }) => shared.write(siteOf(shared, each), drive, dataOf(each)),
});

const dismount = form('dismount({site}, drive {drive})', {
  fields: { site, drive: count },
  possible: isHeld,
  perform: (shared, { drive, ...each }) => shared.dismount(siteOf(shared, each), drive),
});

const lock = form('{verb}({site}, {tape})', {
  fields: { verb: oneOf('lock', 'unlock'), site, tape: count },
  possible: runs,
  perform: (shared, { verb, tape, ...each }) =>
    shared.lock(siteOf(shared, each), shared.tape(tape), verb === 'lock'),
});

const make = form('make({site})', {
  fields: { site },
  possible: runs,
  perform: (shared, each) => shared.make(siteOf(shared, each)),
});

const remove = form('delete({site})', {
  fields: { site },
  possible: (shared, each) => runs(shared, each) && [...shared.made.values()].includes(true),
  perform: (shared, each) => shared.delete(siteOf(shared, each)),
});

const advance = form('advance({time})', {
  fields: { time: duration },
  perform: ({ world }, { time }) => world.advance(time),
});

const networkFault = form('network({kind})', {
  fields: { kind: oneOf('down', 'cut', 'stall') },
  possible: has('network'),
  perform: (shared, { kind }) => {
    shared.disturb();
    if (kind === 'down') shared.wire.takeDown();
    else if (kind === 'cut') shared.wire.cut();
    else shared.wire.stall();
  },
});

const healNetwork = form('network(heal)', {
  possible: ({ wire }) => wire.state !== 'up',
  perform: (shared) => {
    shared.disturb();
    shared.wire.heal();
  },
});

/** The line is cut in the middle of what is sent next. */
const ambush = form('cut(after {bytes} bytes)', {
  fields: { bytes: count },
  possible: has('network'),
  perform: (shared, { bytes }) => {
    shared.disturb();
    shared.wire.ambush('cut', bytes);
  },
});

/** The line fails in a moment, whatever the servers say to each other then, and is well again soon. */
const blink = form('blink({kind} in {wait} ms, for {ms} ms)', {
  fields: { kind: oneOf('down', 'stall'), wait: count, ms: count },
  possible: (shared) => has('network')(shared) && shared.wire.state === 'up',
  perform: (shared, { kind, wait, ms }) => {
    const { clock } = shared.world;
    const at = (delayMs: number, change: () => void): void => {
      clock.after(delayMs, () => {
        shared.disturb();
        change();
      });
    };
    at(wait, () => shared.wire.fail(kind));
    at(wait + ms, () => shared.wire.heal());
  },
});

const crash = form('crash({site}{powerCut})', {
  fields: { site, powerCut },
  possible: (shared, each) =>
    shared.profile.crashes && (!each.powerCut || shared.profile.powerCuts) && runs(shared, each),
  perform: (shared, each) =>
    siteOf(shared, each).server.crash(each.powerCut ? 'power-cut' : 'kill'),
});

/** The server is killed in the operation after so many more ones, whenever that comes. */
const crashInside = form('crashInside({site}, {place} operation {after}{powerCut})', {
  fields: { site, place: oneOf('disk', 'catalog'), after: count, powerCut },
  possible: (shared, each) =>
    shared.profile.crashesInside &&
    (!each.powerCut || shared.profile.powerCuts) &&
    runs(shared, each),
  perform: (shared, each) =>
    siteOf(shared, each).server.planCrash({
      in: each.place,
      count: each.after,
      kind: each.powerCut ? 'power-cut' : 'kill',
    }),
});

/** The disk is full, or there is room again. */
const disk = form('disk({state})', {
  fields: { state: oneOf('full', 'room') },
  possible: ({ profile, disk: { isFull } }, { state }) =>
    profile.fullDisk && isFull === (state === 'room'),
  perform: (shared, { state }) => {
    shared.disturb();
    shared.disk.fill(state === 'full');
  },
});

/** The server is killed at a step of the catalog; `commit`: between a ledger and the catalog. */
const crashAt = form('crashAt({site}, {step} {after})', {
  fields: { site, step: oneOf('commit', 'takeLock', 'releaseLock', 'createTape'), after: count },
  possible: (shared, each) => shared.profile.crashesInside && runs(shared, each),
  perform: (shared, { step, after, ...each }) =>
    siteOf(shared, each).server.planCrash({ in: 'catalog', of: step, count: after, kind: 'kill' }),
});

/** Each sync of a tape, or of the ledger, takes so long from now on. */
const slowDisk = form('slowDisk({site}, {ms} ms)', {
  fields: { site, ms: count },
  possible: (shared, each) => shared.profile.slowDisk && runs(shared, each),
  perform: (shared, { ms, ...each }) => siteOf(shared, each).server.slowDownImages(ms),
});

/** The server is killed in a while, whatever it does then. */
const crashLater = form('crash({site} in {ms} ms{powerCut})', {
  fields: { site, ms: count, powerCut },
  possible: (shared, each) =>
    shared.profile.crashes && (!each.powerCut || shared.profile.powerCuts) && runs(shared, each),
  perform: (shared, { ms, powerCut: cut, ...each }) => {
    const { server } = siteOf(shared, each);
    const { crashCount } = server;
    shared.world.clock.after(ms, () => {
      if (server.crashCount === crashCount) server.crash(cut ? 'power-cut' : 'kill');
    });
  },
});

const restart = form('restart({site})', {
  fields: { site },
  possible: (shared, each) => !runs(shared, each),
  perform: (shared, each) => shared.restart(siteOf(shared, each)),
});

/** The server is killed, and started again at once. */
const bounce = form('bounce({site}{powerCut})', {
  fields: { site, powerCut },
  possible: (shared, each) =>
    shared.profile.crashes && (!each.powerCut || shared.profile.powerCuts) && runs(shared, each),
  perform: async (shared, each) => {
    const at = siteOf(shared, each);
    at.server.crash(each.powerCut ? 'power-cut' : 'kill');
    await shared.restart(at);
  },
});

const sites = { site: fc.constantFrom(...SITE_NAMES) };
const drives = { drive: fc.nat({ max: DRIVE_COUNT - 1 }) };
const tapes = { tape: fc.nat({ max: TAPE_COUNT - 1 }) };
const shapes = { blocks: fc.integer({ min: 1, max: 4 }), seed: fc.nat({ max: 9 }) };
const powerCuts = { powerCut: fc.boolean() };
const times = fc.constantFrom(
  100,
  SECOND_MS,
  10 * SECOND_MS,
  20 * SECOND_MS,
  MINUTE_MS,
  3 * MINUTE_MS,
);

export const sharedProfile: fc.Arbitrary<SharedProfile> = fc.record({
  worldSeed: fc.nat(),
  network: fc.boolean(),
  crashes: fc.boolean(),
  crashesInside: fc.boolean(),
  powerCuts: fc.boolean(),
  slowDisk: fc.boolean(),
  fullDisk: fc.boolean(),
  leftovers,
  fencingMs: fc.constantFrom(0, 5 * SECOND_MS, 40 * SECOND_MS),
});

/** With their weights. */
export const SHARED_COMMANDS: readonly DrawnCommand<SharedWorld>[] = [
  job.drawn({ ...sites, ...tapes, ...drives, ...shapes }, 6),
  mount.drawn({ ...sites, ...tapes, ...drives, noRing: fc.boolean() }),
  write.drawn({ ...sites, ...drives, ...shapes }, 6),
  dismount.drawn({ ...sites, ...drives }, 6),
  lock.drawn({ ...sites, ...tapes, verb: fc.constantFrom('lock' as const, 'unlock' as const) }),
  make.drawn(sites),
  remove.drawn(sites),
  advance.drawn({ time: times }, 3),
  networkFault.drawn({ kind: fc.constantFrom('down' as const, 'cut' as const, 'stall' as const) }),
  healNetwork.drawn({}, 2),
  ambush.drawn({ bytes: fc.nat({ max: 6000 }) }),
  blink.drawn(
    {
      kind: fc.constantFrom('down' as const, 'stall' as const),
      wait: fc.constantFrom(1, 5, 40, 1000),
      ms: fc.constantFrom(1000, 10 * SECOND_MS, 40 * SECOND_MS),
    },
    3,
  ),
  crash.drawn({ ...sites, ...powerCuts }),
  bounce.drawn({ ...sites, ...powerCuts }),
  crashInside.drawn({
    ...sites,
    ...powerCuts,
    place: fc.constantFrom('disk' as const, 'catalog' as const),
    after: fc.nat({ max: 20 }),
  }),
  slowDisk.drawn({ ...sites, ms: fc.constantFrom(0, 50, 2 * SECOND_MS, 10 * SECOND_MS) }),
  disk.drawn({ state: fc.constantFrom('full' as const, 'room' as const) }, 2),
  crashAt.drawn({
    ...sites,
    step: fc.constantFrom(
      'commit' as const,
      'takeLock' as const,
      'releaseLock' as const,
      'createTape' as const,
    ),
    after: fc.nat({ max: 2 }),
  }),
  crashLater.drawn({ ...sites, ...powerCuts, ms: fc.constantFrom(1, 20, 1000, 10 * SECOND_MS) }),
  restart.drawn(sites, 3),
];
