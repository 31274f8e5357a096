/**
 * What hosts say of their tape drives: one that is DOWN or UNAVL there never looks at the tape in it.
 *
 * A host that has not taken a tape TAKEN_WITHIN_MS after its mount is asked, by MEDIACOM STATUS TAPEDRIVE
 * in a TACL session of its own, and again every ASK_INTERVAL_MS for as long as it has such a drive. A tape
 * that is in one is taken out, and its request waits again, for another drive or for that one. Where the
 * host does not answer, all its drives pass for good ones.
 *
 * Which words say that a drive is of no use is the manual's; what is done about it is ours.
 *
 * @source DSM/TC Operator Interface (MEDIACOM) Manual, p. 201 to 203.
 */
import { MINUTE_MS } from '../base/units.ts';
import { parseTapedriveStatus } from '../ems/tapedrive-status.ts';
import type { TapedriveStatus } from '../ems/tapedrive-status.ts';
import type { MountRequestRow } from '../ports/catalog.ts';
import type { Cancel } from '../ports/clock.ts';
import type { ServerContext } from './context.ts';
import { HostQuestion } from './host-commands.ts';

/** From the mount of a tape to the question why its host has not taken it. */
export const TAKEN_WITHIN_MS = MINUTE_MS;
/** Between two questions to a host with a drive that is of no use. */
export const ASK_INTERVAL_MS = MINUTE_MS;

/** A mount for a request. */
export interface AwaitedMount {
  readonly mountId: number;
  readonly request: MountRequestRow;
  /** What the host calls the drive that the tape is in. */
  readonly device: string;
}

export interface HostDrivesOptions {
  readonly context: ServerContext;
  /** Takes a tape out of a drive that is of no use to its host. */
  readonly takeOut: (mount: AwaitedMount, status: TapedriveStatus) => Promise<void>;
  /** Drives are of use again, or may be. */
  readonly onUp: () => void;
}

export class HostDrives {
  readonly #options: HostDrivesOptions;
  /** Mounts that their hosts have not taken yet, by their ID. */
  readonly #watched = new Map<number, AwaitedMount & { readonly cancel: Cancel }>();
  /** By host: its devices that are of no use. */
  readonly #useless = new Map<string, ReadonlyMap<string, TapedriveStatus>>();
  /** The next question to each host that has such devices. */
  readonly #next = new Map<string, Cancel>();
  readonly #question: HostQuestion<ReadonlyMap<string, TapedriveStatus>>;

  constructor(options: HostDrivesOptions) {
    this.#options = options;
    this.#question = new HostQuestion(options.context, {
      command: 'MEDIACOM STATUS TAPEDRIVE',
      parse: parseTapedriveStatus,
      event: 'EMS_DRIVES_FAILED',
    });
  }

  /** `$TAPE0 is DOWN on \LAB`, where the host said so when it was last asked. */
  trouble(host: string, device: string): string | undefined {
    const status = this.#useless.get(host)?.get(device);
    return status === undefined ? undefined : `${device} is ${status} on ${host}`;
  }

  /** A tape was mounted for a request: its host is to take it. */
  watch(mount: AwaitedMount): void {
    if (this.#question.stopped) return;
    const { clock } = this.#options.context.ports;
    const cancel = clock.after(TAKEN_WITHIN_MS, () => this.#ask(mount.request.host));
    this.#watched.set(mount.mountId, { ...mount, cancel });
  }

  /** The mount has ended. */
  forget(mountId: number): void {
    this.#watched.get(mountId)?.cancel();
    this.#watched.delete(mountId);
  }

  stop(): void {
    this.#question.stop();
    for (const { cancel } of this.#watched.values()) cancel();
    for (const cancel of this.#next.values()) cancel();
  }

  #ask(host: string): void {
    if (this.#question.stopped) return;
    this.#options.context.background(`ask ${host} for its tape drives`, () => this.#look(host));
  }

  async #look(host: string): Promise<void> {
    const { context, takeOut, onUp } = this.#options;
    const waiting: AwaitedMount[] = [];
    for (const each of this.#watched.values()) {
      if (each.request.host !== host) continue;
      if (await context.ports.catalog.isMountAccepted(each.mountId)) this.forget(each.mountId);
      else waiting.push(each);
    }
    const before = this.#useless.get(host);
    if (waiting.length === 0 && before === undefined) return;
    const drives = await this.#question.ask(host);
    if (this.#question.stopped) return;
    const useless = new Map([...(drives ?? [])].filter(([, status]) => isUseless(status)));
    this.#next.get(host)?.();
    this.#next.delete(host);
    if (useless.size === 0) {
      this.#useless.delete(host);
    } else {
      this.#useless.set(host, useless);
      const { clock } = context.ports;
      this.#next.set(
        host,
        clock.after(ASK_INTERVAL_MS, () => this.#ask(host)),
      );
    }
    for (const mount of waiting) {
      const status = useless.get(mount.device);
      if (status !== undefined) await takeOut(mount, status);
    }
    if ([...(before?.keys() ?? [])].some((device) => !useless.has(device))) onUp();
  }
}

const isUseless = (status: TapedriveStatus): boolean => status === 'DOWN' || status === 'UNAVL';
