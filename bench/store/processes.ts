/** Starts what is measured, each operation in a process of its own. */
import { execFileSync, spawnSync } from 'node:child_process';
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Job, Sample } from './jobs.ts';

const WORKER = join(import.meta.dirname, 'worker.ts');
const PEER_RUNNER = join(import.meta.dirname, '../data/run-peer.py');
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

function measuredRun(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Sample {
  const result = spawnSync(command, [...args], {
    ...options,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: OUTPUT_BYTES_MAX,
  });
  if (result.status !== 0) {
    const reason = result.error?.message ?? result.stderr.trim();
    throw new Error(`\`${command} ${args.join(' ')}\` failed: ${reason}`);
  }
  return JSON.parse(result.stdout) as Sample;
}

/** Runs a job of Capstan's own, under `tracer` where one is given. */
export function runJob(job: Job, tracer: readonly string[] = []): Sample {
  const [command, ...args] = [...tracer, process.execPath, WORKER, JSON.stringify(job)];
  return measuredRun(command ?? process.execPath, args);
}

/** Runs another program. */
export function runPeer(
  command: readonly string[],
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Sample {
  return measuredRun('python3', [PEER_RUNNER, ...command], options);
}

/** Bytes of all files below `folder`, by their lengths. */
export function bytesBelow(folder: string): number {
  let bytes = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += lstatSync(join(entry.parentPath, entry.name)).size;
  }
  return bytes;
}

/** Lets what others wrote reach the disk, and has `files` in the page cache. */
export function settle(files: readonly string[]): void {
  execFileSync('sync');
  for (const file of files) execFileSync('cat', [file], { stdio: ['ignore', 'ignore', 'inherit'] });
}
