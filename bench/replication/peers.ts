/** What others send of the same versions, as files: rsync and casync by their own command lines. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { bytesBelow } from '../store/processes.ts';

export interface PeerCopied {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

interface Peer {
  readonly program: string;
  readonly label: string;
  readonly prepare: (folder: string, first: string) => void;
  readonly copySecond: (folder: string, second: string) => PeerCopied;
}

function run(command: string, args: readonly string[]): string {
  const result = spawnSync(command, [...args], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], LANG: 'C.UTF-8' },
  });
  if (result.status !== 0) {
    const reason = result.error?.message ?? result.stderr.trim();
    throw new Error(`\`${command} ${args.join(' ')}\` failed: ${reason}`);
  }
  return result.stdout;
}

function rsyncBytes(output: string, what: 'sent' | 'received'): number {
  const found = new RegExp(`^Total bytes ${what}: ([0-9,]+)$`, 'm').exec(output)?.[1];
  if (found === undefined) throw new Error('rsync does not say how much it sent.');
  return Number(found.replaceAll(',', ''));
}

const casync = (folder: string, name: string, file: string): void => {
  run('casync', ['make', `--store=${join(folder, 'store')}`, join(folder, `${name}.caibx`), file]);
};

/** By name. rsync's two processes talk over a pipe here, as they do over SSH. */
export const PEERS = {
  rsync: {
    program: 'rsync',
    label: 'rsync',
    prepare: (folder, first) => cpSync(first, join(folder, 'tape.img')),
    copySecond: (folder, second) => {
      const options = ['--no-whole-file', '--ignore-times', '--stats'];
      const output = run('rsync', [...options, second, join(folder, 'tape.img')]);
      return {
        sentBytes: rsyncBytes(output, 'sent'),
        receivedBytes: rsyncBytes(output, 'received'),
      };
    },
  },
  casync: {
    program: 'casync',
    label: 'casync (chunks and index)',
    prepare: (folder, first) => casync(folder, 'first', first),
    copySecond: (folder, second) => {
      const store = join(folder, 'store');
      const before = bytesBelow(store);
      casync(folder, 'second', second);
      const index = statSync(join(folder, 'second.caibx')).size;
      return { sentBytes: bytesBelow(store) - before + index, receivedBytes: 0 };
    },
  },
} as const satisfies Record<string, Peer>;

export type PeerName = keyof typeof PEERS;
export const PEER_NAMES = Object.keys(PEERS) as PeerName[];

/** Those that are installed; who is not is told. */
export function installedPeers(): PeerName[] {
  return PEER_NAMES.filter((name) => {
    const { program, label } = PEERS[name];
    const isThere = spawnSync('which', [program], { stdio: 'ignore' }).status === 0;
    if (!isThere) console.error(`MISSING: ${label} is not installed; it is left out.`);
    return isThere;
  });
}

/** What `name` sends of `second` to who has `first`; works below `folder`. */
export function peerCopySecond(
  name: PeerName,
  folder: string,
  files: { readonly first: string; readonly second: string },
): PeerCopied {
  mkdirSync(folder, { recursive: true });
  PEERS[name].prepare(folder, files.first);
  return PEERS[name].copySecond(folder, files.second);
}
