/**
 * A timeline as one HTML page that needs nothing else: no script, no font, no picture from elsewhere.
 *
 * The axis is virtual time, with long pauses pressed together: five minutes in which nothing happens are not
 * much wider than five seconds. Where a pause is longer than the axis can show, it says how long it is.
 */
import { SECOND_MS } from '../../src/base/units.ts';
import type { Bar, Lane, Mark, Mood, Timeline } from './timeline.ts';

/** What stands beside the timeline. */
export interface PageHead {
  readonly title: string;
  /** A sentence. */
  readonly what: string;
  /** The sentence that says what broke; undefined where everything held. */
  readonly broken: string | undefined;
  readonly facts: readonly (readonly [name: string, value: string])[];
  /** The newest lines of the trace; `linesLost` older ones are not there. */
  readonly lines: readonly string[];
  readonly linesLost: number;
}

const WIDTH_MIN_PX = 720;
const WIDTH_MAX_PX = 12_000;
const MARGIN_PX = 24;
const LABEL_GAP_PX = 110;
const ROW_PX = 22;
const LANE_GAP_PX = 10;
const AXIS_PX = 34;
const BAR_MIN_PX = 3;
/** About as wide as a character is. */
const CHAR_PX = 6;
/** A bar that has room for fewer has no label. */
const LABEL_CHARS_MIN = 6;
/** Most characters of a text that shows above something. */
const HOVER_CHARS_MAX = 2_000;

export const escapeHtml = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
    // Control characters, and those that turn the direction of text.
    .replaceAll(/[\p{Cc}\p{Bidi_Control}]/gu, (found) => (/[\n\t]/.test(found) ? found : '\uFFFD'));

/** `2 d 03:04:05.678`: since the world began. */
export function formatElapsed(ms: number): string {
  const whole = Math.round(ms);
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  const seconds = Math.floor(whole / SECOND_MS);
  const days = Math.floor(seconds / 86_400);
  const time = `${two((seconds / 3600) % 24)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}`;
  const rest = whole % SECOND_MS;
  const fraction = rest === 0 ? '' : `.${String(rest).padStart(3, '0')}`;
  return `${days === 0 ? '' : `${days} d `}${time}${fraction}`;
}

/** Virtual time to pixels: equal moments side by side, pauses by their logarithm. */
class Axis {
  readonly widthPx: number;
  /** Where a time may be written. */
  readonly ticks: readonly number[];
  readonly #at = new Map<number, number>();

  constructor(timesMs: readonly number[]) {
    const times = [...new Set(timesMs)].toSorted((left, right) => left - right);
    const widths = times.map((time, index) => {
      const pauseMs = time - (times[index - 1] ?? time);
      return index === 0 ? 0 : 12 + 12 * Math.log10(1 + pauseMs / 10);
    });
    const natural = widths.reduce((sum, width) => sum + width, 0);
    const scale = Math.max(
      Math.min(1, (WIDTH_MAX_PX - 2 * MARGIN_PX) / natural),
      Math.min(3, (WIDTH_MIN_PX - 2 * MARGIN_PX) / natural),
    );
    let px = MARGIN_PX;
    const ticks: number[] = [];
    let tickPx = -Infinity;
    for (const [index, time] of times.entries()) {
      px += (widths[index] ?? 0) * scale;
      this.#at.set(time, px);
      if (px - tickPx < LABEL_GAP_PX) continue;
      ticks.push(time);
      tickPx = px;
    }
    this.ticks = ticks;
    this.widthPx = Math.ceil(px + MARGIN_PX + LABEL_GAP_PX);
  }

  px(timeMs: number): number {
    return Math.round((this.#at.get(timeMs) ?? MARGIN_PX) * 10) / 10;
  }
}

/** Bars that overlap lie in rows of their own. */
function rowsOf(lane: Lane): readonly (readonly Bar[])[] {
  const rows: Bar[][] = [];
  for (const bar of lane.bars) {
    const row = rows.find((each) => (each.at(-1)?.toMs ?? -Infinity) < bar.fromMs);
    if (row === undefined) rows.push([bar]);
    else row.push(bar);
  }
  return rows;
}

const WORST_FIRST: readonly Mood[] = ['fault', 'warning', 'command', 'good', 'plain'];

/** Marks by their moments, in order. */
function momentsOf(marks: readonly Mark[]): readonly (readonly Mark[])[] {
  const groups = new Map<number, Mark[]>();
  for (const mark of marks) {
    const group = groups.get(mark.atMs);
    if (group === undefined) groups.set(mark.atMs, [mark]);
    else group.push(mark);
  }
  return [...groups.values()];
}

/** One mark for those of one moment. */
const together = (group: readonly Mark[]): Mark => ({
  atMs: group[0]?.atMs ?? 0,
  mood: WORST_FIRST.find((mood) => group.some((mark) => mark.mood === mood)) ?? 'plain',
  text: group.map(({ text }) => text).join('\n'),
});

const hover = (text: string): string =>
  `<title>${escapeHtml(text.slice(0, HOVER_CHARS_MAX))}</title>`;

interface DrawnLane {
  readonly heightPx: number;
  readonly svg: string;
}

function drawBar(bar: Bar, axis: Axis, y: number): string {
  const x = axis.px(bar.fromMs);
  const width = Math.max(BAR_MIN_PX, axis.px(bar.toMs) - x);
  const chars = Math.floor((width - 8) / CHAR_PX);
  const label =
    chars < LABEL_CHARS_MIN
      ? ''
      : `<text x="${x + 4}" y="${y + 12}">${escapeHtml(bar.text.slice(0, chars))}</text>`;
  const times = `${formatElapsed(bar.fromMs)} to ${formatElapsed(bar.toMs)}`;
  return (
    `<g class="bar ${bar.mood}"><rect x="${x}" y="${y}" width="${width.toFixed(1)}" ` +
    `height="${ROW_PX - 6}" rx="3"/>${label}${hover(`${bar.text}\n${times}`)}</g>`
  );
}

function drawMark(mark: Mark, axis: Axis, y: number): string {
  const radius = mark.mood === 'plain' ? 3 : 4.5;
  return (
    `<circle class="mark ${mark.mood}" cx="${axis.px(mark.atMs)}" cy="${y}" r="${radius}">` +
    `${hover(`${formatElapsed(mark.atMs)}\n${mark.text}`)}</circle>`
  );
}

/** The commands of a moment, by their numbers: `3`, `3–5`. */
function drawCommands(group: readonly Mark[], first: number, axis: Axis, y: number): string {
  const [mark] = group;
  const x = axis.px(mark?.atMs ?? 0);
  const label = group.length === 1 ? `${first}` : `${first}–${first + group.length - 1}`;
  const width = 10 + CHAR_PX * label.length;
  const texts = group.map(({ text }, index) => `${first + index}. ${text}`);
  return (
    `<g class="mark command"><rect x="${x - width / 2}" y="${y - 8}" width="${width}" height="16" rx="8"/>` +
    `<text x="${x}" y="${y + 3.5}">${label}</text>` +
    `${hover([formatElapsed(mark?.atMs ?? 0), ...texts].join('\n'))}</g>`
  );
}

function drawLane(lane: Lane, axis: Axis, topPx: number): DrawnLane {
  const rows = rowsOf(lane);
  const middle = topPx + ROW_PX / 2;
  const parts: string[] = [];
  if (lane.kind === 'commands') {
    let first = 1;
    for (const group of momentsOf(lane.marks)) {
      parts.push(drawCommands(group, first, axis, middle));
      first += group.length;
    }
  } else {
    for (const group of momentsOf(lane.marks)) parts.push(drawMark(together(group), axis, middle));
  }
  const markRows = lane.marks.length > 0 ? 1 : 0;
  for (const [index, row] of rows.entries()) {
    const y = topPx + ROW_PX * (index + markRows) + 3;
    for (const bar of row) parts.push(drawBar(bar, axis, y));
  }
  const line = `<line class="lane" x1="0" x2="${axis.widthPx}" y1="${middle}" y2="${middle}"/>`;
  return { heightPx: ROW_PX * (markRows + rows.length), svg: [line, ...parts].join('\n') };
}

/** The page's text. */
export function timelinePage(timeline: Timeline, head: PageHead): string {
  const { lanes, endMs } = timeline;
  const axis = new Axis([
    ...lanes.flatMap(({ marks, bars }) => [
      ...marks.map(({ atMs }) => atMs),
      ...bars.flatMap(({ fromMs, toMs }) => [fromMs, toMs]),
    ]),
    endMs,
  ]);
  const commandMarks = lanes.find(({ kind }) => kind === 'commands')?.marks ?? [];
  let topPx = AXIS_PX;
  const labels: string[] = [];
  const drawn: string[] = [];
  for (const lane of lanes) {
    const { heightPx, svg } = drawLane(lane, axis, topPx);
    labels.push(
      `<div style="top:${topPx}px"><b>${escapeHtml(lane.name)}</b>${lane.kind === 'commands' ? '' : ` <small>${lane.kind}</small>`}</div>`,
    );
    drawn.push(svg);
    topPx += heightPx + LANE_GAP_PX;
  }
  const ticks = axis.ticks.map((time) => {
    const x = axis.px(time);
    return `<line class="tick" x1="${x}" x2="${x}" y1="${AXIS_PX - 8}" y2="${topPx}"/><text class="tick" x="${x + 3}" y="14">${formatElapsed(time)}</text>`;
  });
  const endPx = axis.px(endMs);
  const broken =
    head.broken === undefined
      ? ''
      : `<g class="break"><line x1="${endPx + 6}" x2="${endPx + 6}" y1="20" y2="${topPx}"/><text x="${endPx + 12}" y="30">broken</text>${hover(`${head.broken}\n${formatElapsed(endMs)}`)}</g>`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="Timeline" width="${axis.widthPx}" height="${topPx}" viewBox="0 0 ${axis.widthPx} ${topPx}">
${ticks.join('\n')}
${drawn.join('\n')}
${broken}
</svg>`;
  return page(head, labels, svg, topPx, commandMarks);
}

const LEGEND: readonly (readonly [Mood, string])[] = [
  ['command', 'command'],
  ['plain', 'event'],
  ['good', 'done, healed'],
  ['warning', 'warning, under way'],
  ['fault', 'fault, error, down'],
];

function page(
  head: PageHead,
  labels: readonly string[],
  svg: string,
  heightPx: number,
  commands: readonly Mark[],
): string {
  const verdict =
    head.broken === undefined
      ? '<p class="verdict held">Every promise held.</p>'
      : `<p class="verdict broken">Broken: ${escapeHtml(head.broken)}</p>`;
  const facts = head.facts
    .map(([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`)
    .join('\n');
  const steps = commands
    .map(
      ({ atMs, text }) =>
        `<li><code>${escapeHtml(text)}</code> <time>${formatElapsed(atMs)}</time></li>`,
    )
    .join('\n');
  const legend = LEGEND.map(([mood, text]) => `<span><i class="${mood}"></i>${text}</span>`).join(
    '\n',
  );
  const counted = (count: number): string => count.toLocaleString('en');
  const all = counted(head.lines.length + head.linesLost);
  const lost =
    head.linesLost === 0
      ? ''
      : ` It begins late: ${counted(head.linesLost)} older lines of the trace are left out (--trace FILE has all of them).`;
  const summary =
    head.linesLost === 0
      ? 'Everything that happened'
      : `What happened last: the newest ${counted(head.lines.length)} of ${all} lines`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(head.title)}</title>
<style>
${STYLE}
</style>
</head>
<body>
<h1>${escapeHtml(head.title)}</h1>
<p>${escapeHtml(head.what)}</p>
${verdict}
<dl>
${facts}
</dl>
<p class="legend">${legend}</p>
<div class="chart">
<div class="labels" style="height:${heightPx}px">
${labels.join('\n')}
</div>
${svg}
</div>
<p><small>Virtual time since the world began; pauses are pressed together. What is under the pointer says what it is.${lost}</small></p>
<h2>Commands</h2>
<ol>
${steps}
</ol>
<details>
<summary>${summary}</summary>
<pre>${escapeHtml(head.lines.join('\n'))}</pre>
</details>
</body>
</html>
`;
}

const STYLE = `:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1c2024; --faint: #d9dde1; --grey: #667078;
  --plain: #5b7fa6; --good: #2e8b57; --warning: #c98a1b; --fault: #cc3333; --command: #6a4fb3;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15181b; --ink: #e6e9ec; --faint: #32383e; --grey: #98a2ab;
    --plain: #7fa6d0; --good: #58b884; --warning: #e0aa4a; --fault: #f06a6a; --command: #a68fe6;
  }
}
body { margin: 2rem; background: var(--paper); color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.35rem; margin: 0 0 .5rem; }
h2 { font-size: 1.05rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; }
dt { color: var(--grey); }
dd { margin: 0; overflow-wrap: anywhere; }
.verdict { font-weight: 600; }
.held { color: var(--good); }
.broken { color: var(--fault); }
.legend span { margin-right: 1.2rem; white-space: nowrap; }
.legend i { display: inline-block; width: .8em; height: .8em; border-radius: 50%; margin-right: .4em; }
i.plain { background: var(--plain); } i.good { background: var(--good); }
i.warning { background: var(--warning); } i.fault { background: var(--fault); }
i.command { background: var(--command); }
.chart { display: flex; overflow-x: auto; border: 1px solid var(--faint); border-radius: 6px; }
.labels { position: sticky; left: 0; flex: 0 0 11rem; background: var(--paper); border-right: 1px solid var(--faint); z-index: 1; }
.labels div { position: absolute; left: .6rem; right: .3rem; line-height: ${ROW_PX}px; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
small, time { color: var(--grey); }
svg { flex: none; display: block; }
svg text { font: 11px system-ui, sans-serif; fill: var(--ink); }
line.tick, line.lane { stroke: var(--faint); }
text.tick { fill: var(--grey); }
.bar rect { fill-opacity: .35; stroke-width: 1; }
.bar.plain rect, circle.plain { fill: var(--plain); stroke: var(--plain); }
.bar.good rect, circle.good { fill: var(--good); stroke: var(--good); }
.bar.warning rect, circle.warning { fill: var(--warning); stroke: var(--warning); }
.bar.fault rect, circle.fault { fill: var(--fault); stroke: var(--fault); }
.command rect { fill: var(--command); }
.command text { fill: var(--paper); text-anchor: middle; font-size: 9.5px; font-weight: 600; }
.bar:hover rect, .mark:hover, .mark:hover rect { stroke: var(--ink); stroke-width: 2; fill-opacity: 1; }
.break line { stroke: var(--fault); stroke-width: 3; }
.break text { fill: var(--fault); font-weight: 700; }
pre { overflow-x: auto; font-size: 12px; }
`;
