/**
 * Requests by their numbers, which a host gives out again: from the beginning when it is loaded anew, and
 * once it has come to its highest.
 */
import type { MountRequest } from '../ems/zsvr-events.ts';
import type { Catalog, MountRequestRow, MountRow } from '../ports/catalog.ts';

/** What {@link isKnown} looks at. */
interface Known {
  readonly open: readonly MountRow[];
  readonly waiting: readonly MountRequestRow[];
}

/** Whether a request waits or is answered already: the host's collector told of it twice. */
export async function isKnown(
  catalog: Pick<Catalog, 'listDrives'>,
  host: string,
  { requestNumber, volume, device, ring }: MountRequest,
  { open, waiting }: Known,
): Promise<boolean> {
  const isThis = (row: MountRow | MountRequestRow): boolean =>
    row.host === host &&
    row.requestNumber === requestNumber &&
    row.tape === volume &&
    row.ring === ring;
  const drives = await catalog.listDrives(host);
  const suits = (mount: MountRow): boolean =>
    device === undefined ||
    drives.some((drive) => drive.name === mount.drive && drive.device === device);
  return (
    open.some((row) => isThis(row) && suits(row)) ||
    waiting.some((row) => isThis(row) && row.device === device)
  );
}

/** Whether a newer request of its number waits, or is answered, than the one that a mount was for. */
export async function hasNewer(
  catalog: Pick<Catalog, 'listMounts' | 'listMountRequests'>,
  { id, host, requestNumber }: MountRow,
): Promise<boolean> {
  const isIts = (row: MountRow | MountRequestRow): boolean =>
    row.host === host && row.requestNumber === requestNumber;
  const open = await catalog.listMounts({ open: true });
  return (
    open.some((row) => isIts(row) && row.id > id) ||
    (await catalog.listMountRequests()).some((row) => isIts(row))
  );
}

/** As long as it is open, nothing else of the host has it. */
export function requestKey(host: string, requestNumber: number): string {
  return `${host} ${requestNumber}`;
}
