/**
 * On which file systems the lock of a store, flock(2), holds between machines: what a shared vault rests on.
 *
 * @source mount(8); nfs(5): `local_lock`, `nolock` (flock is a lock of the server since Linux 2.6.12);
 * gfs2(5) and the OCFS2 documentation: `localflocks`; mount.lustre(8): `flock`, `localflock`; mount.cifs(8): `nobrl`
 */
import { CapstanError, isCapstanError } from '../base/errors.ts';
import type { VaultRow } from '../ports/catalog.ts';
import type { FileSystemUsage } from '../ports/file-systems.ts';
import type { ServerContext } from './context.ts';

type Options = readonly string[];

interface LockEntry {
  /** Between all machines that mount it, those of this one, or nobody knows. */
  readonly holds: 'everywhere' | 'here' | 'unknown';
  /** Mount options with which a lock is seen by one machine only, though others write there. */
  readonly isBroken?: (options: Options) => string | undefined;
}

const oneOf =
  (...bad: readonly string[]) =>
  (options: Options): string | undefined =>
    options.find((option) => bad.includes(option));

const nfs: LockEntry = {
  holds: 'everywhere',
  isBroken: oneOf('nolock', 'local_lock=flock', 'local_lock=all'),
};
const cluster: LockEntry = { holds: 'everywhere', isBroken: oneOf('localflocks') };
const local: LockEntry = { holds: 'here' };

/** By type, as /proc/self/mountinfo has it; one that is not here is not known. */
export const LOCKS: Readonly<Record<string, LockEntry>> = {
  gfs2: cluster,
  ocfs2: cluster,
  nfs,
  nfs4: nfs,
  ceph: { holds: 'everywhere' },
  'fuse.glusterfs': { holds: 'everywhere' },
  lustre: {
    holds: 'everywhere',
    isBroken: (options) => (options.includes('flock') ? undefined : 'no option flock'),
  },
  cifs: { holds: 'unknown', isBroken: oneOf('nobrl') },
  smb3: { holds: 'unknown', isBroken: oneOf('nobrl') },
  ext2: local,
  ext3: local,
  ext4: local,
  xfs: local,
  btrfs: local,
  f2fs: local,
  zfs: local,
  bcachefs: local,
  tmpfs: local,
  overlay: local,
};

/**
 * What an operator has to be told of sharing a vault on that file system; undefined where all is well or
 * nothing is known of it. Throws INVALID_ARGUMENT where two machines would have the lock at a time.
 */
export function lockWarning(name: string, usage: FileSystemUsage | undefined): string | undefined {
  const { type, options = [] } = usage ?? {};
  if (type === undefined) return undefined;
  const entry = Object.hasOwn(LOCKS, type) ? LOCKS[type] : undefined;
  const broken = entry?.isBroken?.(options);
  if (broken !== undefined) {
    const reason = `locks on ${type} mounted so (${broken}) hold on one machine only, and two servers would write`;
    throw new CapstanError('INVALID_ARGUMENT', { what: `Vault ${name}, to be shared,`, reason });
  }
  if (entry?.holds === 'everywhere' || entry?.holds === 'here') return undefined;
  return `it is not known whether locks on ${type} hold between machines; share it on this one only`;
}

/** The same of a vault's folder; what has to be told is an event, too. */
export async function checkLocks(
  { ports, eventLog }: ServerContext,
  { name, path }: Pick<VaultRow, 'name' | 'path'>,
): Promise<string | undefined> {
  const usage = await ports.fileSystems?.usage(path).catch((error: unknown) => {
    // A folder that is not there is told of by who opens the store in it.
    if (!isCapstanError(error)) throw error;
    return undefined;
  });
  const warning = lockWarning(name, usage);
  if (warning !== undefined) await eventLog.log('SHARED_LOCKS_UNKNOWN', { vault: name, warning });
  return warning;
}
