/** Operations on mounts and mount requests. */
import { nothing, query } from './operation.ts';
import type { OperationTable } from './operation.ts';

export const MOUNT_OPERATIONS: OperationTable = {
  'mount.list': query('view-system-status', nothing, async ({ context }) => ({
    mounts: await context.ports.catalog.listMounts({ open: true }),
    requests: await context.ports.catalog.listMountRequests(),
  })),
};
