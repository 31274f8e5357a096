/**
 * A simulated machine with a tape server on it: the production server over simulated ports, whose
 * process may be killed at any moment and started again on the same disk and catalog.
 *
 * The catalog is SQLite in memory: every method is one transaction that is done at once, so it
 * survives any crash, and the crash points lie before and after it.
 */
import { assert } from '../../src/base/assert.ts';
import { CapstanError } from '../../src/base/errors.ts';
import type { Catalog } from '../../src/ports/catalog.ts';
import { sleep } from '../../src/ports/clock.ts';
import type { Engine, TapeImage } from '../../src/ports/engine.ts';
import type { Ballast } from '../../src/ports/ballast.ts';
import type { FileSystemUsage, FileSystems } from '../../src/ports/file-systems.ts';
import type { LogFiles } from '../../src/ports/log-files.ts';
import type { Network } from '../../src/ports/network.ts';
import type { Processes } from '../../src/ports/processes.ts';
import type { ReplicationLink } from '../../src/ports/replication-link.ts';
import type { ScsiCommand, ScsiResult, ScsiTransport } from '../../src/ports/scsi-transport.ts';
import { receiveCopies } from '../../src/replication/receiver.ts';
import { TapeServer } from '../../src/server/tape-server.ts';
import type { ServerSettings } from '../../src/server/context.ts';
import type { BackupApplication } from '../peers/backup-application.ts';
import type { Database } from '../../src/catalog/database.ts';
import { giveCatalogBack, takeCatalog } from './catalog-shelf.ts';
import { Life } from './life.ts';
import { decorate } from '../../src/base/decorate.ts';
import { simulatedCryptography } from './simulated-cryptography.ts';
import { SimulatedLogFiles } from './simulated-log-files.ts';
import type { CrashKind, SimulatedVault } from './simulated-vault.ts';
import type { SimulatedStream } from './simulated-stream.ts';
import type { World } from './world.ts';

/** How long a silent replication connection lasts before SSH's keep-alive ends it. */
const SSH_KEEP_ALIVE_MS = 15_000;
const SSH_PROBE_INTERVAL_MS = 5_000;
const STALL_TIMEOUT_MS = 60_000;
/** Where a server hears the other servers of a shared vault. */
const ISC_PORT = 4099;
/** Tapes are small here: lanes from the first frames on, and frames of a few blocks. */
const LANES = { countMax: 3, trialBytes: 1, frameBytes: 2048 } as const;

/** Where a process is to be killed: in the disk or catalog operation after `count` more ones. */
export interface CrashPoint {
  readonly in: 'disk' | 'catalog';
  /** So many go by; of the catalog a call counts twice, before and behind its transaction. */
  readonly count: number;
  /** Of the catalog: only calls of this method count; `commit`: of what is one transaction, its commit. */
  readonly of?: keyof Catalog | 'commit' | undefined;
  /** Of the disk: they count from the next call of this method of the engine on. */
  readonly from?: keyof Engine | undefined;
  readonly kind: CrashKind;
}

/** Faults planted on purpose (harness/mutants): decorators of a server's ports. */
export interface Sabotage {
  readonly engine?: (engine: Engine) => Engine;
  /** `startedAtMs`: when the process began that opens the catalog. */
  readonly catalog?: (catalog: Catalog, startedAtMs: number) => Catalog;
  /** In place of what it was to be started with. */
  readonly settings?: Partial<ServerSettings>;
  readonly processes?: (processes: Processes) => Processes;
  readonly logFiles?: (logFiles: LogFiles) => LogFiles;
  readonly fileSystems?: (fileSystems: FileSystems) => FileSystems;
  /** What is held back on the vault's disk. */
  readonly ballast?: (ballast: Ballast) => Ballast;
  readonly network?: (network: Network) => Network;
  /** On a shared disk: the store is opened although another machine has it open. */
  readonly ignoresStoreLock?: boolean;
}

export interface SimulatedServerOptions {
  readonly settings: ServerSettings;
  readonly vault: SimulatedVault;
  /** Where its replication receiver listens. */
  readonly replicationPorts: readonly number[];
  /** Whether SSH's keep-alive ends a silent connection, or the protocol's own time-out must. */
  readonly keepAlive: boolean;
  readonly sabotage?: Sabotage;
  /** The replication link was asked to connect to this port of a target. */
  readonly onAttempt?: (port: number) => void;
  readonly onKilled?: () => void;
  /** It has connected to a target; lanes of the connection follow it in the array. */
  readonly onFamily?: (family: readonly SimulatedStream[]) => void;
  /** Its receiver has something to tell of a peer. */
  readonly onReplicationLog?: (sentence: string) => void;
  /** So many bytes are handed to the line of a copy. */
  readonly onSent?: (bytes: number) => void;
  /** The client of a backup management application on its machine. */
  readonly backup?: BackupApplication;
}

/** A machine without any program. */
export const NO_PROGRAMS: Processes = {
  run: () => ({
    outcome: Promise.resolve({ kind: 'not-started', reason: 'ENOENT' }),
    end: () => {},
  }),
};

/** The simulated catalog's disk never fills up. */
const NO_BALLAST: Ballast = {
  hold: () => Promise.resolve(true),
  release: () => Promise.resolve(false),
};

export class SimulatedServer {
  readonly name: string;
  /** What the next process is started with; its name and address stay. */
  settings: ServerSettings;
  /** The committed state, whatever process runs. */
  readonly catalog: Catalog;
  readonly logFiles = new SimulatedLogFiles();
  /** How full its file system is said to be. */
  fileSystem: FileSystemUsage = { id: 'disk', totalBytes: 1e9, freeBytes: 1e9 };
  /** Faults of the program's own, which there must be none of. */
  readonly faults: string[] = [];
  readonly #world: World;
  readonly #database: Database;
  readonly #options: SimulatedServerOptions;
  #life: Life | undefined;
  #server: TapeServer | undefined;
  /** The engine that the process has open, without its guards. */
  #engine: Engine | undefined;
  #slowMs = 0;
  #slowImageMs = 0;
  #opensNoImage = false;
  #crashAmongCalls: { left: number; readonly of: string | undefined } | undefined;
  #crashFrom: CrashPoint | undefined;
  #crashKind: CrashKind = 'kill';
  #crashCount = 0;

  constructor(world: World, options: SimulatedServerOptions) {
    this.#world = world;
    this.#options = options;
    this.name = options.settings.serverName;
    const shelved = takeCatalog();
    this.catalog = shelved.catalog;
    this.#database = shelved.database;
    world.onEnd(() => {
      this.#life?.end();
      shelved.database.rollBack();
      giveCatalogBack(shelved);
    });
    this.settings = options.settings;
  }

  get address(): string {
    return this.settings.address;
  }

  get running(): boolean {
    return this.#server !== undefined;
  }

  /** How often the process has been killed. */
  get crashCount(): number {
    return this.#crashCount;
  }

  get server(): TapeServer {
    assert(this.#server !== undefined, `the server ${this.name} runs`);
    return this.#server;
  }

  /** For the checker, which looks without being seen: no crash point, no sabotage. */
  get engine(): Engine | undefined {
    return this.#engine;
  }

  /** What is on its disk is the same as long as this is. */
  get diskChangeCount(): number {
    return this.#options.vault.changeCount;
  }

  /** Starts the process; resolves when it serves, or has been killed while it started. */
  async start(): Promise<void> {
    assert(this.#life === undefined, `the server ${this.name} is started once at a time`);
    const life = new Life();
    this.#life = life;
    this.#world.trace.record(`${this.name}: start`);
    const killed = new Promise<void>((resolve) => {
      life.onEnd(resolve);
    });
    await Promise.race([killed, this.#serve(life)]);
  }

  /** Ends the process in order. */
  async stop(): Promise<void> {
    const life = this.#life;
    assert(life !== undefined, `the server ${this.name} is stopped while it runs`);
    this.#world.trace.record(`${this.name}: stop`);
    await life.call(() => this.server.stop());
    this.#leave(life);
    this.#options.vault.crash('kill');
  }

  async #serve(life: Life): Promise<void> {
    const { replicationPorts, sabotage } = this.#options;
    const { ballast: held } = this.#options.vault;
    const ballast = held && (sabotage?.ballast?.(held) ?? held);
    const openScratch = this.#options.vault.openScratch?.bind(this.#options.vault);
    let scratchCount = 0;
    const clock = life.clock(this.#world.clock);
    const network = this.#world.network.port(this.address, life);
    const programs = this.#options.backup?.processes(clock, life) ?? NO_PROGRAMS;
    const logFiles = this.logFiles.port(life, () =>
      this.#countCatalogCall(life, 'append to a log file'),
    );
    const fileSystems = { usage: async () => this.fileSystem };
    const startedAtMs = clock.nowMs();
    const catalog = sabotage?.catalog?.(this.catalog, startedAtMs) ?? this.catalog;
    const server = await life.call(() =>
      TapeServer.start(
        {
          clock,
          network: sabotage?.network?.(network) ?? network,
          random: this.#world.random,
          cryptography: simulatedCryptography,
          link: this.#link(life),
          catalog: this.#guardCatalog(life, catalog),
          processes: sabotage?.processes?.(programs) ?? programs,
          logFiles: sabotage?.logFiles?.(logFiles) ?? logFiles,
          ...(ballast && { ballasts: { catalog: NO_BALLAST, vault: () => ballast } }),
          fileSystems: sabotage?.fileSystems?.(fileSystems) ?? fileSystems,
          ...(openScratch && {
            scratch: {
              make: (name) => Promise.resolve(`/scratch-${name}-${(scratchCount += 1)}`),
              remove: () => Promise.resolve(),
            },
          }),
          openEngine: ({ path }) =>
            life.call(() =>
              openScratch !== undefined && path.startsWith('/scratch-')
                ? openScratch(path)
                : this.#openEngine(life),
            ),
        },
        {
          ...this.settings,
          ...sabotage?.settings,
          copyPolicy: {
            lanes: LANES,
            ...this.settings.copyPolicy,
            ...sabotage?.settings?.copyPolicy,
          },
        },
      ),
    );
    server.onEvent((event) => {
      if (event.kind === 'fault') this.faults.push(`${event.what}: ${event.reason}`);
      if (event.kind !== 'copy-progress') {
        this.#world.trace.record(`${this.name}: ${JSON.stringify(event)}`);
      }
    });
    for (const port of replicationPorts) {
      await network.listen({ address: this.address, port }, (stream) => {
        void receiveCopies({
          stream,
          clock,
          receiver: server.receiver,
          serverName: this.name,
          stallTimeoutMs: STALL_TIMEOUT_MS,
          lanes: server.lanes,
          log: (sentence) => {
            this.#world.trace.record(`${this.name}: ${sentence}`);
            this.#options.onReplicationLog?.(sentence);
          },
        });
      });
    }
    await network.listen({ address: this.address, port: ISC_PORT }, (stream) => {
      server.acceptIsc(stream, `SHA256:of-${stream.peer}`);
    });
    this.#server = server;
  }

  async #openEngine(life: Life): Promise<Engine> {
    const engine = await this.#options.vault.open();
    this.#engine = engine;
    const sabotaged = this.#options.sabotage?.engine?.(engine) ?? engine;
    const failed = (error: unknown): void => {
      if (this.#options.vault.isCrash(error)) this.#kill(life);
    };
    const guard = (call: () => Promise<unknown>): Promise<unknown> => life.call(call, { failed });
    const guardImage = async (opening: Promise<unknown>): Promise<TapeImage> =>
      decorate((await opening) as TapeImage, (method, call) => {
        if (method !== 'sync' || this.#slowImageMs === 0) return guard(call);
        return this.#beSlowWithImages(life).then(() => guard(call));
      });
    return decorate(sabotaged, (method, call) => {
      this.#armDisk(method);
      if (method === 'sync' && this.#slowMs > 0) return this.#beSlow(life).then(() => guard(call));
      if (method !== 'openImage') return guard(call);
      return guardImage(guard(this.#opensNoImage ? () => Promise.reject(unreadable()) : call));
    });
  }

  /** A crash that waits for this method of the engine comes in an operation of the disk from now on. */
  #armDisk(method: string): void {
    const crash = this.#crashFrom;
    if (crash?.from !== method) return;
    this.#crashFrom = undefined;
    this.#options.vault.crashAfter(crash.count);
  }

  /** The next sync of the engine takes so long. */
  slowDown(delayMs: number): void {
    this.#slowMs = delayMs;
  }

  /** Whether the disk fails at each image that is opened. */
  failOpenings(isFailing: boolean): void {
    this.#opensNoImage = isFailing;
  }

  /** Each sync of an image takes so long from now on. */
  slowDownImages(delayMs: number): void {
    this.#slowImageMs = delayMs;
  }

  async #beSlowWithImages(life: Life): Promise<void> {
    await sleep(life.clock(this.#world.clock), this.#slowImageMs);
  }

  async #beSlow(life: Life): Promise<void> {
    const delayMs = this.#slowMs;
    this.#slowMs = 0;
    this.#world.trace.record(`${this.name}: a sync takes ${delayMs} ms`);
    await sleep(life.clock(this.#world.clock), delayMs);
  }

  #guardCatalog(life: Life, catalog: Catalog): Catalog {
    const guarded = decorate(catalog, (method, call) => {
      // The process ends, the database stays.
      if (method === 'close') return life.call(() => Promise.resolve());
      const count = (): void => this.#countCatalogCall(life, method);
      if (!life.ended) count();
      return life.call(call, { succeeded: count });
    });
    const atomically: Catalog['atomically'] = (work) =>
      guarded.atomically(async () => {
        const result = await work();
        this.#countCatalogCall(life, 'commit');
        // Who is dead commits nothing.
        return life.ended ? new Promise<never>(() => {}) : result;
      });
    return new Proxy(guarded, {
      get: (target, name) => (name === 'atomically' ? atomically : Reflect.get(target, name)),
    });
  }

  #countCatalogCall(life: Life, method: string): void {
    const crash = this.#crashAmongCalls;
    if (crash === undefined || (crash.of ?? method) !== method) return;
    crash.left -= 1;
    if (crash.left < 0) this.#kill(life);
  }

  #link(life: Life): ReplicationLink {
    const network = this.#world.network.port(this.address, life);
    return {
      connect: (target, service) =>
        life.call(async () => {
          const { port, address } = target;
          if (service === 'isc') return network.connect({ address, port: ISC_PORT });
          this.#options.onAttempt?.(port);
          this.#world.trace.record(`${this.name}: connects to ${target.server} port ${port}`);
          const open = async (): Promise<SimulatedStream> => {
            const stream = await network.connect({ address, port });
            stream.onWrite = this.#options.onSent;
            if (this.#options.keepAlive) this.#keepAlive(life, stream);
            return stream;
          };
          const main = await open();
          const family = [main];
          this.#options.onFamily?.(family);
          const another = async (): Promise<SimulatedStream> => {
            this.#world.trace.record(`${this.name}: another stream to ${target.server}`);
            const lane = await life.call(open);
            family.push(lane);
            return lane;
          };
          return Object.assign(main, { another });
        }),
    };
  }

  /** SSH's keep-alive: a connection on which nothing comes back for long is ended. */
  #keepAlive(life: Life, stream: SimulatedStream): void {
    let silentMs = 0;
    const probe = (): void => {
      if (stream.closed || life.ended) return;
      silentMs = stream.isStalled ? silentMs + SSH_PROBE_INTERVAL_MS : 0;
      if (silentMs >= SSH_KEEP_ALIVE_MS) stream.destroy();
      else this.#world.clock.after(SSH_PROBE_INTERVAL_MS, probe);
    };
    probe();
  }

  /** A drive as the host's SCSI bus sees it, across restarts: gone while the process is not there. */
  transport(driveName: string): ScsiTransport {
    return {
      execute: (command: ScsiCommand): Promise<ScsiResult> => {
        const life = this.#life;
        const server = this.#server;
        const gone = (): CapstanError =>
          new CapstanError('CONNECTION_LOST', {
            peer: `drive ${driveName} of ${this.name}`,
            reason: 'the drive does not answer',
          });
        if (life === undefined || server === undefined) return Promise.reject(gone());
        return new Promise((resolve, reject) => {
          const answer = life.call(() => server.driveTransport(driveName).execute(command));
          const cancel = life.onEnd(() => reject(gone()));
          answer.then(resolve, reject).finally(cancel);
        });
      },
    };
  }

  /** Plans a crash inside an operation; it comes when, and if, the operation comes. */
  planCrash(point: CrashPoint): void {
    this.#crashKind = point.kind;
    if (point.from !== undefined) this.#crashFrom = point;
    else if (point.in === 'disk') this.#options.vault.crashAfter(point.count);
    else this.#crashAmongCalls = { left: point.count, of: point.of };
  }

  /** Takes back what {@link planCrash} planned. */
  cancelCrash(): void {
    this.#options.vault.crashAfter(undefined);
    this.#crashAmongCalls = undefined;
    this.#crashFrom = undefined;
  }

  /** Kills the process, if one runs. */
  crash(kind: CrashKind): void {
    if (this.#life === undefined) return;
    this.#crashKind = kind;
    this.#kill(this.#life);
  }

  #kill(life: Life): void {
    if (this.#life !== life) return;
    this.#world.trace.record(`${this.name}: killed (${this.#crashKind})`);
    this.#crashCount += 1;
    this.#options.vault.crash(this.#crashKind);
    this.#leave(life);
    this.#options.onKilled?.();
  }

  #leave(life: Life): void {
    this.cancelCrash();
    this.#life = undefined;
    this.#server = undefined;
    this.#engine = undefined;
    life.end();
    // A transaction goes with the process that had begun it.
    this.#database.rollBack();
  }
}

const unreadable = (): CapstanError =>
  new CapstanError('STORE_FAILED', { path: '/vault00', what: 'an image could not be read' });
