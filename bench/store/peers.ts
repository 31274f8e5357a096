/** What users would pick instead, on the same data: restic, borg and casync by their own command lines. */
import { spawnSync } from 'node:child_process';
import { linkSync, mkdirSync, rmSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import type { Backups } from './data.ts';
import type { Sample } from './jobs.ts';
import { bytesBelow, runPeer, settle } from './processes.ts';

interface Commands {
  readonly program: string;
  readonly package: string;
  readonly label: string;
  init(repository: string): readonly string[];
  /** Backs up `tape.img` in the current folder. */
  backUp(repository: string, generation: number): readonly string[];
  /** To the standard output; casync to the file `out`. */
  restore(repository: string, generation: number, out: string): readonly string[];
}

function borg(label: string, compression: string, chunker: readonly string[]): Commands {
  return {
    program: 'borg',
    package: 'borgbackup',
    label,
    init: (repository) => ['borg', 'init', '-e', 'none', repository],
    backUp: (repository, generation) => [
      'borg',
      'create',
      '--files-cache',
      'disabled',
      '-C',
      compression,
      ...chunker,
      `${repository}::g${generation}`,
      'tape.img',
    ],
    restore: (repository, generation) => [
      'borg',
      'extract',
      '--stdout',
      `${repository}::g${generation}`,
    ],
  };
}

const restic = (repository: string, ...args: readonly string[]) => [
  'restic',
  '-q',
  '-r',
  repository,
  ...args,
];

/** The peers by name. */
export const PEERS = {
  restic: {
    program: 'restic',
    package: 'restic',
    label: 'restic',
    init: (repository) => restic(repository, 'init'),
    backUp: (repository, generation) =>
      restic(repository, 'backup', '--tag', `g${generation}`, '.'),
    restore: (repository, generation) =>
      restic(repository, 'dump', '--tag', `g${generation}`, 'latest', '/tape.img'),
  },
  borg: borg('borg, lz4', 'lz4', []),
  'borg-64k': borg('borg, 64 KiB chunks, zstd 1', 'zstd,1', ['--chunker-params', '10,23,16,4095']),
  casync: {
    program: 'casync',
    package: 'casync',
    label: 'casync',
    init: (repository) => ['mkdir', repository],
    backUp: (repository, generation) => [
      'casync',
      'make',
      `--store=${repository}/store`,
      `${repository}/g${generation}.caibx`,
      'tape.img',
    ],
    restore: (repository, generation, out) => [
      'casync',
      'extract',
      `--store=${repository}/store`,
      `${repository}/g${generation}.caibx`,
      out,
    ],
  },
} as const satisfies Record<string, Commands>;

export type PeerName = keyof typeof PEERS;
export const PEER_NAMES = Object.keys(PEERS) as PeerName[];

function isInstalled(program: string): boolean {
  return spawnSync('which', [program], { stdio: 'ignore' }).status === 0;
}

/** Those of `names` that are here, after an attempt to install those that are not. */
export function availablePeers(names: readonly PeerName[]): PeerName[] {
  const packages = new Set(
    names
      .map((name) => PEERS[name])
      .filter(({ program }) => !isInstalled(program))
      .map((peer) => peer.package),
  );
  if (packages.size > 0 && process.getuid?.() === 0) {
    spawnSync('apt-get', ['install', '-y', '-qq', ...packages], { stdio: 'inherit' });
  }
  const available = names.filter((name) => isInstalled(PEERS[name].program));
  for (const name of names.filter((each) => !available.includes(each))) {
    const { label, package: debianPackage } = PEERS[name];
    console.error(
      `MISSING: ${label} is not installed (apt-get install ${debianPackage}); it is left out.`,
    );
  }
  return available;
}

/** `name 1.2.3` of every program that is here. */
export function peerVersions(names: readonly PeerName[]): string[] {
  const programs = new Set(names.map((name) => PEERS[name].program));
  return [...programs].map((program) => {
    const { stdout } = spawnSync(program, [program === 'restic' ? 'version' : '--version'], {
      encoding: 'utf8',
    });
    const [name, version] = stdout.split('\n', 1)[0]?.split(' ') ?? [];
    return `${name} ${version}`;
  });
}

export interface PeerSamples {
  readonly first: Sample;
  readonly second: Sample;
  readonly restoreFirst: Sample;
  readonly restoreSecond: Sample;
}

/** Both generations into a new repository below `folder`, and out again. Nothing is left there. */
export function measurePeer(name: PeerName, backups: Backups, folder: string): PeerSamples {
  const peer = PEERS[name];
  rmSync(folder, { recursive: true, force: true });
  const source = join(folder, 'source');
  const repository = join(folder, 'repository');
  for (const each of ['source', 'home', 'borg', 'restic']) {
    mkdirSync(join(folder, each), { recursive: true });
  }
  const place = {
    cwd: source,
    env: {
      PATH: process.env['PATH'],
      LANG: 'C.UTF-8',
      HOME: join(folder, 'home'),
      RESTIC_PASSWORD: 'x',
      RESTIC_CACHE_DIR: join(folder, 'restic'),
      BORG_PASSPHRASE: 'x',
      BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes',
      BORG_RELOCATED_REPO_ACCESS_IS_OK: 'yes',
      BORG_BASE_DIR: join(folder, 'borg'),
    },
  };
  const backUp = (generation: 1 | 2): Sample => {
    // The same path for each generation, as a backup of the same thing has.
    const { file, bytes } = generation === 1 ? backups.first : backups.second;
    const image = join(source, 'tape.img');
    rmSync(image, { force: true });
    linkSync(file, image);
    utimesSync(source, 0, generation);
    settle([file]);
    const before = bytesBelow(repository);
    const sample = runPeer(peer.backUp(repository, generation), place);
    return { ...sample, bytes, storedBytes: bytesBelow(repository) - before };
  };
  const restore = (generation: 1 | 2): Sample => {
    settle([]);
    const out = join(folder, 'restored');
    const { bytes } = generation === 1 ? backups.first : backups.second;
    const sample = { ...runPeer(peer.restore(repository, generation, out), place), bytes };
    rmSync(out, { force: true });
    return sample;
  };
  runPeer(peer.init(repository), place);
  const samples = {
    first: backUp(1),
    second: backUp(2),
    restoreFirst: restore(1),
    restoreSecond: restore(2),
  };
  rmSync(folder, { recursive: true, force: true });
  return samples;
}
