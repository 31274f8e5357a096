/** Operations of Scan/Cleanup: the manual's page with its buttons Submit, Reset and Erase Now! */
import { z } from 'zod';
import { authorize } from '../access.ts';
import { nothing, operation, query } from './operation.ts';
import type { OperationTable } from './operation.ts';
import { tapeName } from './subjects.ts';

/** Most tapes of one decision. */
const TAPES_MAX = 10_000;

const tapes = z.array(tapeName).min(1).max(TAPES_MAX);

export const CLEANUP_OPERATIONS: OperationTable = {
  'cleanup.scan': operation('scan-and-cleanup', nothing, ({ context, cleanup, caller }) =>
    cleanup.scan(context, caller.user),
  ),
  'cleanup.show': query('scan-and-cleanup', nothing, ({ cleanup }) => cleanup.show()),
  'cleanup.authorize': operation(
    'scan-and-cleanup',
    z.strictObject({ tapes }),
    ({ context, cleanup, caller }, given) => {
      authorize(caller, 'erase-cartridges');
      return cleanup.decide(context, given.tapes, { decision: 'erase', user: caller.user });
    },
  ),
  'cleanup.forbid': operation(
    'scan-and-cleanup',
    z.strictObject({ tapes }),
    ({ context, cleanup, caller }, given) =>
      cleanup.decide(context, given.tapes, { decision: 'keep', user: caller.user }),
  ),
  'cleanup.reset': operation(
    'scan-and-cleanup',
    z.strictObject({ tapes: tapes.optional() }),
    ({ context, cleanup }, given) => cleanup.reset(context, given.tapes),
  ),
  'cleanup.erase': operation('erase-cartridges', nothing, ({ context, cleanup, caller }) => {
    authorize(caller, 'scan-and-cleanup');
    return cleanup.eraseNow(context, caller.user);
  }),
};
