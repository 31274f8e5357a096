/**
 * `npm run bench -- replication-speed`: how fast a first copy goes over SSH on this machine, beside scp and
 * `rsync -W` over the same sshd and cipher in the same run, in turns; and over a line of 50 ms.
 */
import { execFile } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { loadavg } from 'node:os';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Command, InvalidArgumentError } from 'commander';
import { VERSION } from '../src/cli/version.ts';
import { DelayLine } from '../harness/rig/delay-line.ts';
import { openEngine } from '../src/platform/engine.ts';
import { generation, logicalObjectNumber } from '../src/base/units.ts';
import { Loopback, cpuMs } from './replication/loopback.ts';
import { buildPackage } from './replication/package-build.ts';
import { TAPE } from './replication/send-tape.ts';
import type { SendJob, Sent } from './replication/send-tape.ts';
import { recordSpeed, speedText } from './replication/speed-tables.ts';
import type { Contender, Figure } from './replication/speed-tables.ts';
import { batchesOf, firstCopyTapes } from './replication/tapes.ts';
import type { FirstCopyTape } from './replication/tapes.ts';

const MIB = 1024 * 1024;

interface Options {
  readonly folder?: string;
  readonly only?: readonly string[];
  readonly who?: string;
  readonly mebibytes: number;
  readonly repetitions: number;
  readonly roundTripMs: number;
  readonly record?: boolean;
}

function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('A number from 1.');
  return value;
}

function parseOptions(): Options {
  return new Command('npm run bench -- replication-speed')
    .description(
      'Measures first copies over SSH; needs five times a tape of disk, ssh, sshd, rsync.',
    )
    .option('--only <tapes>', 'noise, half, line; with commas between', (text) => text.split(','))
    .option('--who <text>', 'only those whose names have it in them')
    .option('--mebibytes <n>', 'size of a tape', positiveInteger, 1024)
    .option('--repetitions <n>', 'of each', positiveInteger, 3)
    .option('--round-trip-ms <ms>', 'of the line', positiveInteger, 50)
    .option('--record', 'writes the table of docs/performance.md')
    .option('--folder <folder>', 'for the stores ($CAPSTAN_BENCH_FOLDER, ~/.cache/capstan/bench)')
    .parse()
    .opts<Options>();
}

/** A tape as a file and as a store's, durable, and in the page cache. */
async function writeTape(folder: string, tape: FirstCopyTape): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const engine = await openEngine(join(folder, 'store'), { mode: 'create' });
  await engine.createImage(TAPE, { partitionCount: 1 });
  const image = await engine.openImage(TAPE, 'write');
  const file = openSync(join(folder, 'tape.img'), 'w');
  let at = 0;
  for (const batch of batchesOf(tape.records)) {
    const append = { partition: 0, at: logicalObjectNumber(at), ...batch };
    at = (await image.append(append)).objectCount;
    writeSync(file, batch.data);
  }
  closeSync(file);
  await image.sync({ generation: generation(1) });
  await image.close();
  await engine.close();
}

interface Round {
  /** The program that sends. */
  readonly sender: string;
  readonly loopback: Loopback;
  readonly folder: string;
}

async function run(command: string, args: readonly string[]): Promise<string> {
  // NODE_OPTIONS: --cpu-prof and its like reach all that is measured.
  const { PATH, NODE_OPTIONS } = process.env;
  const options = { env: { PATH, NODE_OPTIONS, LANG: 'C.UTF-8', HOME: homedir() } };
  return (await promisify(execFile)(command, [...args], options)).stdout;
}

/** Runs `work`; what it took, with the processor time of both sides. */
async function measured(
  { loopback }: Round,
  work: () => Promise<{ readonly wallMs?: number; readonly channels?: number }>,
): Promise<Figure> {
  const senderBefore = cpuMs('self', 'children');
  const receiverBefore = loopback.receiverCpuMs();
  const startedAtMs = performance.now();
  const { wallMs = performance.now() - startedAtMs, channels } = await work();
  // sshd is told of the end of its children a little later.
  await new Promise((done) => {
    setTimeout(done, 200);
  });
  return {
    wallMs,
    senderCpuMs: cpuMs('self', 'children') - senderBefore,
    receiverCpuMs: loopback.receiverCpuMs() - receiverBefore,
    ...(channels !== undefined && { channels }),
  };
}

async function copyByPeer(round: Round, kind: 'scp' | 'rsync', port?: number): Promise<Figure> {
  const { loopback, folder } = round;
  const file = join(folder, 'tape', 'tape.img');
  const to = `127.0.0.1:${join(folder, 'copy.img')}`;
  const ssh = loopback.ssh(port);
  const figure = await measured(round, async () => {
    if (kind === 'scp') await run('scp', ['-q', ...ssh, file, to]);
    else await run('rsync', ['-W', '-e', ['ssh', ...ssh].join(' '), file, to]);
    return {};
  });
  rmSync(join(folder, 'copy.img'));
  return figure;
}

async function copyByCapstan(
  round: Round,
  { transport, through, channelsMax = 8 }: NonNullable<Contender['capstan']>,
  delayMs = 0,
): Promise<Figure> {
  const { loopback, folder, sender } = round;
  await loopback.emptyServer();
  const direct = loopback.target(transport, through);
  const line = delayMs > 0 ? await DelayLine.open({ to: direct, delayMs }) : undefined;
  const target = { ...direct, ...line?.endpoint };
  const { identityFile } = loopback;
  const job: SendJob = { store: join(folder, 'tape', 'store'), target, identityFile, channelsMax };
  try {
    return await measured(
      round,
      async () => JSON.parse(await run(process.execPath, [sender, JSON.stringify(job)])) as Sent,
    );
  } finally {
    await line?.close();
    await loopback.stopServer();
  }
}

async function copyOnce(round: Round, contender: Contender, delayMs: number): Promise<Figure> {
  if (contender.capstan !== undefined) return copyByCapstan(round, contender.capstan, delayMs);
  const kind = contender.peer ?? 'scp';
  if (delayMs === 0) return copyByPeer(round, kind);
  const to = { address: '127.0.0.1', port: round.loopback.sshdPort };
  const line = await DelayLine.open({ to, delayMs });
  try {
    return await copyByPeer(round, kind, line.endpoint.port);
  } finally {
    await line.close();
  }
}

async function measure(options: Options, folder: string): Promise<Map<string, Figure[]>> {
  const { command, sender } = await buildPackage(join(folder, 'package'));
  const loopback = new Loopback(folder, command);
  const figures = new Map<string, Figure[]>();
  await loopback.start();
  try {
    const tapes = firstCopyTapes(options.mebibytes * MIB);
    for (const tape of tapes.filter(({ name }) => options.only?.includes(name) ?? true)) {
      await writeTape(join(folder, 'tape'), tape);
      for (let repetition = 1; repetition <= options.repetitions; repetition += 1) {
        for (const contender of tape.contenders) {
          if (!contender.name.includes(options.who ?? '')) continue;
          const delayMs = tape.name === 'line' ? options.roundTripMs / 2 : 0;
          const figure = await copyOnce({ loopback, folder, sender }, contender, delayMs);
          const key = `${tape.name} ${contender.name}`;
          figures.set(key, [...(figures.get(key) ?? []), figure]);
          const rate = (tape.bytes / figure.wallMs / 1000).toFixed(0).padStart(5);
          const cpu = ((figure.senderCpuMs + figure.receiverCpuMs) / 1000).toFixed(2);
          console.log(`  ${key.padEnd(44)} ${rate} MB/s, ${cpu} s of processor time`);
        }
      }
    }
  } finally {
    await loopback.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  return figures;
}

const options = parseOptions();
const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
const folder =
  options.folder ?? process.env['CAPSTAN_BENCH_FOLDER'] ?? join(cache, 'capstan', 'bench');
const [loadBefore = 0] = loadavg();
const figures = await measure(options, join(folder, 'speed-work'));
const date = new Date().toISOString().slice(0, 16).replace('T', ' ');
const { mebibytes, repetitions } = options;
const text = speedText(firstCopyTapes(mebibytes * MIB), figures, {
  roundTripMs: options.roundTripMs,
  head: `${date} UTC, Capstan ${VERSION}, medians of ${repetitions}; tapes of ${mebibytes} MiB; load before ${loadBefore.toFixed(1)}`,
});
const outcome = { date, version: VERSION, mebibytes, figures: Object.fromEntries(figures) };
writeFileSync(join(folder, 'replication-speed.json'), `${JSON.stringify(outcome, undefined, 1)}\n`);
console.log(`\n${text}`);
if (options.record === true) recordSpeed(text);
