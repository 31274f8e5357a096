/** Operations on process locks. */
import { z } from 'zod';
import { removeLock } from '../tape-locks.ts';
import { nothing, operation, query } from './operation.ts';
import type { OperationTable } from './operation.ts';
import { poolName, tapeName } from './subjects.ts';

export const LOCK_OPERATIONS: OperationTable = {
  'lock.list': query('mounts-and-locks', nothing, ({ context }) =>
    context.ports.catalog.listLocks(),
  ),
  'lock.remove': operation(
    'mounts-and-locks',
    z.strictObject({ tape: tapeName.optional(), pool: poolName.optional() }),
    ({ context }, parameters) => removeLock(context, parameters),
  ),
};
