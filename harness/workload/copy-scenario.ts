/**
 * A scenario: a data centre with two tape servers and a host, and what the harness knows of it.
 *
 * `east` has the pools with the host's tapes and an AutoCopy rule for each to `west`. Every tape has a
 * pool, a rule and a port on `west` of its own, so that the calls of the replication link tell whose
 * copy was attempted. The commands of a case work on this; the checkers look at it after each.
 */
import { assert } from '../../src/base/assert.ts';
import { GIB, MINUTE_MS } from '../../src/base/units.ts';
import type { MountedTape } from '../hosts/mount-request.ts';
import { NonStopHost } from '../hosts/nonstop-host.ts';
import { checkAttempts } from '../checker/attempts.ts';
import type { CopyIncident } from '../checker/attempts.ts';
import { readVersion } from '../checker/image-content.ts';
import { checkReplicas } from '../checker/replicas.ts';
import type { SeenReplica } from '../checker/replicas.ts';
import { InvariantViolation, hold } from '../checker/violation.ts';
import type { Engine } from '../../src/ports/engine.ts';
import { TapeModel, describeObjects } from '../model/tape-model.ts';
import type { TapeVersion } from '../model/tape-model.ts';
import { Life } from '../world/life.ts';
import { SimulatedServer } from '../world/simulated-server.ts';
import type { Sabotage } from '../world/simulated-server.ts';
import type { NewVault } from '../world/simulated-vault.ts';
import type { Wire } from '../world/simulated-wire.ts';
import { World } from '../world/world.ts';
import type { FaultProfile } from './fault-profile.ts';
import { sendLateCopy } from './late-copy.ts';
import { recordingTape } from './recording-tape.ts';

export const EAST_ADDRESS = '10.0.0.1';
export const WEST_ADDRESS = '10.0.0.2';
const HOST_ADDRESS = '10.0.0.9';
const NODE = '\\LAB';
const TACL_PORT = 23;
const REPLICATION_PORT_FIRST = 2201;
/** Volume, its pool on east, its pool on west. The host's drives are as many. */
const TAPES = [
  { name: 'LAB001', pool: 'FIRST', targetPool: 'DR1', device: '$TAPE0' },
  { name: 'LAB002', pool: 'SECOND', targetPool: 'DR2', device: '$TAPE1' },
] as const;
export const TAPE_COUNT = TAPES.length;
/** How long a job waits for its tape, virtual time. */
const MOUNT_TIMEOUT_MS = 120_000;
/** Nothing that is asked of a server takes longer, virtual time. */
const ANSWER_LIMIT_MS = 600_000;
/** After this a restarted server has its EMS session again. */
const SETTLING_MS = 10_000;
/** The host's line has no faults here (mount-scenario.ts has them): asking twice a minute shows nothing. */
const HOST_KEEP_ALIVE_MS = 10 * MINUTE_MS;
const COPY_FAILED_ID = '622103';

export interface ScenarioTape {
  readonly model: TapeModel;
  readonly port: number;
  readonly incidents: CopyIncident[];
  mounted: MountedTape | undefined;
  unobserved: boolean;
  /** A ring dismount was acknowledged and its version not yet seen. */
  dismounted: boolean;
  /** What the newest ring dismount left to copy. */
  owed: TapeVersion | undefined;
  replica: SeenReplica | undefined;
}

export interface CopyScenarioOptions {
  readonly profile: FaultProfile;
  /** A new disk for a server. */
  readonly newVault: NewVault;
  readonly sabotage?: { readonly east?: Sabotage; readonly west?: Sabotage };
}

export class CopyScenario {
  readonly profile: FaultProfile;
  readonly world: World;
  readonly east: SimulatedServer;
  readonly west: SimulatedServer;
  readonly host: NonStopHost;
  readonly tapes: readonly ScenarioTape[];
  /** The commands that ran, as texts. */
  readonly executed: string[] = [];
  #eventIdSeen = 0;
  /** At which the target's images were looked at. */
  #looked: { readonly engine: Engine; readonly diskChangeCount: number } | undefined;

  private constructor(options: CopyScenarioOptions) {
    const { profile, newVault, sabotage } = options;
    this.profile = profile;
    const world = new World(profile.worldSeed);
    this.world = world;
    this.tapes = TAPES.map(({ name }, index) => ({
      model: new TapeModel(name),
      port: REPLICATION_PORT_FIRST + index,
      incidents: [],
      mounted: undefined,
      unobserved: false,
      dismounted: false,
      owed: undefined,
      replica: undefined,
    }));
    const { keepAlive, leftovers } = profile;
    this.east = new SimulatedServer(world, {
      settings: {
        serverName: 'east',
        systemId: 'CAPSTAN',
        address: EAST_ADDRESS,
        hosts: [
          {
            host: NODE,
            endpoint: { address: HOST_ADDRESS, port: TACL_PORT },
            user: 'SUPER.TAPE',
            password: 'secret',
            parameters: { keepAliveMs: HOST_KEEP_ALIVE_MS },
          },
        ],
      },
      vault: newVault({ seed: profile.worldSeed, leftovers }),
      replicationPorts: [],
      keepAlive,
      ...(sabotage?.east && { sabotage: sabotage.east }),
      onAttempt: (port) => this.#noteAttempt(port),
      onKilled: () => this.#noteKilled(),
    });
    this.west = new SimulatedServer(world, {
      settings: { serverName: 'west', systemId: 'CAPSTAN', address: WEST_ADDRESS, hosts: [] },
      vault: newVault({ seed: profile.worldSeed + 1, leftovers }),
      replicationPorts: this.tapes.map((tape) => tape.port),
      keepAlive,
      ...(sabotage?.west && { sabotage: sabotage.west }),
    });
    this.host = new NonStopHost({
      node: NODE,
      clock: world.clock,
      network: world.network.port(HOST_ADDRESS, new Life()),
      devices: new Map(
        TAPES.map(({ device }, index) => [device, this.east.transport(driveName(index))]),
      ),
      user: 'SUPER.TAPE',
      password: 'secret',
    });
  }

  /** A data centre with both servers running, and a freshly labelled tape in each pool. */
  static async start(options: CopyScenarioOptions): Promise<CopyScenario> {
    const scenario = new CopyScenario(options);
    await scenario.#setUp();
    return scenario;
  }

  get wire(): Wire {
    return this.world.network.wire(EAST_ADDRESS, WEST_ADDRESS);
  }

  tape(index: number): ScenarioTape {
    const tape = this.tapes[index];
    assert(tape !== undefined, 'the scenario has the tape');
    return tape;
  }

  async #setUp(): Promise<void> {
    const { world, east, west, host } = this;
    await host.listen({ address: HOST_ADDRESS, port: TACL_PORT });
    await world.finish(Promise.all([east.start(), west.start()]), ANSWER_LIMIT_MS);
    const call = (server: SimulatedServer, name: string, parameters: object): Promise<unknown> =>
      world.finish(server.server.operations.call(name, parameters), ANSWER_LIMIT_MS);
    for (const server of [east, west]) {
      await call(server, 'vault.create', { name: 'VAULT00', path: '/vault00' });
    }
    for (const [index, { name, pool, targetPool, device }] of TAPES.entries()) {
      await call(west, 'pool.create', { name: targetPool, vault: 'VAULT00' });
      await call(east, 'pool.create', { name: pool, vault: 'VAULT00' });
      await call(east, 'tape.create', { name, pool, labelType: 'backup', capacityBytes: GIB });
      await call(east, 'drive.create', { name: driveName(index), host: NODE, device });
      const target = {
        server: 'west',
        address: WEST_ADDRESS,
        port: REPLICATION_PORT_FIRST + index,
        user: 'capstan',
        hostKey: 'SHA256:simulated',
        transport: 'ssh2',
      };
      await call(east, 'autocopy.create', { pool, target, targetPool });
    }
    await world.advance(SETTLING_MS);
    for (const tape of this.tapes) {
      const version = await this.#observe(tape);
      tape.model.found(version.objects);
    }
  }

  #noteAttempt(port: number): void {
    const tape = this.tapes.find((each) => each.port === port);
    tape?.incidents.push({ atMs: this.world.clock.elapsedMs, what: 'attempt' });
  }

  /** The source was killed: what the host had mounted is gone, and what the tapes hold is open. */
  #noteKilled(): void {
    for (const tape of this.tapes) {
      tape.incidents.push({ atMs: this.world.clock.elapsedMs, what: 'crash' });
      tape.unobserved = true;
      tape.mounted?.abandon();
      tape.mounted = undefined;
    }
  }

  /** Reads the tape on the source; what is new of it becomes a version. */
  async #observe(tape: ScenarioTape): Promise<TapeVersion> {
    const { model } = tape;
    assert(this.east.engine !== undefined, 'the source runs while it is looked at');
    const version = await readVersion(this.east.engine, model.name);
    const { latest } = model;
    if (
      latest?.manifestDigest !== version.manifestDigest ||
      latest.generation !== version.generation
    ) {
      model.versions.push(version);
    }
    tape.unobserved = false;
    return version;
  }

  /** Lets the host ask for a tape. A tape that is not mounted in time is a fault, unless one explains it. */
  async mount(tape: ScenarioTape, ring: boolean): Promise<void> {
    const { crashCount } = this.east;
    const { name: volume } = tape.model;
    const mounting = this.host
      .requestMount({ volume, ring, timeoutMs: MOUNT_TIMEOUT_MS })
      .catch(() => undefined);
    const mounted = await this.world.finish(mounting, ANSWER_LIMIT_MS);
    tape.incidents.push({ atMs: this.world.clock.elapsedMs, what: 'mount' });
    if (this.east.crashCount !== crashCount) {
      mounted?.abandon();
      return;
    }
    hold(mounted !== undefined, () => `the host's request for ${volume} was not answered`);
    tape.mounted = recordingTape(mounted, tape.model);
    tape.model.moveTo('beginning');
  }

  /** Runs a job on a mounted tape; it may fail only where the server was killed meanwhile. */
  async job(tape: ScenarioTape, work: (mounted: MountedTape) => Promise<unknown>): Promise<void> {
    const { mounted } = tape;
    assert(mounted !== undefined, 'a job has a mounted tape');
    const { crashCount } = this.east;
    const working = work(mounted).then(
      () => undefined,
      (error: unknown) => error,
    );
    const error = await this.world.finish(working, ANSWER_LIMIT_MS);
    if (this.east.crashCount !== crashCount || error === undefined) return;
    throw error instanceof Error ? error : new InvariantViolation('a job failed', { cause: error });
  }

  /** The host gives its tape back, and the server sees it. */
  async dismount(tape: ScenarioTape): Promise<void> {
    const { mounted, model } = tape;
    assert(mounted !== undefined, 'what is dismounted is mounted');
    const { crashCount } = this.east;
    const incident: CopyIncident = {
      atMs: this.world.clock.elapsedMs,
      what: mounted.ring ? 'unanswered-ring-dismount' : 'dismount',
    };
    // Before the answer: the copy may begin before the host has it.
    tape.incidents.push(incident);
    await this.job(tape, async () => {
      await mounted.unload();
      incident.atMs = this.world.clock.elapsedMs;
      if (mounted.ring) incident.what = 'ring-dismount';
      tape.dismounted ||= mounted.ring;
    });
    tape.mounted = undefined;
    for (let waitedMs = 0; this.east.crashCount === crashCount; waitedMs += 100) {
      const open = await this.east.catalog.listMounts({ open: true });
      if (!open.some((mount) => mount.tape === model.name)) break;
      hold(waitedMs < SETTLING_MS, () => `the dismount of ${model.name} was not seen`);
      await this.world.advance(100);
    }
    if (this.east.crashCount === crashCount) await this.#settleTape(tape);
  }

  /** What the source holds now is compared with what it may hold, and becomes the tape's content. */
  async #settleTape(tape: ScenarioTape): Promise<void> {
    const { model } = tape;
    const version = await this.#observe(tape);
    hold(
      model.allows(version.objects),
      () =>
        `${model.name} holds ${describeObjects(version.objects)}, allowed is ${model.describe()}`,
    );
    model.found(version.objects);
    if (tape.dismounted) tape.owed = version;
    tape.dismounted = false;
  }

  /** The version before the newest is sent once more. */
  sendLate(tape: ScenarioTape): void {
    const version = tape.model.versions.at(-2);
    assert(version !== undefined, 'there is an earlier version');
    const { name } = tape.model;
    const target = { address: WEST_ADDRESS, port: tape.port };
    const { targetPool } = TAPES.find((each) => each.name === name) ?? TAPES[0];
    const late = { tape: name, targetPool, capacityBytes: GIB, version, target };
    void sendLateCopy(this.world, this.east, late);
  }

  /** Starts a server that was killed; what it has on its disk is looked at. */
  async restart(server: SimulatedServer): Promise<void> {
    await this.world.finish(server.start(), ANSWER_LIMIT_MS);
    await this.world.advance(SETTLING_MS);
    if (server !== this.east || !server.running) return;
    for (const tape of this.tapes) await this.#settleTape(tape);
  }

  /** Throws InvariantViolation where something does not hold that must at any time. */
  async check(): Promise<void> {
    const events = await this.east.catalog.listEvents({ afterId: this.#eventIdSeen, limit: 1000 });
    for (const { id, atMs, messageId, text } of events) {
      this.#eventIdSeen = id;
      if (messageId !== COPY_FAILED_ID) continue;
      const tape = this.tapes.find(({ model }) => text.includes(` ${model.name} `));
      const elapsedMs = atMs - (this.world.clock.nowMs() - this.world.clock.elapsedMs);
      tape?.incidents.push({ atMs: elapsedMs, what: 'failure' });
    }
    for (const { model, incidents } of this.tapes) {
      checkAttempts(
        model.name,
        incidents.toSorted((left, right) => left.atMs - right.atMs),
        this.profile.slowDisk ? 'slowDisk' : 'quickDisk',
      );
    }
    for (const { name, faults } of [this.east, this.west]) {
      hold(faults.length === 0, () => `${name} has a fault of its own: ${faults[0]}`);
    }
    await this.#checkCopies();
  }

  /** Looks at the target's images, unless nothing can be otherwise than at the last look. */
  async #checkCopies(): Promise<void> {
    const { engine, diskChangeCount } = this.west;
    if (engine === undefined) return;
    const looked = this.#looked;
    if (looked?.engine === engine && looked.diskChangeCount === diskChangeCount) return;
    await checkReplicas(engine, this.tapes);
    // What is no version that was seen is excused only as long as there may be one that was not.
    const excused = this.tapes.some(({ unobserved }) => unobserved);
    this.#looked = excused ? undefined : { engine, diskChangeCount };
  }
}

const driveName = (index: number): string => `VTD0${index}`;
