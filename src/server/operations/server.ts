/** Operations on the server as a whole. */
import { nothing, query } from './operation.ts';
import type { OperationTable } from './operation.ts';

export const SERVER_OPERATIONS: OperationTable = {
  'server.status': query('view-system-status', nothing, async ({ context, copies }) => {
    const { catalog } = context.ports;
    const jobs = await catalog.listCopyJobs();
    return {
      name: context.settings.serverName,
      profile: context.profile.name,
      systemId: context.settings.systemId,
      hosts: context.settings.hosts.map((each) => each.host),
      vaultCount: (await catalog.listVaults()).length,
      tapeCount: (await catalog.listTapes()).length,
      openMountCount: (await catalog.listMounts({ open: true })).length,
      waitingRequestCount: (await catalog.listMountRequests()).length,
      dueCopyCount: jobs.filter((job) => job.state === 'due').length,
      failedCopyCount: jobs.filter((job) => job.state === 'failed').length,
      copiesUnderWay: copies.all.map((flight) => flight.progress),
    };
  }),
  'server.metrics': query('view-system-status', nothing, (services) =>
    services.metrics.text(services),
  ),
};
