/** Builds the measurements in C++, as libraries for a process of the benchmark to load. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
/** The sources of the engine that a library measures. */
const SOURCES = {
  limits: ['blake3', 'chunker', 'crc32c'],
  scale: ['chunk_index'],
  large_store: ['pack_format', 'region', 'cipher', 'crc32c'],
} as const;

/** Where the headers of this Node lie: its own folder, or the one that the npm package `node` unpacks. */
function nodeHeaders(): string {
  const prefix = join(dirname(process.execPath), '..');
  const unpacked = join(prefix, `node_modules/node-${process.platform}-${process.arch}`);
  const folders = [prefix, unpacked].map((folder) => join(folder, 'include/node'));
  const found = folders.find((folder) => existsSync(join(folder, 'node_api.h')));
  if (found === undefined) throw new Error(`node_api.h is not in ${folders.join(' nor in ')}.`);
  return found;
}

/** The path of the library of bench/native/NAME.cc, built into `folder` once. */
export function buildLibrary(name: keyof typeof SOURCES, folder: string): string {
  const library = join(folder, `${name}.node`);
  if (existsSync(library)) return library;
  const options = '-std=c++20 -O3 -Wall -Wextra -Wpedantic -Werror -fPIC -shared -DNAPI_VERSION=9';
  // As in binding.gyp: false alarms of GCC 12.
  const quiet = '-Wno-psabi -Wno-stringop-overflow -Wno-restrict';
  const sources = [
    `bench/native/${name}.cc`,
    ...SOURCES[name].map((source) => `native/engine/${source}.cc`),
  ];
  const result = spawnSync(
    'g++',
    [
      ...options.split(' '),
      ...quiet.split(' '),
      `-I${nodeHeaders()}`,
      '-o',
      library,
      ...sources.map((source) => join(ROOT, source)),
    ],
    { encoding: 'utf8' },
  );
  if (result.status !== 0)
    throw new Error(`bench/native/${name}.cc did not build: ${result.stderr}`);
  return library;
}
