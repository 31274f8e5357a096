/** Operations on licences. */
import { z } from 'zod';
import { LICENCE_KEY_CHARS_MAX } from '../licence-keys.ts';
import { nothing, operation, query } from './operation.ts';
import type { OperationTable } from './operation.ts';
import { text } from './subjects.ts';

export const LICENCE_OPERATIONS: OperationTable = {
  'licence.list': query('view-configuration', nothing, ({ context }) => context.licences.list()),
  'licence.add': operation(
    'system-maintenance',
    z.strictObject({ key: z.string().max(2 * LICENCE_KEY_CHARS_MAX) }),
    ({ context }, { key }) => context.licences.add(key, context.eventLog),
  ),
  'licence.remove': operation(
    'system-maintenance',
    z.strictObject({ number: text }),
    ({ context }, { number }) => context.licences.remove(number, context.eventLog),
  ),
};
