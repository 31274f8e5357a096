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
