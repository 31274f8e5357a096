/**
 * A data centre for the tests of the services: tape servers `east` and `west` over the native engine on
 * simulated disks, the collector of a host whose events a test logs, and a clock that a test turns.
 */
import { EmsCollector } from '../../../harness/hosts/ems-collector.ts';
import { tapemountTable } from '../../../harness/hosts/mediacom.ts';
import { serveTaclTerminal } from '../../../harness/hosts/tacl-terminal.ts';
import { BackupApplication } from '../../../harness/peers/backup-application.ts';
import { Life } from '../../../harness/world/life.ts';
import { decorate } from '../../../src/base/decorate.ts';
import type { Around } from '../../../src/base/decorate.ts';
import { SimulatedServer } from '../../../harness/world/simulated-server.ts';
import type { SimulatedVault } from '../../../harness/world/simulated-vault.ts';
import type { Wire } from '../../../harness/world/simulated-wire.ts';
import { World } from '../../../harness/world/world.ts';
import { assert } from '../../../src/base/assert.ts';
import { CapstanError } from '../../../src/base/errors.ts';
import type { EmsHostParameters } from '../../../src/ems/parameters.ts';
import { DistributorParser } from '../../../src/ems/printing-distributor.ts';
import { withoutEndedRequests } from '../../../src/ems/replayed-events.ts';
import { parseZsvrEvent } from '../../../src/ems/zsvr-events.ts';
import type { ZsvrEvent } from '../../../src/ems/zsvr-events.ts';
import { TapeOperations } from '../../../src/initiator/tape-operations.ts';
import {
  SimulatedCrash,
  SimulatedDisk,
  openSimulatedEngine,
} from '../../../src/platform/engine.ts';
import type { Catalog, CopyJobRow } from '../../../src/ports/catalog.ts';
import type { Engine } from '../../../src/ports/engine.ts';
import type { CopyPolicy, ServerEvent, ServerSettings } from '../../../src/server/context.ts';
import type { TapeServer } from '../../../src/server/tape-server.ts';
import { expectAsDescribed } from './as-described.ts';
import { requestOf } from './requests.ts';

export const NODE = '\\LAB';
export const TARGET = {
  server: 'west',
  address: '10.0.0.2',
  port: 2201,
  user: 'capstan',
  hostKey: 'SHA256:simulated',
  transport: 'ssh2',
} as const;
const EAST_ADDRESS = '10.0.0.1';
const HOST_ADDRESS = '10.0.0.9';
const ANSWER_LIMIT_MS = 600_000;
/** Longer than a quiet EMS session holds its last event back. */
const EVENT_MS = 1_000;

export interface BenchOptions {
  /** The host's `ems_` parameters, where they differ from the defaults. */
  readonly host?: Partial<EmsHostParameters>;
  readonly copyPolicy?: Partial<CopyPolicy>;
  /** Other settings of east. */
  readonly settings?: Partial<ServerSettings>;
  /** Whether pool POOL1 of east is copied to pool DR of west, which runs then. */
  readonly copies?: boolean;
}

/** One server on its machine. */
export class Machine {
  readonly disk: SimulatedDisk;
  readonly backup = new BackupApplication();
  readonly simulated: SimulatedServer;
  /** Whether the next start is one for a single command. */
  offline = false;
  /** What the servers that ran here told, oldest first. */
  readonly events: ServerEvent[] = [];
  /** When the replication link was asked to connect, ms since the world began. */
  readonly attemptsMs: number[] = [];
  /** Called before each `catalog.…` and `engine.…` call, which fails where this throws. */
  before: (call: string, parameters: readonly unknown[]) => unknown = () => undefined;
  /** Called after each such call, before its value is given. */
  after: (call: string) => unknown = () => undefined;
  readonly #world: World;

  constructor(world: World, name: 'east' | 'west', options: BenchOptions) {
    this.#world = world;
    this.disk = new SimulatedDisk({ seed: 1, profile: 'any' });
    const guard = <Port extends object>(room: string, port: Port): Port =>
      decorate(port, async (method, call, parameters) => {
        await this.before(`${room}.${method}`, parameters);
        const value = await call();
        await this.after(`${room}.${method}`);
        return value;
      });
    const host = {
      host: NODE,
      endpoint: { address: HOST_ADDRESS, port: 23 },
      user: 'SUPER.TAPE',
      password: 'secret',
      ...(options.host && { parameters: options.host }),
    };
    const isOffline = (): boolean => this.offline;
    this.simulated = new SimulatedServer(world, {
      settings: {
        get offline() {
          return isOffline();
        },
        serverName: name,
        systemId: 'CAPSTAN',
        address: name === 'east' ? EAST_ADDRESS : TARGET.address,
        hosts: name === 'east' ? [host] : [],
        ...(options.copyPolicy && { copyPolicy: options.copyPolicy }),
        ...options.settings,
      },
      vault: this.#vault(),
      replicationPorts: [TARGET.port],
      keepAlive: true,
      backup: this.backup,
      sabotage: {
        engine: (engine: Engine) => guard('engine', engine),
        catalog: (catalog: Catalog) => guard('catalog', catalog),
      },
      onAttempt: () => this.attemptsMs.push(world.clock.elapsedMs),
    });
  }

  #vault(): SimulatedVault {
    const { disk } = this;
    return {
      get changeCount() {
        return disk.operationCount;
      },
      open: () => openSimulatedEngine(disk, '/vault', { mode: 'create' }),
      openScratch: (path) => openSimulatedEngine(disk, path, { mode: 'create' }),
      resize: (bytes) => disk.setQuotaBytes(bytes),
      fill: () => disk.setQuotaBytes(disk.usedBytes),
      crashAfter: (count) => disk.crashAtOperation(count === undefined ? 0 : count + 1),
      isCrash: (error) => error instanceof SimulatedCrash,
      crash: () => disk.kill(),
    };
  }

  get server(): TapeServer {
    return this.simulated.server;
  }

  /** Past the server: what is committed. */
  get catalog(): Catalog {
    return this.simulated.catalog;
  }

  get engine(): Engine {
    assert(this.simulated.engine !== undefined, 'the server runs');
    return this.simulated.engine;
  }

  /** `around` runs each call of the images that are opened from now on. */
  watchImages(around: Around): void {
    const { engine } = this;
    const openImage = engine.openImage.bind(engine);
    engine.openImage = async (name, mode) => decorate(await openImage(name, mode), around);
  }

  async start(): Promise<void> {
    await this.#world.finish(this.simulated.start(), ANSWER_LIMIT_MS);
    this.server.onEvent((event) => this.events.push(event));
  }

  /** For {@link before}: kills the process in this call. */
  die(): Promise<never> {
    this.simulated.crash('kill');
    return new Promise(() => undefined);
  }

  /** Kills the process and starts a new one. */
  async restart(): Promise<void> {
    this.simulated.crash('kill');
    this.before = () => undefined;
    await this.start();
  }

  /** Stops the server in order. */
  async stop(): Promise<void> {
    await this.#world.finish(this.server.stop(), ANSWER_LIMIT_MS);
  }

  async call(name: string, parameters: object = {}): Promise<unknown> {
    const called = this.server.operations.call(name, parameters);
    const result = await this.#world.finish(called, ANSWER_LIMIT_MS);
    expectAsDescribed(name, result);
    return result;
  }

  /** The event log's texts, of one message or all, oldest first. */
  async log(messageId?: string): Promise<readonly string[]> {
    const rows = await this.catalog.listEvents({ limit: 1000 });
    return rows
      .filter((row) => messageId === undefined || row.messageId === messageId)
      .map((row) => row.text);
  }

  get faults(): readonly string[] {
    return this.simulated.faults;
  }
}

export class Bench {
  readonly world = new World(1);
  readonly host = new EmsCollector(NODE, this.world.clock);
  readonly east: Machine;
  readonly west: Machine;
  /** Commands that the server had the host run, and what each prints. */
  readonly hostCommands: string[] = [];
  hostAnswer: (line: string) => Promise<readonly string[]> = () => Promise.resolve([]);
  #requestNumber = 100;

  private constructor(options: BenchOptions) {
    this.east = new Machine(this.world, 'east', options);
    this.west = new Machine(this.world, 'west', {});
  }

  /** East with pool POOL1, tapes LAB001 and LAB002, and a drive $TAPE0, in a session with its host. */
  static async start(options: BenchOptions = {}): Promise<Bench> {
    const bench = new Bench(options);
    const { world, east, west, host } = bench;
    const network = world.network.port(HOST_ADDRESS, new Life());
    await network.listen({ address: HOST_ADDRESS, port: 23 }, (stream) => {
      const account = { node: NODE, user: 'SUPER.TAPE', password: 'secret' };
      void serveTaclTerminal(stream, host, account, (line) => {
        if (line === 'MEDIACOM STATUS TAPEMOUNT') return Promise.resolve(bench.statusTapemount());
        bench.hostCommands.push(line);
        return bench.hostAnswer(line);
      });
    });
    await east.start();
    await east.call('vault.create', { name: 'VAULT00', path: '/vault' });
    await east.call('pool.create', { name: 'POOL1', vault: 'VAULT00' });
    await east.call('tape.create', { name: 'LAB001', pool: 'POOL1' });
    await east.call('tape.create', { name: 'LAB002', pool: 'POOL1' });
    await east.call('drive.create', { name: 'VTD01', host: NODE, device: '$TAPE0' });
    if (options.copies === true) {
      await east.call('autocopy.create', { pool: 'POOL1', target: TARGET, targetPool: 'DR' });
      await west.start();
      await west.call('vault.create', { name: 'VAULT00', path: '/vault' });
    }
    await world.advance(5_000);
    return bench;
  }

  /** What MEDIACOM says of the requests that the host has logged; a test may say otherwise. */
  statusTapemount: () => readonly string[] = () => {
    const parser = new DistributorParser();
    const events = [...this.host.lines.flatMap((line) => parser.push(line)), ...parser.flush()];
    const zsvr = events.flatMap(({ eventNumber, text }) => parseZsvrEvent(eventNumber, text) ?? []);
    const requests = withoutEndedRequests(zsvr).flatMap((event) =>
      event.kind === 'mount-request' ? [{ ...event, timeoutMs: 0 }] : [],
    );
    return tapemountTable(NODE, requests);
  };

  /** What `promise` gives, with as much time going by as it takes. */
  finish<Value>(promise: Promise<Value>): Promise<Value> {
    return this.world.finish(promise, ANSWER_LIMIT_MS);
  }

  /** The host logs an event, and the server hears of it. */
  async log(event: ZsvrEvent): Promise<void> {
    this.host.logZsvr(event);
    await this.world.advance(EVENT_MS);
  }

  /** The host asks for a tape, and finds it where it is mounted at once; the request's number. */
  async request(
    volume: string,
    { ring = true, device }: { ring?: boolean; device?: string } = {},
  ): Promise<number> {
    this.#requestNumber += 1;
    const requestNumber = this.#requestNumber;
    await this.log(requestOf(volume, requestNumber, { ring, device }));
    const open = await this.east.catalog.listMounts({ open: true });
    if (open.some((mount) => mount.requestNumber === requestNumber)) {
      await this.log({ kind: 'mounted', requestNumber, volume });
    }
    return requestNumber;
  }

  /** The host's hold of a drive, its unit attentions heard. */
  async drive(name = 'VTD01', machine = this.east): Promise<TapeOperations> {
    const operations = new TapeOperations(machine.simulated.transport(name));
    await this.finish(operations.awaitReady());
    return operations;
  }

  /** Appends a block and a filemark, durably. */
  async write(byte: number, sizeBytes = 1_000): Promise<void> {
    const drive = await this.drive();
    await this.finish(drive.spaceToEndOfData());
    const written = await this.finish(drive.writeBlock(new Uint8Array(sizeBytes).fill(byte)));
    assert(written.kind === 'done', 'the block is taken');
    const marked = await this.finish(drive.writeFilemarks(1));
    assert(marked.kind === 'done', 'the filemark is durable');
  }

  /** UNLOAD, what follows of it at once, and the host's word of it, which is heard later. */
  async unload(name = 'VTD01'): Promise<Awaited<ReturnType<TapeOperations['unload']>>> {
    const { catalog } = this.east;
    const mount = (await catalog.listMounts({ open: true })).find((row) => row.drive === name);
    const outcome = await this.finish((await this.drive(name)).unload());
    await this.world.advance(0);
    if (outcome.kind === 'done' && mount !== undefined) {
      const device = (await catalog.listDrives()).find((row) => row.name === name)?.device ?? '';
      this.host.logZsvr({ kind: 'dismounted', volume: mount.tape, device });
    }
    return outcome;
  }

  /** Mounts LAB001 with ring, writes a block, and gives it back. */
  async backUp(byte: number, sizeBytes?: number): Promise<void> {
    await this.request('LAB001');
    await this.write(byte, sizeBytes);
    await this.unload();
  }

  /** The line between the server and its host. */
  get hostWire(): Wire {
    return this.world.network.wire(EAST_ADDRESS, HOST_ADDRESS);
  }

  /** The network between the servers is taken down, or well again. */
  setLink(up: boolean): void {
    const wire = this.world.network.wire(EAST_ADDRESS, TARGET.address);
    if (up) wire.heal();
    else wire.takeDown();
  }

  /** The copy that is owed for LAB001. */
  async job(): Promise<CopyJobRow | undefined> {
    return (await this.east.catalog.listCopyJobs()).find((job) => job.tape === 'LAB001');
  }
}

/** As a full disk under the catalog has it. */
export const noSpace = (): CapstanError =>
  new CapstanError('NO_SPACE', { path: '/home/capstan/catalog.db' });

/** East's open mounts: tape, drive, and that it is without ring. */
export const openMounts = async (bench: Bench): Promise<string[]> =>
  (await bench.east.catalog.listMounts({ open: true })).map(
    (mount) => `${mount.tape} on ${mount.drive}${mount.ring ? '' : ' no ring'}`,
  );

/** The requests that wait at east, with the reason. */
export const waiting = async (bench: Bench): Promise<string[]> =>
  (await bench.east.catalog.listMountRequests()).map((row) => `${row.tape}: ${row.reason}`);
