/** Operations on shared vaults, and on the servers that share them. */
import { z } from 'zod';
import { CapstanError } from '../../base/errors.ts';
import { checkName } from '../../base/names.ts';
import { joinVault, leaveVault, shareVault } from '../vault-sharing.ts';
import { copyTarget, fingerprint } from './copy-target.ts';
import { PATH_CHARS_MAX, byVault, nothing, operation, query } from './operation.ts';
import type { OperationTable } from './operation.ts';
import { text, vaultName } from './subjects.ts';

export const ISC_OPERATIONS: OperationTable = {
  'vault.share': operation('manage-configuration', byVault, shareVault),
  'vault.join': operation(
    'manage-configuration',
    z.strictObject({ name: vaultName, path: z.string().min(1).max(PATH_CHARS_MAX) }),
    joinVault,
  ),
  'vault.leave': operation('manage-configuration', byVault, leaveVault),
  'isc.add': operation(
    'manage-configuration',
    copyTarget.extend({ clientKey: fingerprint.optional() }),
    async ({ context, shared }, given) => {
      checkName('server', given.server);
      if (given.server === context.settings.serverName) {
        const what = `The server ${given.server}`;
        throw new CapstanError('INVALID_ARGUMENT', { what, reason: 'it is this one' });
      }
      const peer = await shared.addPeer(given);
      const { server, address } = peer;
      await context.eventLog.log('ISC_SERVER_ADDED', { server, address });
      return peer;
    },
  ),
  'isc.remove': operation(
    'manage-configuration',
    z.strictObject({ server: text }),
    async ({ context, shared }, { server }) => {
      await shared.removePeer(server);
      await context.eventLog.log('ISC_SERVER_REMOVED', { server });
      return { server };
    },
  ),
  'isc.list': query('view-configuration', nothing, ({ shared }) => shared.status()),
};
