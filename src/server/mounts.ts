/**
 * Mounts: the drives, what is in them, and what a dismount sets in motion.
 *
 * A tape is mounted for a host's request (mount-queue.ts) or by an operator, and dismounted by the host's
 * UNLOAD or by an operator.
 *
 * Order against crashes: a mount is recorded before the drive has the tape, a dismount before the
 * tape leaves it; so a mount that is open at start-up is one that a crash ended.
 *
 * @source VTS 6.04.02 Operations Guide, p. 121; 6.02 Installation Guide, p. 50.
 */
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { generation as toGeneration } from '../base/units.ts';
import type { MountRequest, ZsvrEvent } from '../ems/zsvr-events.ts';
import type {
  Catalog,
  DismountRecord,
  DriveRow,
  MountRequestRow,
  MountRow,
  TapeRow,
} from '../ports/catalog.ts';
import type { TapeImage } from '../ports/engine.ts';
import type { AutoCopy } from './autocopy.ts';
import { reasonOf } from './context.ts';
import type { ServerContext } from './context.ts';
import type { EventLog } from './event-log.ts';
import type { AwaitedMount } from './host-drives.ts';
import { HostDrives } from './host-drives.ts';
import { tapeObstacle } from './mount-obstacles.ts';
import { MountImages } from './mount-images.ts';
import type { MountPurpose, Opened } from './mount-images.ts';
import { MountQueue } from './mount-queue.ts';
import type { RemoteMount } from './remote-mounts.ts';
import { rescuedCatalog } from './rescued-catalog.ts';
import type { SharedVaults } from './shared-vaults.ts';
import type { Vaults } from './vaults.ts';
import { contentOf } from './vaults.ts';
import { VirtualDrive } from './virtual-drive.ts';

export interface MountsOptions {
  readonly context: ServerContext;
  readonly vaults: Vaults;
  readonly autocopy: AutoCopy;
  readonly recall: (tape: TapeRow) => void;
  /** Tapes that are mounted, or about to be: shared with whoever must keep away from them. */
  readonly busyTapes: Set<string>;
  /** Asks a host for a mark behind all that it has printed; false where nobody listens to it. */
  readonly mark: (host: string) => boolean;
  /** For tapes of shared vaults. */
  readonly shared: Pick<SharedVaults, 'mount' | 'tellAnswered'>;
}

/** What is recorded of a mount that ends. */
type MountEnd = Pick<DismountRecord, 'atMs' | 'content'>;

/** A tape in a drive. */
interface MountedTape extends Opened {
  readonly mount: MountRow;
}

export class Mounts {
  readonly #context: ServerContext;
  /** Ends of mounts are recorded on a full disk, too. */
  readonly #rescued: Catalog;
  readonly #vaults: Vaults;
  readonly #autocopy: AutoCopy;
  readonly #recall: (tape: TapeRow) => void;
  readonly #busyTapes: Set<string>;
  readonly #shared: MountsOptions['shared'];
  readonly #drives = new Map<string, VirtualDrive>();
  readonly #images: MountImages;
  readonly #mounted = new Map<VirtualDrive, MountedTape>();
  readonly #queue: MountQueue;
  readonly #hostDrives: HostDrives;

  constructor(options: MountsOptions) {
    this.#context = options.context;
    this.#rescued = rescuedCatalog(options.context.ports.catalog, options.context.ballasts);
    this.#vaults = options.vaults;
    this.#autocopy = options.autocopy;
    this.#recall = options.recall;
    this.#busyTapes = options.busyTapes;
    this.#shared = options.shared;
    this.#images = new MountImages(options);
    this.#hostDrives = new HostDrives({
      context: options.context,
      takeOut: (mount, status) => this.#takeOut(mount, status),
      onUp: () => this.lookAgain(),
    });
    this.#queue = new MountQueue({
      ...options,
      hostDrives: this.#hostDrives,
      mount: async (request, tape, drive) => {
        const mount = await this.#mountFreeTape(request, tape, drive);
        this.#context.eventLog.report('MOUNTED', {
          tape: tape.name,
          access: accessOf(mount),
          drive: drive.name,
          host: request.host,
          device: drive.device,
          requestNumber: request.requestNumber,
        });
        this.#hostDrives.watch({ mountId: mount.id, request, device: drive.device });
        this.#shared.tellAnswered(request.host, request.requestNumber);
      },
    });
  }

  /** Makes the drives, ends what a crash left open, and looks at the queue. */
  async start(): Promise<void> {
    const { catalog } = this.#context.ports;
    for (const row of await catalog.listDrives()) this.addDrive(row);
    for (const mount of await catalog.listMounts({ open: true })) {
      const atMs = this.#context.ports.clock.nowMs();
      await this.#recordInterruption(mount, { atMs, content: undefined });
    }
    await this.#context.decisions.run(() => this.#queue.start());
  }

  addDrive(row: DriveRow): void {
    const onUnload = (drive: VirtualDrive): Promise<void> => this.#dismount(drive);
    this.#drives.set(row.name, new VirtualDrive(row, onUnload, this.#context.ballasts));
  }

  /** Tries every request that waits, once what is being decided is done. */
  lookAgain(): void {
    this.#queue.lookAgain();
  }

  removeDrive(name: string): void {
    this.#drives.delete(name);
  }

  drive(name: string): VirtualDrive {
    const drive = this.#drives.get(name);
    if (drive === undefined) throw new CapstanError('NOT_FOUND', { kind: 'drive', name });
    return drive;
  }

  /** The volume in a drive, if any. */
  volumeIn(name: string): string | undefined {
    return this.#drives.get(name)?.state.volume;
  }

  /** What a host logged while it was not heard is known now. */
  hostCaughtUp(host: string): void {
    this.#queue.release(host);
  }

  /** What the host had printed when its mark was asked for has been heard. */
  hostMarkPassed(host: string): void {
    this.#queue.markPassed(host);
  }

  /** A tape event of a host. */
  async handle(host: string, event: ZsvrEvent): Promise<void> {
    await this.#context.decisions.run(() => this.#queue.handle(host, event));
  }

  /** A request that is open on a host, as the host says; does nothing where it is known. */
  async takeUp(host: string, request: MountRequest): Promise<void> {
    await this.#context.decisions.run(() => this.#queue.takeUp(host, request));
  }

  /** The host has a request no more. */
  async requestIsOver(request: Pick<MountRequestRow, 'host' | 'requestNumber'>): Promise<void> {
    await this.#context.decisions.run(() => this.#queue.isOver(request));
  }

  /** An operator takes a waiting request out of the queue. NOT_FOUND. */
  dropRequest(host: string, requestNumber: number): Promise<MountRequestRow> {
    return this.#context.decisions.run(() => this.#queue.drop(host, requestNumber));
  }

  /**
   * An operator mounts a tape on a drive; a request of the drive's host that waits for that very mount
   * is satisfied by it. NOT_FOUND; IN_USE where the tape or the drive is taken, or something else keeps
   * the tape from being mounted; and as the engine does.
   */
  mountManually(
    name: string,
    driveName: string,
    ring: boolean,
    eventLog: EventLog,
  ): Promise<MountRow> {
    return this.#context.decisions.run(async () => {
      const { catalog } = this.#context.ports;
      const tape = await catalog.findTape(name);
      if (tape === undefined) throw new CapstanError('NOT_FOUND', { kind: 'tape', name });
      const { row } = this.drive(driveName);
      const open = await catalog.listMounts({ open: true });
      const mounted = open.find((mount) => mount.tape === name);
      const obstacle =
        mounted === undefined
          ? await tapeObstacle(this.#context, tape, ring)
          : `mounted on ${mounted.drive}`;
      if (obstacle !== undefined) {
        this.#recall(tape);
        throw new CapstanError('IN_USE', { kind: 'tape', name, by: obstacle });
      }
      const other = open.find((mount) => mount.drive === driveName);
      if (other !== undefined) {
        const by = `tape ${other.tape} is mounted on it`;
        throw new CapstanError('IN_USE', { kind: 'drive', name: driveName, by });
      }
      const request = (await catalog.listMountRequests()).find(
        (each) =>
          each.host === row.host &&
          each.tape === name &&
          each.ring === ring &&
          (each.device ?? row.device) === row.device,
      );
      const requestNumber = request?.requestNumber;
      const mount = await this.#mountFreeTape({ host: row.host, requestNumber, ring }, tape, row);
      const fields = { tape: name, access: accessOf(mount) };
      await this.#context.ballasts.rescue(() => eventLog.log('MANUALLY_MOUNTED', fields));
      if (requestNumber !== undefined) this.#shared.tellAnswered(row.host, requestNumber);
      return mount;
    });
  }

  /**
   * An operator dismounts a tape: what the host wrote is made durable first; of what finds no room, how
   * much it is is told. NOT_FOUND where it is not mounted; and as the drive and the catalog do.
   */
  async unmountManually(
    name: string,
    eventLog: EventLog,
  ): Promise<MountRow & { readonly lostObjectCount?: number }> {
    const [drive, mounted] = [...this.#mounted].find(([, { tape }]) => tape.name === name) ?? [];
    if (drive === undefined || mounted === undefined) {
      throw new CapstanError('NOT_FOUND', { kind: 'mounted tape', name });
    }
    // Outside of a decision: the drive may be in a command of its host.
    const lost = await drive.dismount(name);
    const { ballasts, ports } = this.#context;
    const { catalog } = ports;
    if (lost !== undefined) {
      const { generation, payloadBytes } = (await catalog.findTape(name)) ?? mounted.tape;
      const fields = { tape: name, drive: drive.row.name, ...lost, generation, payloadBytes };
      await ballasts.rescue(() => eventLog.log('UNMOUNTED_SHORT', fields));
    }
    await ballasts.rescue(() => eventLog.log('MANUALLY_UNMOUNTED', { tape: name }));
    const mounts = await catalog.listMounts({ tape: name });
    const row = mounts.find((each) => each.id === mounted.mount.id) ?? mounted.mount;
    return lost === undefined ? row : { ...row, lostObjectCount: lost.lostObjectCount };
  }

  async #mountFreeTape(purpose: MountPurpose, tape: TapeRow, drive: DriveRow): Promise<MountRow> {
    this.#busyTapes.add(tape.name);
    try {
      // A mount wins over a copy.
      this.#autocopy.preempt(tape.name);
      return await this.#mount(purpose, tape, drive);
    } catch (error) {
      this.#busyTapes.delete(tape.name);
      this.#autocopy.wake();
      throw error;
    }
  }

  async #mount(purpose: MountPurpose, found: TapeRow, row: DriveRow): Promise<MountRow> {
    const { ballasts, ports } = this.#context;
    const { catalog, clock } = ports;
    const opened = await this.#images.open(purpose, found, row);
    const { tape, image, remote } = opened;
    let mount: MountRow;
    let info: Awaited<ReturnType<TapeImage['info']>>;
    try {
      info = await image.info();
      const record = {
        tape: tape.name,
        drive: row.name,
        ...purpose,
        mountedAtMs: remote === undefined ? clock.nowMs() : (tape.mountedAtMs ?? clock.nowMs()),
      };
      // What can only be read fills no disk.
      mount = await (purpose.ring
        ? catalog.recordMount(record)
        : ballasts.rescue(() => catalog.recordMount(record)));
    } catch (error) {
      await this.#images.giveBack(opened);
      throw error;
    }
    const drive = this.drive(row.name);
    this.#mounted.set(drive, { mount, ...opened });
    // Where the image was lost and an older one found, no generation is used twice.
    drive.mount(image, toGeneration(Math.max(info.generation, tape.generation)), {
      partitionCount: info.partitions.length,
      capacityBytes: tape.capacityBytes,
      writeProtected: !purpose.ring,
      volume: tape.name,
    });
    this.#context.emit({ kind: 'mounted', mount, device: row.device });
    return mount;
  }

  /** The host has unloaded: what is synced is recorded, and its copies are queued with it. */
  async #dismount(drive: VirtualDrive): Promise<void> {
    const { remote } = this.#mounted.get(drive) ?? {};
    // Outside of a decision: it may have to wait for the next session with the keeper.
    const elsewhere = remote && (await this.#endElsewhere(drive, remote));
    await this.#context.decisions.run(async () => {
      const mounted = this.#mounted.get(drive);
      if (mounted === undefined) return;
      const { mount, tape } = mounted;
      const outcome = drive.outcome;
      try {
        const record: DismountRecord = {
          mountId: mount.id,
          ...(elsewhere ?? (await this.#ended(drive, mounted, false))),
          state: 'dismounted',
          // Who keeps the vault copies its tapes.
          queueRuleIds: remote === undefined ? await this.#rulesToQueue(mount, tape) : [],
        };
        await this.#rescued.recordDismount(record);
      } catch (error) {
        this.#reportDismountFailure(drive, error);
        throw error;
      }
      await this.#release(drive, tape);
      this.#queue.dismounted(mount);
      this.#context.emit({ kind: 'dismounted', mount, ...outcome });
      this.#context.eventLog.report('DISMOUNTED', {
        tape: tape.name,
        drive: mount.drive,
        generation: outcome.generation,
      });
      this.#autocopy.wake();
      this.lookAgain();
    });
  }

  async #endElsewhere(drive: VirtualDrive, remote: RemoteMount): Promise<MountEnd> {
    try {
      return await remote.end(false);
    } catch (error) {
      this.#reportDismountFailure(drive, error);
      throw error;
    }
  }

  /** What is to be recorded of a mount that ends: when, and what the tape holds if that is new. */
  async #ended(
    drive: VirtualDrive,
    { tape, remote }: MountedTape,
    interrupted: boolean,
  ): Promise<MountEnd> {
    if (remote !== undefined) return remote.end(interrupted);
    const atMs = this.#context.ports.clock.nowMs();
    const { generation, changed } = drive.outcome;
    if (!changed) return { atMs, content: undefined };
    const content = await contentOf(this.#vaults.engine(tape.vault), tape.name);
    return { atMs, content: { generation, ...content } };
  }

  /** A ring mount owes a copy by every rule; any mount owes those that it kept waiting. */
  async #rulesToQueue(mount: MountRow, tape: TapeRow): Promise<readonly number[]> {
    const { catalog } = this.#context.ports;
    if (mount.ring) return (await catalog.listCopyRules(tape.pool)).map((rule) => rule.id);
    return (await catalog.listCopyJobs())
      .filter((job) => job.tape === tape.name && job.state === 'due')
      .map((job) => job.ruleId);
  }

  /** The host cannot take the tape from where it is: its request waits again, as it came. */
  async #takeOut({ mountId, request, device }: AwaitedMount, status: string): Promise<void> {
    const { decisions, eventLog } = this.#context;
    const [drive, mounted] = [...this.#mounted].find(([, { mount }]) => mount.id === mountId) ?? [];
    if (drive === undefined || mounted === undefined) return;
    await drive.betweenCommands(() =>
      decisions.run(async () => {
        const catalog = this.#rescued;
        if (this.#mounted.get(drive) !== mounted || (await catalog.isMountAccepted(mountId)))
          return;
        const { host, tape } = request;
        const ended = await this.#ended(drive, mounted, true);
        const state = 'interrupted';
        await catalog.recordDismount({ mountId, ...ended, state, queueRuleIds: [] });
        await catalog.putMountRequest({ ...request, reason: `${device} is ${status} on ${host}` });
        const fields = { tape, drive: drive.row.name, device, status, host };
        await eventLog.log('MOUNT_NOT_TAKEN', fields);
        await this.#release(drive, mounted.tape);
      }),
    );
    this.#autocopy.wake();
    this.lookAgain();
  }

  async #release(drive: VirtualDrive, tape: TapeRow): Promise<void> {
    const mountId = this.#mounted.get(drive)?.mount.id;
    if (mountId !== undefined) this.#hostDrives.forget(mountId);
    this.#mounted.delete(drive);
    try {
      await drive.release();
      await this.#images.unlock(tape);
    } catch (error) {
      // All that counts is synced; the image only could not note that it was closed in order.
      if (!isCapstanError(error)) throw error;
      this.#context.eventLog.report('STORE_FAILED', { vault: tape.vault, reason: error.message });
    } finally {
      this.#busyTapes.delete(tape.name);
    }
  }

  /** A mount that the host did not end: its tape is not copied for it. */
  async #recordInterruption(mount: MountRow, ended: MountEnd): Promise<void> {
    const record = { mountId: mount.id, ...ended, state: 'interrupted', queueRuleIds: [] } as const;
    await this.#rescued.recordDismount(record);
    await this.#queue.putBack(mount);
    await this.#context.eventLog.log('MOUNT_INTERRUPTED', { tape: mount.tape, drive: mount.drive });
  }

  /** The keeper of a tape's vault has it open no more: it is taken out of its drive, as at a restart. */
  async interrupt(tape: string): Promise<void> {
    const { decisions, ports } = this.#context;
    // What is being mounted just now is mounted, or is not.
    await decisions.run(async () => {});
    for (const [drive, mounted] of this.#mounted) {
      if (mounted.remote === undefined || mounted.tape.name !== tape) continue;
      await drive.betweenCommands(() =>
        decisions.run(async () => {
          if (this.#mounted.get(drive) !== mounted) return;
          const ended = { atMs: ports.clock.nowMs(), content: undefined };
          await this.#recordInterruption(mounted.mount, ended);
          await this.#release(drive, mounted.tape);
        }),
      );
    }
    this.lookAgain();
  }

  /** Another server satisfied a request of a host. */
  answered(host: string, requestNumber: number, server: string): void {
    this.#context.background('drop a request that was satisfied elsewhere', () =>
      this.#context.decisions.run(() => this.#queue.answered(host, requestNumber, server)),
    );
  }

  /** A server is gone: what it satisfied may be open. */
  serverLost(server: string): void {
    this.#context.background(`take the requests of ${server} back`, () =>
      this.#context.decisions.run(() => this.#queue.serverLost(server)),
    );
  }

  /** The server stops: tapes still mounted are synced as far as the host wrote them, and taken out. */
  async stop(): Promise<void> {
    this.#queue.stop();
    this.#hostDrives.stop();
    // Outside of a decision: a drive may be in an UNLOAD, which waits for one.
    for (const drive of this.#drives.values()) {
      const failure = await drive.shutDown();
      if (failure !== undefined) this.#reportDismountFailure(drive, failure);
    }
    await this.#context.decisions.run(async () => {
      for (const [drive, mounted] of this.#mounted) {
        const { mount, tape } = mounted;
        try {
          await this.#recordInterruption(mount, await this.#ended(drive, mounted, true));
        } catch (error) {
          // The mount stays open in the catalog; the next start ends it.
          if (!isCapstanError(error)) throw error;
          this.#reportDismountFailure(drive, error);
        }
        await this.#release(drive, tape);
      }
    });
  }

  #reportDismountFailure(drive: VirtualDrive, error: unknown): void {
    const tape = drive.state.volume ?? '';
    const fields = { tape, drive: drive.row.name, reason: reasonOf(error) };
    this.#context.eventLog.report('DISMOUNT_FAILED', fields);
  }
}

function accessOf({ ring }: MountRow): 'read-write' | 'read-only' {
  return ring ? 'read-write' : 'read-only';
}
