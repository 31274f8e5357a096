/** What a copy on the target must be: one whole version that the source had, never an older one. */
import type { Engine } from '../../src/ports/engine.ts';
import type { TapeModel } from '../model/tape-model.ts';
import { manifestDigest } from './image-content.ts';
import { hold } from './violation.ts';

/** The newest copy that was seen on the target. */
export interface SeenReplica {
  readonly generation: number;
  readonly manifestDigest: string;
}

export interface CheckedTape {
  readonly model: TapeModel;
  /** The source may have had a version that nobody has seen yet: it crashed. */
  readonly unobserved: boolean;
  replica: SeenReplica | undefined;
}

/** Throws InvariantViolation; else notes in `replica` what each tape's copy is. */
export async function checkReplicas(target: Engine, tapes: Iterable<CheckedTape>): Promise<void> {
  const images = await target.listImages();
  for (const tape of tapes) {
    const { name, versions } = tape.model;
    const image = images.find((each) => each.name === name);
    const seen = tape.replica;
    if (image === undefined) {
      hold(seen === undefined, () => `the copy of ${name} has vanished from the target`);
      continue;
    }
    const replica = {
      generation: image.generation,
      manifestDigest: await manifestDigest(target, name),
    };
    hold(
      seen === undefined || replica.generation >= seen.generation,
      () => `the copy of ${name} went back from ${seen?.generation} to ${replica.generation}`,
    );
    const known = versions.some(
      (version) =>
        version.generation === replica.generation &&
        version.manifestDigest === replica.manifestDigest,
    );
    hold(
      known || tape.unobserved,
      () => `the copy of ${name}, generation ${replica.generation}, is no version of the source`,
    );
    tape.replica = replica;
  }
}
