import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  COMMENT_CHARS_MAX,
  type ZsvrEvent,
  cleanComment,
  formatZsvrEvent,
  parseZsvrEvent,
} from '../../../src/ems/zsvr-events.ts';
import { ZSVR_EVENTS } from '../../../src/ems/zsvr-table.ts';

const REQUEST = {
  kind: 'mount-request',
  number: 600,
  requestNumber: 7,
  volume: 'LAB001',
  labelType: 'ansi',
  ring: true,
} as const satisfies ZsvrEvent;

/** Each text, and what it means; the table says which the manual prints. */
const TEXTS: readonly (readonly [number, string, ZsvrEvent])[] = [
  [600, '$ZSVR: 0007 MOUNT LAB001 WITH RING', REQUEST],
  [
    600,
    '$ZSVR: 0007 MOUNT LAB001 REEL 2 DENSITY 6250 ON $TAPE0 WITH RING nightly, shelf 3',
    { ...REQUEST, reel: 2, density: 6250, device: '$TAPE0', comment: 'nightly, shelf 3' },
  ],
  [601, '$ZSVR: 9999 MOUNT A NO RING', request(601, 'ansi', false, 'A', 9999)],
  [
    602,
    '$ZSVR: 0000 MOUNT SCRATCH TAPE ON $T WITH RING any',
    {
      kind: 'scratch-request',
      requestNumber: 0,
      labelType: 'ansi',
      ring: true,
      device: '$T',
      comment: 'any',
    },
  ],
  [602, '$ZSVR: 0001 MOUNT SCRATCH TAPE S00001 WITH RING', request(602, 'ansi', true, 'S00001', 1)],
  [603, '$ZSVR: 0001 MOUNT IBM I00001 WITH RING', request(603, 'ibm', true, 'I00001', 1)],
  [604, '$ZSVR: 0001 MOUNT IBM I00001 NO RING', request(604, 'ibm', false, 'I00001', 1)],
  [605, '$ZSVR: 0001 MOUNT IBM SCRATCH TAPE I1 WITH RING', request(605, 'ibm', true, 'I1', 1)],
  [
    606,
    '$ZSVR: 0012 REQUEST TO USE $TAPE1 UNLABELED please',
    { kind: 'unlabelled-request', requestNumber: 12, device: '$TAPE1', comment: 'please' },
  ],
  [
    608,
    '$ZSVR: 0012 UNKNOWN TAPE ON $TAPE1, ACCEPT OR MOUNT CORRECT TAPE TO PROCEED',
    { kind: 'unknown-tape', requestNumber: 12, device: '$TAPE1' },
  ],
  [609, '$ZSVR: 0001 MOUNT TMF T00001 WITH RING', request(609, 'tmf', true, 'T00001', 1)],
  [610, '$ZSVR: 0001 MOUNT TMF T00001 NO RING', request(610, 'tmf', false, 'T00001', 1)],
  [
    613,
    '$TAPE0: ERROR 2 - PROTECTION VIOLATION, VOLUME LAB001 NOT EXPIRED',
    { kind: 'not-expired', device: '$TAPE0', volume: 'LAB001' },
  ],
  [
    614,
    '$TAPE0: ERROR 3 - WRONG TAPE, LAB002 MOUNTED, SHOULD BE LAB001',
    { kind: 'wrong-tape', device: '$TAPE0', volume: 'LAB002', wanted: 'LAB001' },
  ],
  [
    619,
    '$TAPE0: ERROR 8 - VOLUME LAB001 IS WRITE PROTECTED',
    { kind: 'write-protected', device: '$TAPE0', volume: 'LAB001' },
  ],
  [634, 'STATUS 502 - VOLUME LAB001 REJECTED', { kind: 'volume-rejected', volume: 'LAB001' }],
  [
    636,
    'STATUS 1502 - EXECUTED MEDIACOM REJECT 0007',
    { kind: 'reject-executed', requestNumber: 7 },
  ],
  [
    637,
    'STATUS 1503 - EXECUTED TAPECOM ACCEPT 0007',
    { kind: 'accept-executed', requestNumber: 7 },
  ],
  [
    640,
    'STATUS 1506 - UNREQUESTED ANSI TAPE LAB001 ONLINE ON $TAPE0',
    { kind: 'unrequested-tape', labelType: 'ansi', volume: 'LAB001', device: '$TAPE0' },
  ],
  [
    607,
    '$ZSVR: 0012 REQUEST TO USE $TAPE1 BYPASS LABELS',
    { kind: 'bypass-request', requestNumber: 12, device: '$TAPE1' },
  ],
  [
    616,
    '$TAPE0: ERROR 5 - WRONG TAPE, LAB001 MOUNTED, USE UNLABELED TAPE',
    { kind: 'labelled-tape', device: '$TAPE0', volume: 'LAB001' },
  ],
  [
    617,
    '$TAPE0: ERROR 6 - VOLUME LAB001 IS ANSI TAPE, NOT IBM TAPE AS REQUIRED',
    {
      kind: 'wrong-label-type',
      found: 'ANSI',
      required: 'IBM',
      device: '$TAPE0',
      volume: 'LAB001',
    },
  ],
  [
    618,
    '$TAPE0: ERROR 7 - VOLUME LAB001 IS IBM TAPE, NOT ANSI TAPE AS REQUIRED',
    {
      kind: 'wrong-label-type',
      found: 'IBM',
      required: 'ANSI',
      device: '$TAPE0',
      volume: 'LAB001',
    },
  ],
  [
    622,
    '$TAPE0: ERROR 11 - VOLUME LAB001 IS IBM TAPE, NOT BACKUP TAPE AS REQUESTED',
    {
      kind: 'wrong-label-type',
      found: 'IBM',
      required: 'BACKUP',
      device: '$TAPE0',
      volume: 'LAB001',
    },
  ],
  [
    638,
    'STATUS 1504 - VOLUME LAB001 ON $TAPE0 MATCHES REQUEST 0007',
    { kind: 'request-matched', requestNumber: 7, volume: 'LAB001', device: '$TAPE0' },
  ],
  [
    639,
    'STATUS 1505 - UNREQUESTED NL TAPE ONLINE ON $TAPE0',
    { kind: 'unrequested-unlabelled-tape', device: '$TAPE0' },
  ],
  [
    641,
    'STATUS 1507 - UNREQUESTED IBM TAPE LAB001 ONLINE ON $TAPE0',
    { kind: 'unrequested-tape', labelType: 'ibm', volume: 'LAB001', device: '$TAPE0' },
  ],
  [
    642,
    'STATUS 1508 - UNREQUESTED OLD TMF TAPE T00001 ONLINE ON $TAPE0',
    { kind: 'unrequested-tape', labelType: 'old-tmf', volume: 'T00001', device: '$TAPE0' },
  ],
  [
    644,
    'STATUS 1510 - UNREQUESTED NEW TMF TAPE T00001 ONLINE ON $TAPE0',
    { kind: 'unrequested-tape', labelType: 'new-tmf', volume: 'T00001', device: '$TAPE0' },
  ],
  [
    649,
    '$ZSVR: 0007 REQUEST FOR VOLUME CANCELLED',
    { kind: 'request-cancelled', requestNumber: 7 },
  ],
  [
    650,
    '$ZSVR: 0012 REQUEST TO USE $TAPE1 CANCELLED',
    { kind: 'device-request-cancelled', requestNumber: 12, device: '$TAPE1' },
  ],
  [
    651,
    '$ZSVR: 0007 REQUEST FOR VOLUME REJECTED BY OPERATOR',
    { kind: 'request-rejected', requestNumber: 7 },
  ],
  [
    652,
    '$ZSVR: 0012 REQUEST TO USE $TAPE1 ACCEPTED',
    { kind: 'device-request-accepted', requestNumber: 12, device: '$TAPE1' },
  ],
  [
    653,
    '$ZSVR: 0012 REQUEST TO USE $TAPE1 REJECTED BY OPERATOR',
    { kind: 'device-request-rejected', requestNumber: 12, device: '$TAPE1' },
  ],
  [
    660,
    String.raw`STATUS 1516 - LAB001 TAPE ON DRIVE $TAPE0 USED BY \LAB.$BATCH`,
    { kind: 'used-by', volume: 'LAB001', device: '$TAPE0', user: String.raw`\LAB.$BATCH` },
  ],
  [
    648,
    '$ZSVR: 0007 VOLUME LAB001 MOUNTED',
    { kind: 'mounted', requestNumber: 7, volume: 'LAB001' },
  ],
  [
    649,
    '$ZSVR: 0007 REQUEST FOR VOLUME LAB001 CANCELLED',
    { kind: 'request-cancelled', requestNumber: 7, volume: 'LAB001' },
  ],
  [
    651,
    '$ZSVR: 0007 REQUEST FOR VOLUME LAB001 REJECTED BY OPERATOR',
    { kind: 'request-rejected', requestNumber: 7, volume: 'LAB001' },
  ],
  [
    659,
    'STATUS 1512 - LAB001 TAPE DISMOUNTED FROM DRIVE $TAPE0',
    { kind: 'dismounted', volume: 'LAB001', device: '$TAPE0' },
  ],
];

describe("$ZSVR's events", () => {
  it.each(TEXTS)('%i reads and prints as "%s"', (eventNumber, text, event) => {
    expect(parseZsvrEvent(eventNumber, text)).toStrictEqual(event);
    expect(formatZsvrEvent(event)).toStrictEqual({ eventNumber, text });
  });

  it('are documented, each with its text and where that is from', () => {
    const page = readFileSync('docs/reference/ems.md', 'utf8');
    for (const { number, name, template, source } of ZSVR_EVENTS) {
      expect(page).toContain(`| ${number} | ${name} | \`${template}\` | ${source} |`);
    }
  });

  it.each(['WITH', 'REEL', 'ON', 'NO', 'IBM', 'TAPE', 'RING'])(
    'a volume may be called %s, like a word of the grammar',
    (volume) => {
      for (const number of [600, 602, 603, 605] as const) {
        const ibm = number > 602;
        const event = request(number, ibm ? 'ibm' : 'ansi', true, volume, 1);
        const full = { ...event, reel: 1, device: '$NO', comment: 'WITH RING' } as const;
        expect(parseZsvrEvent(number, formatZsvrEvent(event).text)).toStrictEqual(event);
        expect(parseZsvrEvent(number, formatZsvrEvent(full).text)).toStrictEqual(full);
      }
    },
  );

  it('a status is read with the name of $ZSVR before it, too, and with blanks in runs', () => {
    expect(
      parseZsvrEvent(659, ' $ZSVR:  STATUS 1512 -  LAB001 TAPE DISMOUNTED FROM DRIVE  $TAPE0 '),
    ).toStrictEqual({ kind: 'dismounted', volume: 'LAB001', device: '$TAPE0' });
  });

  it.each([
    [600, '$ZSVR: 0007 MOUNT LAB001'],
    [600, '$ZSVR: 0007 MOUNT LAB001 ON TAPE0 WITH RING'],
    [600, '$ZSVR: 0007 MOUNT LAB0012 WITH RING'],
    [600, '$ZSVR: 0007 MOUNT lab001 WITH RING'],
    [600, '$ZSVR: 0007 MOUNT ../x WITH RING'],
    [600, '$ZSVR: 7 MOUNT LAB001 WITH RING'],
    [600, '$ZSVR: 10007 MOUNT LAB001 WITH RING'],
    [600, '$ZSVR: 0007 MOUNT LAB001 NO RING'],
    [601, '$ZSVR: 0007 MOUNT LAB001 WITH RING'],
    [600, '$OTHER: 0007 MOUNT LAB001 WITH RING'],
    [600, `$ZSVR: 0007 MOUNT LAB001 WITH RING ${'x'.repeat(COMMENT_CHARS_MAX + 1)}`],
    [648, '$ZSVR: 0007 VOLUME LAB001 MOUNTED AGAIN'],
    [999, '$ZSVR: 0007 MOUNT LAB001 WITH RING'],
    [600, `$ZSVR: 0007 MOUNT LAB001 WITH${' '.repeat(300)}RING`],
    [600, 'x'.repeat(1_000_000)],
    [600, ''],
  ])('of texts like an event, number %# (%i) is none', (eventNumber, text) => {
    expect(parseZsvrEvent(eventNumber, text)).toBeUndefined();
  });

  it('a comment from outside is cut to 80 printable characters before it is printed', () => {
    expect(cleanComment('  bring\r\nit |\u0007 now\u00e9 ')).toBe('bring it | now');
    const { text } = formatZsvrEvent({ ...REQUEST, comment: `${'ab '.repeat(40)}\u001b[2J` });
    expect(text).toBe(`$ZSVR: 0007 MOUNT LAB001 WITH RING ${'ab '.repeat(27).slice(0, 80)}`);
    expect(formatZsvrEvent({ ...REQUEST, comment: '\u0007' }).text).not.toMatch(/RING /);
  });

  it.each([
    { ...REQUEST, volume: 'lab001' },
    { ...REQUEST, requestNumber: 10_000 },
    { ...REQUEST, requestNumber: -1 },
    { ...REQUEST, device: 'TAPE0' },
    { ...REQUEST, ring: false },
  ] as ZsvrEvent[])('an event that no host could have sent is a mistake: %j', (event) => {
    expect(() => formatZsvrEvent(event)).toThrow(/must hold/);
  });
});

function request(
  number: 600 | 601 | 602 | 603 | 604 | 605 | 609 | 610,
  labelType: 'ansi' | 'ibm' | 'tmf',
  ring: boolean,
  volume: string,
  requestNumber: number,
): ZsvrEvent {
  return { kind: 'mount-request', number, requestNumber, volume, labelType, ring };
}
