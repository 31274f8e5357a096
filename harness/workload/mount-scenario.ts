/**
 * A scenario of mounts: one tape server, one host with more tapes than drives, a line between them that
 * fails, an operator at each end, and what the harness knows of every request.
 *
 * What must hold, after each command:
 * - a mount for a request is of its volume, on its device, with a ring where it asked for one and not
 *   otherwise, and the request is open, as far as the server could know;
 * - a request whose job gave the tape back is not answered again, however long the host is not heard, unless
 *   the server was killed meanwhile;
 * - a tape that the host has is mounted in the catalog, and no fault of the program's own has come up;
 * and at the end, once all is well again: every request that is open is satisfied in its turn.
 */
import { assert } from '../../src/base/assert.ts';
import { isCapstanError } from '../../src/base/errors.ts';
import { GIB, MINUTE_MS, SECOND_MS } from '../../src/base/units.ts';
import type { EmsHostParameters } from '../../src/ems/parameters.ts';
import type { MountRequestRow, MountRow } from '../../src/ports/catalog.ts';
import { EmsHearing } from '../checker/ems-hearing.ts';
import { outOfTurn, wrongAnswer } from '../checker/mount-answers.ts';
import type { Answer, AskedMount } from '../checker/mount-answers.ts';
import { QueueWatch } from '../checker/queue-watch.ts';
import { hold } from '../checker/violation.ts';
import { HostError } from '../hosts/host-error.ts';
import type { MountedTape } from '../hosts/mount-request.ts';
import { NonStopHost } from '../hosts/nonstop-host.ts';
import { Life } from '../world/life.ts';
import { SimulatedServer } from '../world/simulated-server.ts';
import type { Mutant } from '../mutants/mutant.ts';
import type { NewVault } from '../world/simulated-vault.ts';
import type { Wire, WireUnit } from '../world/simulated-wire.ts';
import { World } from '../world/world.ts';

const NODE = '\\LAB';
const HOST = { address: '10.0.0.9', port: 23 };
const SERVER_ADDRESS = '10.0.0.1';
const ACCOUNT = { user: 'SUPER.TAPE', password: 'secret' };
export const MOUNT_TAPES = ['LAB001', 'LAB002', 'LAB003'] as const;
const DEVICES = ['$TAPE0', '$TAPE1'] as const;
export const DEVICE_COUNT = DEVICES.length;
const FILTER = {
  file: '$SYSTEM.TAPE.FILTER',
  source: `FILTER TAPESRV;
    BEGIN
      IF ZSPI^TKN^SSID = SSID(ZEMS^VAL^SSID)
        AND ZEMS^TKN^EVENTNUMBER = ZEMS^EVT^WRITE^TO^0 THEN PASS;
      IF ZSPI^TKN^SSID = SSID(ZTAP^VAL^SSID) THEN PASS;
    END;`,
} as const;
const ANSWER_LIMIT_MS = 10 * MINUTE_MS;
export const SETTLING_MS = 10 * SECOND_MS;
/** A job does not give up by itself. */
const PATIENCE_MS = 1000 * 60 * MINUTE_MS;
export interface MountProfile {
  readonly worldSeed: number;
  /** The line between host and server is cut, goes down, stalls. */
  readonly line: boolean;
  readonly crashes: boolean;
  /** An operator mounts and dismounts by hand at the server. */
  readonly operator: boolean;
  readonly mountDelayMs: number;
  /** The server may ask the host which requests are open. */
  readonly mediacom: boolean;
  /** The distributor has a filter that passes what a tape server needs. */
  readonly filtered: boolean;
  /** The host is loaded anew now and then: it forgets its requests, and their numbers begin again. */
  readonly coldLoads?: boolean;
  /** The host may have the tapes of another vault only, and there are none. */
  readonly restricted?: boolean;
  /** The server's disk fails now and then: what is not mounted yet cannot be. */
  readonly disk?: boolean;
}

export interface MountScenarioOptions {
  readonly profile: MountProfile;
  readonly newVault: NewVault;
  readonly sabotage: Mutant['sabotage'];
}

type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] };

interface Job extends Mutable<AskedMount> {
  tape: MountedTape | undefined;
}

interface SeenAnswer extends Answer {
  /** Who was passed over, if anybody; he may have the tape before anybody looks. */
  readonly outOfTurn: string | undefined;
}

export class MountScenario {
  readonly world: World;
  readonly east: SimulatedServer;
  readonly host: NonStopHost;
  readonly profile: MountProfile;
  readonly jobs: Job[] = [];
  readonly executed: string[] = [];
  /** What the server mounted since the last look. */
  readonly #mounts: SeenAnswer[] = [];
  /** The last moment at which the server could not hear the host. */
  #troubleMs = 0;
  /** The tape that an operator is mounting by hand. */
  #mountedByHand: string | undefined;
  readonly #hearing: EmsHearing;
  readonly #queue: QueueWatch;

  private constructor({ profile, newVault, sabotage }: MountScenarioOptions) {
    this.profile = profile;
    const world = new World(profile.worldSeed);
    this.world = world;
    const { mountDelayMs, restricted } = profile;
    const parameters: Partial<EmsHostParameters> = {
      mountDelayMs,
      ...(restricted === true && { vaults: ['VAULT01'] }),
    };
    const filter = profile.filtered ? { filter: FILTER.file } : {};
    this.east = new SimulatedServer(world, {
      settings: {
        serverName: 'east',
        systemId: 'CAPSTAN',
        address: SERVER_ADDRESS,
        hosts: [{ host: NODE, endpoint: HOST, ...ACCOUNT, ...filter, parameters }],
      },
      vault: newVault({ seed: profile.worldSeed, leftovers: 'ordered' }),
      replicationPorts: [],
      keepAlive: true,
      ...(sabotage.east && { sabotage: sabotage.east }),
      onKilled: () => this.#noteKilled(),
    });
    this.host = new NonStopHost({
      node: NODE,
      clock: world.clock,
      network: world.network.port(HOST.address, new Life()),
      devices: new Map(DEVICES.map((device, index) => [device, this.east.transport(drive(index))])),
      ...ACCOUNT,
      ...(!profile.mediacom && { secured: ['MEDIACOM'] }),
    });
    const { collector } = this.host;
    collector.addFilter(FILTER.file, FILTER.source);
    const { east: server, wire } = this;
    this.#hearing = new EmsHearing({ world, server, node: NODE, collector, wire });
    const numbersAreUnique = profile.coldLoads !== true;
    const jobOf = (row: MountRequestRow): Job | undefined => this.#jobOf(row);
    const { jobs } = this;
    this.#queue = new QueueWatch({ world, server, jobs, jobOf, numbersAreUnique });
  }

  static async start(options: MountScenarioOptions): Promise<MountScenario> {
    const scenario = new MountScenario(options);
    await scenario.host.listen(HOST);
    await scenario.startServer();
    const call = (name: string, parameters: object): Promise<unknown> =>
      scenario.call(name, parameters);
    await call('vault.create', { name: 'VAULT00', path: '/vault00' });
    await call('pool.create', { name: 'DAILY', vault: 'VAULT00' });
    for (const name of MOUNT_TAPES) {
      await call('tape.create', { name, pool: 'DAILY', labelType: 'backup', capacityBytes: GIB });
    }
    for (const [index, device] of DEVICES.entries()) {
      await call('drive.create', { name: drive(index), host: NODE, device });
    }
    await scenario.world.advance(SETTLING_MS);
    // A host that was never heard before begins with new events: from here on it was.
    scenario.host.collector.write('$BATCH', 'the day begins');
    await scenario.world.advance(SETTLING_MS);
    return scenario;
  }

  get wire(): Wire {
    return this.world.network.wire(SERVER_ADDRESS, HOST.address);
  }

  call(name: string, parameters: object): Promise<unknown> {
    return this.world.finish(this.east.server.operations.call(name, parameters), ANSWER_LIMIT_MS);
  }

  async startServer(): Promise<void> {
    await this.#hearing.noteStart();
    const refusal = await this.world.finish(
      this.east.start().then(
        () => undefined,
        (error: unknown) => error,
      ),
      ANSWER_LIMIT_MS,
    );
    hold(refusal === undefined, () => `the server does not start: ${String(refusal)}`);
    this.noteTrouble();
    if (!this.east.running) return;
    this.east.server.onEvent((event) => {
      if (event.kind !== 'mounted') return;
      const { mount, device } = event;
      const byHand = mount.tape === this.#mountedByHand;
      const atMs = this.world.clock.elapsedMs;
      const answer = { mount, device, atMs, byHand, life: this.east.crashCount };
      const answered = this.#mounts.map((seen) => seen.mount.requestNumber);
      const jobs = this.jobs.filter((job) => !answered.includes(job.requestNumber));
      this.#mounts.push({ ...answer, outOfTurn: outOfTurn(answer, jobs) });
    });
  }

  /** The server may not hear the host just now. */
  noteTrouble(): void {
    this.#troubleMs = this.world.clock.elapsedMs;
  }

  #noteKilled(): void {
    this.noteTrouble();
    for (const job of this.jobs) if (job.state === 'mounted') this.#end(job);
  }

  #end(job: Job): void {
    job.state = 'ended';
    job.endedAtMs = this.world.clock.elapsedMs;
    job.tape?.abandon();
    job.tape = undefined;
  }

  /** The line stops behind so much of what is sent next, and goes on after `timeMs`. */
  stopLine(behind: number, unit: WireUnit, timeMs: number): void {
    const { wire, world } = this;
    wire.stallBehind(behind, unit, () => {
      this.noteTrouble();
      this.#hearing.noteStop();
      world.clock.after(timeMs, () => {
        if (wire.stalled) wire.heal();
        this.noteTrouble();
      });
    });
  }

  /** A job asks for a tape. */
  request(volume: string, ring: boolean, deviceIndex: number | undefined): void {
    const device = deviceIndex === undefined ? undefined : DEVICES[deviceIndex];
    const mounting = this.host.requestMount({
      volume,
      ring,
      ...(device !== undefined && { device }),
      timeoutMs: PATIENCE_MS,
    });
    const requestNumber = this.host.outstandingRequests.at(-1);
    assert(requestNumber !== undefined, 'a request is outstanding');
    const job: Job = {
      requestNumber,
      volume,
      ring,
      device,
      askedAtMs: this.world.clock.elapsedMs,
      state: 'waiting',
      endedAtMs: 0,
      lost: false,
      knownSinceMs: undefined,
      answered: false,
      droppedInLife: undefined,
      gaveBackInLife: undefined,
      tape: undefined,
    };
    this.jobs.push(job);
    mounting.then(
      (tape) => {
        job.state = 'mounted';
        job.tape = tape;
      },
      (error: unknown) => {
        if (!(error instanceof HostError)) throw error;
        this.#end(job);
      },
    );
  }

  /** The jobs in a state, oldest first. */
  in(state: Job['state']): readonly Job[] {
    return this.jobs.filter((job) => job.state === state);
  }

  /** The host's operator rejects a request. */
  async reject(job: Job): Promise<void> {
    hold(this.host.zsvr.reject(job.requestNumber), () => 'an open request can be rejected');
    await this.world.advance(0);
  }

  /**
   * The host is loaded anew: jobs end, their requests are forgotten, and it logs no word of it. The next request has
   * the number `first`.
   */
  async coldLoad(first: number): Promise<void> {
    for (const job of this.in('waiting')) job.lost = true;
    for (const job of this.in('mounted')) this.#end(job);
    this.host.zsvr.forget(first);
    if (this.wire.state !== 'down') this.wire.cut();
    this.noteTrouble();
    await this.world.advance(0);
  }

  /** The server's operator takes a waiting request out of the queue; it stays out as long as the server runs. */
  async drop(which: number): Promise<void> {
    // What was answered before is no answer behind it.
    await this.check();
    const requests = await this.east.catalog.listMountRequests();
    const request = requests[which % requests.length];
    if (request === undefined) return;
    const { host, requestNumber } = request;
    const { crashCount } = this.east;
    await this.#tryCall('mount.drop', { host, requestNumber });
    const job = this.#jobOf(request);
    if (job !== undefined) job.droppedInLife = crashCount;
  }

  /** A process has died and left its lock on a tape: no mount of it. */
  async leaveLock(tape: string): Promise<void> {
    const sinceMs = this.world.clock.nowMs();
    const lock = { tape, pool: undefined, process: 'import 4', reason: 'it is being imported' };
    await this.unlock(tape);
    await this.east.catalog.takeLock({ ...lock, sinceMs });
  }

  /** The server's operator takes such a lock away, if there is one. */
  async unlock(tape: string): Promise<void> {
    await this.#tryCall('lock.remove', { tape });
  }

  /** The newest job whose request this is. */
  #jobOf({ requestNumber, tape }: Pick<MountRow, 'requestNumber' | 'tape'>): Job | undefined {
    return this.jobs.findLast(
      (each) => each.requestNumber === requestNumber && each.volume === tape,
    );
  }

  /** A job gives its tape back; that may fail where the server was killed, or an operator took it. */
  async unload(job: Job): Promise<void> {
    const { tape } = job;
    assert(tape !== undefined, 'a mounted job has a tape');
    const unloading = tape.unload().then(
      () => (job.gaveBackInLife = this.east.crashCount),
      (error: unknown) => {
        if (!(error instanceof HostError) && !isCapstanError(error)) throw error;
      },
    );
    await this.world.finish(unloading, ANSWER_LIMIT_MS);
    if (job.state === 'mounted') this.#end(job);
  }

  /** The operator of the server mounts by hand, or is refused. */
  async mountByHand(tape: string, deviceIndex: number, ring: boolean): Promise<void> {
    this.#mountedByHand = tape;
    await this.#tryCall('mount.create', { tape, drive: drive(deviceIndex), ring });
    this.#mountedByHand = undefined;
  }

  /** The operator of the server dismounts by hand: whose job has the tape loses it. */
  async unmountByHand(tape: string): Promise<void> {
    const mount = await this.openMount(tape);
    await this.#tryCall('mount.end', { tape });
    if (mount === undefined || (await this.openMount(tape))?.id === mount.id) return;
    const job = this.jobs.find((each) => each.state === 'mounted' && each.volume === tape);
    if (job !== undefined) this.#end(job);
    const asked = this.#jobOf(mount);
    // The host does not know of it yet, and its operator is told.
    if (asked?.state === 'waiting') await this.reject(asked);
  }

  async #tryCall(name: string, parameters: object): Promise<void> {
    try {
      await this.call(name, parameters);
    } catch (error) {
      // What cannot be just now is refused in one sentence.
      const isDisks = this.profile.disk === true && isCapstanError(error, 'STORE_FAILED');
      if (!isDisks && !isCapstanError(error, 'IN_USE', 'NOT_FOUND')) throw error;
    }
  }

  async openMount(tape: string): Promise<MountRow | undefined> {
    return (await this.east.catalog.listMounts({ open: true })).find((row) => row.tape === tape);
  }

  /** Throws InvariantViolation where something does not hold that must at any time. */
  async check(): Promise<void> {
    if (this.wire.state !== 'up' || !this.east.running) this.noteTrouble();
    for (const answer of this.#mounts.splice(0)) this.#checkAnswer(answer);
    hold(this.east.faults.length === 0, () => `a fault of its own: ${this.east.faults[0]}`);
    if (!this.east.running) return;
    this.#hearing.check();
    const open = await this.east.catalog.listMounts({ open: true });
    for (const { volume, tape } of this.in('mounted')) {
      const row = open.find((mount) => mount.tape === volume);
      hold(row !== undefined, () => `the host has ${volume}, and the catalog says that it lies`);
      const index = DEVICES.findIndex((device) => device === tape?.device);
      hold(
        row.drive === drive(index),
        () => `the host has ${volume} elsewhere than in ${row.drive}`,
      );
    }
    await this.#queue.check(open, this.#troubleMs);
  }

  #checkAnswer({ outOfTurn: passing, ...answer }: SeenAnswer): void {
    const { requestNumber } = answer.mount;
    // By hand, for nobody's request.
    if (requestNumber === undefined) return;
    const jobs = this.jobs.filter((each) => each.requestNumber === requestNumber);
    const { clock } = this.world;
    const { mediacom, mountDelayMs } = this.profile;
    const hearing = {
      troubleMs: this.#troubleMs,
      sessionSinceMs: this.host.collector.distributingSinceMs - (clock.nowMs() - clock.elapsedMs),
      mayAsk: mediacom,
      mountDelayMs,
    };
    const wrong = wrongAnswer(answer, jobs, hearing) ?? passing;
    hold(wrong === undefined, () => wrong ?? '');
    hold(
      this.profile.restricted !== true || answer.byHand,
      () => `the host was given ${answer.mount.tape}, which it may not have`,
    );
    for (const job of jobs) job.answered = true;
  }

  /** The host has been heard for long enough. */
  checkHeardAll(): void {
    if (!this.profile.filtered) this.#hearing.checkAll();
  }
}

function drive(index: number): string {
  return `VTD0${index}`;
}
