/**
 * `npm run bench -- replication`: what crosses the line of a tape's next version, where the receiver has the one
 * before, against the least that it could be, and against what others send of the same bytes in the same run.
 */
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { formatDuration, formatSize } from '../src/cli/text.ts';
import { VERSION } from '../src/cli/version.ts';
import { copySecond } from './replication/capstan.ts';
import { installedPeers, peerCopySecond } from './replication/peers.ts';
import type { PeerName } from './replication/peers.ts';
import { bothWays, figuresTable, isMet } from './replication/tables.ts';
import type { CaseFigures } from './replication/tables.ts';
import { batchesOf, casesOf } from './replication/tapes.ts';
import type { Case, Record } from './replication/tapes.ts';

const MIB = 1024 * 1024;
const TAPE_MIB = 1024;

interface Options {
  readonly folder?: string;
  readonly only?: readonly string[];
  readonly mebibytes: number;
  readonly peers: boolean;
}

function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('A number from 1.');
  return value;
}

function parseOptions(): Options {
  return new Command('npm run bench -- replication')
    .description('Measures the bytes that a copy sends; needs 7 GB of disk.')
    .option('--only <cases>', 'these only, with commas between', (text) => text.split(','))
    .option('--mebibytes <n>', 'size of a tape', positiveInteger, TAPE_MIB)
    .option('--no-peers', 'Capstan alone')
    .option('--folder <folder>', 'for the stores ($CAPSTAN_BENCH_FOLDER, ~/.cache/capstan/bench)')
    .parse()
    .opts<Options>();
}

function writeFile(path: string, records: readonly Record[]): string {
  const file = openSync(path, 'w');
  for (const { data } of batchesOf(records)) writeSync(file, data);
  closeSync(file);
  return path;
}

/** Works in `folder`, and leaves nothing there. */
async function measure(
  tape: Case,
  folder: string,
  peers: readonly PeerName[],
): Promise<CaseFigures> {
  const { title, lowerBytes, goal } = tape;
  const emptied = (name: string): string => {
    rmSync(join(folder, name), { recursive: true, force: true });
    mkdirSync(join(folder, name), { recursive: true });
    return join(folder, name);
  };
  const capstan = await copySecond(tape, emptied('stores'));
  emptied('stores');
  const found: Partial<globalThis.Record<PeerName, ReturnType<typeof peerCopySecond>>> = {};
  if (peers.length > 0) {
    const files = {
      first: writeFile(join(emptied('files'), 'first.img'), tape.first),
      second: writeFile(join(folder, 'files', 'second.img'), tape.second),
    };
    for (const name of peers) {
      found[name] = peerCopySecond(name, emptied('peer'), files);
    }
  }
  rmSync(folder, { recursive: true, force: true });
  console.log(
    `  ${tape.name.padEnd(12)} ${formatSize(bothWays(capstan)).padStart(10)} in ` +
      `${formatDuration(capstan.wallMs)}; the store grew by ${formatSize(capstan.storedBytes)}`,
  );
  return { title, lowerBytes, goal, capstan, peers: found };
}

const options = parseOptions();
const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
const folder =
  options.folder ?? process.env['CAPSTAN_BENCH_FOLDER'] ?? join(cache, 'capstan', 'bench');
const peers = options.peers ? installedPeers() : [];
const cases = casesOf(options.mebibytes * MIB).filter(
  ({ name }) => options.only === undefined || options.only.includes(name),
);
const figures: CaseFigures[] = [];
for (const tape of cases) {
  figures.push(await measure(tape, join(folder, 'replication-work'), peers));
}
const date = new Date().toISOString().slice(0, 16).replace('T', ' ');
const run = { date, version: VERSION, mebibytes: options.mebibytes, cases: figures };
writeFileSync(join(folder, 'replication.json'), `${JSON.stringify(run, undefined, 1)}\n`);
console.log(
  `\n${date} UTC, Capstan ${VERSION}, tapes of ${options.mebibytes} MiB; bytes both ways\n\n` +
    figuresTable(figures),
);
const missed = figures.filter((each) => !isMet(each)).length;
console.log(`\n${figures.length} goals: ${figures.length - missed} met, ${missed} missed`);
