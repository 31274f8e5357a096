import { describe, expect, it } from 'vitest';
import {
  type DistributorEvent,
  DistributorParser,
  EVENT_TEXT_CHARS_MAX,
  LINE_CHARS_MAX,
  formatDistributorLines,
} from '../../../src/ems/printing-distributor.ts';

const EVENT: DistributorEvent = {
  localTimeMs: Date.UTC(2006, 7, 28, 16, 25, 18),
  node: '\\LAB',
  process: '$ZSVR',
  subsystem: 'TANDEM.ZSVR.H06',
  eventNumber: 600,
  text: '$ZSVR: 0007 MOUNT LAB001 ON $TAPE0 WITH RING nightly backup of all that matters',
};
const LINES = formatDistributorLines(EVENT).split('\r\n').slice(0, -1);

function read(lines: readonly string[]): DistributorEvent[] {
  const parser = new DistributorParser();
  return [...lines.flatMap((line) => parser.push(line)), ...parser.flush()];
}

describe('The printing distributor', () => {
  it("prints the manual's example column by column", () => {
    expect(
      formatDistributorLines({
        localTimeMs: Date.UTC(1996, 9, 3, 15, 9, 51),
        node: '\\NET',
        process: '$FTI1',
        subsystem: 'TANDEM.MHS.G01',
        eventNumber: 23,
        text: '$ZL1',
      }),
    ).toBe('96-10-03 15:09:51 \\NET.$FTI1  TANDEM.MHS.G01          000023 $ZL1\r\n');
  });

  it('goes on in lines indented by 8 and never wider than 79 columns', () => {
    expect(LINES).toStrictEqual([
      '06-08-28 16:25:18 \\LAB.$ZSVR  TANDEM.ZSVR.H06         000600 $ZSVR: 0007 MOUNT',
      '        LAB001 ON $TAPE0 WITH RING nightly backup of all that matters',
    ]);
    expect(Math.max(...LINES.map((line) => line.length))).toBeLessThanOrEqual(79);
    expect(read(LINES)).toStrictEqual([EVENT]);
  });

  it('marks a critical event with an asterisk two columns before the subsystem', () => {
    const text = formatDistributorLines({ ...EVENT, critical: true, text: '' });
    expect(text).toBe('06-08-28 16:25:18 \\LAB.$ZSVR * TANDEM.ZSVR.H06         000600\r\n');
    expect(read([text.trimEnd()])).toStrictEqual([{ ...EVENT, critical: true, text: '' }]);
  });

  it('is read where a process has no name but CPU and PIN', () => {
    const [event] = read(['89-11-20 14:21:14 \\MTL.02,171  CUSTOMER.1.J00  000004 Program:']);
    expect(event).toMatchObject({ process: '02,171', subsystem: 'CUSTOMER.1.J00', eventNumber: 4 });
  });
});

describe('Reading its lines', () => {
  it('gives an event when the next header shows that it is whole', () => {
    const parser = new DistributorParser();
    expect(LINES.flatMap((line) => parser.push(line))).toStrictEqual([]);
    expect(parser.push(LINES[0] ?? '')).toStrictEqual([EVENT]);
    expect(parser.flush()).toHaveLength(1);
    expect(parser.flush()).toStrictEqual([]);
  });

  it('skips what is none of its lines and goes on with the next header', () => {
    expect(
      read([
        'hello',
        '        continued from nowhere',
        '',
        ...LINES,
        'TACL 2>',
        '        stray',
        ...LINES,
      ]),
    ).toStrictEqual([EVENT, EVENT]);
  });

  it.each([
    '06-02-30 16:25:18 \\LAB.$ZSVR  TANDEM.ZSVR.H06         000600 text',
    '06-08-28 24:25:18 \\LAB.$ZSVR  TANDEM.ZSVR.H06         000600 text',
    '06-08-28 16:25:18 LAB.$ZSVR  TANDEM.ZSVR.H06         000600 text',
    '06-08-28 16:25:18 \\LAB.$ZSVR  TANDEM.ZSVR         000600 text',
    '06-08-28 16:25:18 \\LAB.$ZSVR  TANDEM.ZSVR.H06         600 text',
    ' 06-08-28 16:25:18 \\LAB.$ZSVR  TANDEM.ZSVR.H06         000600 text',
    `06-08-28 16:25:18 \\LAB.$ZSVR  TANDEM.ZSVR.H06         000600 ${'x'.repeat(LINE_CHARS_MAX)}`,
  ])('of lines like a header, number %# is none', (line) => {
    expect(read([line, '        and more'])).toStrictEqual([]);
  });

  it('drops an event whose text grows over its limit, and reads the next', () => {
    const endless = Array.from({ length: 100 }, () => `        ${'y'.repeat(60)}`);
    expect(endless.join('').length).toBeGreaterThan(EVENT_TEXT_CHARS_MAX);
    expect(read([LINES[0] ?? '', ...endless, ...LINES])).toStrictEqual([EVENT]);
  });

  it('takes years from 70 on for the 20th century', () => {
    const times = ['70', '99', '00', '69'].map(
      (year) => read([(LINES[0] ?? '').replace(/^06/, year)])[0]?.localTimeMs ?? 0,
    );
    expect(times.map((ms) => new Date(ms).getUTCFullYear())).toEqual([1970, 1999, 2000, 2069]);
  });
});

describe('Blanks in runs', () => {
  it.each([
    ['in the header line', 'a  b'],
    ['before the text', ' a b'],
    ['behind the text', 'a b '],
    ['where the line is wrapped', `${'word '.repeat(8)} ${'word '.repeat(12).trim()}`],
    ['longer than a line', `a${' '.repeat(200)}b`],
  ])('are not in the text, and the event says that they were there: %s', (_, text) => {
    const lines = formatDistributorLines({ ...EVENT, text })
      .split('\r\n')
      .slice(0, -1);
    const clean = text.replaceAll(/ +/g, ' ').trim();
    expect(read(lines)).toStrictEqual([{ ...EVENT, text: clean, padded: true }]);
  });
});

describe('Printing what cannot be printed', () => {
  it.each([
    ['a node without its backslash', { ...EVENT, node: 'LAB' }],
    ['a process without its dollar sign', { ...EVENT, process: 'ZSVR' }],
    ['a subsystem without owner and version', { ...EVENT, subsystem: 'TANDEM' }],
    ['a number of seven digits', { ...EVENT, eventNumber: 1_000_000 }],
    ['a text over its limit', { ...EVENT, text: 'a '.repeat(EVENT_TEXT_CHARS_MAX) }],
    ['a word longer than a line', { ...EVENT, text: 'a'.repeat(LINE_CHARS_MAX) }],
  ])('is a mistake: %s', (_, event) => {
    expect(() => formatDistributorLines(event)).toThrow(/must hold/);
  });

  it('line ends in a text do not make lines', () => {
    const text = formatDistributorLines({ ...EVENT, text: `a\r\n${LINES[0] ?? ''}` });
    expect(read(text.split('\r\n'))).toHaveLength(1);
  });
});
