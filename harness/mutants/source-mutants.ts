/**
 * Bugs that are planted in the source itself, a line each. This module must load nothing of `src`: it is read
 * before the source that a bug is planted in (harness/rig/plant-hook.ts).
 */
import { EMS, MOUNTS } from './host-source-mutants.ts';
import type { Mutant, SourcePatch } from './mutant.ts';
import { REPLICATION } from './replication-mutants.ts';

export type Area =
  | 'EMS'
  | 'mounts'
  | 'replication'
  | 'catalog'
  | 'licences'
  | 'shared vaults'
  | 'full disks';

export interface SourceMutant extends Mutant {
  readonly area: Area;
  /** The name of the scenario that has to find it. */
  readonly scenario: string;
  readonly patch: SourcePatch;
}

/** A bug without what it has in common with the others of its list. */
export type ListedMutant = Omit<SourceMutant, 'area' | 'sabotage'>;

const CATALOG: readonly ListedMutant[] = [
  {
    name: 'attempts-kept',
    what: 'a tape that is queued anew keeps the count of its attempts',
    scenario: 'autocopy',
    patch: {
      file: 'src/catalog/sqlite-catalog.ts',
      from: "state = 'due', attempts = 0, queuedAtMs = :atMs,",
      to: "state = 'due', queuedAtMs = :atMs,",
    },
  },
  {
    name: 'next-attempt-kept',
    what: 'a tape that is queued anew waits as long as the attempt before',
    scenario: 'autocopy',
    patch: {
      file: 'src/catalog/sqlite-catalog.ts',
      from: 'queuedAtMs = :atMs, nextAttemptAtMs = :atMs,\n         lastError',
      to: 'queuedAtMs = :atMs,\n         lastError',
    },
  },
  {
    name: 'generation-not-recorded',
    what: 'the row of a written tape keeps its generation',
    scenario: 'autocopy',
    patch: {
      file: 'src/catalog/sqlite-catalog.ts',
      from: 'UPDATE tape SET generation = :generation, payloadBytes = :payloadBytes,\n             writtenAtMs',
      to: 'UPDATE tape SET generation = max(:generation - 1, 0), payloadBytes = :payloadBytes,\n             writtenAtMs',
    },
  },
  {
    name: 'ended-mounts-open',
    what: 'mounts that have ended are listed with the open ones',
    scenario: 'mounts',
    patch: {
      file: 'src/catalog/sqlite-catalog.ts',
      from: 'this.#database.rows(MOUNT, "WHERE state = \'open\' ORDER BY id");',
      to: "this.#database.rows(MOUNT, 'ORDER BY id');",
    },
  },
  {
    name: 'acceptance-of-none',
    what: 'that the host has had its tape is kept of no mount',
    scenario: 'mounts',
    patch: {
      file: 'src/catalog/hosts-catalog.ts',
      from: 'WHERE host = :host AND requestNumber = :requestNumber',
      to: 'WHERE host = :host AND requestNumber = -:requestNumber - 1',
    },
  },
  {
    name: 'request-ring-kept',
    what: 'a request that takes the place of another keeps whether that one asked for a ring',
    scenario: 'mounts',
    patch: {
      file: 'src/catalog/sqlite-catalog.ts',
      from: 'device = excluded.device, ring = excluded.ring,',
      to: 'device = excluded.device,',
    },
  },
  {
    name: 'request-outlives-mount',
    what: 'a request waits on when its tape is mounted',
    scenario: 'mounts',
    patch: {
      file: 'src/catalog/sqlite-catalog.ts',
      from: 'this.#deleteMountRequest(mount.host, mount.requestNumber);\n      }\n      return row;',
      to: '}\n      return row;',
    },
  },
  {
    name: 'mount-time-kept',
    what: 'a tape keeps the time of its first mount',
    scenario: 'mounts',
    patch: {
      file: 'src/catalog/sqlite-catalog.ts',
      from: "'UPDATE tape SET mountedAtMs = :atMs WHERE name = :tape'",
      to: "'UPDATE tape SET mountedAtMs = coalesce(mountedAtMs, :atMs) WHERE name = :tape'",
    },
  },
  {
    name: 'events-from-the-end',
    what: 'of the events behind one the newest are listed, not the oldest',
    scenario: 'autocopy',
    patch: {
      file: 'src/catalog/sqlite-catalog.ts',
      from: 'ORDER BY id LIMIT +:limit`;',
      to: 'ORDER BY id DESC LIMIT +:limit`;',
    },
  },
  {
    name: 'queue-of-one',
    what: 'a dismount queues the tape for no rule',
    scenario: 'autocopy',
    patch: {
      file: 'src/catalog/sqlite-catalog.ts',
      from: 'for (const ruleId of record.queueRuleIds)',
      to: 'for (const ruleId of record.queueRuleIds.slice(1))',
    },
  },
  {
    name: 'erased-bytes-kept',
    what: 'an erased tape keeps the count of its bytes',
    scenario: 'media',
    patch: {
      file: 'src/catalog/media-catalog.ts',
      from: 'SET generation = :generation, payloadBytes = 0,',
      to: 'SET generation = :generation,',
    },
  },
  {
    name: 'copied-from-kept',
    what: 'a tape that a host writes keeps where its content was copied from before',
    scenario: 'instant-dr',
    patch: {
      file: 'src/catalog/sqlite-catalog.ts',
      from: 'updatedAtMs = :atMs, copiedFrom = NULL\n',
      to: 'updatedAtMs = :atMs\n',
    },
  },
  {
    name: 'rename-time-kept',
    what: 'a rename is no change of a tape',
    scenario: 'media',
    patch: {
      file: 'src/catalog/media-catalog.ts',
      from: 'SET name = :newName, updatedAtMs = :atMs WHERE',
      to: 'SET name = :newName, updatedAtMs = coalesce(updatedAtMs, NULL + :atMs) WHERE',
    },
  },
  {
    name: 'erase-time-kept',
    what: 'an erasure is no change of a tape',
    scenario: 'media',
    patch: {
      file: 'src/catalog/media-catalog.ts',
      from: 'erasedAtMs = :atMs, updatedAtMs = :atMs WHERE',
      to: 'erasedAtMs = :atMs WHERE',
    },
  },
  {
    name: 'run-rows-lost',
    what: "of Instant DR's runs only the newest is kept",
    scenario: 'instant-dr',
    patch: {
      file: 'src/catalog/instant-dr-catalog.ts',
      from: 'OFFSET ${IDR_RUN_COUNT_MAX})',
      to: 'OFFSET 1)',
    },
  },
];

const LICENCES: readonly ListedMutant[] = [
  {
    name: 'signature-unchecked',
    what: 'a key counts whoever has signed it',
    scenario: 'licences',
    patch: {
      file: 'src/server/licence-keys.ts',
      from: 'if (!genuine) throw',
      to: 'if (!genuine && message.length === 0) throw',
    },
  },
  {
    name: 'licence-without-end',
    what: 'a licence counts beyond its last day',
    scenario: 'licences',
    patch: {
      file: 'src/server/licences.ts',
      from: "nowMs >= licence.expiresAtMs ? 'expired' : 'valid'",
      to: "nowMs < 0 ? 'expired' : 'valid'",
    },
  },
  {
    name: 'last-day-lost',
    what: 'a licence ends with the beginning of its last day',
    scenario: 'licences',
    patch: {
      file: 'src/server/licence-keys.ts',
      from: 'lastDayMs + DAY_MS,',
      to: 'lastDayMs,',
    },
  },
  {
    name: 'any-server',
    what: 'a licence for another server counts',
    scenario: 'licences',
    patch: {
      file: 'src/server/licences.ts',
      from: 'licence.server !== serverName) return',
      to: 'licence.server === serverName) return',
    },
  },
  {
    name: 'clock-believed',
    what: 'a licence that has ended counts again once the clock goes back',
    scenario: 'licences',
    patch: {
      file: 'src/server/licences.ts',
      from: 'const latestMs = Math.max(ports.clock.nowMs(), seen.latestMs);',
      to: 'const latestMs = ports.clock.nowMs();',
    },
  },
  {
    name: 'end-told-again',
    what: 'the end of a licence is told at every look',
    scenario: 'licences',
    patch: {
      file: 'src/server/licences.ts',
      from: 'const tells = hasEnded && !row.expiryTold;',
      to: 'const tells = hasEnded;',
    },
  },
  {
    name: 'removed-comes-back',
    what: 'a licence that was taken away is there again',
    scenario: 'licences',
    patch: {
      file: 'src/server/licences.ts',
      from: 'if (row.number === LABORATORY || row.removedAtMs !== undefined) continue;',
      to: 'if (row.number === LABORATORY) continue;',
    },
  },
  {
    name: 'laboratory-stays',
    what: 'the free licence cannot be taken away',
    scenario: 'licences',
    patch: {
      file: 'src/server/licences.ts',
      from: 'laboratory?.removedAtMs === undefined',
      to: 'laboratory?.removedAtMs !== null',
    },
  },
];

const SHARED: readonly ListedMutant[] = [
  {
    name: 'shared-unclaimed-kept',
    what: 'a mount that its guest does not claim any more stays',
    scenario: 'shared-vault',
    patch: {
      file: 'src/server/isc-mounts.ts',
      from: 'for (const held of left ?? []) await this.#takeBack(held);',
      to: 'for (const held of left ?? []) held.cancelGivingUp();',
    },
  },
  {
    name: 'shared-commit-first',
    what: 'a change is committed before the ledger has it, and stands where that cannot be written',
    scenario: 'shared-vault',
    patch: {
      file: 'src/server/keeping.ts',
      from: 'return await this.#catalog.atomically(async () => {',
      to: 'return await (async (work: () => Promise<unknown>) => work())(async () => {',
    },
  },
  {
    name: 'shared-over-untold',
    what: 'a mount that the keeper does not have any more stays in its drive',
    scenario: 'shared-vault',
    patch: {
      file: 'src/server/remote-mounts.ts',
      from: 'this.#options.interrupt(tape),',
      to: 'Promise.resolve(),',
    },
  },
  {
    name: 'shared-lost-sync-done',
    what: 'a sync whose answer was lost with the line is taken for done',
    scenario: 'shared-vault',
    patch: {
      file: 'src/server/remote-mounts.ts',
      from: "if (!isCapstanError(error, 'CONNECTION_LOST')) throw error;",
      to: "if (!isCapstanError(error, 'CONNECTION_LOST')) throw error;\n        if (method === 'sync') return { answer: null, data: new Uint8Array(0) } as never;",
    },
  },
];

const inArea = (area: Area, mutants: readonly ListedMutant[]): SourceMutant[] =>
  mutants.map((mutant) => ({ ...mutant, area, sabotage: {} }));

const FULL_DISKS: readonly ListedMutant[] = [
  {
    name: 'full-given-to-host',
    what: 'the blocks of hosts take what is held back, too',
    scenario: 'full-vault',
    patch: {
      file: 'src/server/virtual-drive.ts',
      from: 'return image.append(call);',
      to: 'return this.#ballasts.rescue(() => image.append(call));',
    },
  },
  {
    name: 'full-start-unaided',
    what: 'a server that starts has what is held back for nothing',
    scenario: 'full-vault',
    patch: {
      file: 'src/server/tape-server.ts',
      from: 'await ballasts.start(() => vaults.all.map(([name]) => name));',
      to: '',
    },
  },
];

export const SOURCE_MUTANTS: readonly SourceMutant[] = [
  ...inArea('EMS', EMS),
  ...inArea('mounts', MOUNTS),
  ...inArea('replication', REPLICATION),
  ...inArea('catalog', CATALOG),
  ...inArea('licences', LICENCES),
  ...inArea('shared vaults', SHARED),
  ...inArea('full disks', FULL_DISKS),
];

/** Those that the scenario of this name has to find. */
export function sourceMutantsOf(scenario: string): readonly SourceMutant[] {
  return SOURCE_MUTANTS.filter((mutant) => mutant.scenario === scenario);
}
