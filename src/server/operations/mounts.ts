/** Operations on mounts and mount requests. */
import { nothing, operation } from './operation.ts';
import type { OperationTable } from './operation.ts';

export const MOUNT_OPERATIONS: OperationTable = {
  'mount.list': operation(nothing, async ({ context }) => ({
    mounts: await context.ports.catalog.listMounts({ open: true }),
    requests: await context.ports.catalog.listMountRequests(),
  })),
};
