/** Puts a run's outcome into the tree: the figures as JSON, the charts, the tables of the document. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { VERSION } from '../../src/cli/version.ts';
import { formatSize } from '../../src/cli/text.ts';
import { contestChart } from './chart.ts';
import { Figures } from './figures.ts';
import { goalRows } from './goals.ts';
import type { GoalRow } from './goals.ts';
import type { Sample } from './jobs.ts';
import type { PeerName } from './peers.ts';
import { peerVersions } from './peers.ts';
import { CONTESTS, allTables } from './tables.ts';

const ROOT = join(import.meta.dirname, '../..');
const DOCUMENT = join(ROOT, 'docs/performance.md');
const RESULTS = join(ROOT, 'bench/results');
const CHARTS = ['store-tape.svg', 'store-tar.svg'] as const;
const BEGIN = '<!-- npm run bench -- store --record writes what follows -->';
const END = '<!-- up to here -->';

export interface Circumstances {
  readonly date: string;
  readonly machine: string;
  readonly system: string;
  readonly versions: readonly string[];
  readonly repetitions: number;
  /** Processes that wanted to run before the benchmark did, of the last minute. */
  readonly loadBefore: number;
}

export interface Run {
  readonly of: Circumstances;
  readonly figures: Figures;
}

function output(command: string, ...args: readonly string[]): string {
  return execFileSync(command, [...args], { encoding: 'utf8' }).trim();
}

/** What the figures depend on, of this machine and now. */
export function circumstances(
  folder: string,
  peers: readonly PeerName[],
  repetitions: number,
): Circumstances {
  const processors = cpus();
  const model = processors[0]?.model.trim() || 'unknown processor';
  const fileSystem = output('df', '--output=fstype', folder).split('\n')[1];
  const dirty =
    output('git', '-C', ROOT, 'status', '--porcelain', 'src', 'native') === ''
      ? ''
      : ' with changes';
  const commit = output('git', '-C', ROOT, 'rev-parse', '--short', 'HEAD');
  return {
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    machine: `${processors.length} × ${model}, ${formatSize(totalmem())} of memory`,
    system: `Linux ${release()}, ${fileSystem}`,
    versions: [
      `Capstan ${VERSION} (${commit}${dirty})`,
      `Node ${process.versions.node}`,
      ...peerVersions(peers),
    ],
    repetitions,
    loadBefore: loadavg()[0] ?? Number.NaN,
  };
}

export function circumstancesText(of: Circumstances): string {
  return [
    `${of.date} UTC, medians of ${of.repetitions} repetition${of.repetitions === 1 ? '' : 's'}`,
    `${of.machine}; ${of.system}; load before ${of.loadBefore.toFixed(2)}`,
    of.versions.join(', '),
  ].join('\n');
}

/** A run as JSON: what it depends on, the goals, every sample. */
export function runText({ of, figures }: Run): string {
  return `${JSON.stringify({ ...of, goals: goalRows(figures), samples: figures }, undefined, 1)}\n`;
}

/** The run of a text of {@link runText}. */
export function readRun(text: string): Run {
  const { samples, ...of } = JSON.parse(text) as Circumstances & {
    readonly samples: Readonly<Record<string, readonly Sample[]>>;
  };
  return { of, figures: new Figures(samples) };
}

/** Writes bench/results/store.json, the charts of docs/images, and the tables of docs/performance.md. */
export function record(run: Run, rows: readonly GoalRow[]): void {
  const { of, figures } = run;
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(join(RESULTS, 'store.json'), runText(run));
  const images = join(ROOT, 'docs/images');
  mkdirSync(images, { recursive: true });
  for (const [index, { title, contenders }] of CONTESTS.entries()) {
    const chart = contestChart(title, figures, contenders);
    // A run whose steps were left out takes nothing from the chart of one before.
    if (chart === undefined) continue;
    writeFileSync(join(images, CHARTS[index] ?? `store-${index}.svg`), chart);
  }
  const document = readFileSync(DOCUMENT, 'utf8');
  const [head, rest] = document.split(BEGIN);
  const tail = rest?.split(END)[1];
  if (head === undefined || tail === undefined) {
    throw new Error(`${DOCUMENT} has lost the lines that say where the tables go.`);
  }
  const tables = `${circumstancesText(of)}\n\n${allTables(figures, rows)}`;
  writeFileSync(DOCUMENT, `${head}${BEGIN}\n\`\`\`text\n${tables}\n\`\`\`\n${END}${tail}`);
}
