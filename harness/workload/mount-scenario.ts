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
import type { MountRow } from '../../src/ports/catalog.ts';
import { hold } from '../checker/violation.ts';
import { HostError } from '../hosts/host-error.ts';
import type { MountedTape } from '../hosts/mount-request.ts';
import { NonStopHost } from '../hosts/nonstop-host.ts';
import { Life } from '../world/life.ts';
import { SimulatedServer } from '../world/simulated-server.ts';
import type { Mutant } from '../mutants/mutant.ts';
import type { NewVault } from '../world/simulated-vault.ts';
import type { Wire } from '../world/simulated-wire.ts';
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
const SETTLING_MS = 10 * SECOND_MS;
/** A job does not give up by itself. */
const PATIENCE_MS = 1000 * 60 * MINUTE_MS;
/** An end of a request that the server hears of later than this was not heard in time. */
const HEARING_MS = 5 * SECOND_MS;
/**
 * After trouble: the longest pause before a session, the longest silence before a lost line is noticed,
 * and the catching up.
 */
const RECOVERY_MS = 4 * MINUTE_MS;

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
}

export interface MountScenarioOptions {
  readonly profile: MountProfile;
  readonly newVault: NewVault;
  readonly sabotage: Mutant['sabotage'];
}

interface Job {
  readonly requestNumber: number;
  readonly volume: string;
  readonly ring: boolean;
  readonly device: string | undefined;
  state: 'waiting' | 'mounted' | 'ended';
  endedAtMs: number;
  tape: MountedTape | undefined;
  /** How often the server had been killed when the job gave the tape back. */
  gaveBackAtCrash: number | undefined;
}

export class MountScenario {
  readonly world: World;
  readonly east: SimulatedServer;
  readonly host: NonStopHost;
  readonly profile: MountProfile;
  readonly jobs: Job[] = [];
  readonly executed: string[] = [];
  /** What the server mounted since the last look. */
  readonly #mounts: { readonly mount: MountRow; readonly device: string; readonly atMs: number }[] =
    [];
  /** The last moment at which the server could not hear the host. */
  #troubleMs = 0;

  private constructor({ profile, newVault, sabotage }: MountScenarioOptions) {
    this.profile = profile;
    const world = new World(profile.worldSeed);
    this.world = world;
    const { mountDelayMs } = profile;
    const parameters: Partial<EmsHostParameters> = { mountDelayMs };
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
    this.host.collector.addFilter(FILTER.file, FILTER.source);
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
    await this.world.finish(this.east.start(), ANSWER_LIMIT_MS);
    this.noteTrouble();
    if (!this.east.running) return;
    this.east.server.onEvent((event) => {
      if (event.kind !== 'mounted') return;
      const { mount, device } = event;
      this.#mounts.push({ mount, device, atMs: this.world.clock.elapsedMs });
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
    const rest = {
      state: 'waiting',
      endedAtMs: 0,
      tape: undefined,
      gaveBackAtCrash: undefined,
    } as const;
    const job: Job = { requestNumber, volume, ring, device, ...rest };
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

  /** A job gives its tape back; that may fail where the server was killed, or an operator took it. */
  async unload(job: Job): Promise<void> {
    const { tape } = job;
    assert(tape !== undefined, 'a mounted job has a tape');
    const unloading = tape.unload().then(
      () => (job.gaveBackAtCrash = this.east.crashCount),
      (error: unknown) => {
        if (!(error instanceof HostError) && !isCapstanError(error)) throw error;
      },
    );
    await this.world.finish(unloading, ANSWER_LIMIT_MS);
    if (job.state === 'mounted') this.#end(job);
  }

  /** The operator of the server mounts by hand, or is refused. */
  async mountByHand(tape: string, deviceIndex: number, ring: boolean): Promise<void> {
    await this.#tryCall('mount.create', { tape, drive: drive(deviceIndex), ring });
  }

  /** The operator of the server dismounts by hand: whose job has the tape loses it. */
  async unmountByHand(tape: string): Promise<void> {
    const mount = await this.#openMount(tape);
    await this.#tryCall('mount.end', { tape });
    if (mount === undefined || (await this.#openMount(tape))?.id === mount.id) return;
    const job = this.jobs.find((each) => each.state === 'mounted' && each.volume === tape);
    if (job !== undefined) this.#end(job);
    const asked = this.jobs.find((each) => each.requestNumber === mount.requestNumber);
    // The host does not know of it yet, and its operator is told.
    if (asked?.state === 'waiting') await this.reject(asked);
  }

  async #tryCall(name: string, parameters: object): Promise<void> {
    try {
      await this.call(name, parameters);
    } catch (error) {
      // What cannot be just now is refused in one sentence.
      if (!isCapstanError(error, 'IN_USE', 'NOT_FOUND')) throw error;
    }
  }

  async #openMount(tape: string): Promise<MountRow | undefined> {
    return (await this.east.catalog.listMounts({ open: true })).find((row) => row.tape === tape);
  }

  /** Throws InvariantViolation where something does not hold that must at any time. */
  async check(): Promise<void> {
    if (this.wire.state !== 'up' || !this.east.running) this.noteTrouble();
    for (const { mount, device, atMs } of this.#mounts.splice(0)) {
      this.#checkMount(mount, device, atMs);
    }
    hold(this.east.faults.length === 0, () => `a fault of its own: ${this.east.faults[0]}`);
    if (!this.east.running) return;
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
  }

  #checkMount({ requestNumber, tape, ring }: MountRow, device: string, atMs: number): void {
    // By hand.
    if (requestNumber === undefined) return;
    const job = this.jobs.find((each) => each.requestNumber === requestNumber);
    const what = `request ${requestNumber}`;
    hold(job !== undefined, () => `${what} was answered, and nobody made it`);
    hold(job.volume === tape, () => `${what} for ${job.volume} was answered with ${tape}`);
    hold(job.ring === ring, () => `${what} was answered ${ring ? 'with a' : 'without its'} ring`);
    hold((job.device ?? device) === device, () => `${what} was answered on ${device}`);
    if (job.state === 'waiting') return;
    hold(
      job.gaveBackAtCrash !== this.east.crashCount || atMs <= job.endedAtMs,
      () => `${what} was answered with ${tape} again, which its job had given back`,
    );
    if (atMs - job.endedAtMs <= HEARING_MS) return;
    // The host's tape: the server has mounted it before this look, and that was in order.
    if (job.state === 'mounted') return;
    const couldNotHear = this.#troubleMs >= job.endedAtMs - HEARING_MS;
    hold(
      couldNotHear && atMs - this.#troubleMs <= RECOVERY_MS,
      () =>
        `${what} for ${tape} was answered ${(atMs - job.endedAtMs) / SECOND_MS} s after its end`,
    );
  }

  /** All is made well, and every request that is open has to be satisfied in its turn. */
  async finale(): Promise<void> {
    const { world, east, wire } = this;
    world.trace.record('> finale');
    east.cancelCrash();
    wire.heal();
    if (!east.running) await this.startServer();
    this.noteTrouble();
    for (const tape of MOUNT_TAPES) {
      const mount = await this.#openMount(tape);
      if (mount !== undefined && mount.requestNumber === undefined) await this.unmountByHand(tape);
    }
    await world.advance(RECOVERY_MS);
    for (let round = 0; round <= this.jobs.length; round += 1) {
      for (const job of this.in('mounted')) await this.unload(job);
      await world.advance(MINUTE_MS + SETTLING_MS);
      await this.check();
    }
    for (const job of this.in('mounted')) await this.unload(job);
    const [left] = this.in('waiting');
    hold(left === undefined, () => `request ${left?.requestNumber} for ${left?.volume} stays open`);
    await world.advance(MINUTE_MS);
    const requests = await east.catalog.listMountRequests();
    hold(requests.length === 0, () => `request ${requests[0]?.requestNumber} waits for nobody`);
  }
}

function drive(index: number): string {
  return `VTD0${index}`;
}
