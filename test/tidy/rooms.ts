/** Who may import whom: the rooms of the house and the edges between them, as data. */
import { posix } from 'node:path';
import type { SourceFile } from './source-file.ts';

/** Synchronous and without Node types; tsconfig.pure.json compiles them (and the ports' types). */
export const PURE_ROOMS = [
  'src/base',
  'src/scsi',
  'src/ems',
  'src/keys',
  'src/tape',
  'src/drive',
  'src/library',
  'src/iscsi',
] as const;

const SERVICES = [
  'src/server',
  'src/replication',
  'src/isc',
  'src/initiator',
  'src/catalog',
] as const;
const SRC = [
  ...PURE_ROOMS,
  'src/ports',
  ...SERVICES,
  'src/platform',
  'src/api',
  'src/cli',
] as const;
const SIMULATION = [...PURE_ROOMS, 'src/ports', ...SERVICES, 'harness'] as const;

interface Room {
  /** Rooms, or single files, whose values and types it may import. */
  readonly mayImport: readonly string[];
  /** Rooms of which it may import types only. */
  readonly mayImportTypes?: readonly string[];
}

/** The longest prefix of a path is its room. A room may always import itself. */
const ROOMS: Readonly<Record<string, Room>> = {
  'src/base': { mayImport: [], mayImportTypes: ['src/ports'] },
  'src/scsi': { mayImport: ['src/base'], mayImportTypes: ['src/ports'] },
  'src/ems': { mayImport: ['src/base'], mayImportTypes: ['src/ports'] },
  'src/keys': { mayImport: ['src/base'], mayImportTypes: ['src/ports'] },
  'src/tape': { mayImport: ['src/base'], mayImportTypes: ['src/ports'] },
  'src/drive': { mayImport: ['src/base', 'src/scsi', 'src/tape'], mayImportTypes: ['src/ports'] },
  'src/library': { mayImport: ['src/base', 'src/scsi', 'src/tape'], mayImportTypes: ['src/ports'] },
  'src/iscsi': { mayImport: ['src/base', 'src/scsi'], mayImportTypes: ['src/ports'] },
  'src/ports': { mayImport: ['src/base'], mayImportTypes: PURE_ROOMS },
  'src/catalog': { mayImport: ['src/base', 'src/ports'], mayImportTypes: PURE_ROOMS },
  'src/initiator': { mayImport: [...PURE_ROOMS, 'src/ports'] },
  'src/replication': { mayImport: [...PURE_ROOMS, 'src/ports'] },
  'src/isc': { mayImport: [...PURE_ROOMS, 'src/ports'] },
  'src/server': {
    mayImport: [...PURE_ROOMS, 'src/ports', 'src/replication', 'src/isc', 'src/initiator'],
  },
  'src/platform': { mayImport: [...PURE_ROOMS, 'src/ports'] },
  'src/api': { mayImport: SRC },
  'src/cli': { mayImport: SRC },
  harness: { mayImport: SIMULATION },
  // The engine is the same in both worlds: only the disk under it is simulated.
  'harness/world': { mayImport: [...SIMULATION, 'src/platform/engine.ts'] },
  'harness/rig': { mayImport: [...SRC, 'harness'] },
  bin: { mayImport: [...SRC, 'harness'] },
  bench: { mayImport: [...SRC, 'harness'] },
  scripts: { mayImport: [...SRC, 'harness', 'bin'] },
  test: { mayImport: [...SRC, 'harness', 'bin', 'scripts', 'bench'] },
};

function isWithin(path: string, folders: readonly string[]): boolean {
  return folders.some((folder) => path === folder || path.startsWith(`${folder}/`));
}

/** The room of `path`: `src/base`, `harness/world`; undefined for a file of no known room. */
export function roomOf(path: string): string | undefined {
  return Object.keys(ROOMS)
    .filter((room) => isWithin(path, [room]))
    .toSorted((one, other) => other.length - one.length)[0];
}

/** One sentence for each import of `file` that its room may not make. */
export function brokenEdges(file: SourceFile): string[] {
  const room = roomOf(file.path);
  const rules = ROOMS[room ?? ''];
  if (room === undefined || rules === undefined) return [`${file.path} lies in no known room.`];
  const broken: string[] = [];
  for (const edge of file.imports) {
    if (!edge.specifier.startsWith('.')) continue;
    const target = posix.join(posix.dirname(file.path), edge.specifier);
    const targetRoom = roomOf(target);
    // Files at the root (package.json, vitest.config.ts) and fixtures are nobody's room.
    if (targetRoom === undefined || targetRoom === room) continue;
    const toTheRig =
      targetRoom === 'harness/rig' && !['bench', 'bin', 'scripts', 'test'].includes(room);
    if (!toTheRig && isWithin(target, rules.mayImport)) continue;
    const types = rules.mayImportTypes ?? [];
    if (edge.isType && isWithin(target, types)) continue;
    const hint = isWithin(target, types) ? ' (types only: use `import type`)' : '';
    broken.push(`${file.path}:${edge.line}: ${room} may not import ${target}${hint}.`);
  }
  return broken;
}
