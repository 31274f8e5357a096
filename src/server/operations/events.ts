/** Operations on the event log. */
import { z } from 'zod';
import { query } from './operation.ts';
import type { OperationTable } from './operation.ts';

const EVENT_LIMIT_MAX = 10_000;

export const EVENTS_OPERATIONS: OperationTable = {
  'events.list': query(
    'view-log-files',
    z.strictObject({
      afterId: z.int().min(0).optional(),
      limit: z.int().min(1).max(EVENT_LIMIT_MAX).default(50),
    }),
    ({ context }, { afterId, limit }) =>
      context.ports.catalog.listEvents({ limit, ...(afterId !== undefined && { afterId }) }),
  ),
};
