/**
 * A data centre with batch jobs: the server `east` with hosts, drives and tapes, the server `west` as AutoCopy's
 * target where a scenario has one, and what the harness knows of every tape and every job.
 *
 * The jobs write and read labelled files over as many volumes as they need. Each tape has a model that is told
 * of every SCSI operation; whenever a tape leaves its drive, and after each crash, its image is read and must be
 * what the model allows. What a copy is, is judged by checker/replicas.ts.
 */
import { assert } from '../../src/base/assert.ts';
import { equalBytes } from '../../src/base/bytes.ts';
import { isCapstanError } from '../../src/base/errors.ts';
import { MINUTE_MS, SECOND_MS } from '../../src/base/units.ts';
import type { ServerEvent, ServerSettings } from '../../src/server/context.ts';
import { initialLabel } from '../../src/tape/labels.ts';
import { readObjects, readVersion } from '../checker/image-content.ts';
import { checkReplicas } from '../checker/replicas.ts';
import type { CheckedTape } from '../checker/replicas.ts';
import { asError, hold } from '../checker/violation.ts';
import { HostError } from '../hosts/host-error.ts';
import type { Mutant } from '../mutants/mutant.ts';
import { TapeModel, describeObjects, equalObjects } from '../model/tape-model.ts';
import { SimulatedServer } from '../world/simulated-server.ts';
import type { NewVault, SimulatedVault } from '../world/simulated-vault.ts';
import type { Wire } from '../world/simulated-wire.ts';
import { World } from '../world/world.ts';
import { BatchHost } from './batch-host.ts';
import type { BackupRecord } from './batch-host.ts';
import type { CommonProfile } from './fault-profile.ts';

/** By a tape's label type. */
const LABELS = { ansi: 'ANSI', backup: 'BACKUP', ibm: 'IBM' } as const;

const EAST_ADDRESS = '10.0.0.1';
const WEST_ADDRESS = '10.0.0.2';
const REPLICATION_PORT = 2201;
export const POOL = 'BATCH';
export const TARGET_POOL = 'DR';
/** Nothing that is asked of a server takes longer, virtual time. */
export const ANSWER_LIMIT_MS = 10 * MINUTE_MS;
/** After this a started server has its EMS sessions. */
const SETTLING_MS = 10 * SECOND_MS;

export interface CentrePlan {
  readonly profile: CommonProfile;
  readonly newVault: NewVault;
  /** How many drives each host has. */
  readonly drives: readonly number[];
  readonly tapes: { readonly count: number; readonly capacityBytes: number };
  /** Whether `west` is there and everything is copied to it. */
  readonly west: boolean;
  /** Of east, where they differ. */
  readonly settings?: Partial<ServerSettings>;
  readonly sabotage: Mutant['sabotage'];
}

export interface CentreTape extends CheckedTape {
  readonly model: TapeModel;
  unobserved: boolean;
  replica: CheckedTape['replica'];
  /** Whose job wrote upon it last. */
  writer: BackupRecord | undefined;
}

export class DataCentre {
  readonly world: World;
  readonly east: SimulatedServer;
  readonly west: SimulatedServer;
  readonly eastVault: SimulatedVault;
  readonly westVault: SimulatedVault;
  readonly hosts: readonly BatchHost[];
  readonly tapes = new Map<string, CentreTape>();
  /** All backups, in the order in which they began. */
  readonly backups: BackupRecord[] = [];
  readonly plan: CentrePlan;
  /** What `east` told since the last check, oldest first. */
  readonly #events: ServerEvent[] = [];
  readonly #listeners = new Set<(event: ServerEvent) => void>();
  /** Looks at tapes that were dismounted. */
  #looking: Promise<void> = Promise.resolve();
  /** What a look found wrong. */
  #violation: Error | undefined;

  constructor(plan: CentrePlan) {
    this.plan = plan;
    const { profile, newVault, sabotage } = plan;
    const { keepAlive, leftovers, worldSeed } = profile;
    const world = new World(worldSeed);
    this.world = world;
    this.eastVault = newVault({ seed: worldSeed, leftovers });
    this.westVault = newVault({ seed: worldSeed + 1, leftovers });
    this.hosts = plan.drives.map(
      (deviceCount, index) =>
        new BatchHost({
          centre: this,
          index,
          transports: Array.from(
            { length: deviceCount },
            (_, device) => () => this.east.transport(driveName(index, device)),
          ),
        }),
    );
    this.east = new SimulatedServer(world, {
      settings: {
        serverName: 'east',
        systemId: 'CAPSTAN',
        address: EAST_ADDRESS,
        hosts: this.hosts.map((host) => host.settings),
        ...plan.settings,
      },
      vault: this.eastVault,
      replicationPorts: [],
      keepAlive,
      ...(sabotage.east && { sabotage: sabotage.east }),
      onKilled: () => this.#noteKilled(),
    });
    this.west = new SimulatedServer(world, {
      settings: { serverName: 'west', systemId: 'CAPSTAN', address: WEST_ADDRESS, hosts: [] },
      vault: this.westVault,
      replicationPorts: [REPLICATION_PORT],
      keepAlive,
      ...(sabotage.west && { sabotage: sabotage.west }),
    });
  }

  /** Starts servers and hosts, and makes pool, drives, tapes and the rule. */
  async setUp(): Promise<void> {
    const { plan, east, west } = this;
    for (const host of this.hosts) await host.listen();
    await this.startServer(east);
    await this.call('vault.create', { name: 'VAULT00', path: '/vault00' });
    await this.call('pool.create', { name: POOL, vault: 'VAULT00' });
    for (const [index, host] of this.hosts.entries()) {
      for (const [device, name] of host.deviceNames.entries()) {
        const drive = { name: driveName(index, device), host: host.node, device: name };
        await this.call('drive.create', drive);
      }
    }
    for (let index = 0; index < plan.tapes.count; index += 1) await this.addTape(tapeName(index));
    if (plan.west) {
      await this.startServer(west);
      await this.call('vault.create', { name: 'VAULT00', path: '/vault00' }, west);
      await this.call('pool.create', { name: TARGET_POOL, vault: 'VAULT00' }, west);
      await this.call('autocopy.create', {
        pool: POOL,
        targetPool: TARGET_POOL,
        target: {
          server: 'west',
          address: WEST_ADDRESS,
          port: REPLICATION_PORT,
          user: 'capstan',
          hostKey: 'SHA256:simulated',
          transport: 'ssh2',
        },
      });
    }
    await this.world.advance(SETTLING_MS);
    // A host that was never heard before begins with new events: from here on it was.
    for (const { host } of this.hosts) host.logText('the day begins');
    await this.world.advance(SETTLING_MS);
  }

  /** The line between the servers. */
  get wire(): Wire {
    return this.world.network.wire(EAST_ADDRESS, WEST_ADDRESS);
  }

  /** The line between `east` and a host. */
  hostWire(host: BatchHost): Wire {
    return this.world.network.wire(EAST_ADDRESS, host.address);
  }

  host(index: number): BatchHost {
    const host = this.hosts[index];
    assert(host !== undefined, 'the data centre has the host');
    return host;
  }

  tape(name: string): CentreTape {
    const tape = this.tapes.get(name);
    assert(tape !== undefined, 'the data centre has the tape');
    return tape;
  }

  /** What an operator asks of a server; rejects as it does. */
  call(name: string, parameters: object, server = this.east): Promise<unknown> {
    const { operations } = server.server;
    return this.world.finish(operations.call(name, parameters), ANSWER_LIMIT_MS);
  }

  /** What may be refused in order: the refusal. Undefined where it was done, or the server was killed. */
  async ask(name: string, parameters: object, server = this.east): Promise<Error | undefined> {
    const { crashCount } = server;
    let outcome: { error: unknown } | undefined;
    server.server.operations.call(name, parameters).then(
      () => {
        outcome = { error: undefined };
      },
      (error: unknown) => {
        outcome = { error };
      },
    );
    const isOver = (): boolean => outcome !== undefined || server.crashCount !== crashCount;
    hold(await this.world.until(isOver, ANSWER_LIMIT_MS), () => `${name} is not answered`);
    const error = outcome?.error;
    if (error === undefined) return undefined;
    if (!isCapstanError(error)) throw asError(error);
    return error;
  }

  async addTape(name: string): Promise<void> {
    const { capacityBytes } = this.plan.tapes;
    await this.call('tape.create', { name, pool: POOL, labelType: 'backup', capacityBytes });
    await this.adoptTape(name);
  }

  /** A tape has been made; what it holds is what it holds. */
  async adoptTape(name: string): Promise<void> {
    const tape: CentreTape = {
      model: new TapeModel(name),
      unobserved: false,
      replica: undefined,
      writer: undefined,
    };
    this.tapes.set(name, tape);
    await this.#observe(tape, 'new');
  }

  /** What `east` tells, as it does, whatever process it is. */
  onEvent(listener: (event: ServerEvent) => void): void {
    this.#listeners.add(listener);
  }

  /** Starts a server that does not run; what is on east's tapes then must be what may be. */
  async startServer(server: SimulatedServer): Promise<void> {
    await this.world.finish(server.start(), ANSWER_LIMIT_MS);
    if (server !== this.east || !server.running) return;
    server.server.onEvent((event) => {
      this.#events.push(event);
      for (const listener of this.#listeners) listener(event);
      if (event.kind === 'dismounted') this.#noteDismounted(event.mount.tape);
    });
    for (const tape of this.tapes.values()) await this.#observe(tape, 'after a start');
  }

  #noteKilled(): void {
    for (const tape of this.tapes.values()) tape.unobserved = true;
    for (const host of this.hosts) host.abandonTapes();
  }

  /** Nothing can be written between a dismount and the look at it that begins here. */
  #noteDismounted(name: string): void {
    const tape = this.tapes.get(name);
    if (tape === undefined) return;
    this.#looking = this.#looking
      .then(() => this.#observe(tape, 'after a dismount'))
      .catch((error: unknown) => {
        this.#violation ??= asError(error);
      });
  }

  /** Reads the tape; what it holds must be what the hosts did, and becomes a version. */
  async #observe(tape: CentreTape, when: string): Promise<void> {
    const { model } = tape;
    const { engine } = this.east;
    if (engine === undefined) return;
    const version = await readVersion(engine, model.name);
    hold(
      when === 'new' || model.allows(version.objects),
      () =>
        `${model.name} holds ${describeObjects(version.objects)} ${when}, ` +
        `allowed is ${model.describe()}`,
    );
    model.found(version.objects);
    const { latest } = model;
    const isNew =
      latest?.manifestDigest !== version.manifestDigest || latest.generation !== version.generation;
    if (isNew) model.versions.push(version);
    tape.unobserved = false;
  }

  /** What a tape holds must be what the hosts did; of one that is in a drive that is not known yet. */
  async look(name: string): Promise<void> {
    await this.#looking;
    const open = await this.east.catalog.listMounts({ open: true });
    if (open.some((mount) => mount.tape === name)) return;
    await this.#observe(this.tape(name), 'still');
  }

  /** What was erased, or whose content a server changed by itself: as it is now. */
  async adoptContent(name: string): Promise<void> {
    const tape = this.tape(name);
    tape.writer = undefined;
    await this.#observe(tape, 'new');
    const row = await this.east.catalog.findTape(name);
    if (row === undefined || row.labelType === 'unlabelled') return;
    const { labelType, owner } = row;
    if (tape.model.content.length > 0) return;
    // An erased tape has its label again from its next mount with ring on.
    tape.model.mayBe(initialLabel({ volume: name, owner, type: LABELS[labelType] }));
  }

  /** Throws InvariantViolation where something does not hold that must at any time. */
  async check(): Promise<void> {
    await this.#looking;
    if (this.#violation !== undefined) throw this.#violation;
    for (const { name, faults } of [this.east, this.west]) {
      hold(faults.length === 0, () => `${name} has a fault of its own: ${faults[0]}`);
    }
    const { engine } = this.west;
    if (engine !== undefined) await checkReplicas(engine, this.tapes.values());
    this.#events.length = 0;
  }

  /** What `east` told since the last check. */
  get events(): readonly ServerEvent[] {
    return this.#events;
  }

  /** Backups that are acknowledged and that nobody wrote over since. */
  wholeBackups(): readonly BackupRecord[] {
    return this.backups.filter(
      (backup) =>
        backup.state === 'done' &&
        backup.usedVolumes.every((volume) => this.tapes.get(volume)?.writer === backup),
    );
  }

  /** A host restores a backup, block for block. */
  async checkRestore(backup: BackupRecord): Promise<void> {
    const host = this.host(backup.hostIndex);
    const blocks = host.blocksOf(backup);
    let read = 0;
    const restoring = host.restore(backup, (block) => {
      const expected = blocks[read];
      read += 1;
      const same = expected !== undefined && equalBytes(block, expected);
      hold(same, () => `block ${read} of ${backup.file} is restored as another`);
    });
    const failure = await this.world.finish(
      restoring.then(
        () => undefined,
        (error: unknown) => asError(error),
      ),
      ANSWER_LIMIT_MS,
    );
    if (failure instanceof HostError) {
      hold(false, () => `${backup.file} was acknowledged and is not restored: ${failure.message}`);
    }
    if (failure !== undefined) throw failure;
    hold(read === blocks.length, () => `${backup.file} is restored with ${read} blocks`);
  }

  /** Tapes that failed jobs left in drives are taken out by the operator. */
  async clearDrives(): Promise<void> {
    const open = await this.east.catalog.listMounts({ open: true });
    for (const { tape } of open) await this.ask('mount.end', { tape });
  }

  /** Each tape that a job wrote has a copy, which is, block for block, what the tape holds. */
  async checkInStep(): Promise<void> {
    const { engine } = this.west;
    for (const { model, writer, replica } of this.tapes.values()) {
      const { latest } = model;
      if (writer === undefined || latest === undefined || engine === undefined) continue;
      hold(
        replica?.manifestDigest === latest.manifestDigest,
        () => `${model.name} is not in step at the end`,
      );
      const objects = await readObjects(engine, model.name);
      hold(
        equalObjects(objects, latest.objects),
        () => `the copy of ${model.name} reads ${describeObjects(objects)}`,
      );
    }
  }

  /** Both stores are whole, with nothing staged left behind. */
  async checkStores(): Promise<void> {
    for (const { engine, name } of [this.east, this.west]) {
      if (engine === undefined) continue;
      const { damages } = await engine.verify({});
      hold(damages.length === 0, () => `${name} is damaged at ${damages[0]?.place}`);
      const staged = (await engine.listImages()).filter((image) => image.name.includes('.'));
      hold(staged.length === 0, () => `${name} has ${staged[0]?.name} left behind`);
    }
  }
}

export const tapeName = (index: number): string => `LAB${String(index + 1).padStart(3, '0')}`;

function driveName(hostIndex: number, device: number): string {
  return `VTD${hostIndex}${device}`;
}
