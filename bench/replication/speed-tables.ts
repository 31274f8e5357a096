/** What takes part in the measurement of first copies, its goals, and its tables. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatTable } from '../../src/cli/text.ts';
import type { CopyTarget } from '../../src/ports/catalog.ts';
import type { FirstCopyTape } from './tapes.ts';

const DOCUMENT = join(import.meta.dirname, '../../docs/performance.md');
const BEGIN = '<!-- npm run bench -- replication-speed --record writes what follows -->';
const END = '<!-- up to here: replication-speed -->';

/** What one SSH channel moves in a round trip, with OpenSSH and with ssh2. */
const WINDOW_BYTES = 2 * 1024 * 1024;
const LOOPBACK_GOAL = 1.3;
const LINE_GOAL = 2.5;

export interface Contender {
  readonly name: string;
  readonly peer?: 'scp' | 'rsync';
  readonly capstan?: {
    readonly transport: CopyTarget['transport'];
    /** Capstan's own SSH, or sshd and `capstan receive`. */
    readonly through: 'server' | 'sshd';
    readonly channelsMax?: number;
  };
}

const SCP: Contender = { name: 'scp', peer: 'scp' };
const RSYNC: Contender = { name: 'rsync -W', peer: 'rsync' };
const overSshd = (transport: CopyTarget['transport']): Contender => ({
  name: `Capstan, ${transport}, to sshd`,
  capstan: { transport, through: 'sshd' },
});
const overServer = (transport: CopyTarget['transport'], channelsMax?: number): Contender => ({
  name: `Capstan, ${transport}, to its own SSH${channelsMax === undefined ? '' : `, ${channelsMax} channel`}`,
  capstan: { transport, through: 'server', ...(channelsMax !== undefined && { channelsMax }) },
});

export const LOOPBACK_CONTENDERS: readonly Contender[] = [
  SCP,
  overServer('openssh'),
  RSYNC,
  overServer('ssh2'),
  overSshd('openssh'),
  overSshd('ssh2'),
];
export const LINE_CONTENDERS: readonly Contender[] = [
  SCP,
  overServer('openssh'),
  overServer('ssh2'),
  overServer('ssh2', 1),
];

export interface Figure {
  readonly wallMs: number;
  readonly senderCpuMs: number;
  readonly receiverCpuMs: number;
  readonly channels?: number;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return ((low ?? Number.NaN) + (high ?? Number.NaN)) / 2;
}

interface Row {
  readonly name: string;
  readonly rate: number;
  readonly times: string;
  readonly outcome: string;
  readonly cpu: string;
  readonly channels: string;
}

function rowsOf(
  tape: FirstCopyTape,
  figures: ReadonlyMap<string, readonly Figure[]>,
  roundTripMs: number,
): Row[] {
  const of = (name: string): readonly Figure[] => figures.get(`${tape.name} ${name}`) ?? [];
  const rate = (name: string): number =>
    tape.bytes / 1000 / median(of(name).map(({ wallMs }) => wallMs));
  const seconds = (values: readonly number[]): string => (median(values) / 1000).toFixed(2);
  const onLine = tape.name === 'line';
  const limit = WINDOW_BYTES / 1000 / roundTripMs;
  const fastest = Math.max(rate('scp'), onLine ? 0 : rate('rsync -W'));
  const shown = tape.contenders.filter(({ name }) => of(name).length > 0);
  return shown.map(({ name, capstan }) => {
    const ratio = rate(name) / (onLine ? limit : fastest);
    const judged = capstan !== undefined && capstan.channelsMax === undefined;
    const isMet = ratio >= (onLine ? LINE_GOAL : LOOPBACK_GOAL);
    const channels = of(name).map((figure) => figure.channels ?? 1);
    return {
      name,
      rate: rate(name),
      times: `${ratio.toFixed(2)} ×`,
      outcome: judged ? (isMet ? 'met' : 'MISSED') : '',
      cpu: `${seconds(of(name).map((each) => each.senderCpuMs))} + ${seconds(of(name).map((each) => each.receiverCpuMs))}`,
      channels: `${median(channels)}`,
    };
  });
}

/** All tables, a tape each. */
export function speedText(
  tapes: readonly FirstCopyTape[],
  figures: ReadonlyMap<string, readonly Figure[]>,
  { head, roundTripMs }: { readonly head: string; readonly roundTripMs: number },
): string {
  const parts = [head];
  for (const tape of tapes) {
    const rows = rowsOf(tape, figures, roundTripMs);
    if (rows.length === 0) continue;
    const against =
      tape.name === 'line'
        ? `one channel at ${roundTripMs} ms (${LINE_GOAL} ×)`
        : `the faster peer (${LOOPBACK_GOAL} ×)`;
    const table = formatTable<Row>(
      [
        { title: '', value: ({ name }) => name },
        { title: 'MB/s of tape', align: 'right', value: (row) => row.rate.toFixed(0) },
        { title: `against ${against}`, align: 'right', value: ({ times }) => times },
        { title: 'outcome', value: ({ outcome }) => outcome },
        { title: 'cpu s, both sides', align: 'right', value: ({ cpu }) => cpu },
        { title: 'channels', align: 'right', value: ({ channels }) => channels },
      ],
      rows,
    );
    parts.push(`${tape.title}\n\n${table}`);
  }
  return parts.join('\n\n');
}

/** Puts the tables into docs/performance.md. */
export function recordSpeed(text: string): void {
  const document = readFileSync(DOCUMENT, 'utf8');
  const [head, rest] = document.split(BEGIN);
  const tail = rest?.split(END)[1];
  if (head === undefined || tail === undefined) {
    throw new Error(`${DOCUMENT} has lost the lines that say where the tables go.`);
  }
  writeFileSync(DOCUMENT, `${head}${BEGIN}\n\`\`\`text\n${text}\n\`\`\`\n${END}${tail}`);
}
