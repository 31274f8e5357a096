/**
 * What MEDIACOM prints for STATUS TAPEDRIVE: the host's tape drives, a line each.
 *
 *   Tape Drive  Status  Tape Name  Label Type
 *   $TAPE0      INUSE   LAB001
 *   $TAPE1      DOWN
 *
 * The columns and the words of the status are the manual's; the widths are not known, so blanks separate
 * them.
 *
 * @source DSM/TC Operator Interface (MEDIACOM) Manual, p. 201 to 203.
 */

export type TapedriveStatus = 'DOWN' | 'FREE' | 'INUSE' | 'UNAVL';

const HEADER = /^Tape Drive +Status\b/i;
const NONE = /^\*WARNING\* No tape drives/i;
const ROW =
  /^(?:\\[A-Z][A-Z0-9]{0,6}\.)?(\$[A-Z][A-Z0-9]{0,6}) +(DOWN|FREE|INUSE|UNAVL)(?: [ -~]*)?$/i;

/** By device; undefined where a line is no part of such a table. Never throws. */
export function parseTapedriveStatus(
  lines: readonly string[],
): ReadonlyMap<string, TapedriveStatus> | undefined {
  const drives = new Map<string, TapedriveStatus>();
  let isTable = false;
  for (const line of lines.map((each) => each.trim()).filter((each) => each !== '')) {
    if (HEADER.test(line) || NONE.test(line)) {
      isTable = true;
      continue;
    }
    const [, device, status] = ROW.exec(line) ?? [];
    if (device === undefined || status === undefined) return undefined;
    drives.set(device.toUpperCase(), status.toUpperCase() as TapedriveStatus);
  }
  return isTable ? drives : undefined;
}
