/**
 * Log files that people read, in a server's log folder, one name a file.
 *
 * Contract: names match LOG_FILE_NAME_PATTERN, and no path is made of anything else (NAME_INVALID).
 * Rejections: DISK_IO, NO_SPACE.
 */

export const LOG_FILE_NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** Of a file that is larger, `read` gives the end. */
export const LOG_READ_BYTES_MAX = 1024 * 1024;

export interface LogFiles {
  /** Appends `text`, which ends with a line end, to a file that is made where missing; durable then. */
  append(name: string, text: string): Promise<void>;
  /** The file's text, or its end; undefined where there is no such file. */
  read(name: string): Promise<string | undefined>;
}

/** Log files that are put by at times, packed: `event.log`, then `event.log.1.gz` (the newest) to `.30.gz`. */
export interface RotatingLogFiles extends LogFiles {
  /** Of a name that ends with `.gz`, the unpacked text, or its end. */
  read(name: string): Promise<string | undefined>;
  /** 0 where there is no such file. */
  sizeBytes(name: string): Promise<number>;
  /** After a crash: cuts off a last line that was not finished, and finishes a rotation that was not. */
  mend(name: string): Promise<void>;
  /**
   * Puts the file by as number 1 and moves the others on; the one beyond `keptMax` goes. Nothing is lost,
   * and nothing doubled, wherever it is cut short. Does nothing where the file is empty or missing.
   */
  rotate(name: string, keptMax: number): Promise<void>;
}
