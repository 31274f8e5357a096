/** Operations on tape hosts and the EMS service that listens to them. */
import { z } from 'zod';
import { formatTimestamp } from '../../base/civil-time.ts';
import { CapstanError } from '../../base/errors.ts';
import { checkName } from '../../base/names.ts';
import { DEFAULT_EMS_HOST_PARAMETERS } from '../../ems/parameters.ts';
import type { HostSettings } from '../context.ts';
import { rowsFor } from '../vault-access.ts';
import { byName, found, nothing, operation, query } from './operation.ts';
import type { OperationContext, OperationTable } from './operation.ts';
import { text } from './subjects.ts';

export const HOST_OPERATIONS: OperationTable = {
  'host.list': query('view-system-status', nothing, (services) =>
    Promise.all(services.context.settings.hosts.map((settings) => hostRow(services, settings))),
  ),
  'host.show': query('view-system-status', byName, async (services, { name }) => {
    checkName('host', name);
    const { hosts } = services.context.settings;
    const settings = found(
      'host',
      name,
      hosts.find((each) => each.host === name),
    );
    const { collector = '$0', filter, user, parameters } = settings;
    const drives = await services.context.ports.catalog.listDrives(name);
    return {
      ...(await hostRow(services, settings)),
      user,
      collector,
      ...(filter !== undefined && { filter }),
      drives: drives.map((drive) => `${drive.name} as ${drive.device}`),
      parameters: { ...DEFAULT_EMS_HOST_PARAMETERS, ...parameters },
    };
  }),
  'host.restart': operation(
    'system-maintenance',
    z.strictObject({ name: text.optional() }),
    async ({ context, ems }, { name }) => {
      if (name !== undefined) checkName('host', name);
      if (context.settings.offline === true) {
        const reason = 'no server runs; `capstan serve` builds them when it starts';
        throw new CapstanError('INVALID_ARGUMENT', { what: 'Building EMS sessions anew', reason });
      }
      const hosts = ems.restart(name);
      await context.eventLog.log('EMS_RESTARTED', {
        hosts: hosts.length === 0 ? 'no host' : hosts.join(' '),
      });
      return { hosts };
    },
  ),
};

async function hostRow(
  { context, ems, caller }: OperationContext,
  { host, endpoint }: HostSettings,
): Promise<object> {
  const { catalog } = context.ports;
  const waiting = (await catalog.listMountRequests()).filter((row) => row.host === host);
  const requests = await rowsFor(context, caller, waiting, ({ tape }) => ({
    kind: 'tape',
    name: tape,
  }));
  const session = ems.status().find((each) => each.host === host);
  const lastEvent = session?.lastEventHostTime;
  return {
    name: host,
    address: `${endpoint.address}:${endpoint.port}`,
    // There are no sessions while no server runs.
    state: session?.state ?? 'stopped',
    stateSinceAtMs: session?.stateSinceAtMs,
    sessionCount: session?.sessionCount,
    eventCount: session?.eventCount,
    // In the host's local time, as the host prints it.
    lastEvent: lastEvent === undefined ? undefined : formatTimestamp(lastEvent),
    lastFailure: session?.lastFailure,
    driveCount: (await catalog.listDrives(host)).length,
    waitingRequestCount: requests.length,
  };
}
