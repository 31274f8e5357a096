/** The benchmark's data: two generations of a backup by seed, made once in a cache folder. */
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';

const DATA_SCRIPTS = join(import.meta.dirname, '../data');

/** The seed whose files are pinned, and another one. */
export const FIRST_SEED = 20240601;
export const SECOND_SEED = 7;

/** What make-data.py calls it: `tap` is for the peers, which have no records of their own. */
export type Form = 'tar' | 'tap' | 'bb02' | 'smb';

export interface Backup {
  readonly file: string;
  readonly bytes: number;
}

/** Two generations of the same thing. */
export interface Backups {
  readonly first: Backup;
  readonly second: Backup;
}

function run(command: string, args: readonly string[]): string {
  const result = spawnSync(command, [...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (result.status !== 0) {
    throw new Error(`\`${command} ${args.join(' ')}\` failed: the benchmark has no data.`);
  }
  return result.stdout;
}

/** Makes the data of a seed where it is missing. */
export class Data {
  readonly folder: string;

  /** `folder`: where data and work lie; by default $CAPSTAN_BENCH_FOLDER or the user's cache. */
  constructor(folder: string | undefined) {
    const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
    this.folder = folder ?? process.env['CAPSTAN_BENCH_FOLDER'] ?? join(cache, 'capstan', 'bench');
    mkdirSync(this.folder, { recursive: true });
  }

  /** Both generations of `seed` in `form`. */
  backups(seed: number, form: Form): Backups {
    const folder = join(this.folder, `seed-${seed}`);
    const path = (generation: number) => join(folder, `gen${generation}.${form}`);
    if (!existsSync(path(1)) || !existsSync(path(2))) this.#make(folder, seed, form);
    const backup = (file: string) => ({ file, bytes: statSync(file).size });
    return { first: backup(path(1)), second: backup(path(2)) };
  }

  #make(folder: string, seed: number, form: Form): void {
    console.log(`making the data of seed ${seed} as ${form} in ${folder} …`);
    const packages = join(this.folder, 'debs');
    run(join(DATA_SCRIPTS, 'fetch-packages.sh'), [packages]);
    const manifest = run('python3', [
      join(DATA_SCRIPTS, 'make-data.py'),
      packages,
      folder,
      String(seed),
      form,
    ]);
    if (seed !== FIRST_SEED) return;
    const pinned = readFileSync(join(DATA_SCRIPTS, 'data.sha256'), 'utf8').trim().split('\n');
    const made = new Set(manifest.trim().split('\n'));
    for (const line of pinned.filter((each) => each.endsWith(`.${form}`))) {
      if (!made.has(line)) throw new Error(`The data made is not the data pinned: ${line}.`);
    }
  }
}
