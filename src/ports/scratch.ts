/**
 * Folders for a while: the stores in which tapes go to a backup application's client and come back.
 *
 * Contract: names are those of tapes with a word before (`backup-LAB001`), and no path is made of anything
 * else (NAME_INVALID). Rejections: DISK_IO, NO_SPACE.
 */

export const SCRATCH_NAME_PATTERN = /^[a-z]{1,16}-[A-Z0-9]{1,6}$/;

export interface Scratch {
  /** An empty folder of that name, in place of the one that is there; its absolute path. */
  make(name: string): Promise<string>;
  /** With all that is in it; does nothing where there is none. */
  remove(name: string): Promise<void>;
}
