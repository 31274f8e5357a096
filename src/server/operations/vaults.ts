/** Operations on vaults. */
import { z } from 'zod';
import { collectVault } from '../collect.ts';
import { PATH_CHARS_MAX, byName, byNameOf, nothing, operation, query, text } from './operation.ts';
import type { OperationTable } from './operation.ts';

export const VAULT_OPERATIONS: OperationTable = {
  'vault.create': operation(
    'manage-configuration',
    z.strictObject({ name: text, path: z.string().min(1).max(PATH_CHARS_MAX) }),
    ({ vaults }, { name, path }) => vaults.create(name, path),
  ),
  'vault.list': query('vault-access', nothing, ({ context }) => context.ports.catalog.listVaults()),
  'vault.show': query('vault-access', byName, async ({ context, vaults }, { name }) => {
    const row = await byNameOf('vault', name, context.ports.catalog.listVaults());
    return { ...row, ...(await vaults.engine(name).statistics()) };
  }),
  'vault.collect': operation(
    'system-maintenance',
    z.strictObject({
      name: text,
      liveShare: z.number().min(0).max(1).optional(),
      rateBytesPerSecond: z.number().min(1).optional(),
    }),
    collectVault,
  ),
};
