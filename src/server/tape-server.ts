/**
 * A virtual tape server: its services over the ports, wired together.
 *
 * Start-up opens the vaults, lets catalog and images agree, ends what a crash left open, and then
 * listens to hosts and works off the AutoCopy queue. The same code runs in `capstan serve`, in the
 * laboratory and in the simulated world.
 */
import { isCapstanError } from '../base/errors.ts';
import type { CopyReceiver } from '../ports/copy-receiver.ts';
import { LaneRegistry } from '../replication/parcel-queue.ts';
import type { TapeRow } from '../ports/catalog.ts';
import type { Cancel } from '../ports/clock.ts';
import type { DuplexStream } from '../ports/network.ts';
import type { ScsiTransport } from '../ports/scsi-transport.ts';
import { AccessControl } from './access-control.ts';
import type { Access, Principal } from './access.ts';
import { AutoCopy } from './autocopy.ts';
import { Ballasts } from './ballasts.ts';
import { BackupManagement } from './bma.ts';
import { COPY_POLICY, Sequence, reasonOf } from './context.ts';
import type {
  CopyProgress,
  ServerContext,
  ServerEvent,
  ServerPorts,
  ServerSettings,
} from './context.ts';
import { Copies } from './copies.ts';
import { CopyInquiries } from './copy-inquiries.ts';
import { TapeReceiver } from './copy-receiver.ts';
import { DebugLog } from './debug-log.ts';
import { EmsService } from './ems-service.ts';
import type { EmsHostStatus } from './ems-service.ts';
import { EventFiles } from './event-files.ts';
import { EventLog } from './event-log.ts';
import { Keeping } from './keeping.ts';
import { Licences } from './licences.ts';
import { InstantDrRoles } from './instant-dr-roles.ts';
import { InstantDr } from './instant-dr.ts';
import { Metrics } from './metrics.ts';
import { Mounts } from './mounts.ts';
import { Operations } from './operations.ts';
import { OutstandingRequests } from './outstanding-requests.ts';
import { Policy } from './policy.ts';
import { Recalls } from './recalls.ts';
import type { PolicyMedia } from './policy.ts';
import { PROFILES, PROFILE_DEFAULT } from './profiles.ts';
import { operateForPeer, sharedScope } from './operations/elsewhere.ts';
import { SharedVaults } from './shared-vaults.ts';
import { finishMoves } from './tape-moves.ts';
import { ScanCleanup } from './scan-cleanup.ts';
import { rescuedCatalog } from './rescued-catalog.ts';
import { eraseTape } from './tape-changes.ts';
import { deleteTape } from './tapes.ts';
import type { TapeServices } from './tapes.ts';
import { VaultScope } from './vault-access.ts';
import { Vaults } from './vaults.ts';

export type {
  CopyProgress,
  HostSettings,
  ServerEvent,
  ServerPorts,
  ServerSettings,
} from './context.ts';

type Listener = (event: ServerEvent) => void;

export class TapeServer {
  readonly operations: Operations;
  readonly access: Access;
  readonly receiver: CopyReceiver;
  /** Which connections of senders are lanes of which. */
  readonly lanes = new LaneRegistry();
  readonly #receiver: TapeReceiver;
  readonly #context: ServerContext;
  readonly #vaults: Vaults;
  readonly #mounts: Mounts;
  readonly #copies: Copies;
  readonly #autocopy: AutoCopy;
  readonly #instantDr: InstantDr;
  readonly #shared: SharedVaults;
  readonly #ems: EmsService;
  readonly #outstanding: OutstandingRequests;
  readonly #backupManagement: BackupManagement;
  readonly #recalls: Recalls;
  readonly #policy: Policy;
  readonly #cleanup: ScanCleanup;
  readonly #eventFiles: EventFiles | undefined;
  readonly #listeners: Set<Listener>;

  private constructor(context: ServerContext, vaults: Vaults, listeners: Set<Listener>) {
    const busyTapes = new Set<string>();
    this.#context = context;
    this.#vaults = vaults;
    this.#listeners = listeners;
    this.#copies = new Copies({ context, vaults, busyTapes });
    const copies = this.#copies;
    this.#autocopy = new AutoCopy({ context, copies });
    const autocopy = this.#autocopy;
    copies.onRelease(() => autocopy.wake());
    this.#shared = new SharedVaults({
      context,
      vaults,
      autocopy,
      busyTapes,
      onReleased: () => mounts.lookAgain(),
      operate: (call) => operateForPeer(this.operations, sharedScope(context), call),
      interruptMount: (tape) => mounts.interrupt(tape),
      onAnswered: (...answered) => mounts.answered(...answered),
      onServerLost: (server) => mounts.serverLost(server),
    });
    const shared = this.#shared;
    const recall = (tape: TapeRow): void => this.#recalls.want(tape);
    const mark = (host: string): boolean => this.#ems.mark(host);
    this.#mounts = new Mounts({ context, vaults, autocopy, recall, busyTapes, shared, mark });
    const mounts = this.#mounts;
    this.#instantDr = new InstantDr({ context, vaults, copies, busyTapes });
    const instantDr = this.#instantDr;
    const roles = new InstantDrRoles({ context, vaults, copies, busyTapes, instantDr });
    const inquiries = new CopyInquiries({ context, vaults, busyTapes, roles });
    this.#receiver = new TapeReceiver({ context, vaults, busyTapes, instantDr: inquiries });
    this.receiver = this.#receiver;
    const access = new AccessControl(context, context.profile.accessDefaults);
    this.access = access;
    const media = mediaOf({ vaults, copies, autocopy, busyTapes });
    const metrics = new Metrics(context);
    listeners.add((event) => metrics.observe(event));
    this.#backupManagement = new BackupManagement({
      context,
      vaults,
      busyTapes,
      erase: media.erase,
      onReleased: () => mounts.lookAgain(),
    });
    const backupManagement = this.#backupManagement;
    const onOver = (): void => mounts.lookAgain();
    this.#recalls = new Recalls({ context, vaults, backupManagement, onOver });
    this.#policy = new Policy({ context, media, backupManagement, instantDr, autocopy });
    const policy = this.#policy;
    this.#cleanup = new ScanCleanup({ context, busyTapes, erase: media.erase });
    const cleanup = this.#cleanup;
    this.#outstanding = new OutstandingRequests(context, mounts);
    const outstanding = this.#outstanding;
    const files = context.ports.eventFiles;
    this.#eventFiles = files && new EventFiles(context, files);
    this.#ems = new EmsService({
      clock: context.ports.clock,
      network: context.ports.network,
      hosts: context.settings.offline === true ? [] : context.settings.hosts,
      eventLog: context.eventLog,
      positions: context.ports.catalog,
      onEvent: (host, event) => {
        const handling = outstanding.handle(host, event);
        context.background(`handle an event of ${host}`, () => handling);
        return handling.catch(() => {
          // Told as a fault; the host is heard on.
        });
      },
      onCaughtUp: (host) =>
        context.background(`take up the requests of ${host}`, () => outstanding.takeUp(host)),
      onMarkPassed: (host) => mounts.hostMarkPassed(host),
      onLine: (host, line) => {
        context.emit({ kind: 'ems-line', host, text: line.text });
        const hearing = policy.hear(host, line);
        context.background(`hear an event of ${host}`, () => hearing);
        return hearing.catch(() => {
          // Told as a fault; the host is heard on.
        });
      },
    });
    const ems = this.#ems;
    this.operations = new Operations({
      context,
      vaults,
      mounts,
      copies,
      autocopy,
      instantDr,
      roles,
      ems,
      busyTapes,
      access,
      metrics,
      policy,
      cleanup,
      shared,
    });
  }

  /** Rejects as opening a vault or the catalog does; then nothing is left running. */
  static async start(ports: ServerPorts, settings: ServerSettings): Promise<TapeServer> {
    const listeners = new Set<Listener>();
    const { context, started } = makeContext(ports, settings, listeners);
    const vaults = await Vaults.open(context);
    try {
      const { ballasts } = context;
      // Before anything else: what a crash left is ended on a full disk, too.
      await ballasts.start(() => vaults.all.map(([name]) => name));
      await ballasts.rescue(() => finishMoves(context, vaults));
      await ballasts.rescue(() => vaults.reconcile());
      // What a new server begins with stays, whatever version it becomes later.
      await context.ports.catalog.beginAccess(context.profile.accessDefaults);
      const server = new TapeServer(context, vaults, listeners);
      await server.#cleanup.recover();
      await server.#mounts.start();
      if (settings.offline !== true) await server.#serve();
      started();
      return server;
    } catch (error) {
      await vaults.close();
      throw error;
    }
  }

  async #serve(): Promise<void> {
    const { eventLog, licences, settings } = this.#context;
    await eventLog.log('SERVER_STARTED', { server: settings.serverName });
    await this.#startEventFiles();
    await licences.start();
    await this.#backupManagement.start();
    await this.#policy.start();
    await this.#cleanup.start();
    this.#ems.start();
    this.#autocopy.wake();
    await this.#instantDr.start();
    await this.#shared.start();
  }

  async #startEventFiles(): Promise<void> {
    const files = this.#eventFiles;
    if (files === undefined) return;
    this.#listeners.add((event) => {
      if (event.kind === 'event-logged') files.wake();
    });
    await files.start();
  }

  /** A drive as its host's SCSI bus has it. NOT_FOUND where there is none of that name. */
  driveTransport(driveName: string): ScsiTransport {
    return this.#mounts.drive(driveName);
  }

  /** Another server of a shared vault connects; `key` is the fingerprint of what it has shown. */
  acceptIsc(stream: DuplexStream, key: string): void {
    this.#shared.accept(stream, key);
  }

  /** For what happens at the doors of the server. */
  get eventLog(): EventLog {
    return this.#context.eventLog;
  }

  /** Runs what a full disk is not to keep from being done, again with what is held back where it finds no room. */
  withRoom<T>(work: () => Promise<T>): Promise<T> {
    return this.#context.ballasts.rescue(work);
  }

  /** The copies under way. */
  progress(): readonly CopyProgress[] {
    return this.#copies.all.map((flight) => flight.progress);
  }

  emsStatus(): readonly EmsHostStatus[] {
    return this.#ems.status();
  }

  onEvent(listener: Listener): Cancel {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The same, of what `caller` may see at that moment, in order. */
  onEventFor(caller: () => Principal, listener: Listener): Cancel {
    const context = this.#context;
    const sequence = new Sequence();
    let isEnded = false;
    let isConfined = false;
    const cancel = this.onEvent((event) => {
      const { vaults } = caller();
      isConfined ||= vaults !== 'all';
      if (!isConfined) return listener(event);
      const scope = vaults === 'all' ? undefined : new VaultScope(context.ports.catalog, vaults);
      return context.background('tell a confined user of an event', () =>
        sequence.run(async () => {
          if (scope !== undefined && !(await scope.hears(event))) return;
          if (!isEnded) listener(event);
        }),
      );
    });
    return () => {
      isEnded = true;
      cancel();
    };
  }

  /** Ends sessions, copies and mounts, makes everything durable and closes it. */
  async stop(): Promise<void> {
    const { settings, eventLog, ports, ballasts } = this.#context;
    try {
      this.#context.licences.stop();
      ballasts.stop();
      this.#outstanding.stop();
      await this.#ems.stop();
      await this.#backupManagement.stop();
      await this.#policy.stop();
      await this.#cleanup.stop();
      await this.#instantDr.stop();
      await this.#autocopy.stop();
      await this.#receiver.stop();
      this.#shared.prepareToStop();
      await this.#mounts.stop();
      await this.#shared.stop();
      if (settings.offline !== true) {
        const fields = { server: settings.serverName };
        const log = (): Promise<unknown> => eventLog.log('SERVER_STOPPED', fields);
        await ballasts.rescue(log).catch((error: unknown) => {
          // A server that stops on a full disk has stopped in order, told or not.
          if (!isCapstanError(error, 'NO_SPACE')) throw error;
        });
      }
    } finally {
      await this.#eventFiles?.stop();
      await this.#context.debugLog.stop();
      await this.#vaults.close();
      await ports.catalog.close();
    }
  }
}

/** What VTSPolicy and Scan/Cleanup do to tapes, in the name of whose context it is. */
function mediaOf(services: Omit<TapeServices, 'context'>): PolicyMedia {
  return {
    erase: (context, name, check) => eraseTape({ ...services, context }, { name, check }),
    delete: (context, name) => deleteTape({ ...services, context }, { name }),
  };
}

function makeContext(
  given: ServerPorts,
  settings: ServerSettings,
  listeners: ReadonlySet<Listener>,
): { readonly context: ServerContext; readonly started: () => void } {
  const keeping = new Keeping(given.catalog, settings.serverName);
  const background: ServerContext['background'] = (what, work) => {
    work().catch((error: unknown) => fault(what, error));
  };
  // What is held back is looked after beneath the catalog that asks for it.
  const ballasts = new Ballasts({ ports: { ...given, catalog: keeping.catalog }, background });
  // Whatever a crash left is ended on a full disk, too; from then on that room is for what makes room.
  let isStarting = true;
  const catalog = rescuedCatalog(keeping.catalog, ballasts, () => isStarting);
  const ports = { ...given, catalog };
  const debugLog = new DebugLog(ports.clock, ports.eventFiles, settings.debugFiles);
  const emit = (event: ServerEvent): void => {
    debugLog.hear(event);
    for (const listener of listeners) listener(event);
  };
  const fault = (what: string, error: unknown): void =>
    emit({ kind: 'fault', what, reason: reasonOf(error) });
  const eventLog = new EventLog({
    catalog: ports.catalog,
    clock: ports.clock,
    settings,
    onLogged: (row) => emit({ kind: 'event-logged', row }),
    onLost: (event, error) => fault(`log "${event.text}"`, error),
  });
  const context: ServerContext = {
    ports,
    settings,
    profile: PROFILES[settings.profile ?? PROFILE_DEFAULT],
    copyPolicy: { ...COPY_POLICY, ...settings.copyPolicy },
    eventLog,
    debugLog,
    licences: new Licences({
      ports,
      serverName: settings.serverName,
      eventLog,
      background,
      publicKeys: settings.licencePublicKeys,
    }),
    keeping,
    ballasts,
    decisions: new Sequence(),
    emit,
    background,
  };
  const started = (): void => {
    isStarting = false;
  };
  return { context, started };
}
