import { describe, expect, it } from 'vitest';
import {
  escapeHtml,
  formatElapsed,
  timelinePage,
} from '../../../../harness/replay/timeline-page.ts';
import { timelineOf } from '../../../../harness/replay/timeline.ts';

const event = (value: object): string => JSON.stringify(value);
const row = { address: '10.0.0.1', severity: 'ERROR', messageId: '622103', text: 'it failed' };
const mount = { tape: 'LAB001', drive: 'VTD00', ring: true };
const LINES = [
  '       0.000 east: start',
  '       1.000 > backup(0, 1 x 1, seed 0)',
  `       1.000 east: ${event({ kind: 'mounted', mount })}`,
  `       2.000 east: ${event({ kind: 'dismounted', mount, generation: 4, changed: true })}`,
  `       2.000 east: ${event({ kind: 'copy-started', tape: 'LAB001', target: 'west', generation: 4, attempt: 1 })}`,
  '       2.500 wire 10.0.0.1-10.0.0.2: down',
  `       2.500 east: ${event({ kind: 'copy-attempt-failed', tape: 'LAB001', target: 'west', reason: 'no <way>' })}`,
  `       2.500 east: ${event({ kind: 'event-logged', row })}`,
  `       3.000 east: ${event({ kind: 'ems-line', host: '\\LAB', text: 'MOUNT LAB001' })}`,
  '       3.200 \\LAB: JOB0 done ',
  `       3.500 east: ${event({ kind: 'mounted', mount: { ...mount, ring: false } })}`,
  '       4.000 east: killed (power-cut)',
  '       9.000 wire 10.0.0.1-10.0.0.2: healed',
  '    7209.000 east: start',
  '    7210.000 <b>odd</b>',
  `    7211.000 east: ${event({ kind: 'mounted', mount: { ...mount, tape: 'LAB002' } })}`,
];

const END_MS = 7_300_000;

describe('a timeline', () => {
  const { lanes } = timelineOf(LINES, END_MS);
  const lane = (name: string) => lanes.find((each) => each.name === name);

  it('has a lane for the commands and for each host, server, wire and tape', () => {
    expect(lanes.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      'commands commands',
      'host \\LAB',
      'server east',
      'network east – 10.0.0.2',
      'tape LAB001',
      'tape LAB002',
      'other elsewhere',
    ]);
  });

  it('has what a host itself tells beside what is heard of it', () => {
    expect(lane('\\LAB')?.marks.map(({ text }) => text)).toEqual(['MOUNT LAB001', 'JOB0 done']);
  });

  it('tells what lasted, from when to when, and how it ended', () => {
    expect(lane('LAB001')?.bars).toEqual([
      {
        fromMs: 1000,
        toMs: 2000,
        text: 'in VTD00 of east, ring: generation 4, changed',
        mood: 'plain',
      },
      {
        fromMs: 2000,
        toMs: 2500,
        text: 'copy to west of generation 4, attempt 1: no <way>',
        mood: 'fault',
      },
      {
        fromMs: 3500,
        toMs: 4000,
        text: 'in VTD00 of east, no ring: east was killed',
        mood: 'fault',
      },
    ]);
    expect(lane('east')?.bars).toMatchObject([{ fromMs: 4000, toMs: 7_209_000, mood: 'fault' }]);
    expect(lane('LAB002')?.bars).toMatchObject([{ fromMs: 7_211_000, toMs: END_MS }]);
    expect(lane('east – 10.0.0.2')?.bars).toMatchObject([{ fromMs: 2500, toMs: 9000 }]);
  });

  it('is a page on which nothing from outside is markup, and which needs nothing from outside', () => {
    const page = timelinePage(timelineOf(LINES, END_MS), {
      title: 'A <script>alert(1)</script> & "title"',
      what: "It's <i>so</i>.",
      broken: '</svg><img src=x onerror=alert(1)>',
      facts: [['Faults', '{"a":"<b>"}']],
      lines: LINES,
      linesLost: 3,
    });
    expect(page).not.toMatch(/<script|<img|<b>odd|no <way>|<i>so/);
    expect(page).toContain('&lt;/svg&gt;&lt;img src=x onerror=alert(1)&gt;');
    expect(page).not.toMatch(/<[^>]*\b(?:href|src)=|url\(|@import/);
    expect(page.match(/https?:[^"]*"/g)).toEqual(['http://www.w3.org/2000/svg"']);
    expect(page).toContain(' 3 older lines of the trace are left out');
    expect(page).toMatch(/class="break"[^]*02:01:40<\/title>/);
    expect(page).toContain('prefers-color-scheme: dark');
    // Every element that is opened is closed.
    const opened = [
      ...page.matchAll(/<(svg|g|rect|circle|text|title|li|div|dl|dt|dd|ol|p)\b[^>]*?(\/)?>/g),
    ];
    for (const name of ['g', 'text', 'li', 'div', 'dd', 'svg', 'title']) {
      const open = opened.filter((match) => match[1] === name && match[2] === undefined).length;
      expect([name, page.split(`</${name}>`).length - 1]).toEqual([name, open]);
    }
  });

  it('is a page also where nothing happened', () => {
    const head = { title: 'none', what: '', broken: undefined, facts: [], lines: [], linesLost: 0 };
    const page = timelinePage(timelineOf([], 0), head);
    expect(page).toContain('Every promise held.');
    expect(page).not.toContain('NaN');
  });
});

describe('what a page shows', () => {
  it('is text without marks of its own, whatever it holds', () => {
    expect(escapeHtml(`<a b='c' d="e">&\u0000\u001B\u202E\n`)).toBe(
      '&lt;a b=&#39;c&#39; d=&quot;e&quot;&gt;&amp;\uFFFD\uFFFD\uFFFD\n',
    );
  });

  it.each([
    [0, '00:00:00'],
    [61_001, '00:01:01.001'],
    [2 * 86_400_000 + 3_600_000, '2 d 01:00:00'],
  ])('is %i ms as %s', (ms, text) => {
    expect(formatElapsed(ms)).toBe(text);
  });
});
