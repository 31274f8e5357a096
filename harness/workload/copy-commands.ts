/**
 * What may happen in a scenario of AutoCopy: jobs of the host, time, and faults.
 *
 * A command whose fault class the profile lacks, or that makes no sense in the state at hand, is skipped.
 */
import fc from 'fast-check';
import { MINUTE_MS, SECOND_MS } from '../../src/base/units.ts';
import { backup, written } from '../hosts/backup-jobs.ts';
import { SimulatedRandom } from '../world/simulated-random.ts';
import type { SimulatedServer } from '../world/simulated-server.ts';
import { advanceForm, count, flag, formsFor, oneOf } from './command-form.ts';
import type { DrawnCommand } from './command-form.ts';
import type { FaultProfile } from './fault-profile.ts';
import { TAPE_COUNT } from './copy-scenario.ts';
import type { CopyScenario } from './copy-scenario.ts';

type ServerName = 'east' | 'west';
type Named = Readonly<{ server: ServerName }>;
type Taped = Readonly<{ tape: number }>;

const form = formsFor<CopyScenario>();
const server = oneOf('east', 'west');
const powerCut = flag(', power cut');
const shape = { tape: count, blocks: count, bytes: count, seed: count };

const has =
  (fault: keyof FaultProfile) =>
  (scenario: Readonly<CopyScenario>): boolean =>
    scenario.profile[fault] === true;

const isIdle = ({ east, tapes }: Readonly<CopyScenario>, { tape }: Taped): boolean =>
  east.running && tapes[tape]?.mounted === undefined;

const isRingMounted = ({ tapes }: Readonly<CopyScenario>, { tape }: Taped): boolean =>
  tapes[tape]?.mounted?.ring === true;

/** Backups of the same seed have the same data, so that the next version shares chunks. */
interface BackupShape extends Taped {
  readonly blocks: number;
  readonly bytes: number;
  readonly seed: number;
}

function* blocksOf({ blocks, bytes, seed }: BackupShape): Generator<Uint8Array> {
  const random = new SimulatedRandom(seed);
  for (let index = 0; index < blocks; index += 1) yield random.bytes(bytes);
}

function writeTape(scenario: CopyScenario, data: BackupShape): Promise<void> {
  return scenario.job(scenario.tape(data.tape), (mounted) =>
    backup(mounted, {
      file: 'SIMULATED.DATA',
      blocks: blocksOf(data),
      atMs: scenario.world.clock.nowMs(),
    }),
  );
}

/** The host asks for a tape and has it. */
const mount = form('mount({tape}, {ring})', {
  fields: { tape: count, ring: oneOf('ring', 'no ring') },
  possible: isIdle,
  perform: (scenario, { tape, ring }) => scenario.mount(scenario.tape(tape), ring === 'ring'),
});

/** A whole job: mount with ring, write, dismount. */
const backupJob = form('backup({tape}, {blocks} x {bytes}, seed {seed})', {
  fields: shape,
  possible: isIdle,
  perform: async (scenario, data) => {
    const tape = scenario.tape(data.tape);
    await scenario.mount(tape, true);
    if (tape.mounted !== undefined) await writeTape(scenario, data);
    if (tape.mounted !== undefined) await scenario.dismount(tape);
  },
});

/** The host writes the tape from its beginning: labels, data, labels. */
const write = form('write({tape}, {blocks} x {bytes}, seed {seed})', {
  fields: shape,
  possible: isRingMounted,
  perform: writeTape,
});

/** The host appends blocks, and with `sync` a tape mark that makes them durable. */
const append = form('append({tape}, {blocks} x {bytes}, seed {seed}{sync})', {
  fields: { ...shape, sync: flag(', sync') },
  possible: isRingMounted,
  perform: (scenario, { sync, ...data }) =>
    scenario.job(scenario.tape(data.tape), async ({ operations }) => {
      await operations.spaceToEndOfData();
      for (const block of blocksOf(data)) {
        written('a block', await operations.writeBlock(block));
      }
      if (sync) written('a tape mark', await operations.writeFilemarks(1));
    }),
});

const dismount = form('dismount({tape})', {
  fields: { tape: count },
  possible: ({ tapes }, { tape }) => tapes[tape]?.mounted !== undefined,
  perform: (scenario, { tape }) => scenario.dismount(scenario.tape(tape)),
});

const advance = advanceForm<CopyScenario>();

const networkFault = form('network({kind})', {
  fields: { kind: oneOf('down', 'cut', 'stall') },
  possible: has('network'),
  perform: ({ wire }, { kind }) => wire.fail(kind),
});

const healNetwork = form('network(heal)', {
  possible: ({ wire }) => wire.state !== 'up',
  perform: ({ wire }) => wire.heal(),
});

/** A fault in the middle of what is sent next. */
const ambush = form('{kind}(after {bytes} bytes)', {
  fields: { kind: oneOf('corrupt', 'cut'), bytes: count },
  possible: (scenario, { kind }) => has(kind === 'corrupt' ? 'corruption' : 'network')(scenario),
  perform: ({ wire }, { kind, bytes }) => wire.ambush(kind, bytes),
});

const serverOf = (scenario: Readonly<CopyScenario>, { server: name }: Named): SimulatedServer =>
  name === 'east' ? scenario.east : scenario.west;

const crash = form('crash({server}{powerCut})', {
  fields: { server, powerCut },
  possible: (scenario, each) =>
    scenario.profile.crashes &&
    (!each.powerCut || scenario.profile.powerCuts) &&
    serverOf(scenario, each).running,
  perform: (scenario, each) => serverOf(scenario, each).crash(each.powerCut ? 'power-cut' : 'kill'),
});

/** The server is killed in the operation after so many more ones, whenever that comes. */
const crashInside = form('crashInside({server}, {place} operation {after}{powerCut})', {
  fields: { server, place: oneOf('disk', 'catalog'), after: count, powerCut },
  possible: (scenario, each) =>
    scenario.profile.crashesInside &&
    (!each.powerCut || scenario.profile.powerCuts) &&
    serverOf(scenario, each).running,
  perform: (scenario, each) =>
    serverOf(scenario, each).planCrash({
      in: each.place,
      count: each.after,
      kind: each.powerCut ? 'power-cut' : 'kill',
    }),
});

/** The next sync of the server's store takes so long; nothing else waits for it. */
const slowDisk = form('slowDisk({server}, {ms} ms)', {
  fields: { server, ms: count },
  possible: (scenario, each) => scenario.profile.slowDisk && serverOf(scenario, each).running,
  perform: (scenario, each) => serverOf(scenario, each).slowDown(each.ms),
});

/** An earlier version of the tape is sent once more, beside whatever AutoCopy does. */
const lateCopy = form('lateCopy({tape})', {
  fields: { tape: count },
  possible: ({ profile, east, tapes }, { tape }) =>
    profile.lateCopies && east.running && (tapes[tape]?.model.versions.length ?? 0) >= 2,
  perform: (scenario, { tape }) => scenario.sendLate(scenario.tape(tape)),
});

const restart = form('restart({server})', {
  fields: { server },
  possible: (scenario, each) => !serverOf(scenario, each).running,
  perform: (scenario, each) => scenario.restart(serverOf(scenario, each)),
});

const tapes = { tape: fc.nat({ max: TAPE_COUNT - 1 }) };
const servers = { server: fc.constantFrom('east' as const, 'west' as const) };
const shapes = {
  ...tapes,
  blocks: fc.nat({ max: 8 }),
  bytes: fc.integer({ min: 1, max: 5000 }),
  seed: fc.nat({ max: 3 }),
};
const bytes = fc.nat({ max: 40_000 });
const points = { after: fc.nat({ max: 16 }), powerCut: fc.boolean() };
const times = fc.constantFrom(
  100,
  SECOND_MS,
  30 * SECOND_MS,
  5 * MINUTE_MS,
  5 * MINUTE_MS - SECOND_MS,
  61 * MINUTE_MS,
);

/** With their weights. */
export const COPY_COMMANDS: readonly DrawnCommand<CopyScenario>[] = [
  backupJob.drawn(shapes, 4),
  mount.drawn({ ...tapes, ring: fc.constantFrom('ring', 'ring', 'ring', 'no ring') }, 2),
  write.drawn(shapes, 2),
  append.drawn({ ...shapes, sync: fc.boolean() }),
  dismount.drawn(tapes, 2),
  advance.drawn({ time: times }, 2),
  networkFault.drawn({ kind: fc.constantFrom('down', 'cut', 'stall') }),
  healNetwork.drawn({}),
  ambush.drawn({ kind: fc.constantFrom('corrupt', 'cut'), bytes }, 2),
  crash.drawn({ ...servers, powerCut: fc.boolean() }, 2),
  crashInside.drawn({ ...servers, ...points, place: fc.constantFrom('disk', 'catalog') }, 2),
  crashInside.drawn({ ...points, server: fc.constant('west'), place: fc.constant('disk') }),
  slowDisk.drawn({ ...servers, ms: fc.constantFrom(SECOND_MS, 90 * SECOND_MS, 6 * MINUTE_MS) }),
  lateCopy.drawn(tapes),
  restart.drawn(servers, 4),
];
