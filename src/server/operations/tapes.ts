/** Operations on virtual tapes. */
import { z } from 'zod';
import { GIB } from '../../base/units.ts';
import { repairTape } from '../repair.ts';
import { createTape, deleteTape, tapeOf, verifyTapes } from '../tapes.ts';
import { PATH_CHARS_MAX, byName, byNameOf, operation, query, text } from './operation.ts';
import type { OperationTable } from './operation.ts';

/** What a tape holds unless told otherwise: as much as an LTO-3 cartridge. */
const TAPE_CAPACITY_BYTES_DEFAULT = 400 * GIB;
const TAPE_CAPACITY_BYTES_MAX = 1024 * 1024 * GIB;

export const TAPE_OPERATIONS: OperationTable = {
  'tape.create': operation(
    'cartridge-maintenance',
    z.strictObject({
      name: text,
      pool: text,
      labelType: z.enum(['ansi', 'ibm', 'backup', 'unlabelled']).default('ansi'),
      capacityBytes: z
        .int()
        .min(1)
        .max(TAPE_CAPACITY_BYTES_MAX)
        .default(TAPE_CAPACITY_BYTES_DEFAULT),
    }),
    createTape,
  ),
  'tape.list': query(
    'vault-access',
    z.strictObject({ pool: text.optional() }),
    async ({ context }, { pool }) => {
      if (pool !== undefined) await byNameOf('pool', pool, context.ports.catalog.listPools());
      return context.ports.catalog.listTapes(pool);
    },
  ),
  'tape.show': query('vault-access', byName, async ({ context }, { name }) => {
    const { catalog } = context.ports;
    const row = await tapeOf(context, name);
    const jobs = await catalog.listCopyJobs();
    return {
      ...row,
      generations: await catalog.listGenerations(name),
      copies: jobs.filter((job) => job.tape === name),
    };
  }),
  'tape.delete': operation('delete-cartridges', byName, deleteTape),
  'tape.verify': query(
    'cartridge-maintenance',
    z.strictObject({ name: text.optional() }),
    verifyTapes,
  ),
  'tape.repair': operation(
    'system-maintenance',
    z.strictObject({
      name: text,
      fromVault: text.optional(),
      fromStore: z.string().min(1).max(PATH_CHARS_MAX).optional(),
    }),
    repairTape,
  ),
};
