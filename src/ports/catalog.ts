/**
 * The catalog: what a virtual tape server knows about its vaults, tapes, mounts, queues and events.
 *
 * Contract: every method is one transaction, durable when it resolves, all or nothing. Names come in
 * checked (base/names.ts). Rejections: NOT_FOUND, ALREADY_EXISTS, IN_USE, NO_SPACE, DISK_IO,
 * STORE_CORRUPT, STORE_LOCKED. Times are wall-clock milliseconds (Clock.nowMs). Rows come in a stable order
 * (by name, or by id). Conformance suite: test/conformance/catalog.ts.
 */
import type { Generation } from '../base/units.ts';
import type { AccessCatalog } from './catalog-access.ts';
import type { HostCatalog } from './catalog-hosts.ts';
import type { CopiesCatalog } from './catalog-copies.ts';
import type { InstantDrCatalog } from './catalog-instant-dr.ts';
import type { MediaCatalog } from './catalog-media.ts';
import type { PolicyCatalog } from './catalog-policy.ts';
import type { SharedCatalog } from './catalog-shared.ts';
import type { LicenceCatalog } from './catalog-licences.ts';

export interface VaultRow {
  readonly name: string;
  /** Folder of the vault's store, absolute. */
  readonly path: string;
  readonly createdAtMs: number;
  /** What the vault is known by to the servers that share it; this server's alone where it is missing. */
  readonly sharedId?: string | undefined;
}

export interface PoolRow {
  readonly name: string;
  readonly vault: string;
  readonly createdAtMs: number;
  /** How long what was written is kept before a cleanup may erase it; for ever where it is missing. */
  readonly retentionMs: number | undefined;
  /** Designated for encrypted tapes. */
  readonly encrypted: boolean;
  /** A user's lock on all of its tapes: none can be erased or deleted. */
  readonly locked: boolean;
  /** Most bytes that its tapes may hold together; no limit where it is missing. */
  readonly quotaBytes: number | undefined;
}

export type LabelType = 'ansi' | 'backup' | 'unlabelled' | 'ibm';

/** A virtual tape; its image in the vault's engine has the tape's name. Names are unique in the catalog. */
export interface TapeRow {
  readonly name: string;
  readonly pool: string;
  readonly vault: string;
  readonly labelType: LabelType;
  readonly capacityBytes: number;
  /** As of the last dismount or accepted copy; the engine's image may be ahead after a crash. */
  readonly generation: Generation;
  readonly payloadBytes: number;
  readonly createdAtMs: number;
  readonly writtenAtMs: number | undefined;
  readonly mountedAtMs: number | undefined;
  readonly dismountedAtMs: number | undefined;
  /** Where the content came from: written here, or copied from that server. */
  readonly copiedFrom: string | undefined;
  /** Owner of the volume, as in its VOL1; at most 14 characters. */
  readonly owner: string;
  /** Last change of content or metadata. */
  readonly updatedAtMs: number | undefined;
  /** Last erasure: a tape of 0 bytes with this time is an erased one (`isErased`). */
  readonly erasedAtMs: number | undefined;
  readonly exportedAtMs: number | undefined;
  readonly importedAtMs: number | undefined;
  /** Last migration, and whether this server asked for it or another program did. */
  readonly migratedAtMs: number | undefined;
  readonly migratedBy: 'vts' | 'other' | undefined;
  /** Last time that a migrated tape's content came back. */
  readonly restoredAtMs: number | undefined;
  /** A user's lock on this tape: it can be neither erased nor deleted. */
  readonly userLocked: boolean;
  /** The same, set when the tape was loaded by an autoloader. */
  readonly autoloadLocked: boolean;
  /** Key that its data are encrypted with; in the clear where it is missing. */
  readonly keyId: string | undefined;
}

/** A row to be made: what may be missing is off, empty or not there. */
export type NewPool = Pick<PoolRow, 'name' | 'vault' | 'createdAtMs'> & Partial<PoolRow>;

/** A row to be made: what may be missing is off, empty or not there. */
export type NewTape = Omit<TapeRow, LaterTapeField> & Partial<Pick<TapeRow, LaterTapeField>>;

type LaterTapeField =
  | 'owner'
  | 'updatedAtMs'
  | 'erasedAtMs'
  | 'exportedAtMs'
  | 'importedAtMs'
  | 'migratedAtMs'
  | 'migratedBy'
  | 'restoredAtMs'
  | 'userLocked'
  | 'autoloadLocked'
  | 'keyId';

/** One version of a tape's content. */
export interface GenerationRow {
  readonly tape: string;
  readonly generation: Generation;
  readonly atMs: number;
  readonly payloadBytes: number;
  /** Hexadecimal BLAKE3 of the image's manifest. */
  readonly manifestDigest: string;
  readonly origin: string;
}

/** A virtual tape drive, connected to one host under that host's device name. */
export interface DriveRow {
  readonly name: string;
  readonly host: string;
  readonly device: string;
  readonly serialNumber: string;
}

export interface MountRow {
  readonly id: number;
  readonly tape: string;
  readonly drive: string;
  readonly host: string;
  /** The host's number of the mount request; undefined for an operator's mount. */
  readonly requestNumber: number | undefined;
  readonly ring: boolean;
  readonly mountedAtMs: number;
  readonly dismountedAtMs: number | undefined;
  /** 'open', 'dismounted' by the host, or 'interrupted' by a crash or restart of the server. */
  readonly state: 'open' | 'dismounted' | 'interrupted';
}

/** A mount request of a host that is not yet satisfied; key: host and requestNumber. */
export interface MountRequestRow {
  readonly host: string;
  readonly requestNumber: number;
  readonly tape: string;
  readonly device: string | undefined;
  readonly ring: boolean;
  readonly receivedAtMs: number;
  /** Why it waits, for an operator: 'waiting for a drive', 'tape in use on VTD01'. */
  readonly reason: string;
}

export interface CopyTarget {
  /** Name of the target server, as messages and queue rows call it. */
  readonly server: string;
  readonly address: string;
  readonly port: number;
  readonly user: string;
  /** 'SHA256:…' of the target's host key (OpenSSH's fingerprint form), pinned. */
  readonly hostKey: string;
  readonly transport: 'ssh2' | 'openssh';
}

/** AutoCopy of a pool to a pool of another server. One rule a pool and target server. */
export interface CopyRuleRow {
  readonly id: number;
  readonly pool: string;
  readonly target: CopyTarget;
  readonly targetPool: string;
  /** What its copies send at most; undefined: as fast as it goes. */
  readonly bytesPerSecond: number | undefined;
}

/**
 * A copy that is owed: one row a tape and rule. `state`:
 * - 'due': attempted when `nextAttemptAtMs` has come and the tape is not mounted;
 * - 'copied': the target acknowledged `copiedGeneration`;
 * - 'failed': all attempts failed; the failure stands in the event log; the next dismount starts anew;
 * - 'cancelled' by an operator: the next dismount starts anew.
 */
export interface CopyJobRow {
  readonly tape: string;
  readonly ruleId: number;
  readonly generation: Generation;
  readonly state: 'due' | 'copied' | 'failed' | 'cancelled';
  readonly attempts: number;
  readonly queuedAtMs: number;
  readonly nextAttemptAtMs: number;
  readonly copiedGeneration: Generation | undefined;
  readonly lastError: string | undefined;
  readonly bytesSent: number;
}

export type EventSeverity = 'INFO' | 'WARNING' | 'ERROR' | 'CRITICAL';

/** An event-log entry; src/server/event-log.ts makes the product's line of it. */
export interface EventRow {
  readonly id: number;
  readonly atMs: number;
  readonly severity: EventSeverity;
  /** Six digits: severity digit, subsystem, event. */
  readonly messageId: string;
  readonly address: string;
  readonly user: string;
  readonly program: string;
  readonly text: string;
}

/** What an entry is about, by its name at that time. */
export interface EventSubject {
  readonly kind: 'vault' | 'pool' | 'tape';
  readonly name: string;
}

/** An entry to be kept. */
export interface NewEvent extends Omit<EventRow, 'id'> {
  /**
   * What it names, for who may see some vaults only: nothing where it is about the server as a whole,
   * 'anything' where its text may name whatever there is, which holds where it is missing, too.
   */
  readonly about?: readonly EventSubject[] | 'anything';
}

/** Which entries of the event log: every part that is there must hold. */
export interface EventFilter {
  readonly severities?: readonly EventSeverity[];
  /** The second and third digit of the message. */
  readonly subsystem?: string;
  readonly messageId?: string;
  /** A word of the text. */
  readonly tape?: string;
  readonly user?: string;
  /** A part of the text, capitals or not. */
  readonly text?: string;
  readonly sinceMs?: number;
  /** Before this. */
  readonly untilMs?: number;
  /**
   * About things in these vaults alone, as they lay when it was written, or about the server as a whole.
   * Not what may be about anything, nor what names only things that were not there.
   */
  readonly vaults?: readonly string[];
}

/** What a dismount changes, in one transaction. */
export interface DismountRecord {
  readonly mountId: number;
  readonly atMs: number;
  readonly state: 'dismounted' | 'interrupted';
  /** Present where the tape's content is another than at the mount. */
  readonly content:
    | {
        readonly generation: Generation;
        readonly payloadBytes: number;
        readonly manifestDigest: string;
      }
    | undefined;
  /** Rules whose copy of this tape is now due: attempts 0, next attempt at `atMs`. */
  readonly queueRuleIds: readonly number[];
}

/** All of it; each area's part has a file of its own. */
export interface Catalog
  extends
    CoreCatalog,
    HostCatalog,
    CopiesCatalog,
    InstantDrCatalog,
    MediaCatalog,
    PolicyCatalog,
    AccessCatalog,
    LicenceCatalog,
    SharedCatalog {}

export interface CoreCatalog {
  createVault(vault: VaultRow): Promise<void>;
  listVaults(): Promise<readonly VaultRow[]>;

  /** The row as it is kept. */
  createPool(pool: NewPool): Promise<PoolRow>;
  listPools(): Promise<readonly PoolRow[]>;

  /** The row as it is kept. ALREADY_EXISTS names the pool that has the tape. */
  createTape(tape: NewTape): Promise<TapeRow>;
  findTape(name: string): Promise<TapeRow | undefined>;
  listTapes(pool?: string): Promise<readonly TapeRow[]>;
  /** IN_USE where it is mounted. Removes its generations, mounts, requests and copy jobs with it. */
  deleteTape(name: string): Promise<void>;
  listGenerations(tape: string): Promise<readonly GenerationRow[]>;
  /**
   * A tape's content as of now, from a copy or found at start-up; creates the tape's row where missing.
   * Of a present row, only what belongs to the content is replaced: label type, capacity, generation,
   * size, times of writing and update, origin. ALREADY_EXISTS where the tape lies in another pool.
   */
  recordContent(tape: NewTape, generation: GenerationRow): Promise<void>;

  createDrive(drive: DriveRow): Promise<void>;
  /** IN_USE where a tape is mounted on it. */
  deleteDrive(name: string): Promise<void>;
  listDrives(host?: string): Promise<readonly DriveRow[]>;

  /** Records a mount and removes its request, if any. IN_USE where tape or drive is taken. */
  recordMount(mount: Omit<MountRow, 'id' | 'dismountedAtMs' | 'state'>): Promise<MountRow>;
  /**
   * NOT_FOUND where the mount is not open. The generation's origin is the mount's host. A rule that was
   * deleted in the meantime is passed over; a job that is there keeps its `copiedGeneration`.
   */
  recordDismount(record: DismountRecord): Promise<void>;
  /** Mounts still open; with `tape`, all of that tape's, newest last. */
  listMounts(
    filter: { readonly open: true } | { readonly tape: string },
  ): Promise<readonly MountRow[]>;

  /**
   * Inserts, or replaces the row of the same host and number, which keeps its place in the order of
   * arrival. NOT_FOUND where the tape is not there.
   */
  putMountRequest(request: MountRequestRow): Promise<void>;
  /** Does nothing where there is none. */
  deleteMountRequest(host: string, requestNumber: number): Promise<void>;
  /** In order of arrival. */
  listMountRequests(): Promise<readonly MountRequestRow[]>;

  appendEvent(event: NewEvent): Promise<EventRow>;
  /** Oldest first: the first `limit` behind `afterId`, or the newest `limit` of all where it is missing. */
  listEvents(filter: {
    readonly afterId?: number;
    readonly limit: number;
    /** Of these only. */
    readonly where?: EventFilter;
  }): Promise<readonly EventRow[]>;

  /**
   * Has all that is done with the catalog until `work` has settled be one transaction: durable with its
   * result, without effect where it rejects. Nobody else may call the catalog meanwhile.
   */
  atomically<Result>(work: () => Promise<Result>): Promise<Result>;

  close(): Promise<void>;
}
