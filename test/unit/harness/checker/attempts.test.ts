import { describe, expect, it } from 'vitest';
import { checkAttempts } from '../../../../harness/checker/attempts.ts';
import type { CopyIncident } from '../../../../harness/checker/attempts.ts';

const INTERVAL_MS = 300_000;

/** A ring dismount at 1 s, then `count` attempts in their rhythm. */
function attempts(count: number): CopyIncident[] {
  return [
    { atMs: 1000, what: 'ring-dismount' },
    ...Array.from({ length: count }, (_, index): CopyIncident => ({
      atMs: 1500 + index * INTERVAL_MS,
      what: 'attempt',
    })),
  ];
}

const failure = (atMs: number): CopyIncident => ({ atMs, what: 'failure' });
const judge = (incidents: readonly CopyIncident[]) => (): void =>
  checkAttempts('LAB001', incidents, 'quickDisk');

describe('the checker of attempts', () => {
  it('accepts twelve attempts 300 s apart and one failure event', () => {
    expect(judge([...attempts(12), failure(1500 + 11 * INTERVAL_MS)])).not.toThrow();
    expect(judge(attempts(3))).not.toThrow();
  });

  it('refuses a failure after eleven attempts, and a second one', () => {
    expect(judge([...attempts(11), failure(9e6)])).toThrow('after 11 attempts');
    expect(judge([...attempts(12), failure(9e6), failure(9e6)])).toThrow('for the second time');
  });

  it('refuses a thirteenth attempt, and one a millisecond early', () => {
    expect(judge(attempts(13))).toThrow('attempt 13');
    const early = attempts(2).map((each) => ({
      ...each,
      atMs: each.atMs - (each.atMs > 9e4 ? 1 : 0),
    }));
    expect(judge(early)).toThrow('299999 ms');
  });

  it('refuses a first attempt that comes late, and one that nothing asked for', () => {
    const late: CopyIncident[] = [
      { atMs: 1000, what: 'ring-dismount' },
      { atMs: 61_000, what: 'attempt' },
    ];
    expect(judge(late)).toThrow('60000 ms after the dismount');
    expect(judge([{ atMs: 5, what: 'attempt' }])).toThrow('no copy of LAB001 is owed');
  });

  it('refuses a dismount that no attempt follows, once one is overdue and the tape lies', () => {
    const dismount: CopyIncident = { atMs: 1000, what: 'ring-dismount' };
    const judgeAt =
      (nowMs: number, ...more: CopyIncident[]): (() => void) =>
      () =>
        checkAttempts('LAB001', [dismount, ...more], 'quickDisk', nowMs);
    expect(judgeAt(121_000)).not.toThrow();
    expect(judgeAt(121_001)).toThrow('owed since 1 s was never attempted');
    expect(judgeAt(9e6, { atMs: 2000, what: 'mount' })).not.toThrow();
    expect(judgeAt(9e6, { atMs: 2000, what: 'attempt' })).not.toThrow();
  });

  it('lets an attempt outlast the interval on a slow disk only, by whole intervals', () => {
    const skipped = attempts(3).filter(({ atMs }) => atMs !== 1500 + INTERVAL_MS);
    expect(judge(skipped)).toThrow('600000 ms');
    expect(() => checkAttempts('LAB001', skipped, 'slowDisk')).not.toThrow();
  });

  it('lets a crash of the source break the rhythm and repeat an attempt, but no more', () => {
    const crashed: CopyIncident[] = [
      ...attempts(5),
      { atMs: 2e6, what: 'crash' },
      { atMs: 2.5e6, what: 'attempt' },
      ...Array.from({ length: 7 }, (_, index): CopyIncident => ({
        atMs: 2.5e6 + (index + 1) * INTERVAL_MS,
        what: 'attempt',
      })),
    ];
    expect(judge(crashed)).not.toThrow();
    const last = crashed.at(-1)?.atMs ?? 0;
    expect(judge([...crashed, { atMs: last + INTERVAL_MS, what: 'attempt' }])).toThrow(
      'attempt 14',
    );
  });
});
