/** Bugs of AutoCopy with hosts in trouble that are planted on purpose. */
import type { Catalog, DismountRecord, NewEvent } from '../../src/ports/catalog.ts';
import { decorate } from '../../src/base/decorate.ts';
import type { Mutant } from './mutant.ts';

const SESSION_ESTABLISHED = '220120';
const SESSION_LOST = '420121';

/** What is dismounted while no host has a session is not copied. */
function deafWithoutSessions(catalog: Catalog): Catalog {
  let isDeaf = false;
  return decorate(catalog, async (method, call, [first]) => {
    if (method === 'appendEvent') {
      const { messageId } = first as NewEvent;
      if (messageId === SESSION_LOST) isDeaf = true;
      if (messageId === SESSION_ESTABLISHED) isDeaf = false;
    }
    if (method !== 'recordDismount' || !isDeaf) return call();
    return catalog.recordDismount({ ...(first as DismountRecord), queueRuleIds: [] });
  });
}

/** What the host did not say that it had is not copied. */
const deafToUnaccepted = (catalog: Catalog): Catalog =>
  decorate(catalog, async (method, call, [first]) => {
    if (method !== 'recordDismount') return call();
    const record = first as DismountRecord;
    if (await catalog.isMountAccepted(record.mountId)) return call();
    return catalog.recordDismount({ ...record, queueRuleIds: [] });
  });

export const TROUBLED_HOST_MUTANTS: readonly Mutant[] = [
  {
    name: 'trouble-deaf',
    what: 'a tape that is dismounted while a session is lost is not copied',
    sabotage: { east: { catalog: deafWithoutSessions } },
  },
  {
    name: 'trouble-unaccepted',
    what: 'a tape is not copied where the host was not heard to have had it',
    sabotage: { east: { catalog: deafToUnaccepted } },
  },
];
