/** What the services of one server share: ports, settings, event log, and who listens. */
import { isCapstanError } from '../base/errors.ts';
import type { Generation } from '../base/units.ts';
import type { EmsHostParameters } from '../ems/parameters.ts';
import { MINUTE_MS } from '../base/units.ts';
import type { Catalog, EventRow, MountRow, VaultRow } from '../ports/catalog.ts';
import type { IdrOutcome, IdrRunRow } from '../ports/catalog-instant-dr.ts';
import type { BallastPorts } from '../ports/ballast.ts';
import type { Clock } from '../ports/clock.ts';
import type { Cryptography } from '../ports/cryptography.ts';
import type { CollectReport, Engine } from '../ports/engine.ts';
import type { FileSystems } from '../ports/file-systems.ts';
import type { LogFiles, RotatingLogFiles } from '../ports/log-files.ts';
import type { Endpoint, Network } from '../ports/network.ts';
import type { Processes } from '../ports/processes.ts';
import type { Random } from '../ports/random.ts';
import type { Scratch } from '../ports/scratch.ts';
import type { ReplicationLink } from '../ports/replication-link.ts';
import { LANE_POLICY } from '../replication/lanes.ts';
import type { LanePolicy } from '../replication/lanes.ts';
import type { AccessPolicy } from './access.ts';
import type { Ballasts } from './ballasts.ts';
import type { HsmSettings } from './bma.ts';
import type { DebugFilePolicy, DebugLog } from './debug-log.ts';
import type { EventFilePolicy } from './event-files.ts';
import type { EventLog } from './event-log.ts';
import type { CleanupSettings } from './scan-cleanup.ts';
import type { IscPolicy } from './isc-policy.ts';
import type { Profile, ProfileName } from './profiles.ts';
import type { Keeping } from './keeping.ts';
import type { Licences } from './licences.ts';

export interface ServerPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly cryptography: Cryptography;
  /** Where the files of event log and debug log lie; none are written where it is missing. */
  readonly eventFiles?: RotatingLogFiles;
  readonly network: Network;
  readonly link: ReplicationLink;
  readonly catalog: Catalog;
  /** Capacity and usage under vaults; nobody can tell where it is missing. */
  readonly fileSystems?: FileSystems;
  readonly processes: Processes;
  /** Where tapes lie on their way to a backup application and back; they go no such way where it is missing. */
  readonly scratch?: Scratch;
  readonly logFiles: LogFiles;
  /** Room that is held back for what makes room; none is where it is missing. */
  readonly ballasts?: BallastPorts;
  /** Opens a vault's store; with 'create' there is none yet, with 'read' another may be writing. */
  openEngine(vault: VaultRow, mode: 'create' | 'write' | 'read'): Promise<Engine>;
}

/** A tape host that the server listens to. */
export interface HostSettings {
  /** `\LAB` */
  readonly host: string;
  readonly endpoint: Endpoint;
  readonly user: string;
  readonly password: string;
  /** The collector whose events are printed; `$0` where it is missing. */
  readonly collector?: string;
  /** File of a compiled EMS filter on the host. */
  readonly filter?: string;
  /** The `ems_` parameters, where they differ from their defaults. */
  readonly parameters?: Partial<EmsHostParameters>;
}

export interface CopyPolicy {
  readonly attemptsMax: number;
  /** From the start of an attempt to the start of the next. */
  readonly retryIntervalMs: number;
  /** A target silent for this long fails the attempt. */
  readonly stallTimeoutMs: number;
  /** Over how many streams a copy goes. */
  readonly lanes: LanePolicy;
}

/** @source VTS 8.2 Supplemental Installation Guide, p. 21: five minutes, twelve attempts. */
export const COPY_POLICY: CopyPolicy = {
  attemptsMax: 12,
  retryIntervalMs: 5 * MINUTE_MS,
  stallTimeoutMs: MINUTE_MS,
  lanes: LANE_POLICY,
};

export interface ServerSettings {
  readonly serverName: string;
  /** The version that it behaves as; the newest where it is missing. */
  readonly profile?: ProfileName | undefined;
  /** Make and model in event-log lines, at most 7 characters. */
  readonly systemId: string;
  /** The address in event-log lines. */
  readonly address: string;
  readonly hosts: readonly HostSettings[];
  /** What a collection copies at most, where nobody says otherwise; as fast as it goes where it is missing. */
  readonly collectRateBytesPerSecond?: number | undefined;
  /** What all copies together send at most; as fast as it goes where it is missing. */
  readonly copyBytesPerSecond?: number | undefined;
  /** Where it differs from {@link COPY_POLICY}. */
  readonly copyPolicy?: Partial<CopyPolicy>;
  /** Where it differs from ISC_POLICY. */
  readonly isc?: Partial<IscPolicy>;
  /** Who hears of requests that were satisfied here, where not every server of shared vaults. */
  readonly interSystemServers?: readonly string[];
  /** Requests of one host that may wait; REQUESTS_PER_HOST_MAX where it is missing. */
  readonly requestsPerHostMax?: number;
  /** Where it differs from ACCESS_POLICY. */
  readonly access?: Partial<AccessPolicy>;
  /** When the event log's files are put by, and how many are kept. */
  readonly eventFiles?: Partial<EventFilePolicy>;
  /** How large the debug log grows, and how many are kept. */
  readonly debugFiles?: Partial<DebugFilePolicy>;
  /** Whose signatures under licences count, where not those of LICENCE_PUBLIC_KEYS. */
  readonly licencePublicKeys?: readonly string[];
  /** The clients of backup management applications; none where it is missing. `hsm_` */
  readonly hsm?: HsmSettings;
  /** Where it differs from CLEANUP_DEFAULTS. `cleanup_` */
  readonly cleanup?: Partial<CleanupSettings>;
  /**
   * Operations and the receiver alone, for a command while no server runs: no host is heard, no
   * request mounted, no copy sent, and neither start nor stop is an event.
   */
  readonly offline?: boolean;
}

/** A copy under way. */
export interface CopyProgress {
  readonly tape: string;
  readonly target: string;
  readonly bytesSent: number;
  readonly chunksSent: number;
  readonly chunksNeeded: number;
}

/** What happens in a server, as it happens. */
export type ServerEvent =
  | { readonly kind: 'event-logged'; readonly row: EventRow }
  | { readonly kind: 'ems-line'; readonly host: string; readonly text: string }
  | { readonly kind: 'mounted'; readonly mount: MountRow; readonly device: string }
  | {
      readonly kind: 'dismounted';
      readonly mount: MountRow;
      readonly generation: Generation;
      readonly changed: boolean;
    }
  | {
      readonly kind: 'copy-started';
      readonly tape: string;
      readonly target: string;
      readonly generation: Generation;
      readonly attempt: number;
    }
  | ({ readonly kind: 'copy-progress' } & CopyProgress)
  | {
      readonly kind: 'copy-finished';
      readonly tape: string;
      readonly target: string;
      readonly generation: Generation;
      readonly outcome: 'copied' | 'present' | 'stale';
      readonly bytesSent: number;
      readonly chunkCount: number;
      readonly chunksSent: number;
    }
  | {
      readonly kind: 'copy-attempt-failed';
      readonly tape: string;
      readonly target: string;
      readonly attempt: number;
      readonly attemptsMax: number;
      readonly reason: string;
    }
  | { readonly kind: 'idr-run'; readonly run: IdrRunRow }
  | {
      readonly kind: 'idr-tape';
      readonly scheme: string;
      readonly runId: number;
      readonly tape: string;
      readonly outcome: IdrOutcome;
      readonly reason?: string | undefined;
      readonly bytesSent?: number;
    }
  | { readonly kind: 'verify-progress'; readonly doneBytes: number; readonly totalBytes: number }
  | ({ readonly kind: 'collect-progress'; readonly vault: string } & CollectReport)
  /** A fault of the program's own in work that nobody waits for. */
  | { readonly kind: 'fault'; readonly what: string; readonly reason: string };

export interface ServerContext {
  readonly ports: ServerPorts;
  readonly settings: ServerSettings;
  /** What the manuals' versions do differently, as this server is to do it. */
  readonly profile: Profile;
  readonly copyPolicy: CopyPolicy;
  readonly eventLog: EventLog;
  readonly debugLog: DebugLog;
  readonly licences: Licences;
  /** Which shared vaults this server keeps. */
  readonly keeping: Keeping;
  /** For what makes room, or ends a mount, on a full disk. */
  readonly ballasts: Ballasts;
  /**
   * What changes which tape there is and where it lies runs in here: mounts, dismounts, a copy that
   * becomes a tape, creation, deletion. Who runs in it waits for no drive's command, and for no other
   * decision.
   */
  readonly decisions: Sequence;
  emit(event: ServerEvent): void;
  /** Runs what nobody waits for; its failure becomes a 'fault' event that says `what` it was. */
  background(what: string, work: () => Promise<void>): void;
}

/** An error in a sentence, for a log. */
export function reasonOf(error: unknown): string {
  if (isCapstanError(error)) return error.message;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

/** Work items one after another, in the order in which they came. */
export class Sequence {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {
      // Who asked for it is told; the next one runs all the same.
    });
    return result;
  }
}
