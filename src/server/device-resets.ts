/** `ems_mount_reset`: a host resets its tape device before a tape is mounted on it. */
import { assert } from '../base/assert.ts';
import type { DriveRow, MountRequestRow } from '../ports/catalog.ts';
import { reasonOf } from './context.ts';
import type { ServerContext } from './context.ts';
import { runHostCommand } from './host-commands.ts';

export class DeviceResets {
  readonly #context: ServerContext;
  readonly #onDone: () => void;
  /** Resets of a drive for a request. */
  readonly #resets = new Map<string, 'running' | 'done'>();

  /** `onDone` is called when a reset has ended, one way or the other. */
  constructor(context: ServerContext, onDone: () => void) {
    this.#context = context;
    this.#onDone = onDone;
  }

  /** Why the request has to wait while its device is reset; undefined once it was, or need not be. */
  reasonToWait(
    request: MountRequestRow,
    drive: DriveRow,
    resetDevices: readonly string[] | 'ALL',
  ): string | undefined {
    if (resetDevices !== 'ALL' && !resetDevices.includes(drive.device)) return undefined;
    const key = keyOf(request, drive);
    const state = this.#resets.get(key);
    if (state === 'done') return undefined;
    if (state === undefined) {
      this.#resets.set(key, 'running');
      this.#context.background(`reset ${drive.device} of ${request.host}`, () =>
        this.#run(request, drive),
      );
    }
    return `resetting ${drive.device}`;
  }

  /** The request is satisfied: the next one has the device reset anew. */
  forget(request: MountRequestRow, drive: DriveRow): void {
    this.#resets.delete(keyOf(request, drive));
  }

  async #run(request: MountRequestRow, drive: DriveRow): Promise<void> {
    const { ports, settings, eventLog } = this.#context;
    const host = settings.hosts.find((each) => each.host === request.host);
    assert(host !== undefined, 'only a host with parameters has a device reset');
    try {
      await runHostCommand(ports, host, `SCF RESET TAPE ${drive.device}`);
    } catch (error) {
      // The tape is mounted all the same: a device that needed no reset is no worse for it.
      const reason = reasonOf(error);
      eventLog.report('MOUNT_RESET_FAILED', { host: host.host, device: drive.device, reason });
    }
    this.#resets.set(keyOf(request, drive), 'done');
    this.#onDone();
  }
}

/** A request's number comes round; its time of arrival does not. */
function keyOf(request: MountRequestRow, drive: DriveRow): string {
  return `${request.host} ${request.requestNumber} ${request.receivedAtMs} ${drive.name}`;
}
