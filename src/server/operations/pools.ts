/** Operations on pools. */
import { z } from 'zod';
import { checkName } from '../../base/names.ts';
import { byName, byNameOf, nothing, operation, query, text } from './operation.ts';
import type { OperationTable } from './operation.ts';

export const POOL_OPERATIONS: OperationTable = {
  'pool.create': operation(
    'pool-maintenance',
    z.strictObject({ name: text, vault: text }),
    async ({ context }, { name, vault }) => {
      const { catalog, clock } = context.ports;
      checkName('pool', name);
      return catalog.createPool({
        name,
        vault: checkName('vault', vault),
        createdAtMs: clock.nowMs(),
      });
    },
  ),
  'pool.list': query('vault-access', nothing, ({ context }) => context.ports.catalog.listPools()),
  'pool.show': query('vault-access', byName, async ({ context }, { name }) => {
    const { catalog } = context.ports;
    const row = await byNameOf('pool', name, catalog.listPools());
    const tapes = await catalog.listTapes(name);
    return {
      ...row,
      tapeCount: tapes.length,
      payloadBytes: tapes.reduce((sum, tape) => sum + tape.payloadBytes, 0),
    };
  }),
};
