import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseTapedriveStatus } from '../../../src/ems/tapedrive-status.ts';

const HEAD = 'Tape Drive  Status  Tape Name  Label Type';
const parsed = (...lines: string[]) => parseTapedriveStatus(lines);

describe('STATUS TAPEDRIVE', () => {
  it('has a status for each drive, whatever the widths', () => {
    const drives = parsed(
      HEAD,
      '',
      String.raw`\LAB.$TAPE0 INUSE LAB001 ANSI`,
      '$tape1   down',
      '$TAPE2      UNAVL',
      '$TAPE3      FREE    SCR001',
    );
    expect(Object.fromEntries(drives ?? [])).toEqual({
      $TAPE0: 'INUSE',
      $TAPE1: 'DOWN',
      $TAPE2: 'UNAVL',
      $TAPE3: 'FREE',
    });
  });

  it('may be a table without a drive', () => {
    expect(parsed(HEAD)?.size).toBe(0);
    expect(parsed('*WARNING* No tape drives found')?.size).toBe(0);
  });

  it.each([
    [[]],
    [['*ERROR* Security violation']],
    [['$TAPE0 DOWN']],
    [[HEAD, '$TAPE0 BROKEN']],
    [[HEAD, 'TAPE0 DOWN']],
  ])('is not made of %j', (lines) => {
    expect(parsed(...lines)).toBeUndefined();
  });

  it('is read without an error, whatever the host prints', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (lines) => {
        parsed(HEAD, ...lines);
      }),
      { numRuns: 500, seed: 1 },
    );
  });
});
