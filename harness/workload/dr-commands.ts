/** What may happen to a data centre with Instant DR, as fast-check commands. */
import fc from 'fast-check';
import { MINUTE_MS, SECOND_MS } from '../../src/base/units.ts';
import type { CrashPoint } from '../world/simulated-server.ts';
import type { Side } from './dr-sides.ts';
import type { DrWorld } from './dr-world.ts';
import { DR_TAPES, SCHEME } from './dr-world.ts';
import { scenarioCommand } from './scenario-command.ts';

export type DrCommand = fc.AsyncCommand<DrWorld, DrWorld>;

/** Most commands of a case. */
const COMMANDS_MAX = 40;

const command = scenarioCommand<DrWorld>;

const serves =
  (side: Side) =>
  (dr: Readonly<DrWorld>): boolean =>
    dr.servers[side].running;

/** A host mounts a tape, writes it and gives it back. */
const job = (side: Side, index: number, seed: number): DrCommand =>
  command(
    `job(${side}, ${index}, seed ${seed})`,
    (dr) => serves(side)(dr) && !dr.isMounted(side, index),
    async (dr) => {
      await dr.mount(side, index);
      await dr.write(side, index, seed);
      await dr.dismount(side, index);
    },
  );

const mount = (side: Side, index: number): DrCommand =>
  command(
    `mount(${side}, ${index})`,
    (dr) => serves(side)(dr) && !dr.isMounted(side, index),
    async (dr) => {
      await dr.mount(side, index);
      await dr.write(side, index, 3);
    },
  );

const dismount = (side: Side, index: number): DrCommand =>
  command(
    `dismount(${side}, ${index})`,
    (dr) => dr.isMounted(side, index),
    (dr) => dr.dismount(side, index),
  );

const operation = (side: Side, name: string): DrCommand =>
  command(`${name}(${side})`, serves(side), (dr) => dr.ask(side, name, { name: SCHEME }));

/** An operator on the standby takes the role over without the other. */
const takeover = (side: Side): DrCommand =>
  command(`takeover(${side})`, serves(side), async (dr) => {
    const error = await dr.ask(side, 'idr.swap', { name: SCHEME, takeover: true });
    if (error === undefined) dr.forced = true;
  });

const advance = (ms: number): DrCommand =>
  command(
    `advance(${ms / MINUTE_MS} min)`,
    () => true,
    (dr) => dr.world.advance(ms),
  );

const network = (kind: 'down' | 'cut' | 'stall' | 'heal'): DrCommand =>
  command(
    `network(${kind})`,
    (dr) => kind !== 'heal' || dr.wire.state !== 'up',
    ({ wire }) => {
      if (kind === 'down') wire.takeDown();
      else if (kind === 'cut') wire.cut();
      else if (kind === 'stall') wire.stall();
      else wire.heal();
    },
  );

/** All connections are cut after so many more bytes. */
const ambush = (bytes: number): DrCommand =>
  command(
    `cut(after ${bytes} bytes)`,
    () => true,
    ({ wire }) => wire.ambush('cut', bytes),
  );

const crash = (side: Side, powerCut: boolean): DrCommand =>
  command(`crash(${side}${powerCut ? ', power cut' : ''})`, serves(side), (dr) =>
    dr.servers[side].crash(powerCut ? 'power-cut' : 'kill'),
  );

const crashInside = (side: Side, point: CrashPoint): DrCommand =>
  command(
    `crashInside(${side}, ${point.in} operation ${point.count}, ${point.kind})`,
    serves(side),
    (dr) => dr.servers[side].planCrash(point),
  );

const restart = (side: Side): DrCommand =>
  command(
    `restart(${side})`,
    (dr) => !dr.servers[side].running,
    (dr) => dr.restart(side),
  );

const side = fc.constantFrom('east' as const, 'west' as const);
const mostlyEast = fc.constantFrom(
  'east' as const,
  'east' as const,
  'east' as const,
  'west' as const,
);
const index = fc.nat({ max: DR_TAPES.length - 1 });
const seed = fc.nat({ max: 9 });
const minutes = fc.constantFrom(1 / 60, 1, 5, 61, 200).map((count) => count * MINUTE_MS);
const point = fc.record({
  in: fc.constantFrom('disk' as const, 'catalog' as const),
  count: fc.nat({ max: 30 }),
  kind: fc.constantFrom('kill' as const, 'power-cut' as const),
});

/** More weight by standing more than once. */
const COMMANDS: readonly fc.Arbitrary<DrCommand>[] = [
  fc.tuple(mostlyEast, index, seed).map(([at, tape, salt]) => job(at, tape, salt)),
  fc.tuple(mostlyEast, index, seed).map(([at, tape, salt]) => job(at, tape, salt)),
  fc.tuple(side, index, seed).map(([at, tape, salt]) => job(at, tape, salt)),
  fc.tuple(mostlyEast, index).map(([at, tape]) => mount(at, tape)),
  fc.tuple(side, index).map(([at, tape]) => dismount(at, tape)),
  fc.tuple(side, index).map(([at, tape]) => dismount(at, tape)),
  mostlyEast.map((at) => operation(at, 'idr.dispatch')),
  mostlyEast.map((at) => operation(at, 'idr.dispatch')),
  side.map((at) => operation(at, 'idr.verify')),
  side.map((at) => operation(at, 'idr.swap')),
  side.map((at) => operation(at, 'idr.swap')),
  side.map((at) => operation(at, 'idr.cancel')),
  fc.constant(takeover('west')),
  minutes.map(advance),
  minutes.map(advance),
  minutes.map(advance),
  fc.constant(advance(SECOND_MS)),
  fc.constantFrom('down' as const, 'cut' as const, 'stall' as const).map(network),
  fc.constant(network('heal')),
  fc.constant(network('heal')),
  fc.nat({ max: 6000 }).map(ambush),
  fc.tuple(side, fc.boolean()).map(([at, powerCut]) => crash(at, powerCut)),
  fc.tuple(side, point).map(([at, where]) => crashInside(at, where)),
  side.map(restart),
  side.map(restart),
];

export function drCommands(): fc.Arbitrary<Iterable<DrCommand>> {
  return fc.commands([...COMMANDS], { maxCommands: COMMANDS_MAX, size: 'max' });
}
