/** File systems for a while: images mounted as loop devices, and ones in memory. Needs root. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run, succeeds } from './tools.ts';

export const LOOP_FILE_SYSTEMS = {
  ext4: { make: ['mkfs.ext4', '-q', '-F'], package: 'e2fsprogs', sizeMinMib: 16 },
  xfs: { make: ['mkfs.xfs', '-q', '-f'], package: 'xfsprogs', sizeMinMib: 300 },
} as const;
export type LoopFileSystem = keyof typeof LOOP_FILE_SYSTEMS;

/** EXT4_IOC_SHUTDOWN, which is XFS_IOC_GOINGDOWN: _IOR('X', 125, __u32). */
const SHUTDOWN_IOCTL = 0x8004587d;
/** How the file system goes down: with what its journal holds in memory written first, or without. */
export const SHUTDOWN_FLAGS = { 'log-flush': 1, 'no-log-flush': 2 } as const;
export type Shutdown = keyof typeof SHUTDOWN_FLAGS;
const SHUTDOWN_SCRIPT =
  'import fcntl, os, struct, sys, time\n' +
  'folder = os.open(sys.argv[1], os.O_RDONLY)\n' +
  'print(time.clock_gettime_ns(time.CLOCK_MONOTONIC), flush=True)\n' +
  'fcntl.ioctl(folder, int(sys.argv[2]), struct.pack("I", int(sys.argv[3])))';

/** A mounted file system. */
export class Mount {
  readonly path: string;
  readonly #source: readonly string[];

  private constructor(path: string, source: readonly string[]) {
    this.path = path;
    this.#source = source;
  }

  /** A new image in `folder`, mounted. */
  static async ofImage(folder: string, type: LoopFileSystem, sizeMib: number): Promise<Mount> {
    const image = join(folder, `${type}.img`);
    await rm(image, { force: true });
    await run('truncate', '-s', `${sizeMib}M`, image);
    await run(...LOOP_FILE_SYSTEMS[type].make, image);
    return Mount.#mounted(join(folder, type), ['-o', 'loop', image]);
  }

  /** One in memory: ramfs takes no files past the page cache. */
  static ofMemory(folder: string, type: 'ramfs' | 'tmpfs', options = 'mode=700'): Promise<Mount> {
    return Mount.#mounted(join(folder, type), ['-t', type, '-o', options, type]);
  }

  static async #mounted(path: string, source: readonly string[]): Promise<Mount> {
    await mkdir(path, { recursive: true });
    const mount = new Mount(path, source);
    await mount.mount();
    return mount;
  }

  async mount(): Promise<void> {
    await run('mount', ...this.#source, this.path);
  }

  async unmount(): Promise<void> {
    await run('umount', this.path);
  }

  /**
   * At once, as if the power failed: nothing that is not on the medium gets there any more. Resolves to
   * when that began, nanoseconds of the monotonic clock: a sync that was under way then is at times
   * acknowledged by the kernel and lost all the same, which no failing power can do.
   */
  async shutDown(how: Shutdown): Promise<bigint> {
    const flags = String(SHUTDOWN_FLAGS[how]);
    const began = await run(
      'python3',
      '-c',
      SHUTDOWN_SCRIPT,
      this.path,
      String(SHUTDOWN_IOCTL),
      flags,
    );
    return BigInt(began.trim());
  }
}

/** Why an image of this type cannot be mounted here; undefined where it can. */
export async function whyNoLoop(folder: string, type: LoopFileSystem): Promise<string | undefined> {
  const { make, package: name, sizeMinMib } = LOOP_FILE_SYSTEMS[type];
  if (process.getuid?.() !== 0) return 'only root may mount';
  if (!(await succeeds('which', make[0]))) return `the package ${name} is missing`;
  if (!(await succeeds('which', 'python3'))) return 'python3 is missing';
  try {
    const mount = await Mount.ofImage(folder, type, sizeMinMib);
    await mount.unmount();
    return undefined;
  } catch (error) {
    return `no ${type} image can be mounted: ${String(error).trim()}`;
  }
}

/** The same for file systems in memory. */
export async function whyNoMemoryMount(folder: string): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'only root may mount';
  try {
    await (await Mount.ofMemory(folder, 'ramfs')).unmount();
    return undefined;
  } catch (error) {
    return `nothing in memory can be mounted: ${String(error).trim()}`;
  }
}
