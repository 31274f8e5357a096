/** Operations on virtual tapes. */
import { z } from 'zod';
import { GIB } from '../../base/units.ts';
import { repairTape } from '../repair.ts';
import { eraseTape, lockTape, moveTape, renameTape } from '../tape-changes.ts';
import { METADATA_ITEM_NAMES, setMetadata, showMetadata } from '../metadata.ts';
import { createTape, createTapeRange, deleteTape, verifyTapes } from '../tapes.ts';
import { showTape } from '../tape-view.ts';
import { PATH_CHARS_MAX, byNameOf, byTape, operation, query } from './operation.ts';
import type { OperationTable } from './operation.ts';
import { poolName, tapeName, text, vaultName } from './subjects.ts';

/** What a tape holds unless told otherwise: as much as an LTO-3 cartridge. */
const TAPE_CAPACITY_BYTES_DEFAULT = 400 * GIB;
/** Columns of VOL1 for it. */
const OWNER_CHARS_MAX = 14;
const TAPE_CAPACITY_BYTES_MAX = 1024 * 1024 * GIB;

/** What a tape is made with. */
const newTape = {
  labelType: z.enum(['ansi', 'ibm', 'backup', 'unlabelled']).default('ansi'),
  capacityBytes: z.int().min(1).max(TAPE_CAPACITY_BYTES_MAX).default(TAPE_CAPACITY_BYTES_DEFAULT),
  owner: z.string().max(OWNER_CHARS_MAX).default(''),
};
const lockOf = z.strictObject({
  name: tapeName,
  kind: z.enum(['user', 'autoload']).default('user'),
});

export const TAPE_OPERATIONS: OperationTable = {
  'tape.create': operation(
    'cartridge-maintenance',
    z.strictObject({
      name: tapeName,
      pool: poolName,
      ...newTape,
    }),
    createTape,
  ),
  'tape.create-range': operation(
    'cartridge-maintenance',
    z.strictObject({
      first: tapeName,
      last: tapeName,
      pool: poolName,
      skipExisting: z.boolean().default(false),
      ...newTape,
    }),
    createTapeRange,
  ),
  'tape.rename': operation(
    'cartridge-maintenance',
    z.strictObject({ name: tapeName, newName: text, keepLabel: z.boolean().default(false) }),
    renameTape,
  ),
  'tape.move': operation(
    'cartridge-maintenance',
    z.strictObject({ name: tapeName, pool: poolName }),
    moveTape,
  ),
  'tape.erase': operation('erase-cartridges', byTape, eraseTape),
  'tape.lock': operation('cartridge-maintenance', lockOf, (services, parameters) =>
    lockTape(services, { ...parameters, locked: true }),
  ),
  'tape.unlock': operation('cartridge-maintenance', lockOf, (services, parameters) =>
    lockTape(services, { ...parameters, locked: false }),
  ),
  'tape.list': query(
    'vault-access',
    z.strictObject({ pool: poolName.optional() }),
    async ({ context }, { pool }) => {
      if (pool !== undefined) await byNameOf('pool', pool, context.ports.catalog.listPools());
      return context.ports.catalog.listTapes(pool);
    },
  ),
  'tape.show': query('vault-access', byTape, showTape),
  'tape.metadata': query(
    'vault-access',
    z.strictObject({ name: tapeName, item: z.enum(METADATA_ITEM_NAMES).optional() }),
    showMetadata,
  ),
  'tape.set-metadata': operation(
    'cartridge-maintenance',
    z.strictObject({
      name: tapeName,
      item: z.enum(METADATA_ITEM_NAMES),
      value: z.string().max(40),
    }),
    setMetadata,
  ),
  'tape.delete': operation('delete-cartridges', byTape, deleteTape),
  'tape.verify': query(
    'cartridge-maintenance',
    z.strictObject({ name: tapeName.optional() }),
    verifyTapes,
  ),
  'tape.repair': operation(
    'system-maintenance',
    z.strictObject({
      name: tapeName,
      fromVault: vaultName.optional(),
      fromStore: z.string().min(1).max(PATH_CHARS_MAX).optional(),
    }),
    repairTape,
  ),
};
