/**
 * Mounts: the hosts' requests, the drives, and what a dismount sets in motion.
 *
 * A request names a volume; it is mounted on the device named, else on the first free drive connected
 * to that host. A volume that this server does not hold is not its business: nothing is kept of it, and
 * the host's request stays open. What cannot be mounted now is queued with a reason and looked at again
 * on each dismount, and before a request that comes later.
 *
 * Order against crashes: a mount is recorded before the drive has the tape, a dismount before the
 * tape leaves it; so a mount that is open at start-up is one that a crash ended.
 *
 * @source VTS 6.04.02 Operations Guide, p. 121; 6.02 Installation Guide, p. 50.
 */
import { assert } from '../base/assert.ts';
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { NAME_PATTERNS } from '../base/names.ts';
import { generation as toGeneration } from '../base/units.ts';
import type { ZsvrEvent } from '../ems/zsvr-events.ts';
import type {
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
import type { Vaults } from './vaults.ts';
import { contentOf } from './vaults.ts';
import { VirtualDrive } from './virtual-drive.ts';

export interface MountsOptions {
  readonly context: ServerContext;
  readonly vaults: Vaults;
  readonly autocopy: AutoCopy;
  /** Tapes that are mounted, or about to be: shared with whoever must keep away from them. */
  readonly busyTapes: Set<string>;
}

export class Mounts {
  readonly #context: ServerContext;
  readonly #vaults: Vaults;
  readonly #autocopy: AutoCopy;
  readonly #busyTapes: Set<string>;
  readonly #drives = new Map<string, VirtualDrive>();
  readonly #mounted = new Map<VirtualDrive, { readonly mount: MountRow; readonly tape: TapeRow }>();
  #stopping = false;

  constructor(options: MountsOptions) {
    this.#context = options.context;
    this.#vaults = options.vaults;
    this.#autocopy = options.autocopy;
    this.#busyTapes = options.busyTapes;
  }

  /** Makes the drives, ends what a crash left open, and looks at the queue. */
  async start(): Promise<void> {
    const { catalog } = this.#context.ports;
    for (const row of await catalog.listDrives()) this.addDrive(row);
    for (const mount of await catalog.listMounts({ open: true })) {
      await this.#recordInterruption(mount, undefined);
    }
    await this.#context.decisions.run(() => this.#lookAgain());
  }

  addDrive(row: DriveRow): void {
    this.#drives.set(row.name, new VirtualDrive(row, (drive) => this.#dismount(drive)));
  }

  /** Tries every request that waits, once what is being decided is done. */
  lookAgain(): void {
    this.#context.background('look at the mount queue', () =>
      this.#context.decisions.run(() => this.#lookAgain()),
    );
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

  /** A tape event of a host. */
  async handle(host: string, event: ZsvrEvent): Promise<void> {
    await this.#context.decisions.run(async () => {
      switch (event.kind) {
        case 'mount-request':
          await this.#request(host, event);
          break;
        case 'mounted':
          await this.#endRequest(host, event.requestNumber, 'it was mounted');
          break;
        case 'request-cancelled':
          await this.#endRequest(host, event.requestNumber, 'the host cancelled it');
          break;
        case 'request-rejected':
          await this.#endRequest(host, event.requestNumber, 'the operator rejected it');
          break;
        default:
          // The host's own affair, or a confirmation of what SCSI has told already.
          break;
      }
    });
  }

  async #request(host: string, event: ZsvrEvent & { kind: 'mount-request' }): Promise<void> {
    const { catalog, clock } = this.#context.ports;
    const { requestNumber, volume, device, ring } = event;
    if (!NAME_PATTERNS.tape.test(volume)) return;
    const tape = await catalog.findTape(volume);
    if (tape === undefined || !this.#mayMount(host, tape)) return;
    const open = await catalog.listMounts({ open: true });
    const isThis = (row: MountRow | MountRequestRow): boolean =>
      row.host === host && row.requestNumber === requestNumber && row.tape === volume;
    // The host's collector told it twice.
    if (open.some(isThis) || (await catalog.listMountRequests()).some(isThis)) return;
    // Who came first is served first.
    await this.#lookAgain();
    const row = { host, requestNumber, tape: volume, device, ring, receivedAtMs: clock.nowMs() };
    const request = { ...row, reason: '' };
    const reason = await this.#tryMount(request);
    if (reason === undefined) return;
    await catalog.putMountRequest({ ...request, reason });
    await this.#context.eventLog.log('MOUNT_QUEUED', { requestNumber, host, tape: volume, reason });
  }

  #mayMount(host: string, tape: TapeRow): boolean {
    const settings = this.#context.settings.hosts.find((each) => each.host === host);
    return settings?.parameters?.vaults?.includes(tape.vault) !== false;
  }

  async #endRequest(host: string, requestNumber: number, reason: string): Promise<void> {
    const { catalog } = this.#context.ports;
    const requests = await catalog.listMountRequests();
    const request = requests.find(
      (each) => each.host === host && each.requestNumber === requestNumber,
    );
    if (request === undefined) return;
    await catalog.deleteMountRequest(host, requestNumber);
    await this.#context.eventLog.log('MOUNT_REQUEST_ENDED', {
      requestNumber,
      host,
      tape: request.tape,
      reason,
    });
  }

  /** Mounts what the request asks for; else why that cannot be now. */
  async #tryMount(request: MountRequestRow): Promise<string | undefined> {
    const { catalog } = this.#context.ports;
    const tape = await catalog.findTape(request.tape);
    assert(tape !== undefined, 'a request is deleted with its tape');
    if (this.#stopping) return 'the server stops';
    const open = await catalog.listMounts({ open: true });
    const inUse = open.find((mount) => mount.tape === request.tape);
    if (inUse !== undefined) return `tape in use on ${inUse.drive}`;
    const connected = (await catalog.listDrives(request.host)).filter(
      (drive) => request.device === undefined || drive.device === request.device,
    );
    if (connected.length === 0) {
      return request.device === undefined
        ? 'no drive is connected to the host'
        : `no drive is connected as ${request.device}`;
    }
    const free = connected.find((drive) => !open.some((mount) => mount.drive === drive.name));
    if (free === undefined) return 'waiting for a drive';

    this.#busyTapes.add(tape.name);
    try {
      // A mount wins over a copy.
      this.#autocopy.preempt(tape.name);
      await this.#mount(request, tape, free);
      return undefined;
    } catch (error) {
      this.#busyTapes.delete(tape.name);
      this.#autocopy.wake();
      if (!isCapstanError(error)) throw error;
      const fields = { tape: tape.name, drive: free.name, reason: error.message };
      const reason = `the mount failed: ${error.message}`;
      if (reason !== request.reason) this.#context.eventLog.report('MOUNT_FAILED', fields);
      return reason;
    }
  }

  async #mount(request: MountRequestRow, tape: TapeRow, row: DriveRow): Promise<void> {
    const { catalog, clock } = this.#context.ports;
    const { host, requestNumber, ring } = request;
    const engine = this.#vaults.engine(tape.vault);
    const image = await engine.openImage(tape.name, ring ? 'write' : 'read');
    let mount: MountRow;
    let info: Awaited<ReturnType<TapeImage['info']>>;
    try {
      info = await image.info();
      mount = await catalog.recordMount({
        tape: tape.name,
        drive: row.name,
        host,
        requestNumber,
        ring,
        mountedAtMs: clock.nowMs(),
      });
    } catch (error) {
      await image.close();
      throw error;
    }
    const drive = this.drive(row.name);
    this.#mounted.set(drive, { mount, tape });
    // Where the image was lost and an older one found, no generation is used twice.
    drive.mount(image, toGeneration(Math.max(info.generation, tape.generation)), {
      partitionCount: info.partitions.length,
      capacityBytes: tape.capacityBytes,
      writeProtected: !ring,
      volume: tape.name,
    });
    this.#context.emit({ kind: 'mounted', mount, device: row.device });
    this.#context.eventLog.report('MOUNTED', {
      tape: tape.name,
      access: ring ? 'read-write' : 'read-only',
      drive: row.name,
      host,
      device: row.device,
      requestNumber,
    });
  }

  /** The host has unloaded: what is synced is recorded, and its copies are queued with it. */
  async #dismount(drive: VirtualDrive): Promise<void> {
    await this.#context.decisions.run(async () => {
      const mounted = this.#mounted.get(drive);
      if (mounted === undefined) return;
      const { mount, tape } = mounted;
      const { catalog, clock } = this.#context.ports;
      const outcome = drive.outcome;
      try {
        await catalog.recordDismount({
          mountId: mount.id,
          atMs: clock.nowMs(),
          state: 'dismounted',
          content: await this.#contentAfter(drive, tape),
          queueRuleIds: await this.#rulesToQueue(mount, tape),
        });
      } catch (error) {
        this.#reportDismountFailure(drive, error);
        throw error;
      }
      await this.#release(drive, tape);
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

  async #contentAfter(drive: VirtualDrive, tape: TapeRow): Promise<DismountRecord['content']> {
    const { generation, changed } = drive.outcome;
    if (!changed) return undefined;
    return { generation, ...(await contentOf(this.#vaults.engine(tape.vault), tape.name)) };
  }

  /** A ring mount owes a copy by every rule; any mount owes those that it kept waiting. */
  async #rulesToQueue(mount: MountRow, tape: TapeRow): Promise<readonly number[]> {
    const { catalog } = this.#context.ports;
    if (mount.ring) return (await catalog.listCopyRules(tape.pool)).map((rule) => rule.id);
    return (await catalog.listCopyJobs())
      .filter((job) => job.tape === tape.name && job.state === 'due')
      .map((job) => job.ruleId);
  }

  async #release(drive: VirtualDrive, tape: TapeRow): Promise<void> {
    this.#mounted.delete(drive);
    try {
      await drive.release();
    } catch (error) {
      // All that counts is synced; the image only could not note that it was closed in order.
      if (!isCapstanError(error)) throw error;
      this.#context.eventLog.report('STORE_FAILED', { vault: tape.vault, reason: error.message });
    } finally {
      this.#busyTapes.delete(tape.name);
    }
  }

  /** Tries every request that waits, in the order of their arrival. */
  async #lookAgain(): Promise<void> {
    const { catalog } = this.#context.ports;
    if (this.#context.settings.offline === true) return;
    for (const request of await catalog.listMountRequests()) {
      const reason = await this.#tryMount(request);
      if (reason !== undefined && reason !== request.reason) {
        await catalog.putMountRequest({ ...request, reason });
      }
    }
  }

  /** A mount that the host did not end: its tape is not copied for it. */
  async #recordInterruption(mount: MountRow, content: DismountRecord['content']): Promise<void> {
    const { catalog, clock } = this.#context.ports;
    await catalog.recordDismount({
      mountId: mount.id,
      atMs: clock.nowMs(),
      state: 'interrupted',
      content,
      queueRuleIds: [],
    });
    await this.#context.eventLog.log('MOUNT_INTERRUPTED', { tape: mount.tape, drive: mount.drive });
  }

  /** The server stops: tapes still mounted are synced as far as the host wrote them, and taken out. */
  async stop(): Promise<void> {
    this.#stopping = true;
    // Outside of a decision: a drive may be in an UNLOAD, which waits for one.
    for (const drive of this.#drives.values()) {
      const failure = await drive.shutDown();
      if (failure !== undefined) this.#reportDismountFailure(drive, failure);
    }
    await this.#context.decisions.run(async () => {
      for (const [drive, { mount, tape }] of this.#mounted) {
        try {
          await this.#recordInterruption(mount, await this.#contentAfter(drive, tape));
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
