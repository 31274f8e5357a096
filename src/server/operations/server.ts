/** Operations on the server as a whole. */
import { z } from 'zod';
import { CapstanError } from '../../base/errors.ts';
import { DEBUG_AREAS, DEBUG_LEVELS } from '../debug-log.ts';
import { rowsFor } from '../vault-access.ts';
import { nothing, operation, query } from './operation.ts';
import type { OperationTable } from './operation.ts';

export const SERVER_OPERATIONS: OperationTable = {
  /** Who may see some vaults only is given the counts of those. */
  'server.status': query(
    'view-system-status',
    nothing,
    async ({ context, copies, vaults, caller }) => {
      const { catalog } = context.ports;
      const ofTapes = async <Row extends { readonly tape: string }>(
        rows: readonly Row[],
      ): Promise<readonly Row[]> =>
        rowsFor(context, caller, rows, ({ tape }) => ({ kind: 'tape', name: tape }));
      const vaultOf = ({ name }: { readonly name: string }) => ({ kind: 'vault', name }) as const;
      const seen = await rowsFor(context, caller, await catalog.listVaults(), vaultOf);
      const jobs = await ofTapes(await catalog.listCopyJobs());
      const tapes = (await catalog.listTapes()).filter(
        ({ vault }) => caller.vaults === 'all' || caller.vaults.has(vault),
      );
      return {
        name: context.settings.serverName,
        profile: context.profile.name,
        systemId: context.settings.systemId,
        state: context.settings.offline === true ? 'not running' : 'running',
        hosts: context.settings.hosts.map((each) => each.host),
        vaultCount: seen.length,
        vaultsNotOpenHere: seen.flatMap((row) => vaults.whyNotHere(row.name) ?? []),
        tapeCount: tapes.length,
        openMountCount: (await ofTapes(await catalog.listMounts({ open: true }))).length,
        waitingRequestCount: (await ofTapes(await catalog.listMountRequests())).length,
        dueCopyCount: jobs.filter((job) => job.state === 'due').length,
        failedCopyCount: jobs.filter((job) => job.state === 'failed').length,
        copiesUnderWay: copies.all.map((flight) => flight.progress),
      };
    },
  ),
  'server.debug': query('view-system-status', nothing, ({ context }) =>
    Promise.resolve(context.debugLog.state),
  ),
  /** Until the server ends: it starts with `error` and all areas. */
  'server.set-debug': operation(
    'system-maintenance',
    z.strictObject({
      level: z.enum(DEBUG_LEVELS),
      areas: z.array(z.enum(DEBUG_AREAS)).min(1).max(DEBUG_AREAS.length).optional(),
    }),
    ({ context }, { level, areas }) => {
      if (context.settings.offline === true) {
        const what = 'The level of the debug log';
        const reason = 'no server runs, and each starts with `error`';
        return Promise.reject(new CapstanError('INVALID_ARGUMENT', { what, reason }));
      }
      context.debugLog.set({ level, areas: areas ?? DEBUG_AREAS });
      return Promise.resolve(context.debugLog.state);
    },
  ),
  'server.metrics': query('view-system-status', nothing, (services) =>
    services.metrics.text(services, services.caller.vaults),
  ),
};
