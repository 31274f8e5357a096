/** Operations on vaults. */
import { z } from 'zod';
import { collectVault } from '../collect.ts';
import { renameVault } from '../vault-rename.ts';
import { shareVault } from '../vault-sharing.ts';
import { finishMoves } from '../tape-moves.ts';
import { PATH_CHARS_MAX, byVault, found, nothing, operation, query } from './operation.ts';
import type { OperationTable } from './operation.ts';
import { text, vaultName } from './subjects.ts';

export const VAULT_OPERATIONS: OperationTable = {
  'vault.create': operation(
    'manage-configuration',
    z.strictObject({
      name: vaultName,
      path: z.string().min(1).max(PATH_CHARS_MAX),
      shared: z.boolean().default(false),
    }),
    async (services, { name, path, shared }) => {
      const { vaults, context } = services;
      const row = await vaults.create(name, path, context.eventLog);
      if (!shared) return row;
      try {
        return await shareVault(services, { name });
      } catch (error) {
        await vaults.delete(name, context.eventLog);
        throw error;
      }
    },
  ),
  'vault.rename': operation(
    'manage-configuration',
    z.strictObject({ name: vaultName, newName: text }),
    renameVault,
  ),
  'vault.delete': operation('manage-configuration', byVault, ({ vaults, context }, { name }) =>
    vaults.delete(name, context.eventLog),
  ),
  'vault.open': operation(
    'manage-configuration',
    byVault,
    async ({ vaults, mounts, context }, { name }) => {
      const row = await context.decisions.run(() =>
        vaults.reopen(name, () => finishMoves(context, vaults, name)),
      );
      await context.eventLog.log('VAULT_OPENED', { vault: name });
      mounts.lookAgain();
      return row;
    },
  ),
  'vault.list': query('vault-access', nothing, ({ vaults }) => vaults.list()),
  'vault.show': query('vault-access', byVault, async ({ vaults, context }, { name }) => {
    const row = (await vaults.list()).find((each) => each.name === name);
    const vault = found('vault', name, row);
    // Of one that is closed there is no more to say.
    return vaults.closed.has(name) || context.keeping.isElsewhere(name)
      ? vault
      : { ...vault, ...(await vaults.engine(name).statistics()) };
  }),
  'vault.collect': operation(
    'system-maintenance',
    z.strictObject({
      name: vaultName,
      liveShare: z.number().min(0).max(1).optional(),
      rateBytesPerSecond: z.number().min(1).optional(),
    }),
    collectVault,
  ),
};
