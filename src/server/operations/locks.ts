/** Operations on process locks. */
import { z } from 'zod';
import { removeLock } from '../tape-locks.ts';
import { nothing, operation, query, text } from './operation.ts';
import type { OperationTable } from './operation.ts';

export const LOCK_OPERATIONS: OperationTable = {
  'lock.list': query('mounts-and-locks', nothing, ({ context }) =>
    context.ports.catalog.listLocks(),
  ),
  'lock.remove': operation(
    'mounts-and-locks',
    z.strictObject({ tape: text.optional(), pool: text.optional() }),
    ({ context }, parameters) => removeLock(context, parameters),
  ),
};
