/** The machine's file systems. */
import { readFile, readdir, realpath, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { CapstanError } from '../base/errors.ts';
import type { FileSystems } from '../ports/file-systems.ts';

/** Longest identity. */
const IDENTITY_CHARS_MAX = 128;
const UUID_FOLDER = '/dev/disk/by-uuid';

export const systemFileSystems: FileSystems = {
  usage: async (path) => {
    try {
      const [{ dev }, { bsize, blocks, bavail }] = await Promise.all([stat(path), statfs(path)]);
      const mounted = await mountedAs(dev);
      const identity = mounted && (await identityOf(mounted));
      const sizes = { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
      return {
        id: String(dev),
        ...(identity !== undefined && { identity }),
        ...(mounted && { type: mounted.type, options: mounted.options }),
        ...sizes,
      };
    } catch (cause) {
      const what = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
      throw new CapstanError('DISK_IO', { place: path, what }, { cause });
    }
  },
};

async function mountedAs(dev: number): Promise<Mounted | undefined> {
  try {
    return mountOf(await readFile('/proc/self/mountinfo', 'utf8'), dev);
  } catch {
    // A system without this file says nothing of its file systems.
    return undefined;
  }
}

/** What a file system is known by to all machines, if anything. */
async function identityOf(mounted: Mounted): Promise<string | undefined> {
  try {
    return await identityOfMount(mounted);
  } catch {
    // A system without these files has no identities.
    return undefined;
  }
}

interface Mounted {
  readonly type: string;
  readonly source: string;
  /** Of the mount and of the file system. */
  readonly options: readonly string[];
}

/**
 * The mount of a device number in the text of /proc/self/mountinfo.
 *
 * @source proc_pid_mountinfo(5): the third field is major:minor, the sixth the mount's options; type, source
 * and the file system's options follow a lone hyphen
 */
export function mountOf(text: string, dev: number): Mounted | undefined {
  // The bits of a device number, as stat(2) packs them.
  const major = Math.floor(dev / 2 ** 32) * 4096 + (Math.floor(dev / 256) % 4096);
  const minor = (dev % 256) + (Math.floor(dev / 2 ** 20) % 4096) * 256;
  for (const line of text.split('\n')) {
    const [mount = '', rest = ''] = line.split(' - ');
    const fields = mount.split(' ');
    if (fields[2] !== `${major}:${minor}`) continue;
    const [type = '', source = '', superOptions = ''] = rest.split(' ');
    const options = `${fields[5] ?? ''},${superOptions}`.split(',').filter((each) => each !== '');
    return { type, source, options };
  }
  return undefined;
}

/** A block device's file system has a UUID; one of a server has the server's name and path for it. */
async function identityOfMount({ type, source }: Mounted): Promise<string | undefined> {
  if (!source.startsWith('/')) return source.includes(':') ? cut(`${type}:${source}`) : undefined;
  if (source.startsWith('//')) return cut(`${type}:${source}`);
  const device = await realpath(source);
  for (const uuid of await readdir(UUID_FOLDER)) {
    if ((await realpath(join(UUID_FOLDER, uuid))) === device) return cut(`uuid:${uuid}`);
  }
  return undefined;
}

const cut = (text: string): string => text.replace(/[^!-~]/g, '?').slice(0, IDENTITY_CHARS_MAX);
