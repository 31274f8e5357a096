/**
 * What may happen in a scenario, as fast-check commands: jobs of the host, time, and faults.
 *
 * A command whose fault class the profile lacks, or that makes no sense in the state at hand, is
 * skipped (`check`). `toString` is what a shrunk failure reads like.
 */
import type fc from 'fast-check';
import { MINUTE_MS } from '../../src/base/units.ts';
import { backup, written } from '../hosts/backup-jobs.ts';
import { SimulatedRandom } from '../world/simulated-random.ts';
import type { CrashPoint, SimulatedServer } from '../world/simulated-server.ts';
import type { FaultProfile } from './fault-profile.ts';
import type { Scenario } from './scenario.ts';
import { scenarioCommand } from './scenario-command.ts';

export type ScenarioCommand = fc.AsyncCommand<Scenario, Scenario>;

export type ServerName = 'east' | 'west';

const command = scenarioCommand<Scenario>;

const has =
  (fault: keyof FaultProfile) =>
  (scenario: Readonly<Scenario>): boolean =>
    scenario.profile[fault] === true;

/** The host asks for a tape and has it. */
export const mount = (tapeIndex: number, ring: boolean): ScenarioCommand =>
  command(
    `mount(${tapeIndex}, ${ring ? 'ring' : 'no ring'})`,
    ({ east, tapes }) => east.running && tapes[tapeIndex]?.mounted === undefined,
    (scenario) => scenario.mount(scenario.tape(tapeIndex), ring),
  );

export interface BackupShape {
  readonly blockCount: number;
  readonly blockBytes: number;
  /** Backups of the same seed have the same data, so that the next version shares chunks. */
  readonly seed: number;
}

function* blocksOf({ blockCount, blockBytes, seed }: BackupShape): Generator<Uint8Array> {
  const random = new SimulatedRandom(seed);
  for (let index = 0; index < blockCount; index += 1) yield random.bytes(blockBytes);
}

const isRingMounted = ({ tapes }: Readonly<Scenario>, tapeIndex: number): boolean =>
  tapes[tapeIndex]?.mounted?.ring === true;

const shapeText = ({ blockCount, blockBytes, seed }: BackupShape): string =>
  `${blockCount} x ${blockBytes}, seed ${seed}`;

function writeTape(scenario: Scenario, tapeIndex: number, shape: BackupShape): Promise<void> {
  return scenario.job(scenario.tape(tapeIndex), (mounted) =>
    backup(mounted, {
      file: 'SIMULATED.DATA',
      blocks: blocksOf(shape),
      atMs: scenario.world.clock.nowMs(),
    }),
  );
}

/** A whole job: mount with ring, write, dismount. */
export const backupJob = (tapeIndex: number, shape: BackupShape): ScenarioCommand =>
  command(
    `backup(${tapeIndex}, ${shapeText(shape)})`,
    ({ east, tapes }) => east.running && tapes[tapeIndex]?.mounted === undefined,
    async (scenario) => {
      const tape = scenario.tape(tapeIndex);
      await scenario.mount(tape, true);
      if (tape.mounted !== undefined) await writeTape(scenario, tapeIndex, shape);
      if (tape.mounted !== undefined) await scenario.dismount(tape);
    },
  );

/** The host writes the tape from its beginning: labels, data, labels. */
export const write = (tapeIndex: number, shape: BackupShape): ScenarioCommand =>
  command(
    `write(${tapeIndex}, ${shapeText(shape)})`,
    (scenario) => isRingMounted(scenario, tapeIndex),
    (scenario) => writeTape(scenario, tapeIndex, shape),
  );

/** The host appends blocks, and with `sync` a tape mark that makes them durable. */
export const append = (tapeIndex: number, shape: BackupShape, sync: boolean): ScenarioCommand =>
  command(
    `append(${tapeIndex}, ${shapeText(shape)}${sync ? ', sync' : ''})`,
    (scenario) => isRingMounted(scenario, tapeIndex),
    (scenario) =>
      scenario.job(scenario.tape(tapeIndex), async ({ operations }) => {
        await operations.spaceToEndOfData();
        for (const block of blocksOf(shape)) {
          written('a block', await operations.writeBlock(block));
        }
        if (sync) written('a tape mark', await operations.writeFilemarks(1));
      }),
  );

export const dismount = (tapeIndex: number): ScenarioCommand =>
  command(
    `dismount(${tapeIndex})`,
    ({ tapes }) => tapes[tapeIndex]?.mounted !== undefined,
    (scenario) => scenario.dismount(scenario.tape(tapeIndex)),
  );

export const advance = (durationMs: number): ScenarioCommand =>
  command(
    `advance(${durationMs % MINUTE_MS === 0 ? `${durationMs / MINUTE_MS} min` : `${durationMs} ms`})`,
    () => true,
    (scenario) => scenario.world.advance(durationMs),
  );

export const networkFault = (kind: 'down' | 'cut' | 'stall'): ScenarioCommand =>
  command(`network(${kind})`, has('network'), ({ wire }) => {
    if (kind === 'down') wire.takeDown();
    else if (kind === 'cut') wire.cut();
    else wire.stall();
  });

export const healNetwork = (): ScenarioCommand =>
  command(
    'network(heal)',
    ({ wire }) => wire.state !== 'up',
    ({ wire }) => wire.heal(),
  );

/** A fault in the middle of what is sent next. */
export const ambush = (kind: 'corrupt' | 'cut', afterBytes: number): ScenarioCommand =>
  command(
    `${kind}(after ${afterBytes} bytes)`,
    has(kind === 'corrupt' ? 'corruption' : 'network'),
    ({ wire }) => wire.ambush(kind, afterBytes),
  );

const serverOf = (scenario: Readonly<Scenario>, name: ServerName): SimulatedServer =>
  name === 'east' ? scenario.east : scenario.west;

export const crash = (name: ServerName, powerCut: boolean): ScenarioCommand =>
  command(
    `crash(${name}${powerCut ? ', power cut' : ''})`,
    (scenario) =>
      scenario.profile.crashes &&
      (!powerCut || scenario.profile.powerCuts) &&
      serverOf(scenario, name).running,
    (scenario) => serverOf(scenario, name).crash(powerCut ? 'power-cut' : 'kill'),
  );

/** The server is killed in the operation after so many more ones, whenever that comes. */
export const crashInside = (name: ServerName, point: CrashPoint): ScenarioCommand =>
  command(
    `crashInside(${name}, ${point.in} operation ${point.count}${point.kind === 'kill' ? '' : ', power cut'})`,
    (scenario) =>
      scenario.profile.crashesInside &&
      (point.kind === 'kill' || scenario.profile.powerCuts) &&
      serverOf(scenario, name).running,
    (scenario) => serverOf(scenario, name).planCrash(point),
  );

/** The next sync of the server's store takes so long; nothing else waits for it. */
export const slowDisk = (name: ServerName, delayMs: number): ScenarioCommand =>
  command(
    `slowDisk(${name}, ${delayMs} ms)`,
    (scenario) => scenario.profile.slowDisk && serverOf(scenario, name).running,
    (scenario) => serverOf(scenario, name).slowDown(delayMs),
  );

/** An earlier version of the tape is sent once more, beside whatever AutoCopy does. */
export const lateCopy = (tapeIndex: number): ScenarioCommand =>
  command(
    `lateCopy(${tapeIndex})`,
    ({ profile, east, tapes }) =>
      profile.lateCopies && east.running && (tapes[tapeIndex]?.model.versions.length ?? 0) >= 2,
    (scenario) => scenario.sendLate(scenario.tape(tapeIndex)),
  );

export const restart = (name: ServerName): ScenarioCommand =>
  command(
    `restart(${name})`,
    (scenario) => !serverOf(scenario, name).running,
    (scenario) => scenario.restart(serverOf(scenario, name)),
  );
