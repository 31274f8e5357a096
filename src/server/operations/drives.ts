/** Operations on virtual tape drives. */
import { z } from 'zod';
import { checkName } from '../../base/names.ts';
import type { DriveRow } from '../../ports/catalog.ts';
import type { Mounts } from '../mounts.ts';
import { byName, byNameOf, nothing, operation, query } from './operation.ts';
import type { OperationContext, OperationTable } from './operation.ts';
import { text } from './subjects.ts';

/** How many drives the serial numbers are counted for. */
const SERIAL_DIGITS = 8;

export const DRIVE_OPERATIONS: OperationTable = {
  'drive.create': operation(
    'manage-configuration',
    z.strictObject({
      name: text,
      host: text,
      device: text,
      serialNumber: z
        .string()
        .regex(/^[A-Z0-9]{1,20}$/)
        .meta({ title: '1 to 20 capitals and digits' })
        .optional(),
    }),
    createDrive,
  ),
  'drive.list': query('view-system-status', nothing, async ({ context, mounts }) =>
    (await context.ports.catalog.listDrives()).map((row) => withState(mounts, row)),
  ),
  'drive.show': query('view-system-status', byName, async ({ context, mounts }, { name }) =>
    withState(mounts, await byNameOf('drive', name, context.ports.catalog.listDrives())),
  ),
  'drive.delete': operation('manage-configuration', byName, ({ context, mounts }, { name }) =>
    context.decisions.run(async () => {
      await context.ports.catalog.deleteDrive(checkName('drive', name));
      mounts.removeDrive(name);
      return { name };
    }),
  ),
};

function withState(mounts: Mounts, row: DriveRow): DriveRow & { readonly tape?: string } {
  const volume = mounts.volumeIn(row.name);
  return { ...row, ...(volume !== undefined && { tape: volume }) };
}

async function createDrive(
  { context, mounts }: OperationContext,
  parameters: {
    readonly name: string;
    readonly host: string;
    readonly device: string;
    readonly serialNumber?: string | undefined;
  },
): Promise<DriveRow> {
  const { catalog } = context.ports;
  const name = checkName('drive', parameters.name);
  const host = checkName('host', parameters.host);
  const device = checkName('device', parameters.device);
  return context.decisions.run(async () => {
    const drives = await catalog.listDrives();
    const serialNumber = parameters.serialNumber ?? freeSerialNumber(drives);
    const row = { name, host, device, serialNumber };
    await catalog.createDrive(row);
    mounts.addDrive(row);
    // A request may have waited for it.
    mounts.lookAgain();
    return row;
  });
}

/** The lowest that no drive has. */
function freeSerialNumber(drives: readonly DriveRow[]): string {
  const taken = new Set(drives.map((drive) => drive.serialNumber));
  for (let number = 1; ; number += 1) {
    const serialNumber = `VTD${String(number).padStart(SERIAL_DIGITS, '0')}`;
    if (!taken.has(serialNumber)) return serialNumber;
  }
}
