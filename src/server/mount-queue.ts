/**
 * The hosts' mount requests: which are this server's, what each waits for, and in which order they are
 * tried.
 *
 * A request that cannot be satisfied now stays in the catalog with its reason, as an operator reads it,
 * and is looked at again on each dismount, before a request that comes later, and every
 * LOOK_INTERVAL_MS. A volume that this server does not hold is not its business: nothing is kept of it,
 * and the host's request stays open. So does one for a scratch tape or for none at all: an operator's
 * mount satisfies it.
 *
 * Everything here runs inside a decision (context.ts).
 *
 * @source VTS 6.04.02 Operations Guide, p. 121; 6.04.01 Guide, p. 49 to 52 (`ems_mount_delay`,
 * `ems_mount_reset`, `ems_vaults_`); 6.04.04 Guide, p. 97 (recall).
 */
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { NAME_PATTERNS } from '../base/names.ts';
import { MINUTE_MS, SECOND_MS } from '../base/units.ts';
import { DEFAULT_EMS_HOST_PARAMETERS } from '../ems/parameters.ts';
import type { EmsHostParameters } from '../ems/parameters.ts';
import type { MountRequest, ZsvrEvent } from '../ems/zsvr-events.ts';
import type { Catalog, DriveRow, MountRequestRow, MountRow, TapeRow } from '../ports/catalog.ts';
import type { Cancel } from '../ports/clock.ts';
import { AnsweredRequests } from './answered-requests.ts';
import type { AutoCopy } from './autocopy.ts';
import type { ServerContext } from './context.ts';
import { DeviceResets } from './device-resets.ts';
import type { HostDrives } from './host-drives.ts';
import { MountLocks } from './mount-locks.ts';
import { tapeObstacle } from './mount-obstacles.ts';
import { hasNewer, isKnown, requestKey } from './numbered-requests.ts';
import { RefusedRequests } from './refused-requests.ts';
import { rescuedCatalog } from './rescued-catalog.ts';
import { UnheardDismounts } from './unheard-dismounts.ts';

/** Requests that may wait of one host: a host that loops must not fill the catalog. */
export const REQUESTS_PER_HOST_MAX = 1000;
/** Waiting requests are looked at again so often, for reasons whose end nobody tells. */
export const LOOK_INTERVAL_MS = MINUTE_MS;
/** How long a start waits for what a host logged while no server ran. */
export const HOLD_MS_MAX = 2 * MINUTE_MS;

export interface MountQueueOptions {
  readonly context: ServerContext;
  readonly autocopy: AutoCopy;
  readonly busyTapes: Set<string>;
  /** A tape that is asked for cannot be mounted: its content may have to come back first. */
  readonly recall: (tape: TapeRow) => void;
  readonly hostDrives: Pick<HostDrives, 'trouble'>;
  /** Mounts a tape that is free on a drive that is free; a mount wins over a copy. */
  readonly mount: (request: MountRequestRow, tape: TapeRow, drive: DriveRow) => Promise<void>;
  /** Asks a host for a mark behind all that it has printed; false where nobody listens to it. */
  readonly mark: (host: string) => boolean;
}

/** Events that end a request. */
const ENDS: ReadonlySet<ZsvrEvent['kind']> = new Set([
  'mounted',
  'request-cancelled',
  'request-rejected',
]);

export class MountQueue {
  readonly #options: MountQueueOptions;
  readonly #context: ServerContext;
  /** What hosts say is kept on a full disk, too: it is little, and a tape that is read waits for it. */
  readonly #catalog: Catalog;
  readonly #locks: MountLocks;
  readonly #resets: DeviceResets;
  readonly #unheardDismounts: UnheardDismounts;
  readonly #givenBack: RefusedRequests;
  /** Requests that other servers of shared vaults satisfied, and what waited here of them. */
  readonly #answered: AnsweredRequests;
  /** Requests that an operator took out of the queue, and that are open on their hosts. */
  readonly #dropped = new Set<string>();
  /** Hosts whose full queue has been told of. */
  readonly #full = new Set<string>();
  /** Hosts that are still to tell what they logged before the server started. */
  readonly #unheard = new Set<string>();
  #cancelLook: Cancel = () => {};
  #cancelHold: Cancel = () => {};
  #stopping = false;

  constructor(options: MountQueueOptions) {
    this.#options = options;
    this.#context = options.context;
    this.#catalog = rescuedCatalog(options.context.ports.catalog, options.context.ballasts);
    this.#locks = new MountLocks(options);
    this.#answered = new AnsweredRequests(options.context.ports.clock);
    this.#unheardDismounts = new UnheardDismounts(options.context.ports.clock, options.mark);
    this.#givenBack = new RefusedRequests(options.context.ports.clock);
    this.#resets = new DeviceResets(options.context, () => {
      if (!this.#stopping) this.lookAgain();
    });
  }

  /**
   * Looks at what waits, but for the requests of hosts that are still to tell what they logged while no
   * server ran: they may have ended since.
   */
  async start(): Promise<void> {
    const { hosts, offline } = this.#context.settings;
    if (offline === true) return;
    for (const { host, parameters } of hosts) {
      if (parameters?.enabled !== false) this.#unheard.add(host);
    }
    if (this.#unheard.size > 0) {
      this.#cancelHold = this.#context.ports.clock.after(HOLD_MS_MAX, () => {
        for (const host of this.#unheard) this.release(host);
      });
    }
    await this.look();
  }

  /** The host's requests are up to date. */
  release(host: string): void {
    const wasUnheard = this.#unheard.delete(host);
    const hasLostMarks = this.#unheardDismounts.askAgain(host);
    if ((!wasUnheard && !hasLostMarks) || this.#stopping) return;
    if (this.#unheard.size === 0) this.#cancelHold();
    this.lookAgain();
  }

  /** What the host had printed when its mark was asked for has been heard. */
  markPassed(host: string): void {
    const passed = this.#unheardDismounts.asked(host);
    if (passed.length === 0 || this.#stopping) return;
    this.#context.background('look at what a host was waited for', () =>
      // Behind the events that came before the mark.
      this.#context.decisions.run(() => {
        this.#unheardDismounts.forget(passed);
        return this.look();
      }),
    );
  }

  /**
   * A mount was interrupted: where the host was not heard to have the tape, its request is still open
   * there, and waits here again.
   */
  async putBack(mount: MountRow, reason = 'its mount was interrupted'): Promise<void> {
    const [catalog, { clock }] = [this.#catalog, this.#context.ports];
    const { host, requestNumber, tape, ring } = mount;
    if (requestNumber === undefined || (await catalog.isMountAccepted(mount.id))) return;
    if (await hasNewer(catalog, mount)) return;
    // Whether the request named the device is not known any more; it suited it.
    const drive = (await catalog.listDrives(host)).find((row) => row.name === mount.drive);
    await catalog.putMountRequest({
      host,
      requestNumber,
      tape,
      device: drive?.device,
      ring,
      receivedAtMs: clock.nowMs(),
      reason,
    });
  }

  /**
   * The host has the tape. It may have taken it for an earlier request of the same volume than the one
   * that it was mounted for; that one is still open then.
   */
  async #accept(host: string, requestNumber: number, volume: string): Promise<void> {
    const catalog = this.#catalog;
    const open = await catalog.listMounts({ open: true });
    const mount = open.find((row) => row.host === host && row.tape === volume);
    // Its own mount may have ended before the host was heard.
    await catalog.acceptMount(host, requestNumber);
    if (mount?.requestNumber === undefined || mount.requestNumber === requestNumber) return;
    await this.putBack(mount, `tape in use on ${mount.drive}`);
    await catalog.acceptMount(host, mount.requestNumber);
  }

  /** The tape has left its drive; its host is still to be heard of it. */
  dismounted(mount: MountRow): void {
    this.#unheardDismounts.expect(mount);
  }

  /** Another server of a shared vault satisfied a request: it waits here no more. */
  async answered(host: string, requestNumber: number, server: string): Promise<void> {
    const request = await this.#end(host, requestNumber, `${server} has mounted it`);
    this.#answered.add({ host, requestNumber }, server, request);
  }

  /** A server is gone: what it satisfied, and the host was not heard to have, is open as before. */
  async serverLost(server: string): Promise<void> {
    const reason = `${server}, which had mounted it, cannot be reached`;
    for (const request of this.#answered.takeOf(server)) {
      await this.#catalog.putMountRequest({ ...request, reason });
    }
    await this.look();
  }

  /** Nothing is mounted any more. */
  stop(): void {
    this.#stopping = true;
    this.#cancelLook();
    this.#cancelHold();
  }

  /** Tries every request that waits, once what is being decided is done. */
  lookAgain(): void {
    this.#context.background('look at the mount queue', () =>
      this.#context.decisions.run(() => this.look()),
    );
  }

  /** A tape event of a host. */
  async handle(host: string, event: ZsvrEvent): Promise<unknown> {
    if (ENDS.has(event.kind) && 'requestNumber' in event) {
      this.#answered.delete({ host, requestNumber: event.requestNumber });
    }
    switch (event.kind) {
      case 'mount-request':
        this.#dropped.delete(requestKey(host, event.requestNumber));
        return this.#request(host, event);
      case 'scratch-request':
        return this.#leaveToOperator(host, event.requestNumber, 'a scratch tape');
      case 'unlabelled-request':
        return this.#leaveToOperator(host, event.requestNumber, `no label on ${event.device}`);
      case 'bypass-request':
        return this.#leaveToOperator(host, event.requestNumber, `any tape on ${event.device}`);
      case 'mounted':
        await this.#accept(host, event.requestNumber, event.volume);
        return this.#end(host, event.requestNumber, 'it was mounted');
      case 'request-cancelled':
        await this.#catalog.acceptMount(host, event.requestNumber);
        return this.#end(host, event.requestNumber, 'the host cancelled it');
      case 'request-rejected':
        await this.#catalog.acceptMount(host, event.requestNumber);
        return this.#end(host, event.requestNumber, 'the operator rejected it');
      case 'unknown-tape':
        return this.#unreadable(host, event.requestNumber, event.device);
      case 'write-protected':
        return this.#refused(host, event, 'it is write protected');
      case 'not-expired':
        return this.#refused(host, event, 'it has not expired');
      case 'wrong-label-type':
        return this.#refused(host, event, `it has ${event.found} labels`);
      case 'wrong-tape':
        return this.#refused(host, event, `it asked for ${event.wanted}`);
      case 'dismounted':
        if (this.#unheardDismounts.hear({ host, tape: event.volume })) await this.look();
        return undefined;
      default:
        // The host's own affair, or a confirmation of what SCSI has told already.
        return undefined;
    }
  }

  /**
   * The host looked at a tape and gave it back, as where it took it for another request of the same
   * volume: the request that it was mounted for is still open there. It is tried again, not for ever.
   */
  async #refused(
    host: string,
    { device, volume }: { readonly device: string; readonly volume: string },
    why: string,
  ): Promise<void> {
    const [catalog, { clock }] = [this.#catalog, this.#context.ports];
    const drives = await catalog.listDrives(host);
    const drive = drives.find((row) => row.device === device);
    // What is told of is unloaded already, as a rule, and the tape may be mounted anew.
    const sinceMs = clock.nowMs() - LOOK_INTERVAL_MS;
    const mounts = (await catalog.listMounts({ tape: volume })).filter(
      (row) => row.host === host && row.drive === drive?.name && row.state !== 'interrupted',
    );
    const mount =
      mounts.findLast(({ dismountedAtMs }) => (dismountedAtMs ?? 0) > sinceMs) ?? mounts.at(-1);
    if (mount?.requestNumber === undefined || (await catalog.isMountAccepted(mount.id))) return;
    const { requestNumber } = mount;
    if (await hasNewer(catalog, mount)) return;
    await this.putBack(mount, this.#givenBack.add({ host, requestNumber }, why));
    this.lookAgain();
  }

  /** The host cannot read the label of a tape: its operator is to accept or to reject it. */
  async #unreadable(host: string, requestNumber: number, device: string): Promise<void> {
    const catalog = this.#catalog;
    const drives = await catalog.listDrives(host);
    const drive = drives.find((row) => row.device === device)?.name;
    const open = await catalog.listMounts({ open: true });
    const tape = open.find((row) => row.drive === drive)?.tape;
    // It may be another server's, or out again.
    if (drive === undefined || tape === undefined) return;
    const fields = { tape, drive, host, requestNumber };
    await this.#context.eventLog.log('MOUNT_UNREADABLE', fields);
  }

  /** An operator takes a request out of the queue; the host's stays open. NOT_FOUND. */
  async drop(host: string, requestNumber: number): Promise<MountRequestRow> {
    const request = await this.#end(host, requestNumber, 'an operator took it out of the queue');
    if (request !== undefined) {
      this.#dropped.add(requestKey(host, requestNumber));
      return request;
    }
    throw new CapstanError('NOT_FOUND', {
      kind: 'waiting request',
      name: `${host} ${requestNumber}`,
    });
  }

  /** A request that is open on the host; what an operator took out of the queue stays out. */
  async takeUp(host: string, event: MountRequest): Promise<void> {
    if (!this.#dropped.has(requestKey(host, event.requestNumber))) await this.#request(host, event);
  }

  /** The host has the request no more, and how it ended was not heard. */
  async isOver({
    host,
    requestNumber,
  }: Pick<MountRequestRow, 'host' | 'requestNumber'>): Promise<void> {
    await this.#catalog.acceptMount(host, requestNumber);
    await this.#end(host, requestNumber, 'it is not open on the host any more');
  }

  async #request(host: string, event: MountRequest): Promise<void> {
    const [catalog, { clock }] = [this.#catalog, this.#context.ports];
    const { requestNumber, volume, device, ring } = event;
    if (!NAME_PATTERNS.tape.test(volume)) return;
    const tape = await catalog.findTape(volume);
    if (tape === undefined || !this.#mayMount(host, tape)) return;
    const open = await catalog.listMounts({ open: true });
    const waiting = await catalog.listMountRequests();
    const waitingMax = this.#context.settings.requestsPerHostMax ?? REQUESTS_PER_HOST_MAX;
    if (await isKnown(catalog, host, event, { open, waiting })) return;
    if (waiting.filter((row) => row.host === host).length >= waitingMax) {
      if (!this.#full.has(host)) this.#context.eventLog.report('MOUNT_QUEUE_FULL', { host });
      this.#full.add(host);
      return;
    }
    this.#full.delete(host);
    this.#givenBack.forget({ host, requestNumber });
    // Who came first is served first.
    await this.look();
    const row = { host, requestNumber, tape: volume, device, ring, receivedAtMs: clock.nowMs() };
    const request = { ...row, reason: '' };
    if (this.#answered.has(request)) return;
    const reason = await this.#try(request);
    if (reason === undefined || !(await this.#wait({ ...request, reason }))) return;
    await this.#context.eventLog.log('MOUNT_QUEUED', { requestNumber, host, tape: volume, reason });
    this.#scheduleLook(await catalog.listMountRequests());
  }

  async #leaveToOperator(host: string, requestNumber: number, what: string): Promise<void> {
    const drives = await this.#catalog.listDrives(host);
    // A host without a drive here means another server's.
    if (drives.length === 0) return;
    await this.#context.eventLog.log('MOUNT_LEFT_TO_OPERATOR', { requestNumber, host, what });
  }

  #mayMount(host: string, tape: TapeRow): boolean {
    return this.#parameters(host).vaults?.includes(tape.vault) !== false;
  }

  #parameters(host: string): EmsHostParameters {
    const settings = this.#context.settings.hosts.find((each) => each.host === host);
    return { ...DEFAULT_EMS_HOST_PARAMETERS, ...settings?.parameters };
  }

  async #end(
    host: string,
    requestNumber: number,
    reason: string,
  ): Promise<MountRequestRow | undefined> {
    const catalog = this.#catalog;
    const request = (await catalog.listMountRequests()).find(
      (each) => each.host === host && each.requestNumber === requestNumber,
    );
    this.#dropped.delete(requestKey(host, requestNumber));
    if (request === undefined) return undefined;
    await catalog.deleteMountRequest(host, requestNumber);
    this.#givenBack.forget({ host, requestNumber });
    const { tape } = request;
    await this.#context.eventLog.log('MOUNT_REQUEST_ENDED', { requestNumber, host, tape, reason });
    if (this.#locks.has(tape)) await this.look();
    return request;
  }

  /** Tries every request that waits, in the order of their arrival. */
  async look(): Promise<void> {
    const catalog = this.#catalog;
    if (this.#context.settings.offline === true) return;
    const requests = await catalog.listMountRequests();
    // There is a next look where this one fails in the middle, as on a full disk.
    this.#scheduleLook(requests);
    const waiting: MountRequestRow[] = [];
    for (const request of requests) {
      const reason = await this.#try(request);
      if (reason === undefined) continue;
      if (reason === request.reason || (await this.#wait({ ...request, reason })))
        waiting.push(request);
    }
    await this.#locks.keepOnly(waiting);
    this.#scheduleLook(waiting);
  }

  /** Has a request wait; false where it went with its tape. */
  async #wait(request: MountRequestRow): Promise<boolean> {
    try {
      await this.#catalog.putMountRequest(request);
      return true;
    } catch (error) {
      if (isCapstanError(error, 'NOT_FOUND')) return false;
      throw error;
    }
  }

  /** When it is next worth while to look, although nobody says so. */
  #scheduleLook(waiting: readonly MountRequestRow[]): void {
    this.#cancelLook();
    if (waiting.length === 0 || this.#stopping) return;
    const { clock } = this.#context.ports;
    const delaysMs = waiting
      .flatMap((each) => [this.#delayLeftMs(each), this.#unheardDismounts.leftMs(each)])
      .filter((ms) => ms > 0);
    this.#cancelLook = clock.after(Math.min(LOOK_INTERVAL_MS, ...delaysMs), () => this.lookAgain());
  }

  #delayLeftMs(request: MountRequestRow): number {
    const { mountDelayMs } = this.#parameters(request.host);
    return request.receivedAtMs + mountDelayMs - this.#context.ports.clock.nowMs();
  }

  /** Mounts what the request asks for; else why that cannot be now. Nothing where it went with its tape. */
  async #try(request: MountRequestRow): Promise<string | undefined> {
    const catalog = this.#catalog;
    const tape = await catalog.findTape(request.tape);
    // The keeper of a shared vault takes tapes away at any time, and their requests with them.
    if (tape === undefined) return undefined;
    if (this.#stopping) return 'the server stops';
    if (this.#unheard.has(request.host)) return `waiting for the EMS session with ${request.host}`;
    const open = await catalog.listMounts({ open: true });
    const inUse = open.find((mount) => mount.tape === request.tape);
    if (inUse !== undefined) return `tape in use on ${inUse.drive}`;
    const refusal = this.#givenBack.reasonToWait(request);
    if (refusal !== undefined) return refusal;
    const obstacle = await tapeObstacle(this.#context, tape, request.ring);
    if (obstacle !== undefined) {
      this.#options.recall(tape);
      return obstacle;
    }
    if (this.#delayLeftMs(request) > 0) {
      this.#locks.add(tape.name);
      return `waiting for the mount delay of ${this.#parameters(request.host).mountDelayMs / SECOND_MS} s`;
    }
    const connected = (await catalog.listDrives(request.host)).filter(
      (drive) => request.device === undefined || drive.device === request.device,
    );
    if (connected.length === 0) {
      return request.device === undefined
        ? 'no drive is connected to the host'
        : `no drive is connected as ${request.device}`;
    }
    const troubles = connected.map(({ device }) =>
      this.#options.hostDrives.trouble(request.host, device),
    );
    if (troubles.every((trouble) => trouble !== undefined)) return troubles.join(', ');
    const usable = connected.filter((_, index) => troubles[index] === undefined);
    const free = usable.find((drive) => !open.some((mount) => mount.drive === drive.name));
    if (free === undefined) return 'waiting for a drive';
    if (this.#unheardDismounts.keeps(request)) {
      return `waiting for ${request.host} to tell of the tape's dismount`;
    }
    const { resetDevices } = this.#parameters(request.host);
    const reset = this.#resets.reasonToWait(request, free, resetDevices);
    if (reset !== undefined) this.#locks.add(tape.name);
    return reset ?? this.#mountNow(request, tape, free);
  }

  async #mountNow(
    request: MountRequestRow,
    tape: TapeRow,
    drive: DriveRow,
  ): Promise<string | undefined> {
    // From here on the mount keeps others away.
    this.#locks.delete(tape.name);
    this.#resets.forget(request, drive);
    try {
      await this.#options.mount(request, tape, drive);
      return undefined;
    } catch (error) {
      if (!isCapstanError(error)) throw error;
      const reason = `the mount failed: ${error.message}`;
      if (reason !== request.reason) {
        this.#context.eventLog.report('MOUNT_FAILED', {
          tape: tape.name,
          drive: drive.name,
          reason: error.message,
        });
      }
      return reason;
    }
  }
}
