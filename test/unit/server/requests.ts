/** What hosts ask for in the tests of the services. */
import type { MountRequest } from '../../../src/ems/zsvr-events.ts';

/** A host asks for an ANSI tape: with ring and on any device, where `changes` do not say otherwise. */
export const requestOf = (
  volume: string,
  requestNumber: number,
  { ring = true, device }: { readonly ring?: boolean; readonly device?: string | undefined } = {},
): MountRequest => ({
  kind: 'mount-request',
  number: ring ? 600 : 601,
  requestNumber,
  volume,
  labelType: 'ansi',
  ring,
  ...(device !== undefined && { device }),
});
