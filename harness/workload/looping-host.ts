/**
 * `looping-host`: a host that has gone mad, beside others that have work to do.
 *
 * The mad host asks for mounts in a loop, for its own tapes and others', for names that no server has, under numbers
 * that it uses again; it tells ends of requests that it never made, gives tapes back, prints rubbish, drops its line,
 * and its TACL answers nonsense. What must hold meanwhile: no more than the limit of its requests wait here, told of
 * once whenever the queue has filled up; what is mounted for it was asked for, and lies in a vault that it may use;
 * every job of the other hosts is served in its time and restores. Where the mad host has the tape of a job, or asked
 * for it before, the job waits until an operator has taken both from it, and no longer. Once the host is sane again
 * and has ended what it asked for, or an operator has, nothing of it waits, and its own jobs are served.
 */
import fc from 'fast-check';
import { MINUTE_MS, SECOND_MS } from '../../src/base/units.ts';
import { isCapstanError } from '../../src/base/errors.ts';
import type { TapeOperations } from '../../src/initiator/tape-operations.ts';
import { hold } from '../checker/violation.ts';
import type { StartOptions } from '../scenarios/scenario.ts';
import type { NonStopHost } from '../hosts/nonstop-host.ts';
import { SimulatedRandom } from '../world/simulated-random.ts';
import type { BackupRecord, BatchHost } from './batch-host.ts';
import { CentreScenario } from './centre-scenario.ts';
import { advanceForm, count, duration, formsFor, oneOf } from './command-form.ts';
import type { DrawnCommand } from './command-form.ts';
import { ANSWER_LIMIT_MS, tapeName } from './data-centre.ts';
import { COMMON_PROFILE } from './fault-profile.ts';
import type { CommonProfile } from './fault-profile.ts';
import { HostTrouble, NONSENSE, RUBBISH } from './host-trouble.ts';

/** Of the mad host's requests no more may wait. */
export const WAITING_MAX = 12;
/** The first tapes are the mad host's, the others are those of the hosts with work. */
export const MAD_TAPES = 3;
const TAPES = 8;
const MAD_DRIVES = 2;
/** It begins with its numbers anew after so many. */
const NUMBERS = 40;
/** A job with a drive and a tape of its own is done in this time, whatever another host does. */
const SERVED_MS = MINUTE_MS;
/** A mad host's session is built anew in this time once it is sane. */
const RECOVERY_MS = 5 * MINUTE_MS;
/** Events of the event log: a host's queue is full, a request has ended. */
const QUEUE_FULL = '420113';
const REQUEST_ENDED = '220105';
const OTHER_VAULT = 'ELSEWHERE';

export interface LoopingHostProfile extends CommonProfile {
  readonly crashes: boolean;
  /** Hosts with work. */
  readonly saneCount: number;
  /** The mad host may use the tapes of no vault here (`ems_vaults_`). */
  readonly walled: boolean;
}

export const loopingHostProfile: fc.Arbitrary<LoopingHostProfile> = fc.record({
  ...COMMON_PROFILE,
  crashes: fc.boolean(),
  saneCount: fc.integer({ min: 1, max: 2 }),
  walled: fc.constantFrom(false, false, false, true),
});

export const LOOPS = [
  'own tapes',
  'one tape',
  "others' tapes",
  'unknown tapes',
  'scratch tapes',
] as const;
export const ENDS = ['mounted', 'request-cancelled', 'request-rejected'] as const;
export const REFUSALS = ['write-protected', 'not-expired', 'wrong-tape'] as const;
export class LoopingHost extends CentreScenario<LoopingHostProfile> {
  /** Of the mad host. */
  readonly trouble: HostTrouble;
  readonly #chance: SimulatedRandom;
  #requestNumber = 0;
  /** Numbers that were asked and not ended by the host. */
  readonly #asked = new Set<number>();
  /** Every volume that it asked for. */
  readonly #everAsked = new Set<string>();
  #last: Parameters<NonStopHost['collector']['logZsvr']>[0] | undefined;
  /** How often its queue was told to be full, and how often it may have been so anew. */
  #fullCount = 0;
  #endCount = 0;
  #askedCount = 0;
  #jobCount = 0;
  #takenCount = 0;

  constructor(options: StartOptions<LoopingHostProfile>) {
    const { saneCount, worldSeed } = options.profile;
    super(options, {
      drives: [MAD_DRIVES, ...Array.from({ length: saneCount || 1 }, () => 1)],
      tapes: { count: TAPES, capacityBytes: 100_000 },
      west: false,
      settings: { requestsPerHostMax: WAITING_MAX },
    });
    this.#chance = new SimulatedRandom(worldSeed);
    this.trouble = new HostTrouble(this.centre, this.mad, this.#chance);
    this.centre.onEvent((event) => {
      if (event.kind === 'mounted' && event.mount.host === this.mad.node) this.#endCount += 1;
      if (event.kind !== 'event-logged') return;
      if (event.row.messageId === QUEUE_FULL) this.#fullCount += 1;
      if (event.row.messageId === REQUEST_ENDED) this.#endCount += 1;
    });
  }

  override async setUp(): Promise<void> {
    const { east } = this.centre;
    const [mad, ...others] = east.settings.hosts;
    if (this.profile.walled && mad !== undefined) {
      const walled = { ...mad, parameters: { vaults: [OTHER_VAULT] } };
      east.settings = { ...east.settings, hosts: [walled, ...others] };
    }
    await super.setUp();
  }

  get mad(): BatchHost {
    return this.centre.host(0);
  }

  #log(event: Parameters<NonStopHost['collector']['logZsvr']>[0]): void {
    this.mad.host.collector.logZsvr(event);
  }

  /** Asks for mounts, one after the other. */
  async loop(what: (typeof LOOPS)[number], times: number, pauseMs: number): Promise<void> {
    for (let done = 0; done < times; done += 1) {
      const requestNumber = this.#requestNumber;
      this.#requestNumber = (this.#requestNumber + 1) % NUMBERS;
      this.#askedCount += 1;
      const ring = this.#chance.below(2) === 0;
      const volume = what === 'unknown tapes' ? `NONE${done}` : tapeName(this.#tapeOf(what));
      if (what === 'scratch tapes') {
        this.#last = { kind: 'scratch-request', requestNumber, labelType: 'ansi', ring: true };
      } else {
        this.#asked.add(requestNumber);
        this.#everAsked.add(volume);
        const number = ring ? 600 : 601;
        const rest = { labelType: 'ansi', ring } as const;
        this.#last = { kind: 'mount-request', number, requestNumber, volume, ...rest };
      }
      this.#log(this.#last);
      await this.world.advance(pauseMs);
    }
  }

  #tapeOf(what: (typeof LOOPS)[number]): number {
    if (what === 'one tape') return 0;
    if (what !== "others' tapes") return this.#chance.below(MAD_TAPES);
    return MAD_TAPES + this.#chance.below(TAPES - MAD_TAPES);
  }

  /** Tells the newest request so many times more. */
  async repeat(times: number): Promise<void> {
    for (let done = 0; done < times; done += 1) if (this.#last !== undefined) this.#log(this.#last);
    await this.world.advance(SECOND_MS);
  }

  /** Tells ends of requests, whether it made them or not. */
  async end(kind: (typeof ENDS)[number], times: number): Promise<void> {
    for (let done = 0; done < times; done += 1) {
      const requestNumber = this.#chance.below(NUMBERS);
      this.#log({ kind, requestNumber, volume: tapeName(this.#chance.below(MAD_TAPES)) });
    }
    await this.world.advance(SECOND_MS);
  }

  /** Gives back the tapes in its drives, and says why or does not. */
  async giveBack(kind: (typeof REFUSALS)[number] | 'nothing said'): Promise<void> {
    for (const { name, operations } of this.mad.host.zsvr.devices) {
      const open = await this.centre.east.catalog.listMounts({ open: true });
      const mount = open.find((row) => row.drive === driveOf(name));
      if (mount === undefined) continue;
      await this.#unload(operations);
      const at = { device: name, volume: mount.tape };
      if (kind === 'wrong-tape') this.#log({ kind, ...at, wanted: 'OTHER' });
      else if (kind !== 'nothing said') this.#log({ kind, ...at });
    }
    await this.world.advance(2 * SECOND_MS);
  }

  async #unload(operations: TapeOperations): Promise<void> {
    const unloading = operations
      .awaitReady()
      .then(() => operations.unload())
      .catch((error: unknown) => {
        // The server may be gone, and the drive with it.
        if (!isCapstanError(error)) throw error;
      });
    await this.world.finish(unloading, ANSWER_LIMIT_MS);
  }

  async rubbish(kind: (typeof RUBBISH)[number]): Promise<void> {
    this.trouble.rubbish(kind);
    await this.world.advance(SECOND_MS);
  }

  /** Another host has jobs at the same time, more than it has drives; they are done in their time. */
  async work(hostIndex: number, jobCount: number, blockCount: number): Promise<void> {
    const host = this.centre.host(1 + (hostIndex % (this.centre.hosts.length - 1)));
    const jobs = Array.from({ length: jobCount }, (_, index) => {
      this.#jobCount += 1;
      const volumes = [tapeName(MAD_TAPES + index)];
      const plan = { file: `WORK${this.#jobCount}`, volumes, blockCount };
      return host.backup({ ...plan, blockBytes: 500, seed: this.#jobCount });
    });
    let records: readonly BackupRecord[] | undefined;
    void Promise.all(jobs).then((done) => {
      records = done;
    });
    const inTime = (): Promise<boolean> =>
      this.world.until(() => records !== undefined, SERVED_MS * jobCount);
    const late = `a job of ${host.node} is not served within ${(SERVED_MS * jobCount) / 1000} s`;
    if (!(await inTime())) {
      const taken = await this.#takeFromMad(jobs.map((_, index) => tapeName(MAD_TAPES + index)));
      hold(taken > 0, () => late);
      this.#takenCount += taken;
      hold(await inTime(), () => `${late} after its tapes were taken from the mad host`);
    }
    for (const { file, state, reason } of records ?? []) {
      hold(state === 'done', () => `${file} of ${host.node} failed: ${reason ?? ''}`);
    }
  }

  /** An operator takes tapes, and requests for them, from the mad host; how many. */
  async #takeFromMad(tapes: readonly string[]): Promise<number> {
    const { centre, mad } = this;
    const { catalog } = centre.east;
    const isMad = (row: { readonly host: string; readonly tape: string }): boolean =>
      row.host === mad.node && tapes.includes(row.tape);
    const requests = (await catalog.listMountRequests()).filter(isMad);
    for (const { host, requestNumber } of requests) {
      await centre.call('mount.drop', { host, requestNumber });
    }
    const mounts = (await catalog.listMounts({ open: true })).filter(isMad);
    for (const { tape } of mounts) await centre.call('mount.end', { tape });
    return requests.length + mounts.length;
  }

  async crash(): Promise<void> {
    this.centre.east.crash('power-cut');
    await this.world.advance(SECOND_MS);
    await this.centre.startServer(this.centre.east);
    await this.world.advance(RECOVERY_MS);
  }

  override async check(): Promise<void> {
    await super.check();
    const { catalog } = this.centre.east;
    const waiting = (await catalog.listMountRequests()).filter(
      ({ host }) => host === this.mad.node,
    );
    // What was mounted and could not be used goes back into the queue.
    hold(
      waiting.length <= WAITING_MAX + MAD_DRIVES,
      () => `${waiting.length} requests of the mad host wait, at most ${WAITING_MAX} may`,
    );
    hold(
      this.#fullCount <= this.#endCount + 1,
      () =>
        `the full queue was told of ${this.#fullCount} times, and had room ${this.#endCount} times`,
    );
    for (const { host, tape } of await catalog.listMounts({ open: true })) {
      const asked = host !== this.mad.node || this.#everAsked.has(tape);
      hold(asked, () => `${tape} is mounted for the mad host, which never asked for it`);
      const may = host !== this.mad.node || !this.profile.walled;
      hold(may, () => `${tape} is mounted for the mad host, which may not use its vault`);
    }
  }

  /** The host is sane: it ends what it asked for, an operator what is left, and its own job is served. */
  async finish(): Promise<void> {
    const { centre, world, mad } = this;
    world.trace.record('> the host is sane again');
    centre.hostWire(mad).heal();
    await this.trouble.sanity();
    await world.advance(RECOVERY_MS);
    for (const requestNumber of this.#asked) {
      if (requestNumber % 2 === 0) this.#log({ kind: 'request-cancelled', requestNumber });
    }
    await world.advance(MINUTE_MS);
    for (const { host, requestNumber } of await centre.east.catalog.listMountRequests()) {
      if (host === mad.node) await centre.call('mount.drop', { host, requestNumber });
    }
    await centre.clearDrives();
    await world.advance(2 * MINUTE_MS);
    const [left] = await centre.east.catalog.listMountRequests();
    hold(
      left === undefined,
      () => `request ${left?.requestNumber} of ${left?.host} waits for nobody`,
    );
    const [still] = await centre.east.catalog.listMounts({ open: true });
    hold(still === undefined, () => `${still?.tape} is mounted for nobody`);
    const plan = { file: 'SANE', volumes: [tapeName(0), tapeName(1)], blockCount: 9 };
    const job = await world.finish(
      (this.profile.walled ? centre.host(1) : mad).backup({ ...plan, blockBytes: 1000, seed: 1 }),
      ANSWER_LIMIT_MS,
    );
    hold(job.state === 'done', () => `the job at the end failed: ${job.reason ?? ''}`);
    await this.check();
    for (const backup of centre.wholeBackups()) await centre.checkRestore(backup);
    await centre.checkStores();
  }

  /** What happened, for people. */
  report(): readonly string[] {
    return [
      `${this.#askedCount} requests in a loop, the queue told to be full ${this.#fullCount} times`,
      `${this.#jobCount} jobs of other hosts, all served`,
      `${this.#takenCount} tapes and requests taken from the mad host`,
    ];
  }
}

/** The drive of the mad host's device. */
const driveOf = (device: string): string => `VTD0${device.slice(-1)}`;

const form = formsFor<LoopingHost>();
const serves = ({ centre }: Readonly<LoopingHost>): boolean => centre.east.running;

const loop = form('loop({what}, {times} times, every {pause})', {
  fields: { what: oneOf(...LOOPS), times: count, pause: duration },
  perform: (scenario, { what, times, pause }) => scenario.loop(what, times, pause),
});
const repeat = form('repeat({times} times)', {
  fields: { times: count },
  perform: (scenario, { times }) => scenario.repeat(times),
});
const end = form('end({kind}, {times} times)', {
  fields: { kind: oneOf(...ENDS), times: count },
  perform: (scenario, { kind, times }) => scenario.end(kind, times),
});
const giveBack = form('giveBack({kind})', {
  fields: { kind: oneOf('nothing said', ...REFUSALS) },
  possible: serves,
  perform: (scenario, { kind }) => scenario.giveBack(kind),
});
const rubbish = form('rubbish({kind})', {
  fields: { kind: oneOf(...RUBBISH) },
  perform: (scenario, { kind }) => scenario.rubbish(kind),
});
const nonsense = form('tacl({kind} for {time})', {
  fields: { kind: oneOf(...NONSENSE), time: duration },
  perform: ({ trouble }, { kind, time }) => trouble.nonsense(kind, time),
});
const line = form('line({kind} for {time})', {
  fields: { kind: oneOf('down', 'stalled', 'cut'), time: duration },
  perform: async ({ centre, mad, world }, { kind, time }) => {
    const wire = centre.hostWire(mad);
    if (kind === 'down') wire.takeDown();
    else if (kind === 'stalled') wire.stall();
    else wire.cut();
    await world.advance(time);
    wire.heal();
  },
});
const work = form('work(host {host}, {jobs} jobs of {blocks} blocks)', {
  fields: { host: count, jobs: count, blocks: count },
  possible: serves,
  perform: (scenario, { host, jobs, blocks }) => scenario.work(host, jobs, blocks),
});
const advance = advanceForm<LoopingHost>();
const crash = form('crash()', {
  possible: ({ profile, centre }) => profile.crashes && centre.east.running,
  perform: (scenario) => scenario.crash(),
});

const times = fc.constantFrom(1, 5, 30);
const time = fc.constantFrom(SECOND_MS, 20 * SECOND_MS, 3 * MINUTE_MS);

/** With their weights. */
export const LOOPING_HOST_COMMANDS: readonly DrawnCommand<LoopingHost>[] = [
  loop.drawn(
    {
      what: fc.constantFrom(...LOOPS, "others' tapes"),
      times,
      pause: fc.constantFrom(0, 100, SECOND_MS),
    },
    4,
  ),
  repeat.drawn({ times }),
  end.drawn({ kind: fc.constantFrom(...ENDS), times }, 2),
  giveBack.drawn({ kind: fc.constantFrom('nothing said', ...REFUSALS) }, 2),
  rubbish.drawn({ kind: fc.constantFrom(...RUBBISH) }),
  nonsense.drawn({ kind: fc.constantFrom(...NONSENSE), time }),
  line.drawn({ kind: fc.constantFrom('down', 'stalled', 'cut'), time }),
  work.drawn(
    {
      host: fc.nat({ max: 1 }),
      jobs: fc.integer({ min: 1, max: 3 }),
      blocks: fc.integer({ min: 1, max: 9 }),
    },
    4,
  ),
  advance.drawn({ time }),
  crash.drawn({}),
];
