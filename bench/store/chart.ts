/** The contest as a picture: bars as an SVG, drawn by hand because it is forty lines. */
import type { Figures } from './figures.ts';
import type { Contender } from './tables.ts';

const WIDTH = 880;
const MARGIN = 24;
const LABEL_WIDTH = 210;
const VALUE_WIDTH = 90;
const BAR_HEIGHT = 16;
const BAR_PITCH = 22;
const TITLE_HEIGHT = 34;
const PANEL_GAP = 18;
const OWN_COLOUR = '#0b6e99';
const PEER_COLOUR = '#b9c0c7';

interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly value: (contender: Contender) => number | undefined;
}

interface Bar {
  readonly label: string;
  readonly value: number;
}

const escaped = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

const valueText = (value: number) =>
  value >= 100 ? value.toFixed(0).replaceAll(/\B(?=(\d{3})+$)/g, ',') : value.toFixed(1);

function barLines({ label, value }: Bar, y: number, longest: number, unit: string): string[] {
  const room = WIDTH - 2 * MARGIN - LABEL_WIDTH - VALUE_WIDTH;
  const left = MARGIN + LABEL_WIDTH;
  const width = Math.max(1.5, (room * value) / longest);
  const isOwn = label.startsWith('Capstan');
  const baseline = y + BAR_HEIGHT - 4;
  const weight = isOwn ? ' font-weight="600"' : '';
  return [
    `<text x="${left - 8}" y="${baseline}" text-anchor="end"${weight}>${escaped(label)}</text>`,
    `<rect x="${left}" y="${y}" width="${width.toFixed(1)}" height="${BAR_HEIGHT}" rx="2" fill="${isOwn ? OWN_COLOUR : PEER_COLOUR}"/>`,
    `<text x="${(left + width + 6).toFixed(1)}" y="${baseline}"${weight}>${valueText(value)} ${unit}</text>`,
  ];
}

/**
 * Rates of the three operations and what the second backup stores, a panel each; undefined where nobody
 * has another to be compared with.
 */
export function contestChart(
  heading: string,
  figures: Figures,
  contenders: readonly Contender[],
): string | undefined {
  const rate =
    (operation: string) =>
    ({ name }: Contender) =>
      figures.rate(`${name}/${operation}`);
  const panels: readonly Panel[] = [
    { title: 'First backup', unit: 'MB/s', value: rate('first') },
    { title: 'Second backup, 3 % of the files changed', unit: 'MB/s', value: rate('second') },
    { title: 'Restore of the second', unit: 'MB/s', value: rate('restore-second') },
    {
      title: 'What the second backup stores (less is better)',
      unit: 'MB',
      value: ({ name }) => {
        const bytes = figures.storedBytes(`${name}/second`);
        return bytes === undefined ? undefined : bytes / 1e6;
      },
    },
  ];
  const lines: string[] = [];
  let y = MARGIN + 20;
  lines.push(
    `<text x="${MARGIN}" y="${y}" font-size="17" font-weight="600">${escaped(heading)}</text>`,
  );
  y += PANEL_GAP;
  const empty = lines.length;
  for (const { title, unit, value } of panels) {
    const bars = contenders.flatMap((contender): Bar[] => {
      const reached = value(contender);
      return reached === undefined ? [] : [{ label: contender.label, value: reached }];
    });
    // One alone compares nothing.
    if (bars.length < 2) continue;
    lines.push(
      `<text x="${MARGIN}" y="${y + 20}" font-size="14" font-weight="600">${escaped(title)}</text>`,
    );
    y += TITLE_HEIGHT;
    const longest = Math.max(...bars.map((bar) => bar.value));
    for (const bar of bars) {
      lines.push(...barLines(bar, y, longest, unit));
      y += BAR_PITCH;
    }
    y += PANEL_GAP;
  }
  if (lines.length === empty) return undefined;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}" font-family="Helvetica, Arial, 'Liberation Sans', sans-serif" font-size="13" fill="#1f2429" role="img" aria-label="${escaped(heading)}">`,
    `<rect width="${WIDTH}" height="${y}" fill="#ffffff"/>`,
    ...lines,
    '</svg>',
    '',
  ].join('\n');
}
