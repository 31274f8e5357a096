/**
 * A simulated NonStop: `$0` with its printing distributors behind a TACL port, `$ZSVR` with its mount
 * requests, and tape drives that are looked at until the tape asked for is there.
 *
 * It runs over ports only, so the laboratory and the simulated world use the same host. A request is
 * outstanding until its volume is mounted (648) or it is cancelled (649). A tape that nobody asked for
 * is told of (640) and given back by the operator; a wrong one is told of (614) and given back; a
 * protected one does not satisfy a request with ring (619) and is given back, too.
 *
 * @source EMS Programming Manual (520372), ZTAP events; Guardian Programmer's Guide, labelled tape.
 */
import { isCapstanError } from '../../src/base/errors.ts';
import type { ZsvrEvent } from '../../src/ems/zsvr-events.ts';
import { REQUEST_NUMBER_MAX } from '../../src/ems/zsvr-events.ts';
import { describeTrouble } from '../../src/initiator/outcome.ts';
import type { TapeOperations, WriteOutcome } from '../../src/initiator/tape-operations.ts';
import type { Cancel, Clock } from '../../src/ports/clock.ts';
import type { Endpoint, Listener, Network } from '../../src/ports/network.ts';
import type { ScsiTransport } from '../../src/ports/scsi-transport.ts';
import { isSense } from '../../src/scsi/sense.ts';
import { EmsCollector } from './ems-collector.ts';
import { HostError } from './host-error.ts';
import { serveTaclTerminal } from './tacl-terminal.ts';
import { TapeDevice } from './tape-device.ts';

/** Between two looks at the drives while a request is outstanding. */
const POLL_INTERVAL_MS = 1000;

export interface NonStopHostOptions {
  /** `\LAB` */
  readonly node: string;
  readonly clock: Clock;
  readonly network: Network;
  /** The drives by their names on the host: `$TAPE0`. */
  readonly devices: ReadonlyMap<string, ScsiTransport>;
  /** Who may log on at the TACL port. */
  readonly user: string;
  readonly password: string;
  /** Default {@link POLL_INTERVAL_MS}. */
  readonly pollIntervalMs?: number;
}

export interface MountOptions {
  readonly volume: string;
  readonly ring: boolean;
  /** On this device only; on any where it is missing. */
  readonly device?: string;
  /** DEFINE MOUNTMSG, at most 80 characters. */
  readonly comment?: string;
  /** When the job gives up and cancels its request. */
  readonly timeoutMs: number;
}

/** A tape that a job has; `unload` ends it. */
export interface MountedTape {
  readonly device: string;
  readonly volume: string;
  readonly ring: boolean;
  readonly requestNumber: number;
  readonly operations: TapeOperations;
  /** As `operations.writeBlock`, and `$ZSVR` says so (619) where the tape is protected. */
  tryWrite(block: Uint8Array): Promise<WriteOutcome>;
  /** Unloads the tape, all of it durable, and logs 659. Rejects {@link HostError}. */
  unload(): Promise<void>;
  /** The job ends without an unload, as after the loss of the device; idempotent. */
  abandon(): void;
}

interface Request extends MountOptions {
  readonly requestNumber: number;
  readonly resolve: (tape: MountedTape) => void;
  readonly cancelTimeout: Cancel;
}

export class NonStopHost {
  readonly #options: NonStopHostOptions;
  readonly #collector: EmsCollector;
  readonly #devices: readonly TapeDevice[];
  readonly #requests: Request[] = [];
  #requestNumber = 0;
  #polling = false;

  constructor(options: NonStopHostOptions) {
    this.#options = options;
    this.#collector = new EmsCollector(options.node, options.clock);
    this.#devices = [...options.devices].map(
      ([name, transport]) => new TapeDevice(name, transport),
    );
  }

  get node(): string {
    return this.#options.node;
  }

  /** Everything the collector has logged, as printed, a line each. */
  get emsLines(): readonly string[] {
    return this.#collector.lines;
  }

  /** Numbers of the requests that are neither mounted nor cancelled. */
  get outstandingRequests(): readonly number[] {
    return this.#requests.map((request) => request.requestNumber);
  }

  /** Opens the TACL port. */
  listen(endpoint: Endpoint): Promise<Listener> {
    const { network, node, user, password } = this.#options;
    return network.listen(endpoint, (stream) => {
      void serveTaclTerminal(stream, this.#collector, { node, user, password });
    });
  }

  /** Any other event, for what else a host logs. */
  log(event: Parameters<EmsCollector['log']>[0]): void {
    this.#collector.log(event);
  }

  /** Asks for a volume (600, 601) and resolves when it is mounted (648). Rejects {@link HostError}. */
  requestMount(options: MountOptions): Promise<MountedTape> {
    const requestNumber = this.#requestNumber;
    this.#requestNumber = (this.#requestNumber + 1) % (REQUEST_NUMBER_MAX + 1);
    return new Promise((resolve, reject) => {
      const cancelTimeout = this.#options.clock.after(options.timeoutMs, () => {
        this.#take(requestNumber);
        this.#zsvr({ kind: 'request-cancelled', requestNumber, volume: options.volume });
        reject(
          new HostError('MOUNT_CANCELLED', `volume ${options.volume} was not mounted in time`),
        );
      });
      this.#requests.push({ ...options, requestNumber, resolve, cancelTimeout });
      this.#zsvr({
        kind: 'mount-request',
        number: options.ring ? 600 : 601,
        requestNumber,
        volume: options.volume,
        labelType: 'ansi',
        ring: options.ring,
        ...(options.device !== undefined && { device: options.device }),
        ...(options.comment !== undefined && { comment: options.comment }),
      });
      this.#poll();
    });
  }

  #zsvr(event: ZsvrEvent): void {
    this.#collector.logZsvr(event);
  }

  #take(requestNumber: number): Request | undefined {
    const index = this.#requests.findIndex((request) => request.requestNumber === requestNumber);
    return index < 0 ? undefined : this.#requests.splice(index, 1)[0];
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
    for (const device of this.#devices) {
      if (device.inUse) continue;
      const look = await device.look();
      if (look.kind === 'loaded') await this.#recognize(device, look);
    }
  }

  /** A labelled tape is online: satisfies a request with it, or gives it back. */
  async #recognize(
    device: TapeDevice,
    tape: { readonly volume: string | undefined; readonly writeProtected: boolean },
  ): Promise<void> {
    const mayUse = (request: Request): boolean =>
      request.device === undefined || request.device === device.name;
    const { volume } = tape;
    if (volume === undefined) {
      const { requestNumber } = this.#requests.find(mayUse) ?? { requestNumber: 0 };
      this.#zsvr({ kind: 'unknown-tape', requestNumber, device: device.name });
      return this.#giveBack(device, '');
    }
    const request = this.#requests.find((each) => mayUse(each) && each.volume === volume);
    if (request === undefined) {
      const wanted = this.#requests.find((each) => each.device === device.name)?.volume;
      this.#zsvr(
        wanted === undefined
          ? { kind: 'unrequested-tape', labelType: 'ansi', volume, device: device.name }
          : { kind: 'wrong-tape', volume, wanted, device: device.name },
      );
      return this.#giveBack(device, volume);
    }
    if (request.ring && tape.writeProtected) {
      this.#zsvr({ kind: 'write-protected', volume, device: device.name });
      return this.#giveBack(device, volume);
    }
    this.#take(request.requestNumber);
    request.cancelTimeout();
    this.#zsvr({ kind: 'mounted', requestNumber: request.requestNumber, volume });
    device.inUse = true;
    return request.resolve(this.#mountedTape(device, request));
  }

  async #giveBack(device: TapeDevice, volume: string): Promise<void> {
    try {
      const outcome = await device.operations.unload();
      if (outcome.kind === 'done' && volume !== '') {
        this.#zsvr({ kind: 'dismounted', volume, device: device.name });
      }
    } catch (error) {
      // The device is gone, and with it the tape.
      if (!isCapstanError(error)) throw error;
    }
  }

  #mountedTape(device: TapeDevice, request: Request): MountedTape {
    const { name, operations } = device;
    const { volume, ring, requestNumber } = request;
    const abandon = (): void => {
      device.inUse = false;
    };
    return {
      device: name,
      volume,
      ring,
      requestNumber,
      operations,
      tryWrite: async (block) => {
        const outcome = await operations.writeBlock(block);
        if (outcome.kind === 'sense' && isSense(outcome.sense, 'WRITE_PROTECTED')) {
          this.#zsvr({ kind: 'write-protected', volume, device: name });
        }
        return outcome;
      },
      unload: async () => {
        const outcome = await operations.unload().finally(abandon);
        if (outcome.kind !== 'done') {
          throw new HostError('TAPE_TROUBLE', `unload of ${volume}: ${describeTrouble(outcome)}`);
        }
        this.#zsvr({ kind: 'dismounted', volume, device: name });
      },
      abandon,
    };
  }
}
