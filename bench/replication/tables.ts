/** The figures of a run as a table. */
import { formatSize, formatTable } from '../../src/cli/text.ts';
import type { Copied } from './capstan.ts';
import { PEERS, PEER_NAMES } from './peers.ts';
import type { PeerCopied, PeerName } from './peers.ts';
import type { Case } from './tapes.ts';

export interface CaseFigures {
  readonly title: string;
  readonly lowerBytes: number;
  readonly goal: Case['goal'];
  readonly capstan: Copied;
  readonly peers: Partial<Record<PeerName, PeerCopied>>;
}

/** What goes either way. */
export const bothWays = ({ sentBytes, receivedBytes }: PeerCopied): number =>
  sentBytes + receivedBytes;

export function isMet({ goal, lowerBytes, capstan }: CaseFigures): boolean {
  const bytes = bothWays(capstan);
  return 'times' in goal ? bytes <= goal.times * lowerBytes : bytes <= goal.bytes;
}

function cell(copied: PeerCopied | undefined, lowerBytes: number): string {
  if (copied === undefined) return '';
  const bytes = bothWays(copied);
  const times = lowerBytes < 1_000_000 ? '' : ` (${(bytes / lowerBytes).toFixed(3)} ×)`;
  return `${formatSize(bytes)}${times}`;
}

/** A line a case: bytes both ways, and how many times the lower bound they are. */
export function figuresTable(all: readonly CaseFigures[]): string {
  const peers = PEER_NAMES.filter((name) => all.some((figures) => figures.peers[name]));
  return formatTable<CaseFigures>(
    [
      { title: '', value: ({ title }) => title },
      { title: 'at least', align: 'right', value: ({ lowerBytes }) => formatSize(lowerBytes) },
      {
        title: 'Capstan',
        align: 'right',
        value: ({ capstan, lowerBytes }) => cell(capstan, lowerBytes),
      },
      {
        title: 'goal',
        align: 'right',
        value: ({ goal }) =>
          'times' in goal ? `≤ ${goal.times} ×` : `≤ ${formatSize(goal.bytes)}`,
      },
      { title: 'outcome', value: (figures) => (isMet(figures) ? 'met' : 'MISSED') },
      ...peers.map((name) => ({
        title: PEERS[name].label,
        align: 'right' as const,
        value: (figures: CaseFigures) => cell(figures.peers[name], figures.lowerBytes),
      })),
    ],
    all,
  );
}
