/** The laboratory's report for people: at most REPORT_COLUMNS wide, plain text. */
import { formatTimestamp } from '../../src/base/civil-time.ts';
import {
  formatCount,
  formatDuration,
  formatNumberOf,
  formatRate,
  formatSize,
  formatTable,
} from '../../src/cli/text.ts';
import type { LabResult, LabStep } from './lab-result.ts';

export const REPORT_COLUMNS = 100;
const INDENT = '    ';

export function formatReport(result: LabResult): string {
  const sections = [
    heading(result),
    result.steps.map(stepText).join('\n\n'),
    summary(result),
    ...Object.entries(result.sites).map(([name, site]) =>
      section(`EMS of ${site.node}, the host at ${name}`, site.emsLines, 8),
    ),
    ...Object.entries(result.sites).map(([name, site]) =>
      section(`Event log of ${name}`, site.eventLines, 8),
    ),
    section('Comparisons', result.checks.flatMap(checkLines), 8),
    verdict(result),
  ];
  return `${sections.filter((text) => text !== '').join('\n\n')}\n`;
}

function heading(result: LabResult): string {
  const title = `Capstan ${result.version} laboratory`;
  const time = `${formatTimestamp(result.startedAtMs)} UTC`;
  const { files, folder, volume } = result;
  const lines = [
    title + time.padStart(REPORT_COLUMNS - title.length),
    '='.repeat(REPORT_COLUMNS),
    ...wrap(
      `A NonStop host backs ${folder} up onto tape ${volume} at server east; AutoCopy carries it to west. ` +
        'Instant DR, VTSPolicy and Scan/Cleanup follow, on smaller tapes.',
      0,
    ),
    ...wrap(
      `${formatNumberOf(files.fileCount, 'file')}, ${formatSize(files.byteCount)}` +
        (files.leftOutCount > 0 ? `; ${formatCount(files.leftOutCount)} left out by --size` : '') +
        (files.resizedCount > 0 ? `; ${formatCount(files.resizedCount)} changed while read` : '') +
        (files.skippedCount > 0 ? `; ${formatCount(files.skippedCount)} not readable:` : ''),
      0,
    ),
    ...files.skippedNames.flatMap((name) => wrap(INDENT + name, 8)),
  ];
  return lines.join('\n');
}

function stepText(step: LabStep): string {
  const rate = step.bytes === undefined ? '' : formatRate(step.bytes, step.durationMs);
  const figures = `${formatDuration(step.durationMs).padStart(12)}${rate.padStart(10)}`;
  const title = `${step.number}  ${step.title}`;
  return [
    (title.padEnd(REPORT_COLUMNS - figures.length) + figures).trimEnd(),
    ...step.lines.flatMap((line) => wrap(INDENT + line, 6)),
  ].join('\n');
}

function summary(result: LabResult): string {
  if (result.copies.length === 0) return '';
  const columns = [
    { title: '', value: (row: readonly string[]) => row[0] ?? '' },
    { title: 'tape', align: 'right', value: (row: readonly string[]) => row[1] ?? '' },
    { title: 'bytes sent', align: 'right', value: (row: readonly string[]) => row[2] ?? '' },
    { title: 'of the tape', align: 'right', value: (row: readonly string[]) => row[3] ?? '' },
    { title: 'time', align: 'right', value: (row: readonly string[]) => row[4] ?? '' },
  ] as const;
  const rows = result.copies.map((copy, index) => [
    `${index === 0 ? 'first' : 'second'} copy, generation ${copy.generation}`,
    formatSize(copy.tapeBytes),
    formatSize(copy.bytesSent),
    `${((copy.bytesSent / copy.tapeBytes) * 100).toFixed(2)} %`,
    formatDuration(copy.durationMs),
  ]);
  const stores = Object.entries(result.sites).flatMap(([name, { store }]) =>
    store === undefined
      ? []
      : [
          `${name}: ${formatSize(store.uniqueBytes)} unique in ${formatSize(store.storedBytes)} on disk` +
            (store.appendedBytes > store.uniqueBytes
              ? `, for ${formatSize(store.appendedBytes)} written: deduplication ` +
                `${(store.appendedBytes / Math.max(store.uniqueBytes, 1)).toFixed(2)} : 1, on disk ` +
                `${(store.appendedBytes / Math.max(store.storedBytes, 1)).toFixed(2)} : 1`
              : ''),
        ],
  );
  return ['Copies and stores', ...formatTable(columns, rows).split('\n'), ...stores]
    .flatMap((line, index) => (index === 0 ? [underlined(line)] : wrap(INDENT + line, 8)))
    .join('\n');
}

function section(title: string, lines: readonly string[], continuation: number): string {
  if (lines.length === 0) return '';
  return [underlined(title), ...lines.flatMap((line) => wrap(INDENT + line, continuation))].join(
    '\n',
  );
}

function underlined(title: string): string {
  return `${title}\n${'-'.repeat(title.length)}`;
}

function checkLines(check: LabResult['checks'][number]): readonly string[] {
  const mark = check.held ? 'holds ' : 'FAILS ';
  return [
    `${mark} ${check.step}: ${check.what}`,
    ...check.differences.map((each) => `    ${each}`),
  ];
}

function verdict(result: LabResult): string {
  const heldCount = result.checks.filter(({ held }) => held).length;
  const counted = `${heldCount} of ${formatNumberOf(result.checks.length, 'comparison')} held`;
  const ended = result.failure === undefined ? '' : `The run ended early: ${result.failure} `;
  const homes =
    result.kept === undefined ? 'Nothing is left on disk.' : `Both homes are in ${result.kept}.`;
  return [
    '='.repeat(REPORT_COLUMNS),
    ...wrap(
      `${result.held ? 'SUCCESS' : 'FAILURE'}: ${ended}${counted}, ` +
        `${formatDuration(result.durationMs)} in all. ${homes}`,
      4,
    ),
  ].join('\n');
}

/** Cuts a line at blanks into lines of at most REPORT_COLUMNS, the later ones indented. */
function wrap(line: string, indent: number): readonly string[] {
  const lines: string[] = [];
  let rest = line;
  while (rest.length > REPORT_COLUMNS) {
    const blank = rest.lastIndexOf(' ', REPORT_COLUMNS);
    // A word longer than the line is cut where the line ends.
    const at = blank > indent ? blank : REPORT_COLUMNS;
    lines.push(rest.slice(0, at).trimEnd());
    rest = ' '.repeat(indent) + rest.slice(at).trimStart();
  }
  return [...lines, rest];
}
