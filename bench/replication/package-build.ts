/** The package's JavaScript, as users run it, for a benchmark's processes: TypeScript takes Node three times as long to start. */
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const ROOT = resolve(import.meta.dirname, '../..');

export interface PackageBuild {
  /** The `capstan` command. */
  readonly command: string;
  /** bench/replication/send-tape.ts, compiled beside it. */
  readonly sender: string;
}

/** Compiles the sources into `folder`, which is emptied; modules and the native engine are the checkout's. */
export async function buildPackage(folder: string): Promise<PackageBuild> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const configuration = {
    extends: join(ROOT, 'tsconfig.build.json'),
    compilerOptions: { rootDir: ROOT, outDir: join(folder, 'dist'), declaration: false },
    include: ['bin', 'src', 'bench/replication/send-tape.ts'].map((path) => join(ROOT, path)),
  };
  const project = join(folder, 'tsconfig.json');
  writeFileSync(project, JSON.stringify(configuration));
  copyFileSync(join(ROOT, 'package.json'), join(folder, 'package.json'));
  for (const name of ['node_modules', 'build']) symlinkSync(join(ROOT, name), join(folder, name));
  await promisify(execFile)(join(ROOT, 'node_modules/.bin/tsc'), ['-p', project]);
  return {
    command: join(folder, 'dist/bin/capstan.js'),
    sender: join(folder, 'dist/bench/replication/send-tape.js'),
  };
}
