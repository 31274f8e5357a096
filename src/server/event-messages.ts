/**
 * The catalogue of the event log's messages, with stable numbers.
 *
 * A message's ID is the severity's digit (2 Info, 4 Warning, 6 Error, 8 Critical), two digits of the
 * subsystem and three of the event.
 * Subsystems: 20 media operations and EMS, 21 pools and cartridges, 40 access control; ours are 22
 * AutoCopy, 23 Instant DR, 24 VTSPolicy and migration, 25 Scan/Cleanup, 26 shared vaults and ISC, 41 licences, 50 the API. Numbers of events below 100 are the
 * product's, those from 101 on are ours. Times are UTC.
 * docs/reference/events.md explains every message; a test compares.
 *
 * @source VTS 8.3 Configuration Guide and 6.04.02 Operations Guide, "Event log".
 */
import type { EventSubject } from '../ports/catalog.ts';

/** A message, without what is filled in. */
export interface EventKind {
  readonly id: string;
  readonly text: string;
  /**
   * What a user who may see some vaults only goes by: fields besides `tape`, `pool` and `vault` that
   * name such a thing; or 'anything' where the text may name whatever there is.
   */
  readonly names?: Readonly<Record<string, EventSubject['kind']>> | 'anything';
}

/** Fields that name the same in every message. */
export const NAMING_FIELDS = { vault: 'vault', pool: 'pool', tape: 'tape' } as const;

/** Number and text of every message; `{field}` is filled in. A number is never given another meaning. */
export const EVENT_MESSAGES = {
  MANUALLY_MOUNTED: {
    id: '220001',
    text: 'Cartridge {tape} for {access} has been manually mounted',
  },
  MANUALLY_UNMOUNTED: { id: '220002', text: 'Cartridge {tape} has been manually unmounted' },
  MOUNTED: {
    id: '220101',
    text: 'Cartridge {tape} for {access} has been mounted on {drive} for {host} {device}, request {requestNumber}',
  },
  DISMOUNTED: {
    id: '220102',
    text: 'Cartridge {tape} has been dismounted from {drive}, generation {generation}',
  },
  MOUNT_INTERRUPTED: {
    id: '420103',
    text: 'Mount of cartridge {tape} on {drive} was interrupted; it queues no copy',
  },
  MOUNT_QUEUED: {
    id: '220104',
    text: 'Request {requestNumber} of {host} for cartridge {tape} waits: {reason}',
  },
  MOUNT_REQUEST_ENDED: {
    id: '220105',
    text: 'Request {requestNumber} of {host} for cartridge {tape} has ended: {reason}',
  },
  MOUNT_FAILED: {
    id: '620106',
    text: 'Cartridge {tape} cannot be mounted on {drive}: {reason}',
  },
  DISMOUNT_FAILED: {
    id: '620107',
    text: 'The dismount of cartridge {tape} from {drive} failed: {reason}',
  },
  MOUNT_LEFT_TO_OPERATOR: {
    id: '220108',
    text: 'Request {requestNumber} of {host} for {what} is left to the operator',
  },
  MOUNT_RESET_FAILED: {
    id: '420109',
    text: 'The reset of {device} of {host} before a mount failed: {reason}',
  },
  MOUNT_QUEUE_FULL: {
    id: '420113',
    text: 'Mount requests of {host} are passed over: too many of them wait',
  },
  MOUNT_NOT_TAKEN: {
    id: '420114',
    text: 'Cartridge {tape} was taken out of {drive} again: {device} is {status} on {host}',
  },
  MOUNT_UNREADABLE: {
    id: '420115',
    text: 'Cartridge {tape} on {drive} has no label that {host} can read: request {requestNumber} waits for its operator',
  },
  UNMOUNTED_SHORT: {
    id: '420116',
    text: 'Cartridge {tape} left {drive} without the last {lostObjectCount} objects: {reason} Generation {generation} with {payloadBytes} bytes is durable',
  },
  STORE_DAMAGED: { id: '820110', text: 'Vault {vault} is damaged at {place}: {what}' },
  STORE_FAILED: { id: '820111', text: 'Vault {vault} failed: {reason}' },
  CONTENT_FOUND: {
    id: '420112',
    text: 'Cartridge {tape} was found at generation {found}, the catalog had {recorded} and was corrected',
  },
  EMS_SESSION_ESTABLISHED: { id: '220120', text: 'EMS session with {host} established' },
  EMS_SESSION_LOST: { id: '420121', text: 'EMS session with {host} lost: {reason}' },
  EMS_SESSION_FAILED: { id: '420122', text: 'EMS session with {host} cannot be had: {reason}' },
  EMS_RESTARTED: { id: '220123', text: 'EMS service restarted for {hosts}' },
  EMS_STATUS_FAILED: {
    id: '420125',
    text: 'Mount requests that are open on {host} cannot be asked for: {reason}',
  },
  EMS_DRIVES_FAILED: {
    id: '420126',
    text: 'Tape drives of {host} cannot be asked for: {reason}',
  },
  EMS_POSITION_FAILED: {
    id: '420124',
    text: 'How far {host} was heard cannot be noted: {reason}',
  },
  SERVER_STARTED: { id: '220130', text: 'TapeServer {server} started' },
  SERVER_STOPPED: { id: '220131', text: 'TapeServer {server} stopped' },
  CARTRIDGE_ERASED: { id: '421013', text: 'Cartridge {tape} erased in Pool {pool}' },
  CARTRIDGE_CREATED: { id: '221101', text: 'Cartridge {tape} created in Pool {pool}' },
  CARTRIDGE_DELETED: { id: '421102', text: 'Cartridge {tape} deleted from Pool {pool}' },
  CARTRIDGES_CREATED: {
    id: '221103',
    text: '{count} cartridges {first} to {last} created in Pool {pool}',
  },
  CARTRIDGE_RENAMED: { id: '221104', text: 'Cartridge {tape} of Pool {pool} renamed to {newName}' },
  CARTRIDGE_MOVED: {
    id: '221105',
    text: 'Cartridge {tape} moved from Pool {from} to Pool {pool} in Vault {vault}',
    names: { from: 'pool' },
  },
  CARTRIDGE_LOCKED: { id: '221106', text: 'Cartridge {tape} locked ({kind})' },
  CARTRIDGE_UNLOCKED: { id: '221107', text: 'Cartridge {tape} unlocked ({kind})' },
  CARTRIDGE_LABELLED: {
    id: '221108',
    text: 'Erased cartridge {tape} in Pool {pool} labelled again for a mount with ring',
  },
  METADATA_CHANGED: {
    id: '421109',
    text: 'Metadata of cartridge {tape} changed by hand: {item} is now {value}',
  },
  POOL_CREATED: { id: '221110', text: 'Pool {pool} created in Vault {vault}' },
  POOL_CHANGED: { id: '221111', text: 'Pool {pool} changed: {what}' },
  POOL_RENAMED: {
    id: '221112',
    text: 'Pool {pool} renamed to {newName}',
    names: { newName: 'pool' },
  },
  POOL_MOVED: {
    id: '221113',
    text: 'Pool {pool} moved from Vault {from} to Vault {vault}',
    names: { from: 'vault' },
  },
  POOL_DELETED: { id: '421114', text: 'Pool {pool} deleted from Vault {vault}' },
  PROCESS_LOCK_REMOVED: {
    id: '421115',
    text: 'Process lock of {process} on {what} removed by hand',
    names: 'anything',
  },
  VAULT_CREATED: { id: '221120', text: 'Vault {vault} created at {path}' },
  VAULT_RENAMED: { id: '221124', text: 'Vault {oldName} renamed to {vault}' },
  VAULT_OPENED: { id: '221122', text: 'Vault {vault} is open again' },
  VAULT_NOT_OPENED: { id: '821123', text: 'Vault {vault} cannot be opened: {reason}' },
  VAULT_DELETED: { id: '421121', text: 'Vault {vault} at {path} deleted' },
  COPY_SUCCEEDED: {
    id: '222101',
    text: 'AutoCopy of cartridge {tape} to {target} succeeded: generation {generation}, {bytesSent} bytes sent',
  },
  COPY_ATTEMPT_FAILED: {
    id: '422102',
    text: 'AutoCopy of cartridge {tape} to {target} failed at attempt {attempt} of {attemptsMax}: {reason}',
  },
  COPY_FAILED: {
    id: '622103',
    text: 'AutoCopy of cartridge {tape} to {target} failed after {attempts} attempts: {reason}',
  },
  COPY_REFUSED: {
    id: '622104',
    text: 'Copy of cartridge {tape} from {source} refused: {reason}',
  },
  COPY_RECEIVED: {
    id: '222105',
    text: 'Cartridge {tape} received from {source} into Pool {pool}, generation {generation}',
  },
  REPLICATION_ENDED: {
    id: '422106',
    text: 'Replication connection with {peer} ended: {reason}',
    names: 'anything',
  },
  COPY_STALE: {
    id: '422107',
    text: 'AutoCopy of cartridge {tape} to {target} sent nothing: the target has generation {generation}',
  },
  COPY_PREEMPTED: {
    id: '222108',
    text: 'AutoCopy of cartridge {tape} to {target} was ended by a mount; the next dismount queues it',
  },
  COPY_CANCELLED: {
    id: '222109',
    text: 'AutoCopy of cartridge {tape} to {target} was cancelled; the next dismount queues it',
  },
  IDR_RUN_STARTED: {
    id: '223101',
    text: 'Instant DR {scheme} to {target} has started: {kind}, by {cause}',
    names: 'anything',
  },
  IDR_RUN_ENDED: {
    id: '223102',
    text: 'Instant DR {scheme} has ended, run {run}: {copied} copied, {unchanged} unchanged, {skipped} skipped, {failed} failed, {deleted} deleted, {bytesSent} bytes sent',
    names: 'anything',
  },
  IDR_RUN_FAILED: {
    id: '623103',
    text: 'Instant DR {scheme}, run {run}, was given up after {attempts} attempts: {reason}',
    names: 'anything',
  },
  IDR_TAPE_FAILED: {
    id: '623104',
    text: 'Instant DR of cartridge {tape} to {target} failed in run {run}: {reason}',
  },
  IDR_LINE_LOST: {
    id: '423105',
    text: 'Instant DR {scheme}, run {run}, lost {target} at attempt {attempt} of {attemptsMax}: {reason}',
    names: 'anything',
  },
  IDR_PASSED_OVER: {
    id: '423106',
    text: 'Instant DR {scheme} was due and is passed over: {reason}',
    names: 'anything',
  },
  IDR_RUN_CANCELLED: {
    id: '423107',
    text: 'Instant DR {scheme}, run {run}, was cancelled',
    names: 'anything',
  },
  IDR_NOT_STARTED: {
    id: '623108',
    text: 'Instant DR {scheme} was due and cannot run: {reason}',
    names: 'anything',
  },
  IDR_ROLE_TAKEN: {
    id: '423109',
    text: 'This server is now the source of Instant DR {scheme}, and {other} its target: {reason}',
    names: 'anything',
  },
  IDR_ROLE_GIVEN: {
    id: '423110',
    text: 'This server is now the target of Instant DR {scheme}, and {other} its source',
    names: 'anything',
  },
  IDR_COPY_DELETED: {
    id: '423111',
    text: 'Cartridge {tape} deleted from Pool {pool}, since {source} has deleted it (Instant DR {scheme})',
  },
  POLICY_TAKEN: { id: '224101', text: 'VTSPolicy of {sender} taken: {text}', names: 'anything' },
  POLICY_DONE: {
    id: '224102',
    text: 'VTSPolicy {verb} of {sender} done: {outcome}',
    names: 'anything',
  },
  POLICY_REFUSED: {
    id: '624103',
    text: 'VTSPolicy of {sender} refused: {reason} It was: {text}',
    names: 'anything',
  },
  POLICY_FAILED: {
    id: '624104',
    text: 'VTSPolicy {verb} of {sender} failed: {reason}',
    names: 'anything',
  },
  POLICY_INTERRUPTED: {
    id: '424105',
    text: 'VTSPolicy of {sender} was broken off by the end of the server and is not run again: {text}',
    names: 'anything',
  },
  CARTRIDGE_MIGRATED: {
    id: '224106',
    text: 'Cartridge {tape} migrated by {bma}, generation {generation}',
  },
  MIGRATION_FAILED: {
    id: '624107',
    text: 'Cartridge {tape} was not migrated by {bma}: {reason}',
  },
  CARTRIDGE_RECALLED: {
    id: '224108',
    text: 'Cartridge {tape} recalled by {bma}, generation {generation}',
  },
  RECALL_FAILED: { id: '624109', text: 'Cartridge {tape} was not recalled by {bma}: {reason}' },
  CLEANUP_SCANNED: {
    id: '225101',
    text: 'Scan/Cleanup: {count} of {total} cartridges scheduled for erase',
  },
  CLEANUP_ERASED: {
    id: '225102',
    text: 'Scan/Cleanup erased {count} cartridges, {failed} not; the list is {list}',
  },
  CLEANUP_NOT_ERASED: {
    id: '425103',
    text: 'Scan/Cleanup did not erase cartridge {tape}: {reason}',
  },
  CLEANUP_AUTHORIZED: {
    id: '225104',
    text: 'Scan/Cleanup: erase of cartridge {tape} {decision} by {user}',
  },
  CLEANUP_RESET: { id: '225105', text: 'Scan/Cleanup: {count} decisions of users taken back' },
  CLEANUP_FAILED: { id: '625106', text: 'Scan/Cleanup failed: {reason}', names: 'anything' },
  ACCESS_DEFAULTS_RESTORED: {
    id: '440002',
    text: 'Access Control RESTORE {kind} defaults have been restored',
  },
  SHARED_VAULT_KEPT: { id: '226101', text: 'Shared vault {vault} is kept by this server now' },
  SHARED_VAULT_VISITED: {
    id: '226102',
    text: 'Shared vault {vault} is kept by {server}, and reached through it',
  },
  ISC_CONNECTED: { id: '226103', text: 'ISC session with {server} established' },
  ISC_LOST: { id: '426104', text: 'ISC session with {server} lost: {reason}' },
  SHARED_LOCK_RELEASED: {
    id: '426105',
    text: 'Cartridge {tape} taken back from {server}, which is gone: what it had synced is kept, and no copy is queued',
  },
  SHARED_NAME_TAKEN: {
    id: '426106',
    text: '{name} of shared vault {vault} is not shown here: the name is taken in another vault',
  },
  SHARED_MOUNTED: { id: '226107', text: 'Cartridge {tape} opened for {server}, drive {drive}' },
  VAULT_SHARED: { id: '226108', text: 'Vault {vault} is shared, identity {id}' },
  VAULT_JOINED: { id: '226109', text: 'Shared vault {vault} at {path} joined' },
  VAULT_LEFT: { id: '426110', text: 'Shared vault {vault} left' },
  ISC_SERVER_ADDED: { id: '226111', text: 'Server {server} of shared vaults added: {address}' },
  SHARED_MOUNT_RESUMED: {
    id: '226113',
    text: 'Mount of cartridge {tape} on {drive} goes on: the session with {server} is back',
  },
  SHARED_MOUNT_LOST: {
    id: '426114',
    text: 'Mount of cartridge {tape} on {drive} is over: {reason}; what was synced is on it',
  },
  SHARED_LOCKS_UNKNOWN: { id: '426117', text: 'Vault {vault} is shared, but {warning}' },
  ISC_KEY_BOUND: { id: '226115', text: 'Key {key} speaks for {server} from now on' },
  ISC_KEY_REFUSED: { id: '426116', text: 'A call in the name of {server} refused: {reason}' },
  ISC_SERVER_REMOVED: { id: '426112', text: 'Server {server} of shared vaults removed' },
  API_STARTED: { id: '250101', text: 'HTTP API listens on {endpoint}' },
  API_LOGONS_LIMITED: {
    id: '450102',
    text: 'Log-ons from {address} are refused for {seconds} seconds: more than {limit} came',
  },
  API_READER_DROPPED: {
    id: '450103',
    text: 'Event stream of {user} was dropped: its reader was {count} events behind',
  },
  LICENCE_ADDED: { id: '241101', text: 'Licence {number} added: {features}' },
  LICENCE_REMOVED: { id: '441102', text: 'Licence {number} removed' },
  LICENCE_ENDS_SOON: { id: '441103', text: 'Licence {number} ends in {days} days' },
  LICENCE_EXPIRED: { id: '641104', text: 'Licence {number} has ended' },
  LICENCE_CLOCK_BACK: {
    id: '441105',
    text: 'The clock is behind {latest}, when licence {number} was last seen; the later time counts',
  },
  USER_LOGGED_ON: { id: '240101', text: 'User {user} logged on' },
  USER_LOGGED_OFF: { id: '240102', text: 'User {user} logged off' },
  LOGON_FAILED: { id: '440103', text: 'Log-on of {user} failed: {reason}' },
  USER_LOCKED: {
    id: '440104',
    text: 'User {user} is locked out for {minutes} minutes after {failures} wrong passwords',
  },
  USER_UNLOCKED: { id: '240105', text: 'Lock-out of user {user} lifted' },
  USER_CREATED: { id: '240106', text: 'User {user} created in group {group}' },
  USER_CHANGED: { id: '240107', text: 'User {user} changed: {change}' },
  USER_DELETED: { id: '440108', text: 'User {user} deleted' },
  PASSWORD_SET: { id: '240109', text: 'Password of user {user} set' },
  RIGHT_GRANTED: { id: '240110', text: 'Right {right} granted to {kind} {subject}' },
  RIGHT_REVOKED: { id: '240111', text: 'Right {right} revoked from {kind} {subject}' },
  TOKEN_CREATED: { id: '240112', text: 'Token {id} of user {user} created for {purpose}' },
  SESSION_REVOKED: { id: '240113', text: 'Session or token {id} of user {user} ended' },
  OPERATION_DONE: { id: '240120', text: '{operation} {subject} was done', names: 'anything' },
  OPERATION_REFUSED: {
    id: '440121',
    text: '{operation} was refused: the right {right} is missing',
  },
} as const satisfies Record<string, EventKind>;

export type EventMessage = keyof typeof EVENT_MESSAGES;

type FieldsIn<Text extends string> = Text extends `${string}{${infer Field}}${infer Rest}`
  ? Field | FieldsIn<Rest>
  : never;
/** The fields that a message's text has places for. */
export type EventFields<Message extends EventMessage> = Readonly<
  Record<FieldsIn<(typeof EVENT_MESSAGES)[Message]['text']>, string | number>
>;
