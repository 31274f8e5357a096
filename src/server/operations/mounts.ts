/** Operations on mounts and mount requests. */
import { z } from 'zod';
import { checkName } from '../../base/names.ts';
import { REQUEST_NUMBER_MAX } from '../../ems/zsvr-events.ts';
import { nothing, operation, query } from './operation.ts';
import type { OperationTable } from './operation.ts';
import { tapeName, text } from './subjects.ts';

export const MOUNT_OPERATIONS: OperationTable = {
  'mount.list': query('view-system-status', nothing, async ({ context }) => ({
    mounts: await context.ports.catalog.listMounts({ open: true }),
    requests: await context.ports.catalog.listMountRequests(),
  })),
  'mount.create': operation(
    'mount-cartridges',
    z.strictObject({ tape: tapeName, drive: text, ring: z.boolean().default(false) }),
    ({ context, mounts }, { tape, drive, ring }) =>
      mounts.mountManually(
        checkName('tape', tape),
        checkName('drive', drive),
        ring,
        context.eventLog,
      ),
  ),
  'mount.end': operation(
    'unmount-cartridges',
    z.strictObject({ tape: tapeName }),
    ({ context, mounts }, { tape }) =>
      mounts.unmountManually(checkName('tape', tape), context.eventLog),
  ),
  'mount.drop': operation(
    'mounts-and-locks',
    z.strictObject({ host: text, requestNumber: z.int().min(0).max(REQUEST_NUMBER_MAX) }),
    ({ mounts }, { host, requestNumber }) =>
      mounts.dropRequest(checkName('host', host), requestNumber),
  ),
};
