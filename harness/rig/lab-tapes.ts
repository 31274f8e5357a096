/**
 * The laboratory's smaller tapes: written by a host through its drive, read back through one, and known
 * by the digest of what was written last.
 */
import { createHash } from 'node:crypto';
import { KIB } from '../../src/base/units.ts';
import { FIRST_VAULT } from '../../src/cli/create-home.ts';
import { systemClock } from '../../src/platform/system-clock.ts';
import type { GenerationRow, TapeRow } from '../../src/ports/catalog.ts';
import { backup, restore } from '../hosts/backup-jobs.ts';
import { SILENCE_MS } from './lab-sites.ts';
import type { LabSite } from './lab-sites.ts';

const BLOCK_BYTES = 64 * KIB;
const BLOCK_COUNT = 48;
/** Bytes between a small tape's labels. */
export const TAPE_DATA_BYTES = BLOCK_COUNT * BLOCK_BYTES;

/** What a server has of a tape. */
export interface TapeVersion {
  readonly generation: number;
  /** Of the image's manifest. */
  readonly digest: string;
}

export class LabTapes {
  readonly #writings = new Map<string, { readonly count: number; readonly digest: string }>();

  /** SHA-256 of what a host wrote last. */
  digest(volume: string): string {
    return this.#writings.get(volume)?.digest ?? '';
  }

  /** New labelled tapes in a new pool of `site`. */
  async create(site: LabSite, pool: string, volumes: readonly string[]): Promise<void> {
    await site.call('pool.create', { name: pool, vault: FIRST_VAULT });
    for (const name of volumes) await site.call('tape.create', { name, pool });
  }

  /**
   * The host at `site` writes the whole tape: noise, the same each time but for one block. Its
   * generation then.
   */
  async write(site: LabSite, volume: string): Promise<number> {
    const count = (this.#writings.get(volume)?.count ?? 0) + 1;
    const digest = createHash('sha256');
    const blocks = Array.from({ length: BLOCK_COUNT }, (_, index) => {
      const seed = `${volume} ${index}${index === 0 ? ` ${count}` : ''}`;
      const block = noise(seed);
      digest.update(block);
      return block;
    });
    const tape = await site.mount(volume, true, 'LAB BACKUP');
    const mark = site.eventCount;
    const atMs = systemClock.nowMs();
    await backup(tape, { file: 'LAB.TAPE', blocks, blockLengthMax: BLOCK_BYTES, atMs });
    await tape.unload();
    const { generation } = await site.nextEvent('dismounted', mark, SILENCE_MS);
    this.#writings.set(volume, { count, digest: digest.digest('hex') });
    return generation;
  }

  /** The host at `site` reads the tape: what differs from what was written last. */
  async compare(site: LabSite, volume: string): Promise<readonly string[]> {
    const tape = await site.mount(volume, false, 'LAB COMPARE');
    const mark = site.eventCount;
    const digest = createHash('sha256');
    const { byteCount } = await restore(tape, (block) => {
      digest.update(block);
    });
    await tape.unload();
    await site.nextEvent('dismounted', mark, SILENCE_MS);
    if (digest.digest('hex') === this.digest(volume)) return [];
    return [
      `${site.name} gives ${byteCount} bytes of ${volume} that are not what was written last`,
    ];
  }
}

/** The same bytes for the same seed, which nothing compresses. */
function noise(seed: string): Uint8Array {
  return createHash('shake256', { outputLength: BLOCK_BYTES }).update(seed).digest();
}

/** What `site` has of the tape. */
export async function versionAt(site: LabSite, volume: string): Promise<TapeVersion | undefined> {
  const tapes = (await site.call('tape.list', {})) as readonly TapeRow[];
  if (!tapes.some(({ name }) => name === volume)) return undefined;
  const { generation, generations } = (await site.call('tape.show', {
    name: volume,
  })) as TapeRow & {
    readonly generations: readonly GenerationRow[];
  };
  const row = generations.find((each) => each.generation === generation);
  return { generation, digest: row?.manifestDigest ?? '' };
}
