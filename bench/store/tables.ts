/** The figures as tables, for the terminal and for the document. */
import { formatSize, formatTable } from '../../src/cli/text.ts';
import type { Figures } from './figures.ts';
import type { GoalRow } from './goals.ts';
import { PEERS, PEER_NAMES } from './peers.ts';

const OUTCOME = { true: 'met', false: 'MISSED', undefined: '—' } as const;

/** Goal, figure, outcome. */
export function goalTable(rows: readonly GoalRow[]): string {
  return formatTable(
    [
      { title: '', value: (row) => row.subject },
      { title: 'goal', value: (row) => row.goal },
      { title: 'outcome', value: (row) => OUTCOME[`${row.isMet}`] },
      { title: 'figure', value: (row) => row.figure },
    ],
    rows,
  );
}

export interface Contender {
  readonly label: string;
  /** Names of samples, without their operation. */
  readonly name: string;
}

const peerContenders = (suffix: string): Contender[] =>
  PEER_NAMES.map((name) => ({ label: PEERS[name].label, name: `${name}${suffix}` }));

/** Who is compared on what: the tape with 64 KiB records, and the tar. */
export const CONTESTS = [
  {
    title: 'Tape with 64 KiB records (the peers get it as a SIMH .tap file)',
    contenders: [
      { label: 'Capstan', name: 'stream' },
      { label: 'Capstan, compression fast', name: 'fast' },
      { label: 'Capstan, AES-256-GCM', name: 'encrypted' },
      ...peerContenders(''),
    ],
  },
  {
    title: 'Tar (Capstan in records of 10 KiB, the peers as a file)',
    contenders: [{ label: 'Capstan', name: 'records-10k' }, ...peerContenders('-tar')],
  },
] as const satisfies readonly { title: string; contenders: readonly Contender[] }[];

const OPERATIONS = ['first', 'second', 'restore-first', 'restore-second'] as const;

function contestTable(figures: Figures, contenders: readonly Contender[]): string {
  const rate = (operation: string) => ({
    title: `${operation.replace('-', ' ')} MB/s`,
    align: 'right' as const,
    value: ({ name }: Contender) => figures.rate(`${name}/${operation}`)?.toFixed(0) ?? '',
  });
  const stored = (operation: string) => ({
    title: `${operation} stores`,
    align: 'right' as const,
    value: ({ name }: Contender) => {
      const bytes = figures.storedBytes(`${name}/${operation}`);
      return bytes === undefined ? '' : formatSize(bytes);
    },
  });
  const seconds = (operation: string) => ({
    title: `${operation} cpu s`,
    align: 'right' as const,
    value: ({ name }: Contender) => {
      const ms = figures.median(`${name}/${operation}`, ({ cpuMs }) => cpuMs);
      return ms === undefined ? '' : (ms / 1000).toFixed(1);
    },
  });
  const memory = {
    title: 'memory',
    align: 'right' as const,
    value: ({ name }: Contender) => {
      const peaks = OPERATIONS.map((operation) =>
        figures.median(`${name}/${operation}`, ({ peakBytes }) => peakBytes),
      ).filter((peak) => peak !== undefined);
      return peaks.length === 0 ? '' : formatSize(Math.max(...peaks));
    },
  };
  const measured = contenders.filter(({ name }) => figures.samples(`${name}/first`).length > 0);
  return formatTable<Contender>(
    [
      { title: '', value: ({ label }) => label },
      ...OPERATIONS.map(rate),
      stored('first'),
      stored('second'),
      seconds('first'),
      seconds('second'),
      memory,
    ],
    measured,
  );
}

const LIMITS = {
  pipelineOneCore: 'chunk, digest and zstd 1, one core',
  pipelineTwoCores: 'chunk, digest and zstd 1, two cores',
  pipelineTwoCoresFromFile: 'the same out of a file in the page cache',
  directWrite: 'O_DIRECT write of the same bytes, one writer',
  directWriteByTwo: 'O_DIRECT write of the same bytes, two writers',
  memoryRead: 'reading memory, one core',
  crc32c: 'CRC-32C, one core',
  chunker: 'chunking, one core',
  digest: 'BLAKE3, one core',
  zstd1: 'zstd 1, one core',
  zstdDecompression: 'decompression of that, one core',
} as const;

function limitsTable(figures: Figures): string {
  const rows = Object.entries(LIMITS).map(([name, label]) => ({
    label,
    rate: figures.extra('limits', name),
  }));
  return formatTable(
    [
      { title: '', value: ({ label }) => label },
      { title: 'GB/s', align: 'right', value: ({ rate }) => rate?.toFixed(2) ?? '' },
    ],
    rows.filter(({ rate }) => rate !== undefined),
  );
}

/** All tables, each under its title. */
export function allTables(figures: Figures, rows: readonly GoalRow[]): string {
  const sections = [
    { title: 'Goals', table: goalTable(rows) },
    ...CONTESTS.filter(({ contenders }) =>
      contenders.some(({ name }) => figures.samples(`${name}/first`).length > 0),
    ).map(({ title, contenders }) => ({ title, table: contestTable(figures, contenders) })),
  ];
  if (figures.samples('limits').length > 0) {
    sections.push({ title: 'Limits of the machine', table: limitsTable(figures) });
  }
  return sections.map(({ title, table }) => `${title}\n\n${table}`).join('\n\n');
}
