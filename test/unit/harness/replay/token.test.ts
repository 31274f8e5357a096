import { describe, expect, it } from 'vitest';
import { formatToken, parseToken } from '../../../../harness/replay/token.ts';

describe('a replay token', () => {
  it('comes back as it was, with and without a mutant', () => {
    for (const mutant of [undefined, 'no-fsync-2']) {
      const address = { scenario: 'instant-dr', seed: -1234, mutant };
      expect(parseToken(formatToken(address))).toEqual(address);
    }
  });

  it.each(['17', 'mounts~1~0:3~AB', 'mounts~1~', 'mounts~1~Bug'])('is none: %s', (text) => {
    expect(() => parseToken(text)).toThrow('scenario~seed');
  });
});
