/** The arbitrary of a case's commands. */
import fc from 'fast-check';
import { MINUTE_MS, SECOND_MS } from '../../src/base/units.ts';
import {
  advance,
  ambush,
  append,
  backupJob,
  crash,
  crashInside,
  dismount,
  healNetwork,
  lateCopy,
  mount,
  networkFault,
  restart,
  slowDisk,
  write,
} from './commands.ts';
import type { BackupShape, ScenarioCommand } from './commands.ts';
import type { Scenario } from './scenario.ts';
import { TAPE_COUNT } from './scenario.ts';

/** Most commands of a case. */
export const COMMANDS_MAX = 80;

const tapeIndex = fc.nat({ max: TAPE_COUNT - 1 });
const serverName = fc.constantFrom('east' as const, 'west' as const);
const shape: fc.Arbitrary<BackupShape> = fc.record({
  blockCount: fc.nat({ max: 8 }),
  blockBytes: fc.integer({ min: 1, max: 5000 }),
  seed: fc.nat({ max: 3 }),
});
const durationMs = fc.constantFrom(
  100,
  SECOND_MS,
  30 * SECOND_MS,
  5 * MINUTE_MS,
  5 * MINUTE_MS - SECOND_MS,
  61 * MINUTE_MS,
);
const crashPoint = fc.record({
  in: fc.constantFrom('disk' as const, 'catalog' as const),
  count: fc.nat({ max: 16 }),
  kind: fc.constantFrom('kill' as const, 'power-cut' as const),
});

/** More weight by standing more than once. */
const COMMANDS: readonly fc.Arbitrary<ScenarioCommand>[] = [
  fc.tuple(tapeIndex, shape).map(([tape, data]) => backupJob(tape, data)),
  fc.tuple(tapeIndex, shape).map(([tape, data]) => backupJob(tape, data)),
  fc.tuple(tapeIndex, shape).map(([tape, data]) => backupJob(tape, data)),
  fc.tuple(tapeIndex, shape).map(([tape, data]) => backupJob(tape, data)),
  fc.tuple(tapeIndex, fc.boolean()).map(([tape, ring]) => mount(tape, ring)),
  tapeIndex.map((tape) => mount(tape, true)),
  fc.tuple(tapeIndex, shape).map(([tape, data]) => write(tape, data)),
  fc.tuple(tapeIndex, shape).map(([tape, data]) => write(tape, data)),
  fc.tuple(tapeIndex, shape, fc.boolean()).map(([tape, data, sync]) => append(tape, data, sync)),
  tapeIndex.map(dismount),
  tapeIndex.map(dismount),
  durationMs.map(advance),
  durationMs.map(advance),
  fc.constantFrom('down' as const, 'cut' as const, 'stall' as const).map(networkFault),
  fc.constant(healNetwork()),
  fc.nat({ max: 40_000 }).map((bytes) => ambush('corrupt', bytes)),
  fc.nat({ max: 40_000 }).map((bytes) => ambush('cut', bytes)),
  fc.tuple(serverName, fc.boolean()).map(([name, powerCut]) => crash(name, powerCut)),
  fc.tuple(serverName, fc.boolean()).map(([name, powerCut]) => crash(name, powerCut)),
  fc.tuple(serverName, crashPoint).map(([name, point]) => crashInside(name, point)),
  fc.tuple(serverName, crashPoint).map(([name, point]) => crashInside(name, point)),
  crashPoint.map((point) => crashInside('west', { ...point, in: 'disk' })),
  fc
    .tuple(serverName, fc.constantFrom(SECOND_MS, 90 * SECOND_MS, 6 * MINUTE_MS))
    .map(([name, delayMs]) => slowDisk(name, delayMs)),
  tapeIndex.map(lateCopy),
  serverName.map(restart),
  serverName.map(restart),
  serverName.map(restart),
  serverName.map(restart),
];

/** `replayPath`: of a failure, to run it again as it was shrunk. */
export function scenarioCommands(
  replayPath?: string,
): fc.Arbitrary<Iterable<fc.AsyncCommand<Scenario, Scenario>>> {
  return fc.commands([...COMMANDS], {
    maxCommands: COMMANDS_MAX,
    size: 'max',
    ...(replayPath !== undefined && { replayPath }),
  });
}
