import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tapemountTable } from '../../../harness/hosts/mediacom.ts';
import { parseTapemountStatus } from '../../../src/ems/tapemount-status.ts';

const HEAD = [
  'Tape   Tape    Label   Node or           Write  Action',
  'Mount  Name    Type    Device            Prot   Needed',
];
const parsed = (...rows: string[]) => parseTapemountStatus([...HEAD, '', ...rows]);

describe('STATUS TAPEMOUNT', () => {
  it.each([
    [
      String.raw`0007   LAB001  ANSI    \LAB              NO     MOUNT REQUESTED TAPE`,
      { number: 600, volume: 'LAB001', labelType: 'ansi', ring: true },
    ],
    [
      String.raw`7 LAB001 backup \LAB.$TAPE0 YES MOUNT REQUESTED TAPE`,
      { number: 601, volume: 'LAB001', labelType: 'ansi', ring: false, device: '$TAPE0' },
    ],
    [
      '0007 IBM IBM $TAPE0 YES MOUNT REQUESTED TAPE',
      { number: 604, volume: 'IBM', device: '$TAPE0' },
    ],
    [String.raw`0007 T1 TMF \LAB NO MOUNT SCRATCH TAPE`, { number: 609, volume: 'T1', ring: true }],
  ])('makes a request of "%s"', (row, request) => {
    expect(parsed(row)).toMatchObject([{ requestNumber: 7, request }]);
  });

  it.each([
    String.raw`0007           ANSI    \LAB              NO     MOUNT SCRATCH TAPE`,
    String.raw`0007           NL      \LAB.$TAPE1       YES    ACCEPT or REJECT TAPEMOUNT`,
    String.raw`0007   LAB001  ANSI    \LAB              NO     NO ACTION NEEDED`,
    String.raw`0007   LAB001  UNREADABLE \LAB.$TAPE1    NO     ACCEPT or REJECT TAPEMOUNT`,
  ])('knows the number of what asks for no tape by its name: "%s"', (row) => {
    expect(parsed(row)).toEqual([{ requestNumber: 7, request: undefined }]);
  });

  it('tells no requests from what is no answer', () => {
    expect(parseTapemountStatus(['*WARNING* No tape mounts found'])).toEqual([]);
    expect(parseTapemountStatus(HEAD)).toEqual([]);
    expect(parseTapemountStatus([])).toBeUndefined();
    expect(parseTapemountStatus(['*ERROR* Security violation'])).toBeUndefined();
    expect(parsed('more to come')).toBeUndefined();
  });

  it('reads what the simulated host prints, whatever that asks for', () => {
    const request = fc.record({
      requestNumber: fc.integer({ min: 0, max: 9999 }),
      volume: fc.option(fc.stringMatching(/^[A-Z0-9]{1,6}$/), { nil: undefined }),
      ring: fc.boolean(),
      labels: fc.constantFrom('ANSI', 'BACKUP', 'IBM', 'TMF', 'NL', 'BLP'),
      device: fc.option(fc.constantFrom('$TAPE0', '$T'), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(request, { maxLength: 5 }), (requests) => {
        const shown = requests.map(({ volume, device, ...rest }) => ({
          ...rest,
          ...(volume !== undefined && { volume }),
          ...(device !== undefined && { device }),
          timeoutMs: 0,
        }));
        const read = parseTapemountStatus(tapemountTable('\\LAB', shown));
        expect(read?.map((each) => each.requestNumber)).toEqual(
          requests.map((each) => each.requestNumber),
        );
        for (const [index, { volume, ring, labels, device }] of requests.entries()) {
          const named = volume !== undefined && labels !== 'NL' && labels !== 'BLP';
          const expected = named ? { volume, ring, device } : undefined;
          const got = read?.[index]?.request;
          expect(got && { volume: got.volume, ring: got.ring, device: got.device }).toEqual(
            expected,
          );
        }
      }),
      { numRuns: 500, seed: 7 },
    );
  });

  it('takes any lines', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 90 })), (lines) => {
        parseTapemountStatus(lines);
      }),
      { numRuns: 500, seed: 7 },
    );
  });
});
