/** What people read: sizes, times, rates and tables, in plain text. */
import { KIB } from '../base/units.ts';

const SIZE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

/** `200 MB`, `1.23 GB`: three significant digits, powers of 1000, as tape capacities are told. */
export function formatSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 999.5 && unit < SIZE_UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${SIZE_UNITS[unit]}`;
}

/** `0.35 s`, `12.4 s`, `3 min 20 s`. */
export function formatDuration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
}

/** `143 MB/s`. */
export function formatRate(bytes: number, ms: number): string {
  if (ms <= 0) return '';
  const megabytes = bytes / 1000 / ms;
  return `${megabytes.toFixed(megabytes < 10 ? 1 : 0)} MB/s`;
}

/** `12,345`. */
export function formatCount(count: number): string {
  return String(count).replaceAll(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 file`, `12,345 files`. */
export function formatNumberOf(count: number, what: string): string {
  return `${formatCount(count)} ${what}${count === 1 ? '' : 's'}`;
}

export interface Column<Row> {
  readonly title: string;
  readonly align?: 'right';
  readonly value: (row: Row) => string;
}

/** Columns two blanks apart under their titles, a line a row; no blanks at the ends of lines. */
export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const lines = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map(({ value }) => value(row))),
  ];
  const widths = columns.map((_, index) =>
    Math.max(...lines.map((cells) => cells[index]?.length ?? 0)),
  );
  return lines
    .map((cells) =>
      cells
        .map((cell, index) => {
          const width = widths[index] ?? 0;
          return columns[index]?.align === 'right' ? cell.padStart(width) : cell.padEnd(width);
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const SIZE_FACTORS: Readonly<Record<string, number>> = {
  '': 1,
  K: 1000,
  M: 1000 ** 2,
  G: 1000 ** 3,
  T: 1000 ** 4,
};

/** Bytes of `200M`, `2G` (powers of 1000), `64KiB`, `1.5GiB` (powers of 1024); undefined for others. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d{1,9}(?:\.\d{1,3})?) ?([KMGT]?)(i?)B?$/i.exec(text.trim());
  if (match === null) return undefined;
  const [, digits = '', prefix = '', binary = ''] = match;
  if (prefix === '' && binary !== '') return undefined;
  const unit = prefix.toUpperCase();
  const factor = binary === '' ? (SIZE_FACTORS[unit] ?? 1) : KIB ** ' KMGT'.indexOf(unit);
  const bytes = Math.round(Number(digits) * factor);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
