/**
 * `batch-day`: a day of batch backups on several hosts, over several volumes each, while the line to AutoCopy's
 * target is flaky.
 *
 * NetBatch starts the jobs at times that are drawn; two classes a host run side by side, on its drives. A volume
 * may belong to several jobs, which then wait for each other and write over each other, the last one counting.
 * What must hold: every job ends well, for the hosts' drives and east are well; each backup restores block for
 * block until its volumes are written over; each tape's copies keep AutoCopy's rhythm (checker/attempts.ts) and
 * are whole versions; at the end of the day, with the line well again, every tape is in step.
 */
import fc from 'fast-check';
import { MINUTE_MS, SECOND_MS } from '../../src/base/units.ts';
import { hold } from '../checker/violation.ts';
import type { StartOptions } from '../scenarios/scenario.ts';
import type { BackupPlan } from './batch-host.ts';
import { CentreScenario } from './centre-scenario.ts';
import { count, duration, formsFor, oneOf } from './command-form.ts';
import type { DrawnCommand } from './command-form.ts';
import { CopyWatch } from './copy-watch.ts';
import { tapeName } from './data-centre.ts';
import { COMMON_PROFILE } from './fault-profile.ts';
import type { CommonProfile } from './fault-profile.ts';

const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const CAPACITY_BYTES = 48_000;
const TAPE_COUNT = 8;
/** Twelve attempts, five minutes apart, fit into it. */
const DRAIN_MS = 61 * MINUTE_MS;

/** A job of the day. */
export interface BatchDayJob {
  /** Of as many hosts as there are. */
  readonly host: number;
  /** Jobs of one class run one after another. */
  readonly class: number;
  readonly hour: number;
  readonly minute: number;
  /** The volumes that it is given, by number: more than it needs. */
  readonly volumes: readonly number[];
  readonly blockCount: number;
  readonly blockBytes: number;
}

export interface BatchDayProfile extends CommonProfile {
  readonly hostCount: number;
  readonly drivesEach: number;
  readonly jobs: readonly BatchDayJob[];
}

const job: fc.Arbitrary<BatchDayJob> = fc.record({
  host: fc.nat({ max: 2 }),
  class: fc.nat({ max: 1 }),
  // Most of it at night, and together.
  hour: fc.constantFrom(1, 1, 2, 2, 2, 3, 6, 13, 20),
  minute: fc.constantFrom(0, 0, 0, 1, 30),
  // What a job needs at most is three of them.
  volumes: fc.uniqueArray(fc.nat({ max: TAPE_COUNT - 1 }), { minLength: 4, maxLength: 4 }),
  blockCount: fc.integer({ min: 1, max: 40 }),
  // One more behind early warning leaves room for trailer labels and marks.
  blockBytes: fc.integer({ min: 200, max: 2400 }),
});

export const batchDayProfile: fc.Arbitrary<BatchDayProfile> = fc.record({
  ...COMMON_PROFILE,
  hostCount: fc.integer({ min: 2, max: 3 }),
  drivesEach: fc.integer({ min: 1, max: 2 }),
  jobs: fc.array(job, { minLength: 3, maxLength: 8 }),
});

export class BatchDay extends CentreScenario<BatchDayProfile> {
  readonly #copies: CopyWatch;

  constructor(options: StartOptions<BatchDayProfile>) {
    const { hostCount, drivesEach } = options.profile;
    super(options, {
      drives: Array.from({ length: hostCount || 1 }, () => drivesEach || 1),
      tapes: { count: TAPE_COUNT, capacityBytes: CAPACITY_BYTES },
      west: true,
    });
    this.#copies = new CopyWatch(this.centre);
  }

  /** The data centre before its day, all jobs submitted. */
  override async setUp(): Promise<void> {
    await super.setUp();
    for (const [index, planned] of this.profile.jobs.entries()) this.#submit(index, planned);
  }

  #submit(index: number, planned: BatchDayJob): void {
    const { hour, minute, blockCount, blockBytes } = planned;
    const host = this.centre.host(planned.host % this.centre.hosts.length);
    const plan: BackupPlan = {
      file: `JOB${index}`,
      volumes: planned.volumes.map(tapeName),
      blockCount,
      blockBytes,
      seed: index,
    };
    const cancel = host.host.netBatch.submit({
      name: plan.file,
      at: { hour, minute },
      class: `CLASS${planned.class}`,
      run: async () => {
        cancel();
        const { state, reason } = await host.backup(plan);
        if (state === 'failed') throw new Error(reason);
      },
    });
  }

  override async check(): Promise<void> {
    await super.check();
    this.#copies.check('fullHouse');
  }

  /** The rest of the day, with a line that is well; then everything is in step, and restores. */
  async finish(): Promise<void> {
    const { centre, world } = this;
    world.trace.record('> the rest of the day');
    centre.west.cancelCrash();
    centre.wire.heal();
    if (!centre.west.running) await centre.startServer(centre.west);
    await world.advance(Math.max(0, DAY_MS - world.clock.elapsedMs) + 2 * HOUR_MS);
    await this.check();
    for (const { file, state, reason } of centre.backups) {
      hold(state === 'done', () => `${file} did not end well: ${state} ${reason ?? ''}`);
    }
    hold(centre.backups.length === this.profile.jobs.length, () => 'a job was not started');
    // What was given up while the line was down is asked for by the operator.
    await centre.call('autocopy.retry', {});
    this.#copies.forget();
    await world.advance(DRAIN_MS);
    await centre.check();
    await centre.checkInStep();
    for (const backup of centre.wholeBackups()) await centre.checkRestore(backup);
    await centre.checkStores();
  }

  /** What became of the day, for people. */
  report(): readonly string[] {
    return [
      ...this.centre.backups.map(
        ({ file, hostIndex, usedVolumes, blockCount }) =>
          `${file} on ${this.centre.host(hostIndex).node}: ${blockCount} blocks on ${usedVolumes.join(', ')}`,
      ),
      `attempts to copy: ${this.#copies.counts.attempt}; given up: ${this.#copies.counts.failure}`,
      ...[...this.centre.tapes.values()].map(
        ({ model, replica }) =>
          `${model.name} ${model.latest?.generation}; copy ${replica?.generation ?? 'none'}`,
      ),
    ];
  }
}

const form = formsFor<BatchDay>();
const goesOn = ({ world }: Readonly<BatchDay>): boolean => world.clock.elapsedMs < DAY_MS;

const advance = form('advance({time})', {
  fields: { time: duration },
  possible: goesOn,
  perform: ({ world }, { time }) => world.advance(time),
});

/** The line is not well for so long. */
const outage = form('line({kind} for {time})', {
  fields: { kind: oneOf('down', 'stalled'), time: duration },
  possible: goesOn,
  perform: async ({ centre, world }, { kind, time }) => {
    if (kind === 'down') centre.wire.takeDown();
    else centre.wire.stall();
    await world.advance(time);
    centre.wire.heal();
  },
});

/** The line drops its connections so often, now and after each minute. */
const flutter = form('line(drops {times} times)', {
  fields: { times: count },
  perform: async ({ centre, world }, { times }) => {
    for (let dropped = 0; dropped < times; dropped += 1) {
      centre.wire.cut();
      await world.advance(MINUTE_MS);
    }
  },
});

/** After so many more bytes the connections drop, or a byte changes. */
const ambush = form('line({kind} after {bytes} bytes)', {
  fields: { kind: oneOf('cut', 'corrupt'), bytes: count },
  perform: ({ centre }, { kind, bytes }) => centre.wire.ambush(kind, bytes),
});

/** The other site loses its power for a while. */
const darkness = form('west(without power for {time})', {
  fields: { time: duration },
  possible: ({ centre }) => centre.west.running,
  perform: async ({ centre, world }, { time }) => {
    centre.west.crash('power-cut');
    await world.advance(time);
    await centre.startServer(centre.west);
  },
});

const slowDisk = form('west(a sync takes {time})', {
  fields: { time: duration },
  possible: ({ centre }) => centre.west.running,
  perform: ({ centre }, { time }) => centre.west.slowDown(time),
});

const times = fc.constantFrom(1, 7, 30, 65, 180).map((minutes) => minutes * MINUTE_MS);

/** With their weights. */
export const BATCH_DAY_COMMANDS: readonly DrawnCommand<BatchDay>[] = [
  advance.drawn({ time: times }, 2),
  outage.drawn({ kind: fc.constantFrom('down', 'stalled'), time: times }),
  flutter.drawn({ times: fc.integer({ min: 1, max: 9 }) }),
  ambush.drawn({ kind: fc.constantFrom('cut', 'corrupt'), bytes: fc.nat({ max: 60_000 }) }),
  darkness.drawn({ time: times }),
  slowDisk.drawn({ time: fc.constantFrom(SECOND_MS, 40 * SECOND_MS) }),
];
