/** Bugs of AutoCopy that are planted on purpose: decorators of a server's ports, or settings. */
import { generation } from '../../src/base/units.ts';
import type { Catalog, TapeRow } from '../../src/ports/catalog.ts';
import type { Engine } from '../../src/ports/engine.ts';
import { decorate } from '../../src/base/decorate.ts';
import type { Mutant } from './mutant.ts';

/** The target's engine says that it synced, and did not. */
export function withoutSync(engine: Engine): Engine {
  return decorate(engine, async (method, call) => (method === 'sync' ? undefined : call()));
}

/** The copy is not staged and renamed: the old one is removed and the new one staged in its place. */
export function withoutRename(engine: Engine): Engine {
  return decorate(engine, async (method, call, [from, to]) => {
    if (method !== 'publishImage') return call();
    const [staged, published] = [String(from), String(to)];
    const manifest = await engine.exportManifest(staged);
    const images = await engine.listImages();
    const { generation: stagedGeneration = generation(0) } =
      images.find(({ name }) => name === staged) ?? {};
    if (images.some(({ name }) => name === published)) await engine.removeImage(published);
    await engine.removeImage(staged);
    await engine.stageImage(published, manifest, { generation: stagedGeneration });
    return engine.sync();
  });
}

/** Copies queued before the process began are forgotten. */
function withoutOldJobs(catalog: Catalog, startedAtMs: number): Catalog {
  return decorate(catalog, async (method, call) => {
    const value = await call();
    if (method !== 'listCopyJobs') return value;
    return (value as Awaited<ReturnType<Catalog['listCopyJobs']>>).filter(
      ({ queuedAtMs }) => queuedAtMs >= startedAtMs,
    );
  });
}

/** The receiver takes every copy that it has for older than what it is offered. */
function withoutGenerations(catalog: Catalog): Catalog {
  return decorate(catalog, async (method, call) => {
    const value = await call();
    if (method !== 'findTape' || value === undefined) return value;
    return { ...(value as TapeRow), generation: generation(0) };
  });
}

export const COPY_MUTANTS: readonly Mutant[] = [
  {
    name: 'eleven-attempts',
    what: 'AutoCopy gives up after eleven attempts',
    sabotage: { east: { settings: { copyPolicy: { attemptsMax: 11 } } } },
  },
  {
    name: 'no-fsync',
    what: 'the target acknowledges a copy that it has not synced',
    sabotage: { west: { engine: withoutSync } },
  },
  {
    name: 'no-rename',
    what: 'the target writes a copy in place instead of renaming a staged one',
    sabotage: { west: { engine: withoutRename } },
  },
  {
    name: 'queue-lost',
    what: 'a crash of the source loses the queue of copies',
    sabotage: { east: { catalog: withoutOldJobs } },
  },
  {
    name: 'older-overwrites',
    what: 'the target takes an older copy in place of a newer one',
    sabotage: { west: { catalog: withoutGenerations } },
  },
];
