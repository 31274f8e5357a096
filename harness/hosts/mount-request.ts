/** What a job asks `$ZSVR` for, and the tape that it gets. */
import type { TapeOperations, WriteOutcome } from '../../src/initiator/tape-operations.ts';
import type { Cancel } from '../../src/ports/clock.ts';
import type { ZsvrEvent } from '../../src/ems/zsvr-events.ts';
import type { LabelType } from '../../src/tape/labels.ts';

export interface MountOptions {
  /** Missing where any scratch tape will do, and for a device without labels. */
  readonly volume?: string;
  readonly ring: boolean;
  /**
   * How the tape has to be labelled; default ANSI, which a BACKUP label is, too. NL is a tape without
   * labels, BLP any tape, its labels bypassed: both need `device`, and the operator's ACCEPT.
   */
  readonly labels?: LabelType | 'TMF' | 'NL' | 'BLP';
  /** A scratch tape: any, or the one that DSM/TC picked. */
  readonly scratch?: boolean;
  /** On this device only; on any where it is missing. */
  readonly device?: string;
  /** Which volume of a file that spans several. */
  readonly reel?: number;
  /** DEFINE MOUNTMSG, at most 80 characters. */
  readonly comment?: string;
  /** The job's process, `$BATCH`: told of when it has the tape (1516). */
  readonly process?: string;
  /** The processor that the job runs in; default 0. */
  readonly cpu?: number;
  /** When the job gives up and cancels its request. */
  readonly timeoutMs: number;
}

/** A tape that a job has; `unload` ends it. */
export interface MountedTape {
  readonly device: string;
  /** '' where it has no label. */
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

/** A request that is neither satisfied nor at its end. */
export interface OutstandingRequest extends MountOptions {
  readonly requestNumber: number;
  readonly resolve: (tape: MountedTape) => void;
  readonly reject: (error: Error) => void;
  readonly cancelTimeout: Cancel;
  /** A tape that needs the operator's ACCEPT is on this device: of an NL or BLP request, or unreadable. */
  awaitsAccept: string | undefined;
}

export const asksForDevice = ({ labels }: MountOptions): boolean =>
  labels === 'NL' || labels === 'BLP';

/** The event that tells of a new request. Asserts, by the table's form, that it makes sense. */
export function requestEvent(requestNumber: number, options: MountOptions): ZsvrEvent {
  const { volume, ring, labels = 'ANSI', scratch, device, reel, comment } = options;
  const comments = comment === undefined ? {} : { comment };
  if (labels === 'NL' || labels === 'BLP') {
    const kind = labels === 'NL' ? 'unlabelled-request' : 'bypass-request';
    return { kind, requestNumber, device: device ?? '', ...comments };
  }
  const places = {
    requestNumber,
    ...(reel !== undefined && { reel }),
    ...(device !== undefined && { device }),
    ...comments,
  };
  if (volume === undefined) {
    return { kind: 'scratch-request', labelType: 'ansi', ring: true, ...places };
  }
  const labelType = labels === 'IBM' ? 'ibm' : labels === 'TMF' ? 'tmf' : 'ansi';
  const first = { ansi: 600, ibm: 603, tmf: 609 }[labelType];
  const number = scratch === true ? (labelType === 'ibm' ? 605 : 602) : ring ? first : first + 1;
  return {
    kind: 'mount-request',
    number: number as (ZsvrEvent & { kind: 'mount-request' })['number'],
    volume,
    labelType,
    ring,
    ...places,
  };
}
