/**
 * `troubled-host`: AutoCopy while the hosts are in trouble.
 *
 * Two hosts run backups over a few volumes that both of them use; each volume is copied by AutoCopy. A host stops
 * and is loaded anew, a processor of it fails with a job in it, its line goes down, drops, stalls, it stops talking in
 * the middle of a line, its log has rubbish in it, its TACL talks nonsense; the line to the copies' target is not
 * always well either. What must hold: every dismount of a tape with a ring, whoever made it, is copied in AutoCopy's
 * rhythm (checker/attempts.ts) and each copy is a whole version; a tape holds what its host's commands say; jobs end
 * well unless their processor failed; at the end each tape is in step, and what was acknowledged restores.
 */
import fc from 'fast-check';
import { MINUTE_MS, SECOND_MS } from '../../src/base/units.ts';
import { hold } from '../checker/violation.ts';
import type { StartOptions } from '../scenarios/scenario.ts';
import { SimulatedRandom } from '../world/simulated-random.ts';
import { CentreScenario } from './centre-scenario.ts';
import { advanceForm, count, duration, formsFor, oneOf } from './command-form.ts';
import type { DrawnCommand } from './command-form.ts';
import { CopyWatch } from './copy-watch.ts';
import { tapeName } from './data-centre.ts';
import { COMMON_PROFILE } from './fault-profile.ts';
import type { CommonProfile } from './fault-profile.ts';
import { HostTrouble, NONSENSE, RUBBISH } from './host-trouble.ts';

/** Drives of each host. */
const DRIVES = [2, 1] as const;
const PROCESSORS = 2;
/** As many as are copied at once: none waits for another's copy. */
const TAPES = 4;
const CAPACITY_BYTES = 48_000;
const JOBS_MAX = 6;
/** A job does not give up by itself. */
const PATIENCE_MS = 1000 * 60 * MINUTE_MS;
/** A host that is well again has its session, and its requests are known, in this time. */
const RECOVERY_MS = 5 * MINUTE_MS;
/** What nobody has after so long in a drive was left there. */
const LEFT_MS = MINUTE_MS;
const DRAIN_MS = 61 * MINUTE_MS;

export interface TroubledHostProfile extends CommonProfile {
  /** How long the marks of a job, and its unload, take to be durable. */
  readonly syncMs: number;
  /** The line to the copies' target has faults, too. */
  readonly copyLine: boolean;
}

export const troubledHostProfile: fc.Arbitrary<TroubledHostProfile> = fc.record({
  ...COMMON_PROFILE,
  syncMs: fc.constantFrom(0, 2 * SECOND_MS),
  copyLine: fc.boolean(),
});

export class TroubledHost extends CentreScenario<TroubledHostProfile> {
  readonly troubles: readonly HostTrouble[];
  readonly #copies: CopyWatch;
  #jobCount = 0;

  constructor(options: StartOptions<TroubledHostProfile>) {
    const tapes = { count: TAPES, capacityBytes: CAPACITY_BYTES };
    super(options, { drives: DRIVES, tapes, west: true });
    this.#copies = new CopyWatch(this.centre);
    const chance = new SimulatedRandom(options.profile.worldSeed);
    this.troubles = this.centre.hosts.map((host) => new HostTrouble(this.centre, host, chance));
    this.centre.east.slowDownImages(options.profile.syncMs);
  }

  get runningCount(): number {
    return this.centre.backups.filter(({ state }) => state === 'running').length;
  }

  /** A job begins; it goes on beside what comes. */
  async job(hostIndex: number, cpu: number, tape: number, blockCount: number): Promise<void> {
    this.#jobCount += 1;
    const volumes = [0, 1, 2].map((index) => tapeName((tape + index) % TAPES));
    const plan = { file: `JOB${this.#jobCount}`, volumes, blockCount, blockBytes: 1500 };
    const rest = { seed: this.#jobCount, cpu, patienceMs: PATIENCE_MS };
    void this.centre.host(hostIndex).backup({ ...plan, ...rest });
    await this.world.advance(0);
  }

  /** The host is down for so long, and loaded anew. */
  async reload(hostIndex: number, durationMs: number): Promise<void> {
    const host = this.centre.host(hostIndex);
    host.stop();
    await this.world.advance(durationMs);
    await host.start();
  }

  /** Tapes in drives of hosts where no job has them, by mount. */
  async #idleMounts(): Promise<ReadonlyMap<number, string>> {
    const idle = new Map<number, string>();
    for (const { id, tape } of await this.centre.east.catalog.listMounts({ open: true })) {
      const isUsed = this.centre.hosts.some(({ host }) =>
        host.zsvr.devices.some(({ name }) => host.zsvr.tapeOn(name)?.volume === tape),
      );
      if (!isUsed) idle.set(id, tape);
    }
    return idle;
  }

  /** An operator of the server takes out what was left in a drive; how many tapes. */
  async clear(): Promise<number> {
    const before = await this.#idleMounts();
    await this.world.advance(LEFT_MS);
    let cleared = 0;
    for (const [id, tape] of await this.#idleMounts()) {
      if (!before.has(id)) continue;
      cleared += 1;
      const refusal = await this.centre.ask('mount.end', { tape });
      hold(refusal === undefined, () => `${tape} is not taken out: ${refusal?.message}`);
    }
    return cleared;
  }

  override async check(): Promise<void> {
    await super.check();
    this.#copies.check('quickDisk');
    for (const { file, state, killed, reason } of this.centre.backups) {
      hold(state !== 'failed' || killed, () => `${file} failed: ${reason}`);
    }
  }

  /** All is well again: the jobs that are left end well, and everything that was owed is copied. */
  async finish(): Promise<void> {
    const { centre, world } = this;
    world.trace.record('> the hosts are well again');
    for (const [index, host] of centre.hosts.entries()) {
      host.stopTalkingAfter(undefined);
      centre.hostWire(host).heal();
      await this.troubles[index]?.sanity();
    }
    centre.wire.heal();
    await world.advance(RECOVERY_MS);
    for (let round = 0; this.runningCount > 0; round += 1) {
      const left = centre.backups.find(({ state }) => state === 'running');
      hold(round < 4 * JOBS_MAX, () => `${left?.file} is not served`);
      await this.clear();
      await world.advance(MINUTE_MS);
      await this.check();
    }
    await this.clear();
    const [waits] = await centre.east.catalog.listMountRequests();
    hold(waits === undefined, () => `a request of ${waits?.host} waits for nobody`);
    // What was given up while the line was not well is asked for by the operator.
    await centre.call('autocopy.retry', {});
    this.#copies.forget();
    await world.advance(DRAIN_MS);
    await super.check();
    await centre.checkInStep();
    for (const backup of centre.wholeBackups()) await centre.checkRestore(backup);
    await centre.checkStores();
  }

  /** What became of it, for people. */
  report(): readonly string[] {
    const killed = this.centre.backups.filter((job) => job.killed).length;
    const { ringDismount, attempt, failure } = this.#copies.counts;
    return [
      `${this.#jobCount} jobs, ${killed} killed`,
      `${ringDismount} dismounts with a ring, ${attempt} attempts to copy, ${failure} given up`,
    ];
  }
}

const form = formsFor<TroubledHost>();

const job = form('job(host {host}, processor {cpu}, from tape {tape}, {blocks} blocks)', {
  fields: { host: count, cpu: count, tape: count, blocks: count },
  possible: ({ runningCount }) => runningCount < JOBS_MAX,
  perform: (scenario, { host, cpu, tape, blocks }) => scenario.job(host, cpu, tape, blocks),
});
const reload = form('reload(host {host}, down for {time})', {
  fields: { host: count, time: duration },
  perform: (scenario, { host, time }) => scenario.reload(host, time),
});
const cpuFails = form('processor({cpu} of host {host} fails)', {
  fields: { cpu: count, host: count },
  perform: ({ centre, world }, { cpu, host }) => {
    centre.host(host).failCpu(cpu);
    return world.advance(0);
  },
});
const line = form('line(host {host} {kind} for {time})', {
  fields: { host: count, kind: oneOf('down', 'cut', 'stall'), time: duration },
  perform: async ({ centre, world }, { host, kind, time }) => {
    const wire = centre.hostWire(centre.host(host));
    wire.fail(kind);
    await world.advance(time);
    wire.heal();
  },
});
/** In the middle of a line of its log; who listens has to notice by the silence. */
const silence = form('silence(host {host}, after {bytes} bytes)', {
  fields: { host: count, bytes: count },
  perform: ({ centre }, { host, bytes }) => centre.host(host).stopTalkingAfter(bytes),
});
const rubbish = form('rubbish(host {host}, {kind})', {
  fields: { host: count, kind: oneOf(...RUBBISH) },
  perform: ({ troubles }, { host, kind }) => troubles[host]?.rubbish(kind),
});
const tacl = form('tacl(host {host}, {kind} for {time})', {
  fields: { host: count, kind: oneOf(...NONSENSE), time: duration },
  perform: ({ troubles }, { host, kind, time }) => troubles[host]?.nonsense(kind, time),
});
const copyLine = form('copies({kind})', {
  fields: { kind: oneOf('down', 'cut', 'stall', 'heal') },
  possible: ({ profile, centre }, { kind }) =>
    profile.copyLine && (kind === 'heal') === (centre.wire.state !== 'up'),
  perform: ({ centre: { wire } }, { kind }) => (kind === 'heal' ? wire.heal() : wire.fail(kind)),
});
const clear = form('clear()', { perform: (scenario) => scenario.clear() });
const advance = advanceForm<TroubledHost>();

const host = fc.nat({ max: DRIVES.length - 1 });
const cpu = fc.nat({ max: PROCESSORS - 1 });
const time = fc.constantFrom(SECOND_MS, 5 * SECOND_MS, 40 * SECOND_MS, 6 * MINUTE_MS);

/** With their weights. */
export const TROUBLED_HOST_COMMANDS: readonly DrawnCommand<TroubledHost>[] = [
  job.drawn(
    { host, cpu, tape: fc.nat({ max: TAPES - 1 }), blocks: fc.integer({ min: 1, max: 60 }) },
    5,
  ),
  reload.drawn({ host, time }, 2),
  cpuFails.drawn({ cpu, host }, 2),
  line.drawn({ host, kind: fc.constantFrom('down', 'cut', 'stall'), time }),
  silence.drawn({ host, bytes: fc.nat({ max: 400 }) }, 2),
  rubbish.drawn({ host, kind: fc.constantFrom(...RUBBISH) }),
  tacl.drawn({ host, kind: fc.constantFrom(...NONSENSE), time }),
  copyLine.drawn({ kind: fc.constantFrom('down', 'cut', 'stall', 'heal', 'heal') }, 2),
  clear.drawn({}, 2),
  advance.drawn({ time: fc.constantFrom(100, SECOND_MS, 7 * SECOND_MS, 5 * MINUTE_MS) }, 4),
];
