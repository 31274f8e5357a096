/** Operations on VTSPolicy commands: one from the shell or the API, and what became of all. */
import { z } from 'zod';
import { POLICY_TEXT_CHARS_MAX } from '../../ems/vtspolicy.ts';
import type { PolicyCommand } from '../../ems/vtspolicy.ts';
import { authorize } from '../access.ts';
import type { Right } from '../rights.ts';
import { operation, query } from './operation.ts';
import type { OperationTable } from './operation.ts';

const RUNS_DEFAULT = 50;
const RUNS_MAX = 10_000;

/** What a command needs besides: as much as the same deed by another operation. */
const RIGHTS_BY_KIND = {
  migrate: 'hsm-migration',
  synchronize: 'instant-dr',
  erase: 'erase-cartridges',
  delete: 'delete-cartridges',
} as const satisfies Record<PolicyCommand['kind'], Right>;

export const POLICY_OPERATIONS: OperationTable = {
  'policy.run': operation(
    'virtual-tape-operations',
    z.strictObject({ text: z.string().min(1).max(POLICY_TEXT_CHARS_MAX) }),
    async ({ context, policy, caller }, { text }) => {
      const kind = policy.kindOf(text);
      if (kind !== undefined) authorize(caller, RIGHTS_BY_KIND[kind]);
      const vaults = caller.vaults === 'all' ? undefined : [...caller.vaults];
      return policy.run(context, text, { user: caller.user, vaults });
    },
  ),
  'policy.list': query(
    'view-log-files',
    z.strictObject({ limit: z.int().min(1).max(RUNS_MAX).default(RUNS_DEFAULT) }),
    async ({ context }, { limit }) =>
      (await context.ports.catalog.listPolicyRuns({ limit })).toReversed(),
  ),
};
