/**
 * Bugs that are planted in the source itself, a line each. This module must load nothing of `src`: it is read
 * before the source that a bug is planted in (harness/rig/plant-hook.ts).
 */
import type { Mutant, SourcePatch } from './mutant.ts';

export type Area = 'EMS' | 'replication' | 'catalog' | 'licences' | 'shared vaults';

export interface SourceMutant extends Mutant {
  readonly area: Area;
  /** The name of the scenario that has to find it. */
  readonly scenario: string;
  readonly patch: SourcePatch;
}

const EMS: readonly Omit<SourceMutant, 'area' | 'sabotage'>[] = [
  {
    name: 'ems-continuation-lost',
    what: 'the continuation lines of an event are dropped',
    scenario: 'mounts',
    patch: {
      file: 'src/ems/printing-distributor.ts',
      from: 'const text = cleanText(`${event.text} ${line}`);',
      to: 'const text = event.text;',
    },
  },
  {
    name: 'ems-words-joined',
    what: 'a continuation line is joined to the word before it without a blank',
    scenario: 'mounts',
    patch: {
      file: 'src/ems/printing-distributor.ts',
      from: 'cleanText(`${event.text} ${line}`)',
      to: 'cleanText(`${event.text}${line.trim()}`)',
    },
  },
  {
    name: 'ems-padding-unseen',
    what: 'blanks that were printed of a text are forgotten',
    scenario: 'policy-cleanup',
    patch: {
      file: 'src/ems/printing-distributor.ts',
      from: 'return /^ | {2}| $/.test(text);',
      to: 'return false;',
    },
  },
  {
    name: 'ems-mark-unheard',
    what: 'the answer to a timing mark is not heard',
    scenario: 'policy-cleanup',
    patch: {
      file: 'src/ems/telnet-lines.ts',
      from: "return { kind: 'timing-mark' };",
      to: 'return undefined;',
    },
  },
  {
    name: 'ems-device-lost',
    what: 'the device that a request names is not read',
    scenario: 'mounts',
    patch: {
      file: 'src/ems/zsvr-events.ts',
      from: 'if (value === undefined) continue;',
      to: "if (value === undefined || name === 'device') continue;",
    },
  },
  {
    name: 'ems-position-ahead',
    what: 'how far the host was heard is kept before that was dealt with',
    scenario: 'mounts',
    patch: {
      file: 'src/server/ems-keeper.ts',
      from: 'await this.#handled;\n      try',
      to: 'try',
    },
  },
  {
    name: 'ems-held-position',
    what: 'the position is kept while replayed events are held back',
    scenario: 'mounts',
    patch: {
      file: 'src/server/ems-keeper.ts',
      from: 'if (this.#held !== undefined && this.#held.length > 0) return;',
      to: 'if (this.#held === this.#stateSinceMs) return;',
    },
  },
  {
    name: 'ems-ring-lost',
    what: 'whether a request asks for a ring is not read',
    scenario: 'mounts',
    patch: {
      file: 'src/ems/zsvr-events.ts',
      from: 'const values: Record<string, string | number | boolean> = { ...fixed };',
      to: 'const values: Record<string, string | number | boolean> = { ...fixed, ring: true };',
    },
  },
  {
    name: 'ems-seconds-lost',
    what: 'the seconds of an event are not read',
    scenario: 'mounts',
    patch: {
      file: 'src/ems/printing-distributor.ts',
      from: 'civilTimeMs({ year, month, day, hour, minute, second })',
      to: 'civilTimeMs({ year, month, day, hour, minute, second: second % 10 })',
    },
  },
  {
    name: 'ems-long-text-dropped',
    what: 'an event of more than 51 characters is dropped',
    scenario: 'policy-cleanup',
    patch: {
      file: 'src/ems/printing-distributor.ts',
      from: 'text.length <= EVENT_TEXT_CHARS_MAX\n            ?',
      to: 'text.length <= EVENT_TEXT_CHARS_MAX / 80\n            ?',
    },
  },
  {
    name: 'filter-less-equal',
    what: 'a filter takes what is less for equal',
    scenario: 'mounts',
    patch: {
      file: 'src/ems/emf-filter.ts',
      from: "'=': (order) => order === 0,",
      to: "'=': (order) => order < 0,",
    },
  },
  {
    name: 'filter-first-alone',
    what: 'of the statements of a filter only the first counts',
    scenario: 'mounts',
    patch: {
      file: 'src/ems/emf-filter.ts',
      from: 'if (verdict !== undefined) return verdict;',
      to: 'return verdict;',
    },
  },
  {
    name: 'ems-silence-unasked',
    what: 'a host that has fallen silent is not asked for a sign of life',
    scenario: 'troubled-host',
    patch: {
      file: 'src/server/ems-connection.ts',
      from: "this.#session.state !== 'ready' || keepAliveMs === 0",
      to: "this.#session.state !== 'ready' || keepAliveMs > 0",
    },
  },
  {
    name: 'ems-vaults-ignored',
    what: 'a host may mount the tapes of any vault',
    scenario: 'looping-host',
    patch: {
      file: 'src/server/mount-queue.ts',
      from: 'this.#parameters(host).vaults?.includes(tape.vault) !== false',
      to: 'this.#parameters(host).vaults?.includes(tape.vault) !== null',
    },
  },
];

const REPLICATION: readonly Omit<SourceMutant, 'area' | 'sabotage'>[] = [
  {
    name: 'copy-not-abandoned',
    what: 'what was received of a copy that failed is left behind',
    scenario: 'autocopy',
    patch: {
      file: 'src/replication/receiver.ts',
      from: 'await copy.abandon();',
      to: '',
    },
  },
  {
    name: 'needed-chunk-skipped',
    what: 'the first chunk of a tape is not sent where the receiver lacks it',
    scenario: 'autocopy',
    patch: {
      file: 'src/replication/need.ts',
      from: 'if (!isNeeded(need, ordinal)) continue;\n    const at',
      to: 'if (!isNeeded(need, ordinal) || ordinal === 0) continue;\n    const at',
    },
  },
  {
    name: 'need-bits-turned',
    what: 'the bits of what the receiver lacks are read from the other end',
    scenario: 'autocopy',
    patch: {
      file: 'src/replication/need.ts',
      from: '((need.bitmap[ordinal >> 3] ?? 0) & (0x80 >> (ordinal & 7))) !== 0;',
      to: '((need.bitmap[ordinal >> 3] ?? 0) & (1 << (ordinal & 7))) !== 0;',
    },
  },
  {
    name: 'older-taken',
    what: 'the receiver compares generations the wrong way round',
    scenario: 'autocopy',
    patch: {
      file: 'src/server/copy-receiver.ts',
      from: 'if (row !== undefined && row.generation > offer.generation) {',
      to: 'if (row !== undefined && row.generation + 1000 < offer.generation) {',
    },
  },
  {
    name: 'copy-into-any-pool',
    what: 'a copy takes the place of a tape in another pool',
    scenario: 'autocopy',
    patch: {
      file: 'src/server/copy-receiver.ts',
      from: 'if (row !== undefined && row.pool !== offer.pool) {',
      to: 'if (row !== undefined && row.pool === offer.pool) {',
    },
  },
  {
    name: 'commit-unseen',
    what: 'the receiver takes a copy that was cut off before its end',
    scenario: 'autocopy',
    patch: {
      file: 'src/replication/receiver.ts',
      from: 'await receiveCommit(connection, offer, need.chunkCount);',
      to: '',
    },
  },
  {
    name: 'checksum-turned',
    what: 'a frame is taken where its checksum is wrong, and no other',
    scenario: 'autocopy',
    patch: {
      file: 'src/replication/frame.ts',
      from: 'if (readUint(frame, 8, 4) !== checksum(frame, this.#kind)) {',
      to: 'if (readUint(frame, 8, 4) === checksum(frame, this.#kind)) {',
    },
  },
  {
    name: 'chunks-counted-short',
    what: 'the sender leaves the last frame of chunks out of its count',
    scenario: 'autocopy',
    patch: {
      file: 'src/replication/sender.ts',
      from: 'this.#window.add(chunkCount, parcels.length);',
      to: 'this.#window.add(chunkCount - 1, parcels.length);',
    },
  },
];

const CATALOG: readonly Omit<SourceMutant, 'area' | 'sabotage'>[] = [
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
    name: 'events-from-the-end',
    what: 'of the events behind one the newest are listed, not the oldest',
    scenario: 'autocopy',
    patch: {
      file: 'src/catalog/sqlite-catalog.ts',
      from: 'ORDER BY id LIMIT :limit`;',
      to: 'ORDER BY id DESC LIMIT :limit`;',
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

const LICENCES: readonly Omit<SourceMutant, 'area' | 'sabotage'>[] = [
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

const SHARED: readonly Omit<SourceMutant, 'area' | 'sabotage'>[] = [
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

const inArea = (
  area: Area,
  mutants: readonly Omit<SourceMutant, 'area' | 'sabotage'>[],
): SourceMutant[] => mutants.map((mutant) => ({ ...mutant, area, sabotage: {} }));

export const SOURCE_MUTANTS: readonly SourceMutant[] = [
  ...inArea('EMS', EMS),
  ...inArea('replication', REPLICATION),
  ...inArea('catalog', CATALOG),
  ...inArea('licences', LICENCES),
  ...inArea('shared vaults', SHARED),
];

/** Those that the scenario of this name has to find. */
export function sourceMutantsOf(scenario: string): readonly SourceMutant[] {
  return SOURCE_MUTANTS.filter((mutant) => mutant.scenario === scenario);
}
