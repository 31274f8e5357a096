/** What `capstan sim` needs of the real world: files, the commit that is run, a seed nobody chose. */
import { execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readdirSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join, relative } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');
const SEEDS_FOLDER = join(ROOT, 'fixtures', 'seeds');
const SEED_MAX = 2 ** 31 - 1;
/** Lines, and their ends, that are written at once. */
const PENDING_MAX = 2000;

/** The commit of the checkout, with `+` where files differ from it; `unknown` outside of one. */
export function gitCommit(): string {
  try {
    const git = (...parameters: string[]): string =>
      execFileSync('git', parameters, { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' }).trim();
    return (
      git('rev-parse', '--short=12', 'HEAD') + (git('status', '--porcelain') === '' ? '' : '+')
    );
  } catch {
    // An installed package has no repository; its version says what it is.
    return 'unknown';
  }
}

export function freshSeed(): number {
  return randomInt(SEED_MAX);
}

export interface SeedFile {
  /** Its path, from the folder that the process works in. */
  readonly path: string;
  readonly text: string;
}

/** The kept failures of fixtures/seeds, by name. */
export function keptSeeds(): readonly SeedFile[] {
  if (!existsSync(SEEDS_FOLDER)) return [];
  return readdirSync(SEEDS_FOLDER)
    .filter((name) => name.endsWith('.json'))
    .toSorted()
    .map((name) => readSeedFile(relative(process.cwd(), join(SEEDS_FOLDER, name))));
}

/** Rejects as the file system does where there is no such file. */
export function readSeedFile(path: string): SeedFile {
  return { path, text: readFileSync(path, 'utf8') };
}

/** A file that lines are written to, in its old one's place. */
export class LineFile {
  readonly #handle: number;
  #pending: string[] = [];

  constructor(path: string) {
    this.#handle = openSync(path, 'w');
  }

  write(line: string): void {
    this.#pending.push(line, '\n');
    if (this.#pending.length >= PENDING_MAX) this.#flush();
  }

  #flush(): void {
    writeSync(this.#handle, this.#pending.join(''));
    this.#pending = [];
  }

  close(): void {
    this.#flush();
    closeSync(this.#handle);
  }
}

export function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

/** Seconds that this process has computed for so far: what a search costs, however busy the machine is. */
export function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000_000;
}

/** Milliseconds since some point, of the real clock: for rates. */
export function realMs(): number {
  return performance.now();
}
