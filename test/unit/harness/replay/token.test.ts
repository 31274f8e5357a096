import { describe, expect, it } from 'vitest';
import { formatToken, parseToken } from '../../../../harness/replay/token.ts';

describe('a replay token', () => {
  it('comes back as it was, with and without a mutant', () => {
    for (const mutant of [undefined, 'no-fsync-2']) {
      const address = {
        scenario: 'instant-dr',
        seed: -1234,
        path: '17:0:3',
        replayPath: 'ABAC+/:D',
        mutant,
      };
      expect(parseToken(formatToken(address))).toEqual(address);
    }
  });

  it('is refused where it is none', () => {
    expect(() => parseToken('17')).toThrow('scenario~seed~path~replayPath');
  });
});
