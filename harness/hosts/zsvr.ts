/**
 * `$ZSVR`, the host's labelled-tape server: requests by number, and automatic volume recognition on the
 * drives, which are looked at while something is outstanding.
 *
 * A request is outstanding until a tape satisfies it (648), the operator rejects (651) or accepts it
 * (652), or it is cancelled (649, 650): by its job's time-out or the end of its processor. A tape is
 * checked before a job has it: its volume (614), label type (616 to 618, 622), ring (619), expiration (613).
 * What does not pass is unloaded, and the request stays. A tape whose label cannot be read stays in for a
 * labelled request (608), until the operator accepts or rejects it, or the right tape comes in elsewhere.
 * A tape that nobody asked for is told of (639 to 641) and, unless `keepsUnrequested`, given back by the
 * operator. A drive that is down is not looked at.
 *
 * @source EMS Programming Manual (520372), ZTAP events; Guardian Programmer's Guide, labelled tape;
 * MEDIACOM manual, p. 42: labelled requests accept themselves when the right tape is online.
 */
import { civilTimeMs } from '../../src/base/civil-time.ts';
import { isCapstanError } from '../../src/base/errors.ts';
import type { ZsvrEvent } from '../../src/ems/zsvr-events.ts';
import { REQUEST_NUMBER_MAX } from '../../src/ems/zsvr-events.ts';
import { describeTrouble } from '../../src/initiator/outcome.ts';
import type { Clock } from '../../src/ports/clock.ts';
import { isSense } from '../../src/scsi/sense.ts';
import type { LabelDate } from '../../src/tape/labels.ts';
import { HostError } from './host-error.ts';
import type { MountOptions, MountedTape, OutstandingRequest } from './mount-request.ts';
import { asksForDevice, requestEvent } from './mount-request.ts';
import type { Look, TapeDevice, TapeLabel } from './tape-device.ts';

/** Between two looks at the drives while a request is outstanding. */
const POLL_INTERVAL_MS = 1000;
const DAY_MS = 86_400_000;

export interface ZsvrOptions {
  /** `\LAB` */
  readonly node: string;
  readonly clock: Clock;
  readonly devices: readonly TapeDevice[];
  readonly log: (event: ZsvrEvent) => void;
  /** Default {@link POLL_INTERVAL_MS}. */
  readonly pollIntervalMs?: number;
  /** A tape that nobody asked for stays in and may satisfy a later request; default false. */
  readonly keepsUnrequested?: boolean;
}

type LoadedTape = Look & { readonly kind: 'loaded' };

export class Zsvr {
  readonly #options: ZsvrOptions;
  readonly #requests: OutstandingRequest[] = [];
  /** Tapes that jobs have, by the processor of the job. */
  readonly #tapes = new Set<{ readonly tape: MountedTape; readonly cpu: number }>();
  #requestNumber = 0;
  #polling = false;

  constructor(options: ZsvrOptions) {
    this.#options = options;
  }

  /** Requests that are neither satisfied nor at their end, oldest first. */
  get requests(): readonly OutstandingRequest[] {
    return this.#requests;
  }

  get devices(): readonly TapeDevice[] {
    return this.#options.devices;
  }

  /** The tape that a job has on a device. */
  tapeOn(device: string): MountedTape | undefined {
    return [...this.#tapes].find(({ tape }) => tape.device === device)?.tape;
  }

  /** Asks for a tape and resolves when a job may use it. Rejects {@link HostError}. */
  request(options: MountOptions): Promise<MountedTape> {
    return new Promise((resolve, reject) => {
      this.#ask(options, resolve, reject);
    });
  }

  /** A new request; its number. */
  #ask(
    options: MountOptions,
    resolve: OutstandingRequest['resolve'],
    reject: OutstandingRequest['reject'],
  ): number {
    const requestNumber = this.#requestNumber;
    this.#requestNumber = (this.#requestNumber + 1) % (REQUEST_NUMBER_MAX + 1);
    const cancelTimeout = this.#options.clock.after(options.timeoutMs, () => {
      this.#cancel(
        requestNumber,
        new HostError('MOUNT_CANCELLED', `${wanted(options)} was not mounted in time`),
      );
    });
    const rest = { requestNumber, resolve, reject, cancelTimeout, awaitsAccept: undefined };
    this.#requests.push({ ...options, ...rest });
    this.#options.log(requestEvent(requestNumber, options));
    this.#poll();
    return requestNumber;
  }

  /**
   * The operator picks another tape for a job's request, as DSM/TC lets him: the request is cancelled and
   * made anew, under another number, which is given; else why not.
   */
  alter(requestNumber: number, volume: string): number | string {
    const found = this.#requests.find((each) => each.requestNumber === requestNumber);
    if (found === undefined) return 'no such request';
    if (asksForDevice(found)) return 'it asks for no tape by its name';
    this.#take(requestNumber);
    const { resolve, reject, volume: old, ...options } = found;
    const cancelled = { requestNumber, ...(old !== undefined && { volume: old }) };
    this.#options.log({ kind: 'request-cancelled', ...cancelled });
    return this.#ask({ ...options, volume }, resolve, reject);
  }

  /** The operator rejects a request: its application gets error 194. False where there is none. */
  reject(requestNumber: number): boolean {
    const request = this.#take(requestNumber);
    if (request === undefined) return false;
    const { volume, device = '' } = request;
    this.#options.log(
      asksForDevice(request)
        ? { kind: 'device-request-rejected', requestNumber, device }
        : { kind: 'request-rejected', requestNumber, ...(volume !== undefined && { volume }) },
    );
    if (volume !== undefined) this.#options.log({ kind: 'volume-rejected', volume });
    this.#options.log({ kind: 'reject-executed', requestNumber });
    const why = `the operator rejected the mount of ${wanted(request)}`;
    request.reject(new HostError('MOUNT_REJECTED', why));
    return true;
  }

  /** The operator accepts the tape on a device for a request that needs it; else why not. */
  accept(requestNumber: number): string | undefined {
    const request = this.#requests.find((each) => each.requestNumber === requestNumber);
    if (request === undefined) return 'no such request';
    const device = this.devices.find((each) => each.name === request.awaitsAccept);
    if (device === undefined) {
      return asksForDevice(request)
        ? `no tape is on ${request.device ?? 'the device'}`
        : 'a labelled tape is accepted when it is online';
    }
    this.#take(requestNumber);
    const { volume = '' } = request;
    this.#options.log(
      asksForDevice(request)
        ? { kind: 'device-request-accepted', requestNumber, device: device.name }
        : { kind: 'mounted', requestNumber, volume },
    );
    this.#options.log({ kind: 'accept-executed', requestNumber });
    this.#give(device, request, volume);
    return undefined;
  }

  /** A processor fails: its jobs' requests are cancelled, their tapes stay where they are, unused. */
  failCpu(cpu: number): void {
    const error = new HostError('CPU_FAILED', `processor ${cpu} has failed`);
    for (const request of this.#requests.filter((each) => (each.cpu ?? 0) === cpu)) {
      this.#cancel(request.requestNumber, error);
    }
    for (const used of this.#tapes) if (used.cpu === cpu) used.tape.abandon();
  }

  /** The host is loaded anew: what was asked for is forgotten, nobody is told, and numbers begin at `first`. */
  forget(first: number): void {
    const error = new HostError('HOST_FAILED', 'the host was loaded anew');
    for (const request of this.#requests.splice(0)) {
      request.cancelTimeout();
      request.reject(error);
    }
    for (const used of this.#tapes) used.tape.abandon();
    for (const device of this.devices) device.online = undefined;
    this.#requestNumber = first;
  }

  #cancel(requestNumber: number, error: HostError): void {
    const request = this.#take(requestNumber);
    if (request === undefined) return;
    const { volume, device = '' } = request;
    this.#options.log(
      asksForDevice(request)
        ? { kind: 'device-request-cancelled', requestNumber, device }
        : { kind: 'request-cancelled', requestNumber, ...(volume !== undefined && { volume }) },
    );
    request.reject(error);
  }

  #take(requestNumber: number): OutstandingRequest | undefined {
    const index = this.#requests.findIndex((request) => request.requestNumber === requestNumber);
    const request = index < 0 ? undefined : this.#requests.splice(index, 1)[0];
    request?.cancelTimeout();
    return request;
  }

  /** Looks at the drives now and then for as long as something is outstanding. */
  #poll(): void {
    if (this.#polling || this.#requests.length === 0) return;
    this.#polling = true;
    const { clock, pollIntervalMs } = this.#options;
    clock.after(pollIntervalMs ?? POLL_INTERVAL_MS, () => {
      void this.#lookAtDevices().then(() => {
        this.#polling = false;
        this.#poll();
      });
    });
  }

  async #lookAtDevices(): Promise<void> {
    for (const device of this.devices) {
      if (device.inUse || device.isDown) continue;
      const look = await device.look();
      if (look.kind === 'loaded') {
        await this.#recognize(device, look);
        continue;
      }
      device.online = undefined;
      for (const request of this.#requests) {
        if (request.awaitsAccept === device.name) request.awaitsAccept = undefined;
      }
    }
  }

  /** A tape is online: satisfies a request with it, or gives it back. */
  async #recognize(device: TapeDevice, tape: LoadedTape): Promise<void> {
    const forDevice = this.#requests.find(
      (each) => asksForDevice(each) && each.device === device.name,
    );
    if (forDevice !== undefined) return this.#offerToOperator(device, tape, forDevice);
    const { label } = tape;
    const candidates = this.#requests.filter(
      (each) => !asksForDevice(each) && (each.device ?? device.name) === device.name,
    );
    if (label === undefined) {
      const request = candidates.find((each) => each.awaitsAccept === undefined);
      return this.#unlabelled(device, request);
    }
    const request =
      candidates.find((each) => each.volume === label.volume) ??
      candidates.find((each) => each.scratch === true || each.volume === undefined);
    if (request === undefined) return this.#unwanted(device, label, candidates);
    const refusal = this.#refusal(device, tape, label, request);
    if (refusal !== undefined) {
      this.#options.log(refusal);
      return this.#giveBack(device, label.volume);
    }
    const { requestNumber } = request;
    const { volume } = label;
    this.#take(requestNumber);
    if (device.online !== undefined) {
      this.#options.log({ kind: 'request-matched', requestNumber, volume, device: device.name });
    }
    this.#options.log({ kind: 'mounted', requestNumber, volume });
    return this.#give(device, request, volume);
  }

  /** An NL or BLP request waits for its ACCEPT once a tape is there; a labelled tape is no NL tape. */
  async #offerToOperator(
    device: TapeDevice,
    { label }: LoadedTape,
    request: OutstandingRequest,
  ): Promise<void> {
    if (request.labels === 'NL' && label !== undefined) {
      const { volume } = label;
      this.#options.log({ kind: 'labelled-tape', device: device.name, volume });
      return this.#giveBack(device, volume);
    }
    request.awaitsAccept = device.name;
    return undefined;
  }

  async #unlabelled(device: TapeDevice, request: OutstandingRequest | undefined): Promise<void> {
    if (this.#requests.some((each) => each.awaitsAccept === device.name)) return undefined;
    if (request !== undefined) {
      const { requestNumber } = request;
      this.#options.log({ kind: 'unknown-tape', requestNumber, device: device.name });
      request.awaitsAccept = device.name;
      return undefined;
    }
    if (device.online === undefined) {
      this.#options.log({ kind: 'unrequested-unlabelled-tape', device: device.name });
    }
    return this.#keepOrGiveBack(device, '');
  }

  async #unwanted(
    device: TapeDevice,
    { volume, type }: TapeLabel,
    candidates: readonly OutstandingRequest[],
  ): Promise<void> {
    const expected = candidates.find((each) => each.device === device.name)?.volume;
    if (expected !== undefined) {
      this.#options.log({ kind: 'wrong-tape', volume, wanted: expected, device: device.name });
      return this.#giveBack(device, volume);
    }
    if (device.online !== volume) {
      const labelType = type === 'IBM' ? 'ibm' : 'ansi';
      this.#options.log({ kind: 'unrequested-tape', labelType, volume, device: device.name });
    }
    return this.#keepOrGiveBack(device, volume);
  }

  /** What keeps a tape of the right name from satisfying the request. */
  #refusal(
    { name: device }: TapeDevice,
    { writeProtected }: LoadedTape,
    { type, volume, expiration }: TapeLabel,
    { labels = 'ANSI', ring }: OutstandingRequest,
  ): ZsvrEvent | undefined {
    const at = { device, volume };
    if (labels === 'IBM' && type !== 'IBM') {
      return { kind: 'wrong-label-type', found: 'ANSI', required: 'IBM', ...at };
    }
    if (labels !== 'IBM' && type === 'IBM') {
      const required = labels === 'BACKUP' ? 'BACKUP' : 'ANSI';
      return { kind: 'wrong-label-type', found: 'IBM', required, ...at };
    }
    if (ring && writeProtected) return { kind: 'write-protected', ...at };
    if (ring && !hasExpired(expiration, this.#options.clock.nowMs())) {
      return { kind: 'not-expired', ...at };
    }
    return undefined;
  }

  async #keepOrGiveBack(device: TapeDevice, volume: string): Promise<void> {
    if (this.#options.keepsUnrequested === true) device.online = volume;
    else await this.#giveBack(device, volume);
  }

  async #giveBack(device: TapeDevice, volume: string): Promise<void> {
    device.online = undefined;
    try {
      const outcome = await device.operations.unload();
      if (outcome.kind === 'done' && volume !== '') {
        this.#options.log({ kind: 'dismounted', volume, device: device.name });
      }
    } catch (error) {
      // The device is gone, and with it the tape.
      if (!isCapstanError(error)) throw error;
    }
  }

  #give(device: TapeDevice, request: OutstandingRequest, volume: string): void {
    device.inUse = true;
    device.online = undefined;
    const { process } = request;
    if (process !== undefined && volume !== '') {
      const user = `${this.#options.node}.${process}`;
      this.#options.log({ kind: 'used-by', volume, device: device.name, user });
    }
    request.resolve(this.#mountedTape(device, request, volume));
  }

  #mountedTape(device: TapeDevice, request: OutstandingRequest, volume: string): MountedTape {
    const { name, operations } = device;
    const { ring, requestNumber, cpu = 0 } = request;
    const abandon = (): void => {
      // Who comes late must not take the device from its next user.
      if (this.#tapes.delete(used)) device.inUse = false;
    };
    const tape: MountedTape = {
      device: name,
      volume,
      ring,
      requestNumber,
      operations,
      tryWrite: async (block) => {
        const outcome = await operations.writeBlock(block);
        if (outcome.kind === 'sense' && isSense(outcome.sense, 'WRITE_PROTECTED')) {
          this.#options.log({ kind: 'write-protected', volume, device: name });
        }
        return outcome;
      },
      unload: async () => {
        const outcome = await operations.unload().finally(abandon);
        if (outcome.kind !== 'done') {
          throw new HostError('TAPE_TROUBLE', `unload of ${volume}: ${describeTrouble(outcome)}`);
        }
        if (volume !== '') this.#options.log({ kind: 'dismounted', volume, device: name });
      },
      abandon,
    };
    const used = { tape, cpu };
    this.#tapes.add(used);
    return tape;
  }
}

function wanted({ volume, device, labels }: MountOptions): string {
  if (volume !== undefined) return `volume ${volume}`;
  return asksForDevice({ labels, ring: false, timeoutMs: 0 } as MountOptions)
    ? `a tape on ${device ?? 'its device'}`
    : 'a scratch tape';
}

/** A file may be written over from its expiration day on. */
function hasExpired(expiration: LabelDate | undefined, nowMs: number): boolean {
  if (expiration === undefined) return true;
  const first = { year: expiration.year, month: 1, day: 1, hour: 0, minute: 0, second: 0 };
  const atMs = (civilTimeMs(first) ?? 0) + (expiration.dayOfYear - 1) * DAY_MS;
  return nowMs >= atMs;
}
