import { describe, expect, it } from 'vitest';
import { generation } from '../../../src/base/units.ts';
import {
  type CleanupSubject,
  judge,
  retainedUntilMs,
  scheduleByUsage,
} from '../../../src/server/cleanup-rules.ts';

const DAY_MS = 86_400_000;
const WRITTEN_MS = 1_000 * DAY_MS;
const MIGRATED_MS = WRITTEN_MS + DAY_MS;
const LIMITS = { minSizeBytes: 1_000 };

const TAPE: CleanupSubject['tape'] = {
  name: 'LAB001',
  pool: 'POOL1',
  vault: 'VAULT00',
  labelType: 'ansi',
  capacityBytes: 1e9,
  generation: generation(3),
  payloadBytes: 5_000,
  createdAtMs: WRITTEN_MS - DAY_MS,
  writtenAtMs: WRITTEN_MS,
  mountedAtMs: undefined,
  dismountedAtMs: undefined,
  copiedFrom: undefined,
  owner: '',
  updatedAtMs: undefined,
  erasedAtMs: undefined,
  exportedAtMs: undefined,
  importedAtMs: undefined,
  migratedAtMs: MIGRATED_MS,
  migratedBy: 'vts',
  restoredAtMs: undefined,
  userLocked: false,
  autoloadLocked: false,
  keyId: undefined,
};

/** A migrated tape in a pool that keeps two weeks. */
const SUBJECT: CleanupSubject = {
  tape: TAPE,
  pool: {
    name: 'POOL1',
    vault: 'VAULT00',
    createdAtMs: 0,
    retentionMs: 14 * DAY_MS,
    encrypted: false,
    locked: false,
    quotaBytes: undefined,
  },
  migration: {
    tape: 'LAB001',
    generation: generation(3),
    atMs: MIGRATED_MS,
    application: 'TSM',
    keepMs: undefined,
  },
  mark: undefined,
  mounted: false,
  processLocked: false,
};
const EXPIRED_MS = WRITTEN_MS + 14 * DAY_MS;

const mark = (decision: 'erase' | 'keep'): Partial<CleanupSubject> => ({
  mark: { tape: 'LAB001', decision, user: 'operator', atMs: 0 },
});
const tape = (changes: Partial<CleanupSubject['tape']>): Partial<CleanupSubject> => ({
  tape: { ...TAPE, ...changes },
});

/** `yes, …` or `no, …` */
function verdictOf(changes: Partial<CleanupSubject>, nowMs = EXPIRED_MS): string {
  const { erase, reason } = judge({ ...SUBJECT, ...changes }, LIMITS, nowMs);
  return `${erase ? 'yes' : 'no'}, ${reason}`;
}

describe('the rules of Scan/Cleanup', () => {
  it('schedule a tape from the millisecond at which its retention ends', () => {
    expect(verdictOf({}, EXPIRED_MS - 1)).toBe('no, not past retention');
    expect(verdictOf({}, EXPIRED_MS)).toBe('yes, past retention');
  });

  it.each([
    ['locked by a user', tape({ userLocked: true }), 'locked'],
    ['locked by autoloading', tape({ autoloadLocked: true }), 'locked'],
    ['in a locked pool', { pool: SUBJECT.pool && { ...SUBJECT.pool, locked: true } }, 'locked'],
    ['that a process works on', { processLocked: true }, 'locked'],
    ['that is mounted', { mounted: true }, 'mounted'],
    ['that is erased', tape({ payloadBytes: 0 }), 'nothing to erase'],
    ['that was never migrated', { migration: undefined }, 'not migrated'],
    [
      'that another program migrated',
      { migration: undefined, ...tape({ migratedBy: 'other' }) },
      'not migrated by VTS',
    ],
    ['that was written since', tape({ generation: generation(4) }), 'written since migration'],
  ] as const)('never erase a tape %s, whatever a user authorizes', (_, changes, reason) => {
    expect(verdictOf(changes)).toBe(`no, ${reason}`);
    expect(verdictOf({ ...changes, ...mark('erase') })).toBe(`no, ${reason}`);
  });

  it('stand in their order: what is locked is not said to be unmigrated', () => {
    expect(
      verdictOf({ ...tape({ userLocked: true, payloadBytes: 0 }), migration: undefined }),
    ).toBe('no, locked');
    expect(verdictOf({ ...tape({ payloadBytes: 999 }), migration: undefined })).toBe(
      'no, not migrated',
    );
  });

  it('leave a tape below the minimum size, and take one of that size', () => {
    expect(verdictOf(tape({ payloadBytes: 999 }))).toBe('no, smaller than minimum size');
    expect(verdictOf(tape({ payloadBytes: 1_000 }))).toBe('yes, past retention');
  });

  it('give way to what a user decides', () => {
    expect(verdictOf(mark('erase'), WRITTEN_MS)).toBe('yes, user authorized');
    expect(verdictOf({ ...mark('erase'), ...tape({ payloadBytes: 1 }) })).toBe(
      'yes, user authorized',
    );
    expect(verdictOf(mark('keep'))).toBe('no, not user authorized');
  });

  it('count from the creation of a tape never written, and for ever without a retention', () => {
    expect(retainedUntilMs({ ...SUBJECT, ...tape({ writtenAtMs: undefined }) })).toBe(
      EXPIRED_MS - DAY_MS,
    );
    expect(verdictOf({ pool: undefined }, Number.MAX_SAFE_INTEGER)).toBe('no, not past retention');
  });

  it('count from the migration where the command said how long', () => {
    const migration = SUBJECT.migration && { ...SUBJECT.migration, keepMs: 2 * DAY_MS };
    expect(verdictOf({ migration }, MIGRATED_MS + 2 * DAY_MS - 1)).toBe('no, not past retention');
    expect(verdictOf({ migration }, MIGRATED_MS + 2 * DAY_MS)).toBe('yes, past retention');
  });
});

describe('the rule of the usage percentage', () => {
  const judged = (name: string, migratedAtMs: number, changes: Partial<CleanupSubject> = {}) => {
    const subject: CleanupSubject = {
      ...SUBJECT,
      ...changes,
      tape: { ...TAPE, ...changes.tape, name },
      migration: SUBJECT.migration && { ...SUBJECT.migration, atMs: migratedAtMs },
    };
    return { subject, verdict: judge(subject, LIMITS, WRITTEN_MS) };
  };
  const chosen = (tapes: readonly ReturnType<typeof judged>[], freeBytes: number): string[] =>
    scheduleByUsage(tapes, { totalBytes: 100_000, freeBytes }, 80)
      .filter(({ verdict }) => verdict.erase)
      .map(({ subject, verdict }) => `${subject.tape.name} ${verdict.reason}`);

  it('schedules the longest migrated, as many as bring the disk below it', () => {
    const tapes = [judged('LAB001', 3), judged('LAB002', 1), judged('LAB003', 2)];
    expect(chosen(tapes, 20_000)).toEqual([]);
    expect(chosen(tapes, 19_999)).toEqual(['LAB002 usage over 80 %']);
    expect(chosen(tapes, 15_000)).toEqual(['LAB002 usage over 80 %']);
    expect(chosen(tapes, 14_999)).toEqual(['LAB002 usage over 80 %', 'LAB003 usage over 80 %']);
    expect(chosen(tapes, 0)).toHaveLength(3);
  });

  it('counts what is scheduled anyway', () => {
    const tapes = [judged('LAB001', 1, mark('erase')), judged('LAB002', 2)];
    expect(chosen(tapes, 15_000)).toEqual(['LAB001 user authorized']);
  });

  it('takes nothing that another rule or a user keeps', () => {
    const tapes = [
      judged('LAB001', 1, mark('keep')),
      judged('LAB002', 1, tape({ userLocked: true })),
      judged('LAB003', 1, tape({ payloadBytes: 10 })),
    ];
    expect(chosen(tapes, 0)).toEqual([]);
  });
});
