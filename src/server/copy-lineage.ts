/**
 * Which of two versions of a tape comes from the other: what decides whether a copy may replace it.
 *
 * A server keeps every generation that it wrote or received with its digest. A version is an earlier one
 * of ours where our history has it at its generation with its digest. Where neither side knows the
 * other's version, both have written the tape since they were in step, and neither may replace the other.
 */
import type { Generation } from '../base/units.ts';
import { equalBytes } from '../base/bytes.ts';
import { toHex } from '../base/encodings.ts';
import type { Catalog, TapeRow } from '../ports/catalog.ts';
import type { Holding, TapeVersion } from '../ports/copy-receiver.ts';
import { contentOf } from './vaults.ts';
import type { Vaults } from './vaults.ts';

/** How our version of a tape stands to the other server's. */
export type Relation = 'absent' | 'in-step' | 'ours-newer' | 'theirs-newer' | 'both-changed';

/** The tape's current version. Rejects STORE_CORRUPT, NOT_FOUND as the engine does. */
export async function versionOf(
  catalog: Catalog,
  vaults: Vaults,
  tape: TapeRow,
): Promise<TapeVersion> {
  const { name, generation, vault } = tape;
  const recorded = await catalog.findGeneration(name, generation);
  const digest =
    recorded?.manifestDigest ?? (await contentOf(vaults.engine(vault), name)).manifestDigest;
  return { generation, manifestDigest: bytesOf(digest) };
}

/** Whether `version` is the tape's current one or an earlier one of it. A tape never written precedes all. */
export async function knows(
  catalog: Catalog,
  tape: { readonly name: string; readonly current: TapeVersion },
  version: TapeVersion,
): Promise<boolean> {
  if (version.generation === 0) return true;
  const { name, current } = tape;
  if (version.generation === current.generation) return sameVersion(version, current);
  if (version.generation > current.generation) return false;
  const recorded = await catalog.findGeneration(name, version.generation);
  return recorded?.manifestDigest === toHex(version.manifestDigest);
}

export async function relate(
  catalog: Catalog,
  tape: { readonly name: string; readonly current: TapeVersion },
  theirs: Holding | undefined,
): Promise<Relation> {
  if (theirs === undefined) return 'absent';
  const ours = tape.current;
  if (sameVersion(ours, theirs)) return 'in-step';
  // Neither was ever written: there is nothing to bring into step.
  if (ours.generation === 0 && theirs.generation === 0) return 'in-step';
  if (theirs.generation < ours.generation) {
    return (await knows(catalog, tape, theirs)) ? 'ours-newer' : 'both-changed';
  }
  return theirs.generation > ours.generation && theirs.knowsOurs ? 'theirs-newer' : 'both-changed';
}

export function sameVersion(left: TapeVersion, right: TapeVersion): boolean {
  return (
    left.generation === right.generation && equalBytes(left.manifestDigest, right.manifestDigest)
  );
}

/** What the catalog keeps of a version. */
export function recordOf(version: TapeVersion): {
  readonly generation: Generation;
  readonly manifestDigest: string;
} {
  return {
    generation: version.generation,
    manifestDigest: toHex(version.manifestDigest),
  };
}

/** A digest out of its hexadecimal form. */
export function bytesOf(digest: string): Uint8Array {
  return Uint8Array.from({ length: digest.length / 2 }, (_, index) =>
    Number.parseInt(digest.slice(2 * index, 2 * index + 2), 16),
  );
}
